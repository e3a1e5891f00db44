//! Sums of rows, the loop that predictions spend their time in.
//!
//! Elements of a vector are independent, so any number of them can be added at once without changing a result: the same
//! code is compiled for several widths of registers and chosen when the program runs. Sums of a block of elements stay in
//! registers while rows pass by, which are asked for ahead of time, as they lie anywhere in the matrix.

use super::product::{CENTROIDS, ProductQuantiser};
use crate::fetch::fetch_range;

/// Rows that are fetched ahead of the one that is added.
const AHEAD: usize = 12;

/// Compiles a function for wider registers as well, and calls the widest that the processor has.
macro_rules! widest {
    ($(#[$attributes:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) = $body:path) => {
        $(#[$attributes])*
        pub(super) fn $name($($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn wide($($argument: $type),*) {
                    $body($($argument),*)
                }
                #[target_feature(enable = "avx512f,avx512vl")]
                fn wider($($argument: $type),*) {
                    $body($($argument),*)
                }
                if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
                    // SAFETY: the processor has just been found to have these instructions.
                    return unsafe { wider($($argument),*) };
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has just been found to have these instructions.
                    return unsafe { wide($($argument),*) };
                }
            }
            $body($($argument),*)
        }
    };
}

widest! {
    /// Adds rows of a matrix of little-endian numbers with `sums.len()` columns to `sums`. Panics when a row is not there.
    fn sum_dense(cells: &[u8], rows: &[u32], sums: &mut [f32]) = dense
}

widest! {
    /// Adds rows that are codes to `sums`; each is multiplied with its norm first if there are norms. Panics when a
    /// row is not there.
    fn sum_codes(quantiser: &ProductQuantiser, codes: &[u8], norms: Option<(&[u8], &[f32])>, rows: &[u32], sums: &mut [f32])
        = quantised
}

#[inline(always)]
fn dense(cells: &[u8], rows: &[u32], sums: &mut [f32]) {
    let columns = sums.len();
    let mut first = 0;
    for width in [64, 32, 16, 8, 4, 1] {
        while columns - first >= width {
            let block = &mut sums[first..first + width];
            match width {
                64 => dense_block::<64>(cells, columns, first, rows, block),
                32 => dense_block::<32>(cells, columns, first, rows, block),
                16 => dense_block::<16>(cells, columns, first, rows, block),
                8 => dense_block::<8>(cells, columns, first, rows, block),
                4 => dense_block::<4>(cells, columns, first, rows, block),
                _ => dense_block::<1>(cells, columns, first, rows, block),
            }
            first += width;
        }
    }
}

/// Sums `WIDTH` columns from `first` on.
#[inline(always)]
fn dense_block<const WIDTH: usize>(cells: &[u8], columns: usize, first: usize, rows: &[u32], out: &mut [f32]) {
    let mut sums = [0.0f32; WIDTH];
    sums.copy_from_slice(out);
    let place = |row: u32| (row as usize * columns + first) * 4;
    for (at, &row) in rows.iter().enumerate() {
        if let Some(&row) = rows.get(at + AHEAD) {
            fetch(cells, place(row), WIDTH * 4);
        }
        let cells = cells[place(row)..][..WIDTH * 4].as_chunks::<4>().0;
        for (sum, cell) in sums.iter_mut().zip(cells) {
            *sum += f32::from_le_bytes(*cell);
        }
    }
    out.copy_from_slice(&sums);
}

#[inline(always)]
fn quantised(
    quantiser: &ProductQuantiser,
    codes: &[u8],
    norms: Option<(&[u8], &[f32])>,
    rows: &[u32],
    sums: &mut [f32],
) {
    let pieces = quantiser.pieces();
    let length = quantiser.piece_length();
    // Pieces of two numbers are what fastText makes unless told otherwise.
    let mut first = 0;
    if length == 2 {
        let whole = sums.len() / 2;
        for width in [16, 8, 4, 2, 1] {
            while whole - first >= width {
                let block = &mut sums[first * 2..(first + width) * 2];
                match width {
                    16 => code_block::<16, 32>(quantiser, codes, norms, first, rows, block),
                    8 => code_block::<8, 16>(quantiser, codes, norms, first, rows, block),
                    4 => code_block::<4, 8>(quantiser, codes, norms, first, rows, block),
                    2 => code_block::<2, 4>(quantiser, codes, norms, first, rows, block),
                    _ => code_block::<1, 2>(quantiser, codes, norms, first, rows, block),
                }
                first += width;
            }
        }
    }
    if first == pieces {
        return;
    }
    let rest = &mut sums[first * length..];
    for &row in rows {
        let row = row as usize;
        let norm = norms.map_or(1.0, |(codes, values)| values[usize::from(codes[row])]);
        let codes = &codes[row * pieces..][..pieces][first..];
        for (piece, (sums, &code)) in rest.chunks_mut(length).zip(codes).enumerate() {
            for (sum, value) in sums.iter_mut().zip(quantiser.centroid(first + piece, code)) {
                *sum += norm * value;
            }
        }
    }
}

/// Sums `PIECES` pieces of two numbers, `WIDTH = 2 × PIECES` columns, from the piece `first` on.
#[inline(always)]
fn code_block<const PIECES: usize, const WIDTH: usize>(
    quantiser: &ProductQuantiser,
    codes: &[u8],
    norms: Option<(&[u8], &[f32])>,
    first: usize,
    rows: &[u32],
    out: &mut [f32],
) {
    let mut sums = [0.0f32; WIDTH];
    sums.copy_from_slice(out);
    let pieces = quantiser.pieces();
    // `[PIECES, 256, 2]`
    let centroids = &quantiser.centroids()[first * CENTROIDS * 2..][..PIECES * CENTROIDS * 2].as_chunks::<2>().0;
    for (at, &row) in rows.iter().enumerate() {
        if let Some(&row) = rows.get(at + AHEAD) {
            fetch(codes, row as usize * pieces + first, PIECES);
            if let Some((codes, _)) = norms {
                fetch(codes, row as usize, 1);
            }
        }
        let row = row as usize;
        let mut values = [0.0f32; WIDTH];
        let codes = &codes[row * pieces + first..][..PIECES];
        for piece in 0..PIECES {
            let centroid = centroids[piece * CENTROIDS + usize::from(codes[piece])];
            values[2 * piece] = centroid[0];
            values[2 * piece + 1] = centroid[1];
        }
        match norms {
            None => sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value),
            Some((codes, norms)) => {
                let norm = norms[usize::from(codes[row])];
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += norm * value);
            }
        }
    }
    out.copy_from_slice(&sums);
}

/// Asks for bytes, if they are there.
#[inline(always)]
fn fetch(bytes: &[u8], at: usize, length: usize) {
    fetch_range(bytes.as_ptr().wrapping_add(at), length);
}
