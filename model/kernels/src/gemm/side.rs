//! The two sides of a product, packed from where they lie, either way round.
//!
//! A product sums over inputs; a side has rows of them. They lie along the rows of a matrix, or across them: the rows of
//! xᵀ are the columns of x, and nothing is transposed before it is packed.

use crate::gemm::buffer::Buffer;
use crate::gemm::drive::tile_rows;
use crate::gemm::matrix::Precision;
use crate::gemm::narrow::{row as round_row, zip};
use crate::gemm::rounded::TILE;
use crate::gemm::tile::kernels;
use crate::gemm::transpose::transpose;
use crate::gemm::view::View;
use crate::gemm::{PANEL, STEP};
use crate::isa::{Isa, force};
use rayon::prelude::*;
use std::ops::Range;

/// How the inputs of a side lie in the matrix it is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inputs {
    /// Along its rows, which are the side's.
    Along,
    /// Across: the side's rows are the matrix's columns.
    Across,
}

/// Numbers packed by one task, at least.
const TASK: usize = 1 << 16;

/// What both sides have: numbers in the order in which kernels read them.
pub(super) struct Packed {
    pub rows: usize,
    pub inputs: usize,
    pub precision: Precision,
    pub isa: Isa,
    buffer: Buffer,
}

impl Packed {
    fn empty() -> Self {
        let buffer = Buffer::zeros::<f32>(0);
        Self { rows: 0, inputs: 0, precision: Precision::F32, isa: Isa::Portable, buffer }
    }

    /// Steps of inputs in bf16.
    pub fn steps(&self) -> usize {
        self.inputs.div_ceil(STEP)
    }

    /// The numbers of fp32.
    pub fn f32(&self) -> &[f32] {
        self.buffer.as_slice()
    }

    /// The numbers of bf16.
    pub fn bf16(&self) -> &[u16] {
        self.buffer.as_slice()
    }

    /// Packs a view whose rows lie in groups of at most `height`, `groups(isa)` of them; `parallel` over rayon's threads.
    fn fill(&mut self, view: View, inputs: Inputs, precision: Precision, side: Which, parallel: bool) {
        let [rows, columns] = view.shape();
        (self.rows, self.inputs) = if inputs == Inputs::Along { (rows, columns) } else { (columns, rows) };
        (self.precision, self.isa) = (precision, Isa::current());
        let layout = Layout::new(side, self.rows, self.inputs, precision, self.isa);
        match precision {
            Precision::F32 => {
                let to = Shared(self.buffer.grow::<f32>(layout.len()).as_mut_ptr());
                layout.cut(inputs, parallel, |groups, span| layout.f32(view, inputs, groups, span, to));
            }
            Precision::Bf16 => {
                let to = Shared(self.buffer.grow::<u16>(layout.len()).as_mut_ptr());
                layout.cut(inputs, parallel, |groups, span| layout.bf16(view, inputs, groups, span, to));
            }
        }
    }
}

/// The left side: its rows become those of the product. Made again and again, it keeps its memory.
pub struct Left(pub(super) Packed);

/// The right side: its rows become the columns of the product. Made again and again, it keeps its memory.
pub struct Right(pub(super) Packed);

impl Default for Left {
    fn default() -> Self {
        Self(Packed::empty())
    }
}

impl Default for Right {
    fn default() -> Self {
        Self(Packed::empty())
    }
}

impl Left {
    /// Packs a matrix, over rayon's threads.
    pub fn pack(&mut self, view: View, inputs: Inputs, precision: Precision) -> &Self {
        self.0.fill(view, inputs, precision, Which::Left, true);
        self
    }

    /// Packs a matrix on this thread.
    pub fn pack_here(&mut self, view: View, inputs: Inputs, precision: Precision) -> &Self {
        self.0.fill(view, inputs, precision, Which::Left, false);
        self
    }
}

impl Right {
    /// Packs a matrix, over rayon's threads.
    pub fn pack(&mut self, view: View, inputs: Inputs, precision: Precision) -> &Self {
        self.0.fill(view, inputs, precision, Which::Right, true);
        self
    }

    /// Packs a matrix on this thread.
    pub fn pack_here(&mut self, view: View, inputs: Inputs, precision: Precision) -> &Self {
        self.0.fill(view, inputs, precision, Which::Right, false);
        self
    }
}

/// Memory that tasks write to, each its own part.
#[derive(Clone, Copy)]
struct Shared<T>(*mut T);
// SAFETY: tasks write disjoint parts.
unsafe impl<T> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// `len` numbers from `first` on.
    ///
    /// # Safety
    /// They exist, and nobody else uses them meanwhile.
    #[expect(clippy::mut_from_ref, reason = "parts are disjoint")]
    unsafe fn part(&self, first: usize, len: usize) -> &mut [T] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(first), len) }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Left,
    Right,
}

/// Where the numbers of a side go: groups of rows (tiles or panels), the inputs of each in order.
struct Layout {
    side: Which,
    rows: usize,
    inputs: usize,
    groups: usize,
    precision: Precision,
    isa: Isa,
}

impl Layout {
    fn new(side: Which, rows: usize, inputs: usize, precision: Precision, isa: Isa) -> Self {
        let height = match (side, precision) {
            (Which::Right, _) => PANEL,
            (Which::Left, Precision::F32) => kernels(isa).rows,
            (Which::Left, Precision::Bf16) => TILE,
        };
        Self { side, rows, inputs, groups: rows.div_ceil(height), precision, isa }
    }

    /// The rows of a group. Tiles of fp32 differ by one at most, others are full but for the last.
    fn group(&self, group: usize) -> Range<usize> {
        match (self.side, self.precision) {
            (Which::Left, Precision::F32) => tile_rows(self.rows, self.groups, group),
            (Which::Left, Precision::Bf16) => group * TILE..self.rows.min((group + 1) * TILE),
            (Which::Right, _) => group * PANEL..self.rows.min((group + 1) * PANEL),
        }
    }

    fn len(&self) -> usize {
        match (self.side, self.precision) {
            (Which::Left, Precision::F32) => self.rows * self.inputs,
            (Which::Right, Precision::F32) => self.groups * PANEL * self.inputs,
            (Which::Left, Precision::Bf16) => self.groups * TILE * self.inputs.next_multiple_of(STEP),
            (Which::Right, Precision::Bf16) => self.groups * PANEL * self.inputs.next_multiple_of(STEP),
        }
    }

    /// Calls `pack` for parts that together are everything: groups of rows where inputs lie along the matrix's rows, spans of
    /// inputs where they lie across, so that memory is read in its order.
    fn cut(&self, inputs: Inputs, parallel: bool, pack: impl Fn(Range<usize>, Range<usize>) + Sync) {
        let (units, unit) = match inputs {
            Inputs::Along => (self.groups, self.len() / self.groups.max(1)),
            Inputs::Across => (self.inputs.div_ceil(STEP), self.rows * STEP),
        };
        let count = if parallel { (units * unit / TASK).clamp(1, units.max(1)) } else { 1 };
        let run = |part: usize| {
            let part = tile_rows(units, count, part);
            force(self.isa, || match inputs {
                Inputs::Along => pack(part, 0..self.inputs),
                Inputs::Across => pack(0..self.groups, part.start * STEP..self.inputs.min(part.end * STEP)),
            });
        };
        if count == 1 { run(0) } else { (0..count).into_par_iter().with_max_len(1).for_each(run) }
    }

    /// Packs some inputs of some groups as `[groups, inputs, rows]`, panels filled up with zeros to 32 rows.
    fn f32(&self, view: View, inputs: Inputs, groups: Range<usize>, span: Range<usize>, to: Shared<f32>) {
        let place = |rows: &Range<usize>| match self.side {
            Which::Left => (rows.start * self.inputs, rows.len()),
            Which::Right => (rows.start * self.inputs, PANEL),
        };
        match inputs {
            Inputs::Along => {
                for rows in groups.map(|group| self.group(group)) {
                    let (first, height) = place(&rows);
                    // SAFETY: the group's part, which this task has.
                    let to = unsafe { to.part(first, height * self.inputs) };
                    if rows.len() < height {
                        to.fill(0.0);
                    }
                    let mut pointers = [std::ptr::null(); PANEL];
                    for (pointer, row) in pointers.iter_mut().zip(rows.clone()) {
                        *pointer = view.row(row).as_ptr();
                    }
                    // SAFETY: rows are as long as there are inputs, `to` as long as all of them.
                    unsafe { transpose(&pointers[..rows.len()], self.inputs, height, to.as_mut_ptr()) }
                }
            }
            Inputs::Across => {
                for steps in span.clone().step_by(STEP) {
                    for rows in groups.clone().map(|group| self.group(group)) {
                        let (first, height) = place(&rows);
                        for input in steps..span.end.min(steps + STEP) {
                            // SAFETY: this input's part of the group, which this task has.
                            let to = unsafe { to.part(first + input * height, height) };
                            let (values, rest) = to.split_at_mut(rows.len());
                            values.copy_from_slice(&view.row(input)[rows.clone()]);
                            rest.fill(0.0);
                        }
                    }
                }
            }
        }
    }

    /// Packs some inputs of some groups in bf16, inputs filled up with zeros to whole steps and rows to whole groups: tiles
    /// as `[tiles, steps, 16, 32]`, panels as `[panels, steps, 16, 32, 2]`.
    fn bf16(&self, view: View, inputs: Inputs, groups: Range<usize>, span: Range<usize>, to: Shared<u16>) {
        let steps = self.inputs.div_ceil(STEP);
        let height = if self.side == Which::Left { TILE } else { PANEL };
        let block = height * STEP;
        match inputs {
            Inputs::Along => {
                let length = steps * STEP;
                let mut room = vec![0; length * if self.side == Which::Right { PANEL } else { 1 }];
                for group in groups {
                    let rows = self.group(group);
                    // SAFETY: the group's part, which this task has.
                    let to = unsafe { to.part(group * steps * block, steps * block) };
                    let source = |r: usize| if rows.start + r < rows.end { view.row(rows.start + r) } else { &[] };
                    if self.side == Which::Left {
                        for r in 0..TILE {
                            round_row(source(r), &mut room);
                            for (to, step) in to.chunks_exact_mut(block).zip(room.as_chunks::<STEP>().0) {
                                to[r * STEP..][..STEP].copy_from_slice(step);
                            }
                        }
                        continue;
                    }
                    for (r, row) in room.chunks_exact_mut(length).enumerate() {
                        round_row(source(r), row);
                    }
                    let pointers: [*const f32; PANEL] = std::array::from_fn(|r| room[r * length..].as_ptr().cast());
                    // Pairs of bf16 move as numbers of 32 bits.
                    // SAFETY: rows of `length / 2` pairs, `to` as long as all of them.
                    unsafe { transpose(&pointers, length / 2, PANEL, to.as_mut_ptr().cast()) }
                }
            }
            Inputs::Across => {
                // Pairs of bf16, numbers of 32 bits.
                let (to, block) = (Shared(to.0.cast::<u32>()), block / 2);
                let mut pairs = [0; TILE * STEP / 2];
                for first in span.clone().step_by(STEP) {
                    let step = first / STEP;
                    for group in groups.clone() {
                        let rows = self.group(group);
                        // SAFETY: this step's part of the group, which this task has; aligned, as blocks are whole lines.
                        let to = unsafe { to.part((group * steps + step) * block, block) };
                        let row = |input: usize| (input < self.inputs).then(|| &view.row(input)[rows.clone()]);
                        if self.side == Which::Right {
                            for (pair, to) in to.chunks_exact_mut(PANEL).enumerate() {
                                zip(row(first + 2 * pair), row(first + 2 * pair + 1), to);
                            }
                            continue;
                        }
                        for (pair, to) in pairs.chunks_exact_mut(TILE).enumerate() {
                            zip(row(first + 2 * pair), row(first + 2 * pair + 1), to);
                        }
                        let pointers: [*const f32; STEP / 2] =
                            std::array::from_fn(|pair| pairs[pair * TILE..].as_ptr().cast());
                        // SAFETY: 16 rows of 16 pairs, `to` as long as all of them.
                        unsafe { transpose(&pointers, TILE, STEP / 2, to.as_mut_ptr().cast()) }
                    }
                }
            }
        }
    }
}
