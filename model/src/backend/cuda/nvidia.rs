//! A GPU of NVIDIA's. Its libraries are loaded when one is asked for; kernels are compiled for it when they are first used.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::cublas::{self, CudaBlas};
use cudarc::driver::{
    self, CudaContext, CudaFunction, CudaModule, CudaSlice, CudaStream, DevicePtr, LaunchConfig, PushKernelArg, sys,
};
use cudarc::nvrtc::{self, CompileError, CompileOptions};

use super::driver::{Arg, Driver, Grid, HARDWARE, Kernel, Module, Product};
use crate::{DType, Error, Result};

/// A GPU, with one stream on which everything happens in order.
pub struct Nvidia {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    /// One at a time may call it.
    blas: Mutex<CudaBlas>,
    /// Of the GPU's compute capability: `compute_90`…
    architecture: String,
    loaded: Mutex<Loaded>,
}

#[derive(Default)]
struct Loaded {
    modules: HashMap<Module, Arc<CudaModule>>,
    functions: HashMap<Kernel, CudaFunction>,
}

/// Bytes of shared memory that any kernel may have.
const SHARED: usize = 48 << 10;

impl Nvidia {
    /// A GPU by its number.
    ///
    /// # Errors
    /// If one of the libraries is not found, there is no such GPU, or it is older than compute capability 8.0.
    pub fn open(number: usize) -> Result<Self> {
        // SAFETY: loading NVIDIA's libraries runs their initialisers, of which nothing else is known to be asked.
        let present = unsafe {
            [
                ("libcuda", "it comes with NVIDIA's driver", sys::is_culib_present()),
                ("libcublas", "it comes with the CUDA toolkit", cublas::sys::is_culib_present()),
                ("libnvrtc", "it comes with the CUDA toolkit", nvrtc::sys::is_culib_present()),
            ]
        };
        if let Some((name, origin, _)) = present.iter().find(|(.., is_there)| !is_there) {
            return Err(Error::request(format!(
                "`cuda:{number}` cannot be used: the library {name} was not found; {origin}, and `LD_LIBRARY_PATH` may \
                 have to name its folder"
            )));
        }
        let count = CudaContext::device_count().map_err(|error| failed("count GPUs", &error))?;
        if number >= count.max(0) as usize {
            return Err(Error::request(format!("`cuda:{number}` cannot be used: there are {count} GPUs")));
        }
        let context = CudaContext::new(number).map_err(|error| failed("open the GPU", &error))?;
        let (major, minor) = context.compute_capability().map_err(|error| failed("ask the GPU", &error))?;
        if major < 8 {
            return Err(Error::request(format!(
                "`cuda:{number}` cannot be used: its compute capability is {major}.{minor}, and 8.0 is needed"
            )));
        }
        // SAFETY: all that happens on the GPU happens on the one stream below.
        unsafe { context.disable_event_tracking() };
        keep_memory(&context).map_err(|error| failed("set up the GPU's memory", &error))?;
        let stream = context.new_stream().map_err(|error| failed("set up the GPU", &error))?;
        let blas = CudaBlas::new(stream.clone()).map_err(|error| failed("set up cuBLAS", &error))?;
        let architecture = format!("compute_{major}{minor}");
        Ok(Self { context, stream, blas: Mutex::new(blas), architecture, loaded: Mutex::default() })
    }

    /// Its name: `NVIDIA H200`…
    ///
    /// # Errors
    /// If the device fails.
    pub fn name(&self) -> Result<String> {
        self.context.name().map_err(|error| failed("ask the GPU", &error))
    }

    /// Bytes that are free, and all there are.
    ///
    /// # Errors
    /// If the device fails.
    pub fn memory(&self) -> Result<(usize, usize)> {
        self.context.mem_get_info().map_err(|error| failed("ask the GPU", &error))
    }

    fn function(&self, kernel: Kernel) -> Result<CudaFunction> {
        // Nothing is left half done where another thread failed.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = loaded.functions.get(&kernel) {
            return Ok(function.clone());
        }
        let module = match loaded.modules.get(&kernel.module) {
            Some(module) => module.clone(),
            None => {
                let ptx = compile(kernel.module, &self.architecture)?;
                let module = self.context.load_module(ptx).map_err(|error| failed("load kernels", &error))?;
                loaded.modules.insert(kernel.module, module.clone());
                module
            }
        };
        let function = module.load_function(kernel.name).map_err(|error| failed(kernel.name, &error))?;
        loaded.functions.insert(kernel, function.clone());
        Ok(function)
    }
}

/// Compiles kernels for an architecture. It needs no GPU.
///
/// # Errors
/// If the compiler refuses them.
pub fn compile(module: Module, architecture: &str) -> Result<nvrtc::Ptx> {
    let mut options = module.defines();
    options.push(format!("--gpu-architecture={architecture}"));
    options.push("--std=c++17".to_owned());
    let source = format!("{HARDWARE}\n{}", module.source());
    nvrtc::compile_ptx_with_opts(source, CompileOptions { options, ..CompileOptions::default() }).map_err(|error| {
        let problem = match error {
            CompileError::CompileError { log, .. } => log.to_string_lossy().into_owned(),
            other => other.to_string(),
        };
        failed("compile kernels", &problem)
    })
}

/// Memory that was given back is kept for what is asked for next, also when the device is waited for.
fn keep_memory(context: &CudaContext) -> Result<(), driver::DriverError> {
    if !context.has_async_alloc() {
        return Ok(());
    }
    let mut pool = std::ptr::null_mut();
    let mut threshold = u64::MAX;
    let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the device is open, and both pointers are to values of the types asked for.
    unsafe {
        sys::cuDeviceGetDefaultMemPool(&raw mut pool, context.cu_device()).result()?;
        sys::cuMemPoolSetAttribute(pool, attribute, (&raw mut threshold).cast()).result()
    }
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Device(candle_core::Error::Msg(format!("{what}: {error}")))
}

fn int(value: usize) -> Result<i32> {
    i32::try_from(value).map_err(|_| failed("product", &"an array has too many rows"))
}

fn blas_type(dtype: DType) -> cublas::sys::cudaDataType {
    match dtype {
        DType::F32 => cublas::sys::cudaDataType::CUDA_R_32F,
        DType::F16 => cublas::sys::cudaDataType::CUDA_R_16F,
        DType::BF16 => cublas::sys::cudaDataType::CUDA_R_16BF,
    }
}

impl Driver for Nvidia {
    type Memory = CudaSlice<u8>;

    fn allocate(&self, bytes: usize) -> Result<CudaSlice<u8>> {
        // SAFETY: bytes may have any value.
        unsafe { self.stream.alloc(bytes.max(1)) }.map_err(|error| failed("allocate memory", &error))
    }

    fn free(&self) -> Result<u64> {
        Ok(self.memory()?.0 as u64)
    }

    fn address(memory: &CudaSlice<u8>) -> u64 {
        memory.device_ptr(memory.stream()).0
    }

    fn upload(&self, bytes: &[u8], address: u64) -> Result<()> {
        let sent = self.context.bind_to_thread();
        // SAFETY: the address is of memory of at least so many bytes.
        sent.and_then(|()| unsafe { driver::result::memcpy_htod_async(address, bytes, self.stream.cu_stream()) })
            .map_err(|error| failed("copy to the GPU", &error))
    }

    fn download(&self, address: u64, bytes: &mut [u8]) -> Result<()> {
        let asked = self.context.bind_to_thread();
        // SAFETY: the address is of memory of at least so many bytes, and they are waited for.
        let asked =
            asked.and_then(|()| unsafe { driver::result::memcpy_dtoh_async(bytes, address, self.stream.cu_stream()) });
        asked.and_then(|()| self.stream.synchronize()).map_err(|error| failed("copy from the GPU", &error))
    }

    fn launch(&self, kernel: Kernel, grid: Grid, args: &[Arg]) -> Result<()> {
        let function = self.function(kernel)?;
        if grid.shared > SHARED {
            let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            let set = function.set_attribute(attribute, grid.shared as i32);
            set.map_err(|error| failed(kernel.name, &error))?;
        }
        let mut launch = self.stream.launch_builder(&function);
        for arg in args {
            match arg {
                Arg::Address(value) | Arg::Long(value) => launch.arg(value),
                Arg::Int(value) => launch.arg(value),
                Arg::Float(value) => launch.arg(value),
            };
        }
        let config = LaunchConfig {
            grid_dim: (grid.width as u32, grid.height as u32, 1),
            block_dim: (grid.threads, 1, 1),
            shared_mem_bytes: grid.shared as u32,
        };
        // SAFETY: the arguments are those of the kernel, which the same calls prove in the emulation.
        unsafe { launch.launch(config) }.map_err(|error| failed(kernel.name, &error))?;
        Ok(())
    }

    fn product(&self, product: Product) -> Result<()> {
        let Product { x, weight, out, rows, columns, depth, dtype, out_dtype } = product;
        let (rows, columns, depth) = (int(rows)?, int(columns)?, int(depth)?);
        let (one, zero) = (1.0_f32, 0.0_f32);
        let bound = self.context.bind_to_thread();
        bound.map_err(|error| failed("product", &error))?;
        let blas = self.blas.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the arrays are of these shapes. To cuBLAS rows are columns: it computes outᵀ = weight · xᵀ. Sums are in
        // fp32, and of fp32 values without TF32, which would have to be asked for.
        let done = unsafe {
            cublas::result::gemm_ex(
                *blas.handle(),
                cublas::sys::cublasOperation_t::CUBLAS_OP_T,
                cublas::sys::cublasOperation_t::CUBLAS_OP_N,
                columns,
                rows,
                depth,
                (&raw const one).cast(),
                weight as *const c_void,
                blas_type(dtype),
                depth,
                x as *const c_void,
                blas_type(dtype),
                depth,
                (&raw const zero).cast(),
                out as *mut c_void,
                blas_type(out_dtype),
                columns,
                cublas::sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
                cublas::sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        };
        done.map_err(|error| failed("product", &error))
    }
}
