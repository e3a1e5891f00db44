//! Arrays on a device.

use std::sync::Arc;

use half::{bf16, f16};
use rayon::prelude::*;

use super::Cuda;
use super::driver::{Arg, Driver, Grid, Kernel, Module, Product};
use crate::backend::Stack;
use crate::{DType, Error, Result};

/// Values of a weight that are on their way at once.
const STEP: usize = 1 << 25;

/// Activations or a weight, `[rows, columns]`, without gaps. Copies are of the same memory.
pub struct Array<D: Driver> {
    pub(super) memory: Arc<D::Memory>,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) dtype: DType,
}

impl<D: Driver> Clone for Array<D> {
    fn clone(&self) -> Self {
        let Self { rows, columns, dtype, .. } = *self;
        Self { memory: self.memory.clone(), rows, columns, dtype }
    }
}

impl<D: Driver> Array<D> {
    /// Where it lies.
    pub(super) fn address(&self) -> u64 {
        D::address(&self.memory)
    }

    /// Where a row lies, or a value of it.
    pub(super) fn at(&self, row: usize, column: usize) -> u64 {
        self.address() + ((row * self.columns + column) * self.dtype.bytes()) as u64
    }

    /// Its address as an argument.
    pub(super) fn arg(&self) -> Arg {
        Arg::Address(self.address())
    }
}

impl<D: Driver> Cuda<D> {
    /// An array of any content, of the type of activations.
    pub(super) fn array(&self, rows: usize, columns: usize) -> Result<Array<D>> {
        self.array_of(rows, columns, self.dtype)
    }

    /// An array of any content.
    pub(super) fn array_of(&self, rows: usize, columns: usize, dtype: DType) -> Result<Array<D>> {
        let memory = Arc::new(self.driver.allocate(rows * columns * dtype.bytes())?);
        Ok(Array { memory, rows, columns, dtype })
    }

    /// Memory with numbers of 32 bits.
    pub(super) fn send<T: Copy>(&self, numbers: &[T], bytes: impl Fn(T) -> [u8; 4]) -> Result<D::Memory> {
        self.send_bytes(&numbers.iter().flat_map(|number| bytes(*number)).collect::<Vec<u8>>())
    }

    /// Memory with addresses.
    pub(super) fn send_addresses(&self, addresses: &[u64]) -> Result<D::Memory> {
        self.send_bytes(&addresses.iter().flat_map(|address| address.to_le_bytes()).collect::<Vec<u8>>())
    }

    fn send_bytes(&self, bytes: &[u8]) -> Result<D::Memory> {
        let memory = self.driver.allocate(bytes.len())?;
        self.driver.upload(bytes, D::address(&memory))?;
        Ok(memory)
    }

    /// Numbers of 32 bits from the device.
    pub(super) fn fetch<T>(&self, memory: &D::Memory, count: usize, from: impl Fn([u8; 4]) -> T) -> Result<Vec<T>> {
        let mut bytes = vec![0; count * 4];
        self.driver.download(D::address(memory), &mut bytes)?;
        Ok(bytes.as_chunks().0.iter().map(|number| from(*number)).collect())
    }

    /// Rows of an array as numbers.
    pub(super) fn numbers(&self, x: &Array<D>) -> Result<Vec<f32>> {
        let mut bytes = vec![0; x.rows * x.columns * x.dtype.bytes()];
        self.driver.download(x.address(), &mut bytes)?;
        Ok(match x.dtype {
            DType::F32 => bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect(),
            DType::F16 => bytes.as_chunks().0.iter().map(|number| f16::from_le_bytes(*number).to_f32()).collect(),
            DType::BF16 => bytes.as_chunks().0.iter().map(|number| bf16::from_le_bytes(*number).to_f32()).collect(),
        })
    }

    /// A weight on the device. A part of it at a time is in memory as numbers.
    pub(super) fn weight(&self, weight: &Stack) -> Result<Array<D>> {
        let array = self.array(weight.rows(), weight.columns())?;
        let per_thread = (STEP / rayon::current_num_threads() / array.columns.max(1)).max(1);
        let together = per_thread * rayon::current_num_threads();
        for start in (0..array.rows).step_by(together) {
            let end = (start + together).min(array.rows);
            let starts: Vec<usize> = (start..end).step_by(per_thread).collect();
            let read = |start: &usize| {
                let mut numbers = vec![0.0; per_thread.min(end - start) * array.columns];
                weight.read(*start, &mut numbers);
                let mut bytes = Vec::new();
                self.dtype.append(&numbers, &mut bytes);
                bytes
            };
            let parts: Vec<Vec<u8>> = starts.par_iter().map(read).collect();
            for (start, bytes) in starts.iter().zip(parts) {
                self.driver.upload(&bytes, array.at(*start, 0))?;
            }
        }
        Ok(array)
    }

    /// Runs a kernel that knows nothing of heads.
    pub(super) fn launch(&self, name: &'static str, grid: Grid, args: &[Arg]) -> Result<()> {
        if grid.width == 0 {
            return Ok(());
        }
        self.driver.launch(Kernel { name, module: Module::Rows(self.dtype) }, grid, args)
    }

    /// `out = x · weight[first..]ᵀ`, for as many rows of the weight as `out` has columns.
    pub(super) fn product(
        &self,
        x: &Array<D>,
        rows: (usize, usize),
        weight: &Array<D>,
        first: usize,
        out: &Array<D>,
        out_row: usize,
    ) -> Result<()> {
        if rows.1 == 0 {
            return Ok(());
        }
        self.driver.product(Product {
            x: x.at(rows.0, 0),
            weight: weight.at(first, 0),
            out: out.at(out_row, 0),
            rows: rows.1,
            columns: out.columns,
            depth: x.columns,
            dtype: x.dtype,
            out_dtype: out.dtype,
        })
    }

    /// Rows of an array by their numbers.
    pub(super) fn gather(&self, x: &Array<D>, rows: &D::Memory, count: usize) -> Result<Array<D>> {
        self.check_width(x.columns)?;
        let out = self.array_of(count, x.columns, x.dtype)?;
        let width = Arg::Int(x.columns as u32);
        self.launch(
            "gather",
            Grid::of(count),
            &[out.arg(), x.arg(), Arg::Address(D::address(rows)), width, width, width],
        )?;
        Ok(out)
    }

    /// Copies columns of some rows to rows without gaps at an address.
    pub(super) fn copy(&self, x: &Array<D>, first: (usize, usize), rows: usize, width: usize, to: u64) -> Result<()> {
        let (from, stride) = (Arg::Address(x.at(first.0, first.1)), Arg::Int(x.columns as u32));
        let width = Arg::Int(width as u32);
        self.launch("gather", Grid::of(rows), &[Arg::Address(to), from, Arg::Address(0), width, stride, width])
    }

    /// Kernels read 16 bytes at once.
    pub(super) fn check_width(&self, width: usize) -> Result<()> {
        let lanes = 16 / self.dtype.bytes();
        if width.is_multiple_of(lanes) {
            return Ok(());
        }
        Err(Error::request(format!(
            "a GPU needs rows of a multiple of {lanes} values in {}, and the model has some of {width}: run it on the CPU",
            self.dtype.name()
        )))
    }
}
