//! Tensors as they lie in files: safetensors, PyTorch pickles, GGUF and GPTQ, under Hugging Face's names.

pub mod quantised;
