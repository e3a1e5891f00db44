//! A model as it is opened: its configuration, its weights on a device, and what was odd about its files.

use std::path::Path;
use std::str::FromStr;

use candle_core::Device as CandleDevice;

use crate::backend::{Backend, Cpu, Device};
#[cfg(feature = "cuda")]
use crate::backend::{Cuda, Nvidia};
use crate::config::Description;
use crate::engine::{Engine, Loaded};
use crate::transformer::Transformer;
use crate::weights::Weights;
use crate::{Config, DType, Error, Result};

/// Where a model runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// The first GPU if this program was built for one and finds it, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU, by its number.
    Cuda(usize),
    /// The CPU, by candle's operations: slow, and there to compare with.
    Candle,
}

impl FromStr for Place {
    type Err = Error;

    /// `auto`, `cpu`, `candle`, `cuda` or `cuda:1`.
    fn from_str(name: &str) -> Result<Self> {
        match name {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "candle" => Ok(Self::Candle),
            "cuda" => Ok(Self::Cuda(0)),
            _ => name.strip_prefix("cuda:").and_then(|number| number.parse().ok()).map(Self::Cuda).ok_or_else(|| {
                Error::request(format!("`{name}` is no device: there are `auto`, `cpu`, `cuda:0`, `cuda:1`…"))
            }),
        }
    }
}

/// What activations are rounded to in products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Nothing: fp32.
    #[default]
    F32,
    /// bfloat16, as PyTorch does with models in that type; the weights are of it as well.
    Bf16,
}

impl FromStr for Precision {
    type Err = Error;

    /// `fp32` or `bf16`.
    fn from_str(name: &str) -> Result<Self> {
        match DType::from_name(name) {
            Some(DType::F32) => Ok(Self::F32),
            Some(DType::BF16) => Ok(Self::Bf16),
            _ => Err(Error::request(format!("`{name}` is no precision of products: there are `fp32` and `bf16`"))),
        }
    }
}

impl Place {
    /// Whether it can be used.
    ///
    /// # Errors
    /// If it is a GPU, and there is none of its number, or this program was not built for one.
    pub fn check(self) -> Result<()> {
        match self {
            Self::Cuda(number) => gpu(number).map(drop),
            Self::Auto | Self::Cpu | Self::Candle => Ok(()),
        }
    }
}

/// Bytes of fp32 up to which quantised weights are widened when a model is opened.
pub const WIDENED: u64 = 1 << 29;

/// How a model is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Where it runs.
    pub place: Place,
    /// The type of its weights in memory. Default: that of the files, whatever `config.json` says; bf16 for quantised ones on a
    /// GPU.
    pub dtype: Option<DType>,
    /// What activations are rounded to in products on a CPU; a GPU takes the type of the weights. fp32 by default; bf16 is several
    /// times as fast where the CPU has AMX, and slower elsewhere. Norms, routers and attention stay in fp32.
    pub precision: Precision,
    /// Whether quantised weights are widened when the model is opened, which takes more memory and is faster, most of all for few
    /// tokens; of use on a CPU alone. By default they stay as they are if they would take more than [`WIDENED`] bytes as fp32. The
    /// results are the same unless a `dtype` is named, which is then that of widened weights.
    pub widen: Option<bool>,
}

/// A model ready to run.
pub struct Model {
    description: Description,
    engine: Box<dyn Engine>,
    place: String,
    dtype: DType,
    unexpected: Vec<String>,
}

impl Model {
    /// Opens a directory of Hugging Face's or a GGUF file. `on_layer` is called with the layers loaded and all of them.
    ///
    /// # Errors
    /// If the configuration or a file is unreadable or damaged, a tensor is missing or of another shape than the
    /// configuration asks for, or the device is not there or has no room.
    pub fn open(path: &Path, options: Options, on_layer: &mut dyn FnMut(usize, usize)) -> Result<Self> {
        let description = Description::read(path)?;
        let weights = Weights::open(path)?;
        Self::load(description, &weights, options, on_layer)
    }

    /// A model of a known shape with random weights, to measure speed and memory with.
    ///
    /// # Errors
    /// If the device is not there or has no room.
    pub fn random(config: Config, seed: u64, options: Options, on_layer: &mut dyn FnMut(usize, usize)) -> Result<Self> {
        let dtype = options.dtype.unwrap_or(DType::BF16);
        let weights = Weights::random(&config, seed, dtype);
        Self::load(Description::of(config), &weights, options, on_layer)
    }

    /// A model of weights that are open, or in memory.
    ///
    /// # Errors
    /// As of [`open`](Self::open), but for the configuration.
    pub fn load(
        description: Description,
        weights: &Weights,
        options: Options,
        on_layer: &mut dyn FnMut(usize, usize),
    ) -> Result<Self> {
        let in_files = weights.dtype();
        let gpu = match options.place {
            Place::Cpu | Place::Candle => None,
            Place::Auto => gpu(0).ok().map(|gpu| (0, gpu)),
            Place::Cuda(number) => Some((number, gpu(number)?)),
        };
        let config = &description.config;
        let (engine, place, dtype) = match (gpu, options.place) {
            #[cfg(feature = "cuda")]
            (Some((number, gpu)), _) => {
                let dtype = options.dtype.or(in_files).unwrap_or(DType::BF16);
                (transformer(config, weights, Cuda::new(gpu, dtype), on_layer)?, format!("cuda:{number}"), dtype)
            }
            #[cfg(not(feature = "cuda"))]
            (Some((_, never)), _) => match never {},
            (None, Place::Candle) => {
                let dtype = options.dtype.or(in_files).unwrap_or(DType::F32);
                let device = Device::new(CandleDevice::Cpu, tensors(dtype));
                (transformer(config, weights, device, on_layer)?, "candle".to_owned(), dtype)
            }
            (None, _) => {
                let precision = match options.precision {
                    Precision::F32 => yuan_kernels::gemm::Precision::F32,
                    Precision::Bf16 => yuan_kernels::gemm::Precision::Bf16,
                };
                let widen = match options.widen {
                    Some(widen) => widen.then(|| options.dtype.unwrap_or(DType::F32)),
                    None => (config.parameters().total <= WIDENED / 4).then_some(DType::F32),
                };
                let cpu = Cpu { dtype: options.dtype, precision, widen };
                let dtype = options.dtype.or(in_files).unwrap_or(DType::F32);
                (transformer(config, weights, cpu, on_layer)?, "cpu".to_owned(), dtype)
            }
        };
        let unexpected = weights.unexpected().into_iter().map(str::to_owned).collect();
        Ok(Self { description, engine, place, dtype, unexpected })
    }

    /// The shape.
    pub fn config(&self) -> &Config {
        &self.description.config
    }

    /// What the files say beside the shape.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// What it can be asked.
    pub fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    /// Where it runs: `cpu`, `cuda:0`…
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The type of its weights in memory, but for quantised ones on a CPU.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Tensors of the files that the model has no use for.
    pub fn unexpected(&self) -> &[String] {
        &self.unexpected
    }
}

/// A GPU by its number.
#[cfg(feature = "cuda")]
fn gpu(number: usize) -> Result<Nvidia> {
    Nvidia::open(number)
}

/// A GPU by its number: there is none.
#[cfg(not(feature = "cuda"))]
fn gpu(number: usize) -> Result<std::convert::Infallible> {
    Err(Error::request(format!("`cuda:{number}` cannot be used: this program was built without the feature `cuda`")))
}

pub(crate) fn transformer<B: Backend>(
    config: &Config,
    weights: &Weights,
    backend: B,
    on_layer: &mut dyn FnMut(usize, usize),
) -> Result<Box<dyn Engine>> {
    let layers = config.layers();
    let mut on_layer = |number: usize| on_layer(number + 1, layers);
    let transformer = Transformer::load(config, weights, &backend, &mut on_layer)?;
    Ok(Box::new(Loaded { backend, transformer }))
}

fn tensors(dtype: DType) -> candle_core::DType {
    match dtype {
        DType::F32 => candle_core::DType::F32,
        DType::F16 => candle_core::DType::F16,
        DType::BF16 => candle_core::DType::BF16,
    }
}
