//! The loops over rows, compiled for several instruction sets and chosen at run time.
//!
//! Every element of a vector is computed by the same operations in the same order whatever the width, and no product is fused with a
//! sum, so results are those of fastText's loops, bit for bit, on every processor.

/// The instruction set that the loops run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// What every processor of the target has.
    Baseline,
    /// 256 bits.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512 bits.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// The widest that this processor has.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
            {
                return Level::Avx512;
            }
            if is_x86_feature_detected!("avx2") {
                return Level::Avx2;
            }
        }
        Level::Baseline
    }

    /// All that this processor has.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        let mut levels = vec![Level::Baseline];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                levels.push(Level::Avx2);
            }
            if Level::detect() == Level::Avx512 {
                levels.push(Level::Avx512);
            }
        }
        levels
    }
}

/// Makes a function for each instruction set from one body, and one that chooses.
macro_rules! for_each_level {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$attribute])*
        $visibility fn $name(level: $crate::train::kernels::Level, $($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn body($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2($($argument: $type),*) $(-> $result)? {
                body($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx2")]
            fn avx512($($argument: $type),*) $(-> $result)? {
                body($($argument),*)
            }

            match level {
                $crate::train::kernels::Level::Baseline => body($($argument),*),
                // SAFETY: a level other than the baseline comes from `Level::detect`, which asked the processor for its instructions.
                #[cfg(target_arch = "x86_64")]
                $crate::train::kernels::Level::Avx2 => unsafe { avx2($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::train::kernels::Level::Avx512 => unsafe { avx512($($argument),*) },
            }
        }
    };
}

pub(crate) use for_each_level;

/// Elements that a step of the loops takes together.
const BLOCK: usize = 16;

/// `sum += row`, element by element.
#[inline(always)]
fn add(sum: &mut [f32], row: &[f32]) {
    let (sums, sum_rest) = sum.as_chunks_mut::<BLOCK>();
    let (rows, row_rest) = row.as_chunks::<BLOCK>();
    for (sum, row) in sums.iter_mut().zip(rows) {
        for (sum, value) in sum.iter_mut().zip(row) {
            *sum += value;
        }
    }
    let (sums, sum_rest) = sum_rest.as_chunks_mut::<4>();
    let (rows, row_rest) = row_rest.as_chunks::<4>();
    for (sum, row) in sums.iter_mut().zip(rows) {
        for (sum, value) in sum.iter_mut().zip(row) {
            *sum += value;
        }
    }
    for (sum, value) in sum_rest.iter_mut().zip(row_rest) {
        *sum += value;
    }
}

/// `sum += a; sum += b; sum += c; sum += d`, element by element, with one walk over `sum`.
#[inline(always)]
fn add_four(sum: &mut [f32], rows: [&[f32]; 4]) {
    let length = sum.len();
    let [a, b, c, d] = rows.map(|row| &row[..length]);
    let blocks = length / BLOCK * BLOCK;
    let mut at = 0;
    while at < blocks {
        let sum = &mut sum[at..at + BLOCK];
        let (a, b, c, d) = (&a[at..at + BLOCK], &b[at..at + BLOCK], &c[at..at + BLOCK], &d[at..at + BLOCK]);
        for index in 0..BLOCK {
            sum[index] = sum[index] + a[index] + b[index] + c[index] + d[index];
        }
        at += BLOCK;
    }
    while at + 4 <= length {
        let sum = &mut sum[at..at + 4];
        let (a, b, c, d) = (&a[at..at + 4], &b[at..at + 4], &c[at..at + 4], &d[at..at + 4]);
        for index in 0..4 {
            sum[index] = sum[index] + a[index] + b[index] + c[index] + d[index];
        }
        at += 4;
    }
    for index in at..length {
        sum[index] = sum[index] + a[index] + b[index] + c[index] + d[index];
    }
}

/// Asks for a row that is needed soon.
#[inline(always)]
pub(crate) fn prefetch(row: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in row.chunks(16) {
        // SAFETY: a prefetch is a hint that reads nothing, and the address is that of a slice anyway.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr().cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row;
}

/// Rows between a prefetch and the use of the row.
pub(super) const AHEAD: usize = 16;

for_each_level! {
    /// Sets `sum` to the sum of the rows of a matrix, added one after the other, times `factor`. Rows are as long as `sum`.
    pub(crate) fn average_rows(matrix: &[f32], rows: &[u32], factor: f32, sum: &mut [f32]) {
        let columns = sum.len();
        let row = |row: u32| &matrix[row as usize * columns..][..columns];
        sum.fill(0.0);
        for &ahead in rows.iter().take(AHEAD) {
            prefetch(row(ahead));
        }
        let (fours, rest) = rows.as_chunks::<4>();
        for (index, four) in fours.iter().enumerate() {
            for &ahead in rows.iter().skip(index * 4 + AHEAD).take(4) {
                prefetch(row(ahead));
            }
            add_four(sum, four.map(row));
        }
        for &last in rest {
            add(sum, row(last));
        }
        for value in sum.iter_mut() {
            *value *= factor;
        }
    }
}

for_each_level! {
    /// Adds a vector to rows of a matrix, one after the other.
    pub(crate) fn add_to_rows(matrix: &mut [f32], rows: &[u32], vector: &[f32]) {
        let columns = vector.len();
        for &ahead in rows.iter().take(AHEAD) {
            prefetch(&matrix[ahead as usize * columns..][..columns]);
        }
        for (index, &row) in rows.iter().enumerate() {
            if let Some(&ahead) = rows.get(index + AHEAD) {
                prefetch(&matrix[ahead as usize * columns..][..columns]);
            }
            add(&mut matrix[row as usize * columns..][..columns], vector);
        }
    }
}

for_each_level! {
    /// `vector *= factor`.
    pub(crate) fn scale(vector: &mut [f32], factor: f32) {
        for value in vector {
            *value *= factor;
        }
    }
}

/// `gradient += step · row`, then `row += step · hidden`.
#[inline(always)]
fn step_one(row: &mut [f32], step: f32, hidden: &[f32], gradient: &mut [f32]) {
    let length = row.len();
    let (hidden, gradient) = (&hidden[..length], &mut gradient[..length]);
    for index in 0..length {
        gradient[index] += step * row[index];
        row[index] += step * hidden[index];
    }
}

for_each_level! {
    /// `gradient += step · row`, then `row += step · hidden`.
    pub(crate) fn step_row(row: &mut [f32], step: f32, hidden: &[f32], gradient: &mut [f32]) {
        step_one(row, step, hidden, gradient);
    }
}

for_each_level! {
    /// [`step_row`] for every row of a matrix, from the first on, each with its step.
    pub(crate) fn step_rows(matrix: &mut [f32], steps: &[f32], hidden: &[f32], gradient: &mut [f32]) {
        for (row, &step) in matrix.chunks_exact_mut(hidden.len()).zip(steps) {
            step_one(row, step, hidden, gradient);
        }
    }
}

/// Rows whose products are summed side by side.
const SIDE_BY_SIDE: usize = 4;

for_each_level! {
    /// The product of each row of a matrix with a vector, each summed from the front.
    pub(crate) fn products(matrix: &[f32], vector: &[f32], products: &mut [f32]) {
        let columns = vector.len();
        let mut blocks = products.chunks_exact_mut(SIDE_BY_SIDE);
        let mut rows = matrix.chunks_exact(columns * SIDE_BY_SIDE);
        for (block, rows) in (&mut blocks).zip(&mut rows) {
            let (a, rest) = rows.split_at(columns);
            let (b, rest) = rest.split_at(columns);
            let (c, d) = rest.split_at(columns);
            let mut sums = [0.0_f32; SIDE_BY_SIDE];
            for ((((value, a), b), c), d) in vector.iter().zip(a).zip(b).zip(c).zip(d) {
                sums[0] += a * value;
                sums[1] += b * value;
                sums[2] += c * value;
                sums[3] += d * value;
            }
            block.copy_from_slice(&sums);
        }
        for (product, row) in blocks.into_remainder().iter_mut().zip(rows.remainder().chunks_exact(columns)) {
            *product = row.iter().zip(vector).fold(0.0, |sum, (element, value)| sum + element * value);
        }
    }
}

/// Products that [`products_of_columns`] keeps in registers.
const LANES: usize = 64;

for_each_level! {
    /// As [`products`], from the transposed matrix, shape `[vector.len(), stride]`: a lane for each row of the matrix.
    pub(crate) fn products_of_columns(transposed: &[f32], stride: usize, vector: &[f32], products: &mut [f32]) {
        for (block, products) in products.chunks_mut(LANES).enumerate() {
            let start = block * LANES;
            if products.len() == LANES {
                let mut sums = [0.0_f32; LANES];
                for (row, &value) in transposed.chunks_exact(stride).zip(vector) {
                    let row = &row[start..start + LANES];
                    for lane in 0..LANES {
                        sums[lane] += row[lane] * value;
                    }
                }
                products.copy_from_slice(&sums);
            } else {
                products.fill(0.0);
                for (row, &value) in transposed.chunks_exact(stride).zip(vector) {
                    for (product, element) in products.iter_mut().zip(&row[start..]) {
                        *product += element * value;
                    }
                }
            }
        }
    }
}

for_each_level! {
    /// What [`step_rows`] does to the matrix, done to the transposed one.
    pub(crate) fn step_columns(transposed: &mut [f32], stride: usize, steps: &[f32], hidden: &[f32]) {
        for (row, &value) in transposed.chunks_exact_mut(stride).zip(hidden) {
            for (element, &step) in row.iter_mut().zip(steps) {
                *element += step * value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libstdcxx::random::MinStdRand;

    fn random(count: usize, generator: &mut MinStdRand) -> Vec<f32> {
        (0..count).map(|_| generator.uniform_real(-2.0, 2.0) as f32).collect()
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    /// Loops as plain as they can be, one number after the other.
    #[test]
    fn every_level_gives_the_bits_of_plain_loops() {
        let mut generator = MinStdRand::new(1);
        for columns in [1, 3, 4, 7, 15, 16, 17, 20, 33, 64, 100, 131] {
            let (count, labels) = (23, 70);
            let matrix = random(count * columns, &mut generator);
            let (hidden, steps) = (random(columns, &mut generator), random(labels, &mut generator));
            let rows: Vec<u32> = (0..37).map(|_| generator.uniform_int(count as u64 - 1) as u32).collect();
            let output = random(labels * columns, &mut generator);

            let mut average = vec![0.0; columns];
            let mut moved = matrix.clone();
            for &row in &rows {
                for column in 0..columns {
                    average[column] += matrix[row as usize * columns + column];
                    moved[row as usize * columns + column] += hidden[column];
                }
            }
            average.iter_mut().for_each(|sum| *sum *= 0.3);
            let mut scores = vec![0.0_f32; labels];
            let (mut gradient, mut stepped) = (vec![0.0_f32; columns], output.clone());
            for label in 0..labels {
                for column in 0..columns {
                    scores[label] += output[label * columns + column] * hidden[column];
                    gradient[column] += steps[label] * output[label * columns + column];
                    stepped[label * columns + column] += steps[label] * hidden[column];
                }
            }

            for level in Level::all() {
                let mut found = vec![9.0; columns];
                average_rows(level, &matrix, &rows, 0.3, &mut found);
                assert_eq!(bits(&found), bits(&average), "{columns} columns on {level:?}");
                let mut found = matrix.clone();
                add_to_rows(level, &mut found, &rows, &hidden);
                assert_eq!(bits(&found), bits(&moved), "{columns} columns on {level:?}");
                let mut found = vec![9.0; labels];
                products(level, &output, &hidden, &mut found);
                assert_eq!(bits(&found), bits(&scores), "{columns} columns on {level:?}");
                let (mut found, mut sums) = (output.clone(), vec![0.0; columns]);
                step_rows(level, &mut found, &steps, &hidden, &mut sums);
                assert_eq!(
                    (bits(&found), bits(&sums)),
                    (bits(&stepped), bits(&gradient)),
                    "{columns} columns on {level:?}"
                );

                let stride = labels.next_multiple_of(16);
                let transpose = |matrix: &[f32]| {
                    let mut transposed = vec![0.0; stride * columns];
                    for (label, row) in matrix.chunks_exact(columns).enumerate() {
                        row.iter().enumerate().for_each(|(column, value)| transposed[column * stride + label] = *value);
                    }
                    transposed
                };
                let mut transposed = transpose(&output);
                let mut found = vec![9.0; labels];
                products_of_columns(level, &transposed, stride, &hidden, &mut found);
                assert_eq!(bits(&found), bits(&scores), "{columns} columns on {level:?}");
                step_columns(level, &mut transposed, stride, &steps, &hidden);
                assert_eq!(bits(&transposed), bits(&transpose(&stepped)), "{columns} columns on {level:?}");
            }
        }
    }
}
