//! What a transformer does to numbers, on a CPU.
