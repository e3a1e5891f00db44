//! Kernels on a CPU: their sources compiled by `g++` with a stand-in for the hardware, each thread of a block a fibre.
//!
//! What it shows: that kernels and their arguments fit each other, stay within their memory, wait for each other where
//! they must, and compute what they should. What it cannot show: that the stand-in is like the hardware in all things.

use std::alloc::Layout;
use std::collections::HashMap;
use std::ffi::{CString, c_char, c_int, c_void};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};

use half::{bf16, f16};
use libloading::Library;
use rayon::prelude::*;

use super::driver::{Arg, Driver, Grid, Kernel, Module, Product};
use crate::{DType, Result};

/// Libraries of this program, one for each module.
static LIBRARIES: LazyLock<Mutex<HashMap<Module, Arc<Mutex<Library>>>>> = LazyLock::new(Mutex::default);

/// Bytes before and behind memory that nobody may write.
const GUARD: usize = 256;

/// The emulation of a GPU.
#[derive(Clone, Copy, Debug, Default)]
pub struct Emulated {
    /// Whether the last thread of a block runs first. A forgotten barrier is not forgotten both ways.
    pub is_reversed: bool,
}

/// Memory between guards. What nobody wrote is no number.
pub struct Memory {
    start: *mut u8,
    bytes: usize,
}

// SAFETY: it is plain memory, and kernels run one at a time.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes + 2 * GUARD, 256).unwrap()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the guards belong to the allocation.
        let (before, behind) = unsafe {
            let at = |start: *mut u8| std::slice::from_raw_parts(start, GUARD);
            (at(self.start), at(self.start.add(GUARD + self.bytes)))
        };
        let is_whole = before.iter().chain(behind).all(|byte| *byte == 0xff);
        // SAFETY: it was allocated with this layout. Who reads it later finds no numbers.
        unsafe {
            self.start.write_bytes(0xff, self.bytes + 2 * GUARD);
            std::alloc::dealloc(self.start, Self::layout(self.bytes));
        }
        assert!(is_whole || std::thread::panicking(), "a kernel wrote beside its memory");
    }
}

/// Whether there is a compiler; if not, this is said.
#[expect(clippy::print_stderr, reason = "that something is not tested is said")]
pub fn is_there() -> bool {
    static FOUND: LazyLock<bool> = LazyLock::new(|| {
        let found = Command::new("g++").arg("--version").output().is_ok_and(|output| output.status.success());
        if !found {
            eprintln!("kernels of GPUs are not tested: `g++` was not found");
        }
        found
    });
    *FOUND
}

/// The library of a module.
fn library(module: Module) -> Arc<Mutex<Library>> {
    LIBRARIES.lock().unwrap().entry(module).or_insert_with(|| Arc::new(Mutex::new(compile(module)))).clone()
}

fn compile(module: Module) -> Library {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kernels.so");
    let source = module.source();
    // Each kernel is named once more, where its type is known.
    let names = source.split("KERNEL(").skip(1).map(|rest| rest.split([',', ')']).nth(1).unwrap().trim());
    let entries: String = names.map(|name| format!("EMULATED({name})\n")).collect();
    let source = [include_str!("emulation/device.cuh"), &source, &entries].join("\n");
    let options = ["-std=c++20", "-O2", "-U_FORTIFY_SOURCE", "-shared", "-fPIC", "-x", "c++", "-", "-o"];
    let mut compiler =
        Command::new("g++").args(module.defines()).args(options).arg(&path).stdin(Stdio::piped()).spawn().unwrap();
    compiler.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
    assert!(compiler.wait().unwrap().success(), "kernels are compiled");
    // SAFETY: the library was just made, and its initialiser only lists its kernels.
    unsafe { Library::new(&path) }.unwrap()
}

type Emulate = unsafe extern "C" fn(*const c_char, u32, u32, u32, u32, *const *const c_void, c_int) -> c_int;

impl Driver for Emulated {
    type Memory = Memory;

    fn allocate(&self, bytes: usize) -> Result<Memory> {
        let layout = Memory::layout(bytes);
        // SAFETY: the layout is of some bytes, all of which are written.
        let start = unsafe {
            let start = std::alloc::alloc(layout);
            assert!(!start.is_null());
            start.write_bytes(0xff, layout.size());
            start
        };
        Ok(Memory { start, bytes })
    }

    fn free(&self) -> Result<u64> {
        Ok(u64::MAX)
    }

    fn address(memory: &Memory) -> u64 {
        memory.start as u64 + GUARD as u64
    }

    fn upload(&self, bytes: &[u8], address: u64) -> Result<()> {
        // SAFETY: the address is of memory of so many bytes, as it has to be on a GPU; guards show if it is not.
        unsafe { (address as *mut u8).copy_from(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    fn download(&self, address: u64, bytes: &mut [u8]) -> Result<()> {
        // SAFETY: as above.
        unsafe { (address as *const u8).copy_to(bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    fn launch(&self, kernel: Kernel, grid: Grid, args: &[Arg]) -> Result<()> {
        let library = library(kernel.module);
        let library = library.lock().unwrap();
        let name = CString::new(kernel.name).unwrap();
        let args: Vec<*const c_void> = args
            .iter()
            .map(|arg| match arg {
                Arg::Address(value) | Arg::Long(value) => std::ptr::from_ref(value).cast(),
                Arg::Int(value) => std::ptr::from_ref(value).cast(),
                Arg::Float(value) => std::ptr::from_ref(value).cast(),
            })
            .collect();
        let is_reversed = c_int::from(self.is_reversed);
        // SAFETY: the function is of this type, and calls kernels of the arguments they have on a GPU too.
        let found = unsafe {
            let emulate = library.get::<Emulate>(b"emulate").unwrap();
            let (width, height) = (grid.width as u32, grid.height as u32);
            emulate(name.as_ptr(), width, height, grid.threads, grid.shared as u32, args.as_ptr(), is_reversed)
        };
        assert_eq!(found, 1, "there is no kernel {} for {} threads", kernel.name, grid.threads);
        Ok(())
    }

    fn product(&self, product: Product) -> Result<()> {
        let Product { x, weight, out, rows, columns, depth, dtype, out_dtype } = product;
        let (x, weight) = (numbers(x, rows * depth, dtype), numbers(weight, columns * depth, dtype));
        let rows = x.par_chunks(depth).flat_map_iter(|x| {
            weight.chunks(depth).map(move |weight| x.iter().zip(weight).map(|(x, weight)| x * weight).sum::<f32>())
        });
        let mut bytes = Vec::new();
        out_dtype.append(&rows.collect::<Vec<f32>>(), &mut bytes);
        self.upload(&bytes, out)
    }
}

/// Numbers that lie at an address.
fn numbers(address: u64, count: usize, dtype: DType) -> Vec<f32> {
    // SAFETY: as above.
    let bytes = unsafe { std::slice::from_raw_parts(address as *const u8, count * dtype.bytes()) };
    match dtype {
        DType::F32 => bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect(),
        DType::F16 => bytes.as_chunks().0.iter().map(|number| f16::from_le_bytes(*number).to_f32()).collect(),
        DType::BF16 => bytes.as_chunks().0.iter().map(|number| bf16::from_le_bytes(*number).to_f32()).collect(),
    }
}
