//! What a transformer does to numbers, on a CPU.

pub mod exp;
pub mod gemm;
pub mod isa;
