//! Where kernels run: a GPU, or in tests their emulation on a CPU.

use crate::{DType, Result};

/// Memory of a device and what is done there, in the order it is asked for.
///
/// Addresses are the device's. What is asked for is done later; only [`download`](Self::download) waits for it.
pub trait Driver: Send + Sync + 'static {
    /// Memory, given back when it is dropped.
    type Memory: Send + Sync + 'static;

    /// Memory of so many bytes, aligned to 256, whose content is any.
    ///
    /// # Errors
    /// If there is no room.
    fn allocate(&self, bytes: usize) -> Result<Self::Memory>;
    /// Bytes that are free.
    ///
    /// # Errors
    /// If the device fails.
    fn free(&self) -> Result<u64>;
    /// Where memory lies.
    fn address(memory: &Self::Memory) -> u64;
    /// Copies to the device.
    ///
    /// # Errors
    /// If the device fails, as with all that follow.
    fn upload(&self, bytes: &[u8], address: u64) -> Result<()>;
    /// Copies from the device, when all that was asked for before is done.
    fn download(&self, address: u64, bytes: &mut [u8]) -> Result<()>;
    /// Runs a kernel on a grid of blocks.
    fn launch(&self, kernel: Kernel, grid: Grid, args: &[Arg]) -> Result<()>;
    /// Multiplies by a weight.
    fn product(&self, product: Product) -> Result<()>;
}

/// A kernel and the sources it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    pub name: &'static str,
    pub module: Module,
}

/// Sources that are compiled together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Module {
    /// Operations on rows, for activations of a type.
    Rows(DType),
    /// Attention, for heads of a width.
    Attention(DType, usize),
}

/// What all sources begin with on a GPU.
#[cfg(feature = "cuda")]
pub const HARDWARE: &str = include_str!("kernels/device.cuh");

impl Module {
    /// The sources but for [`HARDWARE`].
    pub fn source(self) -> String {
        let mut parts = vec![include_str!("kernels/element.cuh")];
        match self {
            Self::Rows(_) => parts.extend([
                include_str!("kernels/rows.cu"),
                include_str!("kernels/router.cu"),
                include_str!("kernels/score.cu"),
            ]),
            Self::Attention(DType::F32, _) => parts.push(include_str!("kernels/attention.cu")),
            Self::Attention(..) => {
                parts.extend([include_str!("kernels/attention.cu"), include_str!("kernels/attention_tensor.cu")]);
            }
        }
        parts.join("\n")
    }

    /// What the compiler is to define.
    pub fn defines(self) -> Vec<String> {
        let (Self::Rows(dtype) | Self::Attention(dtype, _)) = self;
        let element = match dtype {
            DType::F32 => 0,
            DType::F16 => 1,
            DType::BF16 => 2,
        };
        let mut defines = vec![format!("-DELEMENT={element}")];
        if let Self::Attention(_, width) = self {
            defines.push(format!("-DHEAD={width}"));
        }
        defines
    }
}

/// How many blocks run a kernel, `[width, height]`, with how many threads and bytes of shared memory each.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    pub width: usize,
    pub height: usize,
    pub threads: u32,
    pub shared: usize,
}

impl Grid {
    /// Blocks side by side, of as many threads as most kernels have.
    pub fn of(width: usize) -> Self {
        Self { width, height: 1, threads: 256, shared: 0 }
    }
}

/// An argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// An address; 0 for none.
    Address(u64),
    Long(u64),
    Int(u32),
    Float(f32),
}

/// `out = x · weightᵀ`, of `[rows, depth]` and `[columns, depth]`, both of one type and without gaps.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    pub x: u64,
    pub weight: u64,
    pub out: u64,
    pub rows: usize,
    pub columns: usize,
    pub depth: usize,
    pub dtype: DType,
    /// The type of the results.
    pub out_dtype: DType,
}
