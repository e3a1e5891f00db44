//! Many workers on the same matrices (Hogwild, Niu et al. 2011, arXiv:1106.5730): no locks, updates may overwrite each other.
//!
//! Every number of a matrix is an atomic that is read and written relaxed, so that racing workers are defined behaviour. Compilers do
//! not widen such accesses, though: with two threads a training took 2.7 times (100 columns) to 3.6 times (16 columns) the processor time
//! of one whose loops take a register at a time. So on x86-64 the loops that touch the matrices are written in assembly.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::access::Access;
use super::kernels::{self, Level};

/// The matrices as one worker among several sees them.
pub(super) struct Shared<'a> {
    level: Level,
    input: &'a [AtomicU32],
    output: &'a [AtomicU32],
    /// A copy of an output row.
    row: Vec<f32>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(columns: usize, input: &'a [AtomicU32], output: &'a [AtomicU32]) -> Self {
        Shared { level: Level::detect(), input, output, row: vec![0.0; columns] }
    }

    fn score(&mut self, row: usize, hidden: &[f32]) -> f32 {
        load(self.level, self.output, &[row as u32], &mut self.row);
        product(self.level, &self.row, hidden)
    }
}

impl Access for Shared<'_> {
    fn average_rows(&mut self, rows: &[u32], hidden: &mut [f32]) {
        hidden.fill(0.0);
        add_from(self.level, self.input, rows, hidden);
        kernels::scale(self.level, hidden, (1.0 / rows.len() as f64) as f32);
    }

    fn add_to_rows(&mut self, rows: &[u32], gradient: &[f32]) {
        add_to(self.level, self.input, rows, gradient);
    }

    fn scores(&mut self, hidden: &[f32], scores: &mut [f32]) {
        for (row, score) in scores.iter_mut().enumerate() {
            *score = self.score(row, hidden);
        }
    }

    fn scores_of(&mut self, rows: &[u32], hidden: &[f32], scores: &mut [f32]) {
        for (&row, score) in rows.iter().zip(scores) {
            *score = self.score(row as usize, hidden);
        }
    }

    fn step_all(&mut self, steps: &[f32], hidden: &[f32], gradient: &mut [f32]) {
        for (row, &step) in steps.iter().enumerate() {
            self.step_row(row, step, hidden, gradient);
        }
    }

    fn step_row(&mut self, row: usize, step: f32, hidden: &[f32], gradient: &mut [f32]) {
        load(self.level, self.output, &[row as u32], &mut self.row);
        kernels::step_row(self.level, &mut self.row, step, hidden, gradient);
        store(self.level, self.output, &[row as u32], &self.row);
    }
}

kernels::for_each_level! {
    /// A product summed in 16 parts: with several workers no order of summing would give the same model twice.
    fn product(row: &[f32], hidden: &[f32]) -> f32 {
        let (rows, row_rest) = row.as_chunks::<16>();
        let (values, value_rest) = hidden.as_chunks::<16>();
        let mut sums = [0.0_f32; 16];
        for (row, values) in rows.iter().zip(values) {
            for lane in 0..16 {
                sums[lane] += row[lane] * values[lane];
            }
        }
        for width in [8, 4, 2, 1] {
            for lane in 0..width {
                sums[lane] += sums[lane + width];
            }
        }
        sums[0] + row_rest.iter().zip(value_rest).map(|(row, value)| row * value).sum::<f32>()
    }
}

/// Numbers of a row of a matrix whose rows are `columns` long.
#[inline(always)]
fn row_of(matrix: &[AtomicU32], row: usize, columns: usize) -> &[AtomicU32] {
    &matrix[row * columns..][..columns]
}

/// Asks for a row that is needed soon.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn prefetch(row: &[AtomicU32]) {
    for line in row.chunks(16) {
        // SAFETY: a prefetch is a hint that reads nothing, and the address is that of a slice anyway.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr().cast()) }
    }
}

/// The loops as the language has them: one number at a time.
mod each {
    use super::*;

    #[inline(always)]
    fn get(shared: &AtomicU32) -> f32 {
        f32::from_bits(shared.load(Relaxed))
    }

    #[inline(always)]
    pub(super) fn add_from(shared: &[AtomicU32], own: &mut [f32]) {
        for (own, shared) in own.iter_mut().zip(shared) {
            *own += get(shared);
        }
    }

    #[inline(always)]
    pub(super) fn add_to(shared: &[AtomicU32], own: &[f32]) {
        for (shared, own) in shared.iter().zip(own) {
            shared.store((get(shared) + own).to_bits(), Relaxed);
        }
    }

    #[inline(always)]
    pub(super) fn load(shared: &[AtomicU32], own: &mut [f32]) {
        for (own, shared) in own.iter_mut().zip(shared) {
            *own = get(shared);
        }
    }

    #[inline(always)]
    pub(super) fn store(shared: &[AtomicU32], own: &[f32]) {
        for (shared, own) in shared.iter().zip(own) {
            shared.store(own.to_bits(), Relaxed);
        }
    }
}

/// The loops a register of 256 bits at a time. They take the whole registers of a row and return how many numbers that is.
///
/// What the assembly does to the shared numbers is what the loops above do: relaxed loads and stores of 32 bits each. A vector load or
/// store is eight of them in no particular order, as x86-64 processors never tear an aligned number of 32 bits. The worker's own
/// numbers are plain memory that is borrowed alone.
#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::asm;

    use super::*;

    /// A loop of these instructions over `{at}`, from 0 in steps of 8 up to the whole registers of `$length`.
    macro_rules! vector_loop {
        ($shared:expr, $own:expr, $length:expr, $($line:literal),+) => {{
            let whole = $length / 8 * 8;
            if whole > 0 {
                // SAFETY: both regions have `whole` numbers or more, and the loop touches no others; what it does to them is told above.
                // The functions are called where AVX is there.
                unsafe {
                    asm!(
                        "2:",
                        $($line,)+
                        "add {at}, 8",
                        "cmp {at}, {end}",
                        "jb 2b",
                        at = inout(reg) 0_usize => _,
                        end = in(reg) whole,
                        shared = in(reg) $shared.as_ptr(),
                        own = in(reg) $own,
                        value = out(ymm_reg) _,
                        options(nostack),
                    );
                }
            }
            whole
        }};
    }

    #[inline]
    #[target_feature(enable = "avx")]
    pub(super) fn add_from(shared: &[AtomicU32], own: &mut [f32]) -> usize {
        let length = own.len().min(shared.len());
        vector_loop!(
            shared,
            own.as_mut_ptr(),
            length,
            "vmovups {value}, [{own} + 4*{at}]",
            "vaddps {value}, {value}, [{shared} + 4*{at}]",
            "vmovups [{own} + 4*{at}], {value}"
        )
    }

    #[inline]
    #[target_feature(enable = "avx")]
    pub(super) fn add_to(shared: &[AtomicU32], own: &[f32]) -> usize {
        let length = own.len().min(shared.len());
        vector_loop!(
            shared,
            own.as_ptr(),
            length,
            "vmovups {value}, [{own} + 4*{at}]",
            "vaddps {value}, {value}, [{shared} + 4*{at}]",
            "vmovups [{shared} + 4*{at}], {value}"
        )
    }

    #[inline]
    #[target_feature(enable = "avx")]
    pub(super) fn load(shared: &[AtomicU32], own: &mut [f32]) -> usize {
        let length = own.len().min(shared.len());
        vector_loop!(
            shared,
            own.as_mut_ptr(),
            length,
            "vmovups {value}, [{shared} + 4*{at}]",
            "vmovups [{own} + 4*{at}], {value}"
        )
    }

    #[inline]
    #[target_feature(enable = "avx")]
    pub(super) fn store(shared: &[AtomicU32], own: &[f32]) -> usize {
        let length = own.len().min(shared.len());
        vector_loop!(
            shared,
            own.as_ptr(),
            length,
            "vmovups {value}, [{own} + 4*{at}]",
            "vmovups [{shared} + 4*{at}], {value}"
        )
    }
}

/// Makes a function that walks the rows, with the wide loop where the processor has it, and the loop over single numbers for the rest.
macro_rules! over_rows {
    ($(#[$attribute:meta])* fn $name:ident($own:ident: &$($mutable:ident)? [f32])) => {
        $(#[$attribute])*
        fn $name(level: Level, matrix: &[AtomicU32], rows: &[u32], $own: &$($mutable)? [f32]) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx")]
            fn avx(matrix: &[AtomicU32], rows: &[u32], $own: &$($mutable)? [f32]) {
                for &ahead in rows.iter().take(kernels::AHEAD) {
                    prefetch(row_of(matrix, ahead as usize, $own.len()));
                }
                for (index, &row) in rows.iter().enumerate() {
                    if let Some(&ahead) = rows.get(index + kernels::AHEAD) {
                        prefetch(row_of(matrix, ahead as usize, $own.len()));
                    }
                    let shared = row_of(matrix, row as usize, $own.len());
                    let done = wide::$name(shared, $own);
                    each::$name(&shared[done..], &$($mutable)? $own[done..]);
                }
            }

            #[cfg(target_arch = "x86_64")]
            if level != Level::Baseline {
                // SAFETY: every level above the baseline has AVX.
                return unsafe { avx(matrix, rows, $own) };
            }
            let _ = level;
            for &row in rows {
                each::$name(row_of(matrix, row as usize, $own.len()), $own);
            }
        }
    };
}

over_rows! {
    /// `own += row`, for each row.
    fn add_from(own: &mut [f32])
}

over_rows! {
    /// `row += own`, for each row.
    fn add_to(own: &[f32])
}

over_rows! {
    /// `own = row`; of several rows the last stays.
    fn load(own: &mut [f32])
}

over_rows! {
    /// `row = own`, for each row.
    fn store(own: &[f32])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(values: &[f32]) -> Vec<AtomicU32> {
        values.iter().map(|value| AtomicU32::new(value.to_bits())).collect()
    }

    fn values(shared: &[AtomicU32]) -> Vec<f32> {
        shared.iter().map(|value| f32::from_bits(value.load(Relaxed))).collect()
    }

    #[test]
    fn registers_do_what_single_numbers_do() {
        for columns in [1, 7, 8, 9, 16, 31, 100] {
            let numbers: Vec<f32> = (0..5 * columns).map(|index| index as f32 * 0.37 - 11.0).collect();
            let own: Vec<f32> = (0..columns).map(|index| index as f32 * -0.11 + 3.0).collect();
            let rows = [4, 0, 2, 4];
            let (mut sum, mut moved, mut stored) = (own.clone(), numbers.clone(), numbers.clone());
            for row in rows {
                for column in 0..columns {
                    let at = row as usize * columns + column;
                    sum[column] += numbers[at];
                    moved[at] += own[column];
                    stored[at] = own[column];
                }
            }
            for level in Level::all() {
                let matrix = shared(&numbers);
                let mut found = own.clone();
                add_from(level, &matrix, &rows, &mut found);
                assert_eq!(found, sum);
                load(level, &matrix, &rows, &mut found);
                assert_eq!(found, numbers[4 * columns..]);
                add_to(level, &matrix, &rows, &own);
                assert_eq!(values(&matrix), moved);
                store(level, &matrix, &rows, &own);
                assert_eq!(values(&matrix)[4 * columns..], stored[4 * columns..]);
                assert_eq!(values(&matrix)[columns..2 * columns], numbers[columns..2 * columns], "other rows stay");
            }
        }
    }
}
