//! Products of bf16 by bf16 in the order of Intel's matrix units, on those units or in vectors.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use crate::gemm::amx;
use crate::gemm::buffer::scratch;
use crate::gemm::drive::{Output, Segment, Start, TASK, ZEROS, spread, tile_rows};
use crate::gemm::emulate;
use crate::gemm::matrix::Panels;
use crate::gemm::narrow::nearest;
use crate::gemm::x::Source;
use crate::gemm::{PANEL, STEP};
use crate::isa::{Isa, force, multiversion};
use rayon::prelude::*;
use std::ops::Range;

/// Rows of a tile of x.
pub(super) const TILE: usize = 16;
/// Most tiles of a task.
pub(super) const TILES: usize = 16;
/// Most steps of inputs summed before y is written.
pub(super) const STEPS: usize = 64;
/// How much faster a task is here than its multiply-adds in f32 are.
const FASTER: usize = 8;

/// A rectangle of y.
struct Task {
    segment: usize,
    tiles: Range<usize>,
    panels: Range<usize>,
}

/// Rows of y from one sheet of packed x.
struct Sheet<'a> {
    segments: Vec<Segment<'a>>,
    /// Where each segment's tiles of x begin.
    tiles: Vec<usize>,
    /// `[tiles, steps, 16, 32]`.
    packed: &'a [u16],
    steps: usize,
    out: usize,
    start: Start<'a>,
    y: Output,
    run: Run,
    /// Whether `run` needs tiles.
    units: bool,
}

/// The operands of a block of 32 columns by 16 or 32 rows.
pub(super) struct Block {
    /// Steps of 32 inputs.
    pub steps: usize,
    /// `[steps, 16, 32]` of bf16: the first 16 rows.
    pub x: *const u16,
    /// The next 16 rows, if there are any.
    pub second: Option<*const u16>,
    /// `[steps, 16, 32, 2]` of bf16: a panel.
    pub weights: *const u16,
    /// What is read soon, fetched into the second cache meanwhile: 256 bytes a step. Need not be valid.
    #[cfg_attr(
        not(all(target_arch = "x86_64", target_os = "linux")),
        expect(dead_code, reason = "vectors need no help")
    )]
    pub ahead: *const u8,
    /// What the sums start from, `[rows, 32]`.
    pub from: *const f32,
    /// From one row of `from` to the next.
    pub from_stride: usize,
    /// Where the sums go, `[rows, 32]`.
    pub to: *mut f32,
    /// From one row of `to` to the next.
    pub to_stride: usize,
}

/// Adds a block of 32 columns by 16 or 32 rows.
pub(super) type Run = unsafe fn(&Block);

/// All products of a sheet.
pub(super) fn products(source: Source, segments: Vec<Segment>, start: Start, y: Output, isa: Isa) {
    let (out, columns) = (segments[0].matrix.out(), segments[0].matrix.columns());
    let steps = columns.div_ceil(STEP);
    let mut tiles = vec![0];
    for segment in &segments {
        tiles.push(tiles[tiles.len() - 1] + segment.rows.len().div_ceil(TILE));
    }
    scratch(tiles[segments.len()] * steps * STEP * TILE, |packed: &mut [u16]| {
        let jobs: Vec<(usize, usize)> = segments
            .iter()
            .flat_map(|segment| segment.rows.clone().step_by(TILE).map(|row| (row, TILE.min(segment.rows.end - row))))
            .collect();
        let least = (1 << 16) / (steps * STEP * TILE) + 1;
        packed.par_chunks_mut(steps * STEP * TILE).zip(&jobs).with_min_len(least).for_each(|(to, &(first, rows))| {
            force(isa, || {
                scratch(columns, |room: &mut [f32]| {
                    for i in 0..TILE {
                        if i < rows {
                            source.with_row(first + i, room, |x| round(x, i, to));
                        } else {
                            round(&[], i, to);
                        }
                    }
                });
            });
        });
        let sheet = Sheet { segments, tiles, packed, steps, out, start, y, run: run(isa), units: isa == Isa::Amx };
        // SAFETY: the tasks cover disjoint rectangles of y, borrowed for the caller's call.
        spread(isa, &sheet.tasks(), |task| unsafe { sheet.run(task) });
    });
}

/// The kernel of a path.
pub(super) fn run(isa: Isa) -> Run {
    match isa {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        Isa::Amx => amx::run,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => emulate::avx512,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => emulate::avx2,
        _ => emulate::portable,
    }
}

multiversion! {
    /// Row `r` of a tile `[steps, 16, 32]`: x in bf16; what is missing is 0, what is subnormal a zero of its sign.
    fn round(x: &[f32], r: usize, tile: &mut [u16]) {
        let mut steps = tile.chunks_exact_mut(TILE * STEP);
        let mut whole = x.chunks_exact(STEP);
        for (x, to) in whole.by_ref().zip(&mut steps) {
            for (to, &x) in to[r * STEP..][..STEP].iter_mut().zip(x) {
                *to = nearest(x);
            }
        }
        let mut last = whole.remainder();
        for to in steps {
            let to = &mut to[r * STEP..][..STEP];
            to.fill(0);
            for (to, &x) in to.iter_mut().zip(last) {
                *to = nearest(x);
            }
            last = &[];
        }
    }
}

impl Sheet<'_> {
    fn tasks(&self) -> Vec<Task> {
        let panels = self.out.div_ceil(PANEL);
        let tile_work = TILE * self.steps * STEP * PANEL;
        let work = self.tiles[self.segments.len()] * tile_work * panels;
        let share = (work / (6 * rayon::current_num_threads())).max(FASTER * TASK);
        let mut tasks = Vec::new();
        for (segment, edges) in self.tiles.windows(2).enumerate() {
            let tiles = edges[1] - edges[0];
            // Pairs of tiles share what is read of a panel.
            let (pairs, blocks) = (tiles.div_ceil(2), tiles.div_ceil(TILES));
            for block in 0..blocks {
                let pairs = tile_rows(pairs, blocks, block);
                let tiles = 2 * pairs.start..tiles.min(2 * pairs.end);
                let groups = panels.div_ceil((share / (tiles.len() * tile_work)).clamp(1, panels));
                for group in 0..groups {
                    tasks.push(Task { segment, tiles: tiles.clone(), panels: tile_rows(panels, groups, group) });
                }
            }
        }
        tasks
    }

    /// # Safety
    /// Nothing else touches the task's rectangle of y.
    unsafe fn run(&self, task: &Task) {
        // SAFETY: the caller's promise; the units are there where their kernel was chosen.
        unsafe {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            if self.units {
                return amx::with_tiles(|| self.blocks(task));
            }
            self.blocks(task);
        }
    }

    /// # Safety
    /// As for `run`, with tiles where they are needed.
    unsafe fn blocks(&self, task: &Task) {
        let segment = &self.segments[task.segment];
        let Panels::Bf16(panels) = &segment.matrix.panels else { unreachable!("only bf16 has this precision") };
        let panels = panels.as_slice::<u16>();
        let tile_len = self.steps * STEP * TILE;
        for first in (0..self.steps).step_by(STEPS) {
            let steps = STEPS.min(self.steps - first);
            for p in task.panels.clone() {
                let weights = &panels[(p * self.steps + first) * STEP * PANEL..][..steps * STEP * PANEL];
                let column = p * PANEL;
                let columns = PANEL.min(self.out - column);
                for tile in task.tiles.clone().step_by(2) {
                    let x = &self.packed[(self.tiles[task.segment] + tile) * tile_len + first * STEP * TILE..];
                    let second = (tile + 1 < task.tiles.end).then(|| x[tile_len..][..steps * STEP * TILE].as_ptr());
                    let row = segment.rows.start + tile * TILE;
                    let height = if second.is_some() { 2 * TILE } else { TILE };
                    let rows = height.min(segment.rows.end - row);
                    let to = self.y.0.wrapping_add(row * self.out + column);
                    let (from, from_stride) = match self.start {
                        Start::Zero if first == 0 => (ZEROS.as_ptr(), 0),
                        Start::Bias(bias) if first == 0 => (bias.as_ptr().wrapping_add(column), 0),
                        _ => (to.cast_const(), self.out),
                    };
                    let x = x[..steps * STEP * TILE].as_ptr();
                    let (weights, to_stride) = (weights.as_ptr(), self.out);
                    // Eight pairs of tiles fetch the next panel together.
                    let ahead = weights.wrapping_add(self.steps * STEP * PANEL).cast::<u8>();
                    let ahead = ahead.wrapping_add((tile - task.tiles.start) / 2 * steps * 256);
                    let block = Block { steps, x, second, weights, ahead, from, from_stride, to, to_stride };
                    // SAFETY: the operands are whole, or made so; the caller owns the rectangle of y.
                    unsafe {
                        if rows == height && columns == PANEL {
                            (self.run)(&block)
                        } else {
                            edge(self.run, block, rows, columns)
                        }
                    }
                }
            }
        }
    }
}

/// A block of which some rows or columns do not exist: its sums live elsewhere.
pub(super) unsafe fn edge(run: Run, block: Block, rows: usize, columns: usize) {
    let mut sums = [0.0_f32; 2 * TILE * PANEL];
    // SAFETY: as for the block, for the rows and columns that exist.
    unsafe {
        for r in 0..rows {
            let from = block.from.add(r * block.from_stride);
            std::ptr::copy_nonoverlapping(from, sums.as_mut_ptr().add(r * PANEL), columns);
        }
        let (to, to_stride) = (block.to, block.to_stride);
        let whole = sums.as_mut_ptr();
        run(&Block { from: whole, from_stride: PANEL, to: whole, to_stride: PANEL, ..block });
        for r in 0..rows {
            std::ptr::copy_nonoverlapping(whole.add(r * PANEL), to.add(r * to_stride), columns);
        }
    }
}
