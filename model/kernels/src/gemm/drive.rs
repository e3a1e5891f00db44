//! Products cut into tasks that depend on nothing but their operands.

use crate::gemm::PANEL;
use crate::gemm::buffer::scratch;
use crate::gemm::matrix::{Matrix, Panels};
use crate::gemm::tile::{Kernels, MAX_COLUMNS, MAX_ROWS, Tile, TileFn, Tiles, kernels};
use crate::gemm::x::Source;
use crate::isa::{Isa, force};
use rayon::prelude::*;
use std::ops::Range;

/// Most elements of x packed at once.
const PACKED: usize = 2 << 20;
/// Most inputs summed before y is written: longer sums pass through y in between. Even, for pairs of weights.
const INPUTS: usize = 2048;
/// Least multiply-adds of a task worth handing to another thread.
const TASK: usize = 1 << 19;

/// What the sums of a product start from.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// 0.
    Zero,
    /// The bias of each output, `[out]`.
    Bias(&'a [f32]),
    /// What y holds.
    Accumulate,
}

/// Consecutive rows of y that share a matrix.
#[derive(Clone)]
pub(super) struct Segment<'a> {
    pub matrix: &'a Matrix,
    pub rows: Range<usize>,
}

/// Memory that tasks write to, each its own part.
#[derive(Clone, Copy)]
struct Output(*mut f32);
// SAFETY: tasks write disjoint rectangles.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

/// A rectangle of y: tiles of a segment by panels.
struct Task {
    segment: usize,
    tiles: Range<usize>,
    panels: Range<usize>,
}

/// Rows of y from one sheet of packed x.
struct Sheet<'a> {
    kernels: &'static Kernels,
    segments: Vec<Segment<'a>>,
    /// The first row packed.
    first: usize,
    packed: &'a [f32],
    start: Start<'a>,
    out: usize,
    columns: usize,
    y: Output,
}

/// All products of `segments`, which cover `[rows, out]` of y in order and share their shape.
pub(super) fn products(source: Source, segments: &[Segment], start: Start, y: &mut [f32]) {
    let Some(Segment { matrix, .. }) = segments.first() else { return };
    let (out, columns) = (matrix.out(), matrix.columns());
    if let Start::Bias(bias) = start {
        assert_eq!(bias.len(), out, "a bias of {} for {out} outputs", bias.len());
    }
    let isa = Isa::current();
    let y = Output(y.as_mut_ptr());
    let mut rest = segments.iter().filter(|segment| !segment.rows.is_empty()).cloned().collect::<Vec<_>>();
    rest.reverse();
    while !rest.is_empty() {
        // As many rows as fit a sheet; a segment may be cut.
        let mut room = (PACKED / columns).max(MAX_ROWS);
        let mut sheet = Vec::new();
        while let Some(segment) = rest.pop() {
            if segment.rows.len() > room {
                let middle = segment.rows.start + room;
                rest.push(Segment { matrix: segment.matrix, rows: middle..segment.rows.end });
                if room > 0 {
                    sheet.push(Segment { matrix: segment.matrix, rows: segment.rows.start..middle });
                }
                break;
            }
            room -= segment.rows.len();
            sheet.push(segment);
        }
        let rows = sheet[0].rows.start..sheet[sheet.len() - 1].rows.end;
        scratch(rows.len() * columns, |packed: &mut [f32]| {
            let kernels = kernels(isa);
            pack(source, kernels, isa, &sheet, columns, packed);
            let sheet = Sheet { kernels, segments: sheet, first: rows.start, packed, start, out, columns, y };
            let tasks = sheet.tasks(rows.len());
            // SAFETY: the tasks cover disjoint rectangles of y, borrowed for this call.
            let run = |task: &Task| force(isa, || unsafe { sheet.run(task) });
            if tasks.len() == 1 { run(&tasks[0]) } else { tasks.par_iter().with_max_len(1).for_each(run) }
        });
    }
}

/// The rows of tile `tile` of `tiles`, from the segment's first: sizes differ by one at most.
fn tile_rows(rows: usize, tiles: usize, tile: usize) -> Range<usize> {
    tile * rows / tiles..(tile + 1) * rows / tiles
}

fn pack(source: Source, kernels: &Kernels, isa: Isa, segments: &[Segment], columns: usize, packed: &mut [f32]) {
    let mut jobs = Vec::new();
    let mut rest = packed;
    for Segment { rows, .. } in segments {
        let tiles = rows.len().div_ceil(kernels.rows);
        for tile in 0..tiles {
            let tile = tile_rows(rows.len(), tiles, tile);
            let to = rest.split_off_mut(..tile.len() * columns).expect("the sheet has room for its rows");
            jobs.push((rows.start + tile.start, tile.len(), to));
        }
    }
    let run = |(first, rows, to): &mut (usize, usize, &mut [f32])| {
        force(isa, || source.pack(*first, *rows, columns, to));
    };
    let least = (1 << 15) / (columns * kernels.rows) + 1;
    if jobs.len() <= least {
        jobs.iter_mut().for_each(run)
    } else {
        jobs.par_iter_mut().with_min_len(least).for_each(run)
    }
}

impl Sheet<'_> {
    fn tiles(&self, segment: &Segment) -> usize {
        segment.rows.len().div_ceil(self.kernels.rows)
    }

    /// Most tiles of a task: their packed x stays in the second cache.
    fn most_tiles(&self) -> usize {
        let tile = self.kernels.rows * self.columns.min(INPUTS) * size_of::<f32>();
        (self.kernels.cache / tile).max(4)
    }

    /// Rectangles of like work, enough for all threads.
    fn tasks(&self, rows: usize) -> Vec<Task> {
        let panels = self.out.div_ceil(PANEL);
        let threads = rayon::current_num_threads();
        let work = rows * self.columns * panels * PANEL;
        let share = (work / (6 * threads)).max(TASK);
        let mut tasks = Vec::new();
        for (index, segment) in self.segments.iter().enumerate() {
            let tiles = self.tiles(segment);
            // Rows that stay in rows until used are read once for all tiles.
            let lazy = matches!(segment.matrix.panels, Panels::Lazy(_));
            let blocks = if lazy { 1 } else { tiles.div_ceil(self.most_tiles()) };
            for block in 0..blocks {
                let tiles = tile_rows(tiles, blocks, block);
                let panel_work = segment.rows.len() / blocks * self.columns * PANEL;
                let groups = panels.div_ceil((share / panel_work.max(1)).clamp(1, panels));
                for group in 0..groups {
                    tasks.push(Task { segment: index, tiles: tiles.clone(), panels: tile_rows(panels, groups, group) });
                }
            }
        }
        tasks
    }

    /// # Safety
    /// Nothing else touches the task's rectangle of y.
    unsafe fn run(&self, task: &Task) {
        let segment = &self.segments[task.segment];
        let matrix = segment.matrix;
        let stride = matrix.stride();
        let kernels = self.kernels;
        let single = task.tiles.len() == 1;
        let rows = tile_rows(segment.rows.len(), self.tiles(segment), task.tiles.start).len();
        // SAFETY: the pointers are to whole panels; the rest is the caller's promise.
        unsafe {
            match &matrix.panels {
                Panels::F32(panels) => {
                    let weights = panels.as_slice::<f32>().as_ptr().add(task.panels.start * stride);
                    // One tile holds its sums throughout.
                    self.blocks(if single { self.columns } else { INPUTS }, |inputs| {
                        let weights = weights.add(inputs.start * PANEL).cast();
                        self.columns(task, &task.panels, inputs, weights, stride, &kernels.f32);
                    });
                }
                Panels::F16(panels) | Panels::Bf16(panels) => {
                    let pairs = matches!(matrix.panels, Panels::Bf16(_));
                    let direct = if pairs { &kernels.bf16 } else { &kernels.f16 };
                    let weights = panels.as_slice::<u16>();
                    if single && direct.one[rows].is_some() {
                        let weights = weights.as_ptr().add(task.panels.start * stride);
                        let inputs = 0..self.columns;
                        return self.columns(task, &task.panels, inputs, weights.cast(), stride, direct);
                    }
                    let widen = if pairs { super::widen::pairs } else { super::widen::halves };
                    self.blocks(INPUTS, |inputs| {
                        scratch(INPUTS * PANEL, |wide: &mut [f32]| {
                            for p in task.panels.clone() {
                                let len = inputs.len().next_multiple_of(if pairs { 2 } else { 1 }) * PANEL;
                                widen(&weights[p * stride + inputs.start * PANEL..][..len], &mut wide[..len]);
                                self.columns(task, &(p..p + 1), inputs.clone(), wide.as_ptr().cast(), 0, &kernels.f32);
                            }
                        });
                    });
                }
                Panels::Lazy(rows) => scratch(stride, |panel: &mut [f32]| {
                    for p in task.panels.clone() {
                        matrix.fetch(&**rows, p, panel);
                        self.blocks(INPUTS, |inputs| {
                            let weights = panel.as_ptr().add(inputs.start * PANEL).cast();
                            self.columns(task, &(p..p + 1), inputs, weights, 0, &kernels.f32);
                        });
                    }
                }),
            }
        }
    }

    /// Calls `f` for each block of inputs.
    fn blocks(&self, block: usize, mut f: impl FnMut(Range<usize>)) {
        for first in (0..self.columns).step_by(block) {
            f(first..self.columns.min(first + block));
        }
    }

    /// The tiles of a task over `panels` and a block of inputs; `weights` are the first panel's, from the block's first input.
    unsafe fn columns(
        &self,
        task: &Task,
        panels: &Range<usize>,
        inputs: Range<usize>,
        weights: *const u8,
        panel_stride: usize,
        tiles: &Tiles,
    ) {
        let segment = &self.segments[task.segment];
        let all = self.tiles(segment);
        let unit = self.kernels.unit;
        let first = panels.start * PANEL;
        let end = self.out.min(panels.end * PANEL);
        // Many tiles meet a panel one after the other: together they fetch the next.
        let ahead_stride = if task.tiles.len() >= 4 { 2 * PANEL * size_of::<f32>() / task.tiles.len() } else { 0 };
        let mut column = first;
        while column < end {
            let mut done = 0;
            for tile in task.tiles.clone() {
                let rows = tile_rows(segment.rows.len(), all, tile);
                let one = tiles.one[rows.len()].expect("a tile has no more rows than the kernels take");
                let (run, units) = match tiles.wide[rows.len()] {
                    Some((wide, units)) if task.tiles.len() == 1 && column + units * unit <= end => (wide, units),
                    _ => (one, 1),
                };
                done = units * unit;
                let row = segment.rows.start + rows.start;
                let to = self.y.0.wrapping_add(row * self.out + column);
                let (from, from_stride) = match self.start {
                    Start::Zero if inputs.start == 0 => (ZEROS.as_ptr(), 0),
                    Start::Bias(bias) if inputs.start == 0 => (bias.as_ptr().wrapping_add(column), 0),
                    _ => (to.cast_const(), self.out),
                };
                let packed = (row - self.first) * self.columns + inputs.start * rows.len();
                let next = weights.wrapping_add((panel_stride * ((column - first) / PANEL + 1)) * size_of::<f32>());
                let tile = Tile {
                    ahead: next.wrapping_add((tile - task.tiles.start) * ahead_stride * (inputs.len() / 2)),
                    ahead_stride,
                    inputs: inputs.len(),
                    x: self.packed[packed..][..inputs.len() * rows.len()].as_ptr(),
                    weights,
                    panel_stride,
                    column: column - first,
                    from,
                    from_stride,
                    to,
                    to_stride: self.out,
                };
                // SAFETY: the operands are those of the tile; the caller owns the rectangle of y.
                unsafe { if column + done <= end { run(&tile) } else { edge(run, tile, rows.len(), end - column) } }
            }
            column += done;
        }
    }
}

/// What sums start from without a bias.
static ZEROS: [f32; MAX_COLUMNS] = [0.0; MAX_COLUMNS];

/// A tile whose last columns do not exist: its sums live in a block of their own.
unsafe fn edge(run: TileFn, tile: Tile, rows: usize, columns: usize) {
    let mut sums = [0.0_f32; MAX_ROWS * PANEL];
    // SAFETY: as for the tile, `columns` of each row.
    unsafe {
        for r in 0..rows {
            let from = tile.from.add(r * tile.from_stride);
            std::ptr::copy_nonoverlapping(from, sums.as_mut_ptr().add(r * PANEL), columns);
        }
        let (to, to_stride) = (tile.to, tile.to_stride);
        let whole = sums.as_mut_ptr();
        run(&Tile { from: whole, from_stride: PANEL, to: whole, to_stride: PANEL, ..tile });
        for r in 0..rows {
            std::ptr::copy_nonoverlapping(whole.add(r * PANEL), to.add(r * to_stride), columns);
        }
    }
}
