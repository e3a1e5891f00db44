//! Products of sides that are packed: many at once, each with its own operands.
//!
//! Sums have the order that [`matmul`](crate::gemm::matmul) gives them.

use crate::gemm::PANEL;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use crate::gemm::amx;
use crate::gemm::drive::{self, INPUTS, Output, TASK, ZEROS, tile_rows};
use crate::gemm::matrix::Precision;
use crate::gemm::rounded::{self, Block, STEPS, TILE, TILES};
use crate::gemm::side::{Left, Packed, Right};
use crate::gemm::tile::{Tile, kernels};
use crate::gemm::{STEP, Start};
use crate::isa::{Isa, force};
use std::ops::Range;

/// `y[r, c] = Σᵢ left[r, i] · right[c, i]`, for all rows of the left and some of the right side. Over no inputs, y stays as it is.
pub struct Product<'a> {
    left: &'a Packed,
    right: &'a Packed,
    panels: Range<usize>,
    /// The right side's first input.
    first_input: usize,
    start: Start<'a>,
    y: &'a mut [f32],
    stride: usize,
}

impl<'a> Product<'a> {
    /// A product of whole sides, `[left rows, right rows]`. Rows of y lie `stride` apart.
    ///
    /// # Panics
    /// If the sides differ in inputs or precision, or y or the bias does not fit them.
    pub fn new(left: &'a Left, right: &'a Right, start: Start<'a>, y: &'a mut [f32], stride: usize) -> Self {
        let rows = right.0.rows;
        assert_eq!(left.0.inputs, right.0.inputs, "sides of a product differ in inputs");
        Self::of_part(left, right, 0..rows, 0, start, y, stride)
    }

    /// A product with some rows of the right side, and with its inputs from `first_input` on, as many as the left side has. Both
    /// begin at multiples of 32, and rows end at one or at the side's end.
    ///
    /// # Panics
    /// If the sides do not fit, or y or the bias does not fit them.
    pub fn of_part(
        left: &'a Left,
        right: &'a Right,
        rows: Range<usize>,
        first_input: usize,
        start: Start<'a>,
        y: &'a mut [f32],
        stride: usize,
    ) -> Self {
        let (left, right) = (&left.0, &right.0);
        assert!(left.precision == right.precision && left.isa == right.isa, "sides of a product are packed alike");
        assert!(
            first_input.is_multiple_of(STEP) && first_input + left.inputs <= right.inputs,
            "inputs of the right side"
        );
        let ends = rows.end.is_multiple_of(PANEL) || rows.end == right.rows;
        assert!(rows.start.is_multiple_of(PANEL) && ends && rows.end <= right.rows, "rows of the right side");
        let is_bias = if let Start::Bias(bias) = start { bias.len() == rows.len() } else { true };
        assert!(is_bias, "a bias has a number for each column");
        let fits = left.rows == 0 || (stride >= rows.len() && y.len() >= (left.rows - 1) * stride + rows.len());
        assert!(fits, "{} values of y for {} rows of {}", y.len(), left.rows, rows.len());
        Self { left, right, panels: rows.start / PANEL..rows.end.div_ceil(PANEL), first_input, start, y, stride }
    }

    /// Computes it on this thread.
    pub fn run(&mut self) {
        let panels = self.panels.clone();
        let job = self.job();
        let task = Task { job: 0, tiles: 0..job.tiles, panels };
        // SAFETY: y is borrowed for this call.
        force(job.left.isa, || unsafe { job.run(&task) });
    }

    fn job(&mut self) -> Job<'_> {
        let columns = self.right.rows.min(self.panels.end * PANEL) - self.panels.start * PANEL;
        let height = match self.left.precision {
            Precision::F32 => kernels(self.left.isa).rows,
            Precision::Bf16 => TILE,
        };
        Job {
            left: self.left,
            right: self.right,
            first_panel: self.panels.start,
            panels: self.panels.len(),
            first_input: self.first_input,
            start: self.start,
            columns,
            tiles: self.left.rows.div_ceil(height),
            stride: self.stride,
            y: Output(self.y.as_mut_ptr()),
        }
    }
}

/// Computes products over rayon's threads.
pub fn multiply(products: &mut [Product]) {
    let jobs: Vec<Job> = products.iter_mut().map(Product::job).collect();
    let Some(first) = jobs.first() else { return };
    let isa = first.left.isa;
    let faster = if first.left.precision == Precision::Bf16 { 8 } else { 1 };
    let work: usize = jobs.iter().map(|job| job.left.rows * job.left.inputs * job.columns).sum();
    let share = (work / (6 * rayon::current_num_threads())).max(faster * TASK);
    let mut tasks = Vec::new();
    for (number, job) in jobs.iter().enumerate() {
        job.cut(number, share, &mut tasks);
    }
    drive::spread(isa, &tasks, |task| {
        // SAFETY: tasks cover disjoint rectangles of the products' y, borrowed for this call.
        unsafe { jobs[task.job].run(task) }
    });
}

/// A rectangle of a product: tiles of the left side by panels of the right.
struct Task {
    job: usize,
    tiles: Range<usize>,
    panels: Range<usize>,
}

/// A product to be computed.
struct Job<'a> {
    left: &'a Packed,
    right: &'a Packed,
    first_panel: usize,
    panels: usize,
    first_input: usize,
    start: Start<'a>,
    columns: usize,
    tiles: usize,
    stride: usize,
    y: Output,
}

impl Job<'_> {
    /// Rectangles of about `share` multiply-adds, whose packed tiles stay in the second cache.
    fn cut(&self, number: usize, share: usize, tasks: &mut Vec<Task>) {
        if self.tiles == 0 || self.panels == 0 {
            return;
        }
        let tile_work = (self.left.rows * self.left.inputs / self.tiles).max(1);
        let most = match self.left.precision {
            Precision::F32 => {
                let kernels = kernels(self.left.isa);
                (kernels.cache / (kernels.rows * self.left.inputs.clamp(1, INPUTS) * size_of::<f32>())).max(4)
            }
            Precision::Bf16 => TILES,
        };
        // Pairs of tiles share what is read of a panel.
        let (pairs, blocks) = (self.tiles.div_ceil(2), self.tiles.div_ceil(most));
        for block in 0..blocks {
            let pairs = tile_rows(pairs, blocks, block);
            let tiles = 2 * pairs.start..self.tiles.min(2 * pairs.end);
            let panel_work = (tiles.len() * tile_work * PANEL).max(1);
            let groups = self.panels.div_ceil((share / panel_work).clamp(1, self.panels));
            for group in 0..groups {
                let panels = tile_rows(self.panels, groups, group);
                let panels = self.first_panel + panels.start..self.first_panel + panels.end;
                tasks.push(Task { job: number, tiles: tiles.clone(), panels });
            }
        }
    }

    /// # Safety
    /// Nothing else touches the task's rectangle of y.
    unsafe fn run(&self, task: &Task) {
        // SAFETY: the caller's promise; the units are there where the path names them.
        unsafe {
            match self.left.precision {
                Precision::F32 => self.exact(task),
                #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
                Precision::Bf16 if self.left.isa == Isa::Amx => amx::with_tiles(|| self.rounded(task)),
                Precision::Bf16 => self.rounded(task),
            }
        }
    }

    /// What the sums of a rectangle from `input` on start from, and its stride.
    fn from(&self, input: usize, column: usize, to: *mut f32) -> (*const f32, usize) {
        match self.start {
            Start::Zero if input == 0 => (ZEROS.as_ptr(), 0),
            Start::Bias(bias) if input == 0 => (bias.as_ptr().wrapping_add(column), 0),
            _ => (to.cast_const(), self.stride),
        }
    }

    /// # Safety
    /// As for `run`.
    unsafe fn exact(&self, task: &Task) {
        let (left, right) = (self.left.f32(), self.right.f32());
        let kernels = kernels(self.left.isa);
        let stride = self.right.inputs * PANEL;
        for first in (0..self.left.inputs).step_by(INPUTS) {
            let inputs = INPUTS.min(self.left.inputs - first);
            for panel in task.panels.clone() {
                let weights = &right[panel * stride + (self.first_input + first) * PANEL..][..inputs * PANEL];
                let column = (panel - self.first_panel) * PANEL;
                let end = self.columns.min(column + PANEL);
                for tile in task.tiles.clone() {
                    let rows = tile_rows(self.left.rows, self.tiles, tile);
                    let run = kernels.f32.one[rows.len()].expect("a tile has no more rows than the kernels take");
                    let x = left[rows.start * self.left.inputs + first * rows.len()..][..inputs * rows.len()].as_ptr();
                    for column in (column..end).step_by(kernels.unit) {
                        let to = self.y.0.wrapping_add(rows.start * self.stride + column);
                        let (from, from_stride) = self.from(first, column, to);
                        let tile = Tile {
                            inputs,
                            x,
                            weights: weights.as_ptr().cast(),
                            panel_stride: 0,
                            column: column % PANEL,
                            ahead: weights.as_ptr().wrapping_add(stride).cast(),
                            ahead_stride: PANEL * size_of::<f32>() / task.tiles.len(),
                            from,
                            from_stride,
                            to,
                            to_stride: self.stride,
                        };
                        // SAFETY: the operands are whole, or made so; the caller owns the rectangle of y.
                        unsafe {
                            if column + kernels.unit <= end {
                                run(&tile)
                            } else {
                                drive::edge(run, tile, rows.len(), end - column)
                            }
                        }
                    }
                }
            }
        }
    }

    /// # Safety
    /// As for `run`, with tiles where they are needed.
    unsafe fn rounded(&self, task: &Task) {
        let (left, right) = (self.left.bf16(), self.right.bf16());
        let (steps, right_steps) = (self.left.steps(), self.right.steps());
        let run = rounded::run(self.left.isa);
        for first in (0..steps).step_by(STEPS) {
            let count = STEPS.min(steps - first);
            for panel in task.panels.clone() {
                let step = panel * right_steps + self.first_input / STEP + first;
                let weights = right[step * STEP * PANEL..][..count * STEP * PANEL].as_ptr();
                let column = (panel - self.first_panel) * PANEL;
                let columns = PANEL.min(self.columns - column);
                for tile in task.tiles.clone().step_by(2) {
                    let x = &left[(tile * steps + first) * STEP * TILE..];
                    let second =
                        (tile + 1 < task.tiles.end).then(|| x[steps * STEP * TILE..][..count * STEP * TILE].as_ptr());
                    let height = if second.is_some() { 2 * TILE } else { TILE };
                    let row = tile * TILE;
                    let rows = height.min(self.left.rows - row);
                    let to = self.y.0.wrapping_add(row * self.stride + column);
                    let (from, from_stride) = self.from(first, column, to);
                    let ahead = weights.wrapping_add(right_steps * STEP * PANEL).cast::<u8>();
                    let ahead = ahead.wrapping_add((tile - task.tiles.start) / 2 * count * 256);
                    let x = x[..count * STEP * TILE].as_ptr();
                    let (steps, to_stride) = (count, self.stride);
                    let block = Block { steps, x, second, weights, ahead, from, from_stride, to, to_stride };
                    // SAFETY: the operands are whole, or made so; the caller owns the rectangle of y.
                    unsafe {
                        if rows == height && columns == PANEL {
                            run(&block)
                        } else {
                            rounded::edge(run, block, rows, columns)
                        }
                    }
                }
            }
        }
    }
}
