//! Products cut into tasks that depend on nothing but their operands.

use crate::gemm::PANEL;
use crate::gemm::buffer::scratch;
use crate::gemm::matrix::{Matrix, Panels, Precision};
use crate::gemm::rounded;
use crate::gemm::tile::{Kernels, MAX_COLUMNS, MAX_ROWS, Tile, TileFn, Tiles, kernels};
use crate::gemm::x::Source;
use crate::isa::{Isa, force};
use rayon::prelude::*;
use std::ops::Range;

/// Most elements of x packed at once.
const PACKED: usize = 2 << 20;
/// Most inputs summed before y is written: longer sums pass through y in between. Even, for pairs of weights.
pub(super) const INPUTS: usize = 1024;
/// Least multiply-adds of a task worth handing to another thread.
pub(super) const TASK: usize = 1 << 19;

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
pub(super) struct Output(pub *mut f32);
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

/// Bytes of a panel of f32 for one input.
const WIDE_ROW: usize = PANEL * size_of::<f32>();

/// How far a tile alone fetches ahead: memory answers faster when asked for more than a page at once.
const AHEAD: usize = 2048;

/// The weights of some panels, from the first input of a block.
struct Operand<'a> {
    /// The first panel's.
    weights: *const u8,
    /// Elements from one panel to the next.
    stride: usize,
    /// What is read after the first panel, to be fetched meanwhile. Need not be valid.
    next: *const u8,
    /// Bytes of that for one input.
    row: usize,
    tiles: &'a Tiles,
}

/// All products of `segments`, which cover `[rows, out]` of y in order and share their shape.
pub(super) fn products(source: Source, segments: &[Segment], start: Start, y: &mut [f32]) {
    let Some(Segment { matrix, .. }) = segments.first() else { return };
    let (out, columns) = (matrix.out(), matrix.columns());
    if let Start::Bias(bias) = start {
        assert_eq!(bias.len(), out, "a bias of {} for {out} outputs", bias.len());
    }
    let precision = matrix.precision();
    assert!(segments.iter().all(|segment| segment.matrix.precision() == precision), "matrices differ in precision");
    let isa = Isa::current();
    let y = Output(y.as_mut_ptr());
    for segments in sheets(segments, PACKED / columns) {
        let rows = segments[0].rows.start..segments[segments.len() - 1].rows.end;
        if precision == Precision::Bf16 {
            rounded::products(source, segments, start, y, isa);
            continue;
        }
        scratch(rows.len() * columns, |packed: &mut [f32]| {
            let kernels = kernels(isa);
            pack(source, kernels, isa, &segments, columns, packed);
            let sheet = Sheet { kernels, segments, first: rows.start, packed, start, out, columns, y };
            // SAFETY: the tasks cover disjoint rectangles of y, borrowed for this call.
            spread(isa, &sheet.tasks(rows.len()), |task| unsafe { sheet.run(task) });
        });
    }
}

/// Runs tasks on the pool, each on the path `isa`.
pub(super) fn spread<T: Sync>(isa: Isa, tasks: &[T], run: impl Fn(&T) + Sync) {
    let run = |task: &T| force(isa, || run(task));
    if tasks.len() == 1 { run(&tasks[0]) } else { tasks.par_iter().with_max_len(1).for_each(run) }
}

/// The segments in sheets of `room` rows, or a tile's if that is more: a segment may be cut, none is empty.
fn sheets<'a>(segments: &[Segment<'a>], room: usize) -> Vec<Vec<Segment<'a>>> {
    let room = room.max(2 * MAX_ROWS);
    let mut sheets: Vec<Vec<Segment>> = Vec::new();
    let mut left = 0;
    for segment in segments {
        let mut rows = segment.rows.clone();
        while !rows.is_empty() {
            if left == 0 {
                sheets.push(Vec::new());
                left = room;
            }
            let count = rows.len().min(left);
            let cut = Segment { matrix: segment.matrix, rows: rows.start..rows.start + count };
            sheets.last_mut().expect("pushed above").push(cut);
            (rows.start, left) = (rows.start + count, left - count);
        }
    }
    sheets
}

/// The rows of tile `tile` of `tiles`, from the segment's first: sizes differ by one at most.
pub(super) fn tile_rows(rows: usize, tiles: usize, tile: usize) -> Range<usize> {
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
                        let weights = weights.add(inputs.start * PANEL);
                        let next = weights.wrapping_add(if single { AHEAD } else { stride }).cast();
                        let w = Operand { weights: weights.cast(), stride, next, row: WIDE_ROW, tiles: &kernels.f32 };
                        self.columns(task, &task.panels, inputs, w);
                    });
                }
                Panels::F16(panels) | Panels::Bf16(panels) => {
                    let pairs = matches!(matrix.panels, Panels::Bf16(_));
                    let tiles = if pairs { &kernels.bf16 } else { &kernels.f16 };
                    let all = panels.as_slice::<u16>();
                    if single && tiles.one[rows].is_some() {
                        let weights = all.as_ptr().add(task.panels.start * stride).cast::<u8>();
                        let next = weights.wrapping_add(AHEAD * size_of::<u16>());
                        let w = Operand { weights, stride, next, row: WIDE_ROW / 2, tiles };
                        return self.columns(task, &task.panels, 0..self.columns, w);
                    }
                    let widen = if pairs { super::widen::pairs } else { super::widen::halves };
                    self.blocks(INPUTS, |inputs| {
                        scratch(INPUTS * PANEL, |wide: &mut [f32]| {
                            for p in task.panels.clone() {
                                let len = inputs.len().next_multiple_of(if pairs { 2 } else { 1 }) * PANEL;
                                let narrow = &all[p * stride + inputs.start * PANEL..][..len];
                                widen(narrow, &mut wide[..len]);
                                let next = narrow.as_ptr().wrapping_add(stride).cast();
                                let weights = wide.as_ptr().cast();
                                let w = Operand { weights, stride: 0, next, row: WIDE_ROW / 2, tiles: &kernels.f32 };
                                self.columns(task, &(p..p + 1), inputs.clone(), w);
                            }
                        });
                    });
                }
                Panels::Lazy(rows) => scratch(stride, |panel: &mut [f32]| {
                    for p in task.panels.clone() {
                        matrix.fetch(&**rows, p, panel);
                        self.blocks(INPUTS, |inputs| {
                            let weights = panel.as_ptr().add(inputs.start * PANEL).cast();
                            let w = Operand { weights, stride: 0, next: weights, row: 0, tiles: &kernels.f32 };
                            self.columns(task, &(p..p + 1), inputs, w);
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

    /// The tiles of a task over `panels` and a block of inputs.
    unsafe fn columns(&self, task: &Task, panels: &Range<usize>, inputs: Range<usize>, w: Operand) {
        let segment = &self.segments[task.segment];
        let all = self.tiles(segment);
        let unit = self.kernels.unit;
        let first = panels.start * PANEL;
        let end = self.out.min(panels.end * PANEL);
        // Tiles meet a panel one after the other: together they fetch the next.
        let ahead_stride = w.row / task.tiles.len();
        let mut column = first;
        while column < end {
            let mut done = 0;
            for tile in task.tiles.clone() {
                let rows = tile_rows(segment.rows.len(), all, tile);
                let one = w.tiles.one[rows.len()].expect("a tile has no more rows than the kernels take");
                let (run, units) = match w.tiles.wide[rows.len()] {
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
                let tile = Tile {
                    ahead: w.next.wrapping_add((tile - task.tiles.start) * ahead_stride * inputs.len()),
                    ahead_stride,
                    inputs: inputs.len(),
                    x: self.packed[packed..][..inputs.len() * rows.len()].as_ptr(),
                    weights: w.weights,
                    panel_stride: w.stride,
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
pub(super) static ZEROS: [f32; MAX_COLUMNS] = [0.0; MAX_COLUMNS];

/// A tile whose last columns do not exist: its sums live in a block of their own.
pub(super) unsafe fn edge(run: TileFn, tile: Tile, rows: usize, columns: usize) {
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
