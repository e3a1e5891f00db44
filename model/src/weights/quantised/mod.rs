//! Weights in fewer bits than they were trained in, given back as f32: ggml's blocks and GPTQ's packed integers.
//!
//! Bytes in, numbers out; nothing here knows files, names or models. The results have the same bits on every processor:
//! one product or difference after the other, in the order of the reference, never fused.

pub mod ggml;
pub mod gptq;
pub mod round;
