//! Products of packed sides against the plain loop, and in bf16 against `matmul`, bit for bit, on every path of this CPU.

use std::convert::Infallible;
use yuan_kernels::gemm::{DType, Inputs, Left, Matrix, Precision, Product, Right, Start, View, matmul, multiply};
use yuan_kernels::isa::{Isa, force};

/// Numbers of many magnitudes and both signs.
fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 40) as f32 / (1 << 23) as f32 - 1.0) * (2.0_f32).powi((state & 7) as i32 - 4)
    };
    (0..len).map(|_| next()).collect()
}

/// `[columns, rows]` of `[rows, columns]`.
fn turned(x: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| x.iter().skip(column).step_by(columns).copied()).collect()
}

fn plain(x: &[f32], w: &[f32], inputs: usize, start: Start, y: &mut [f32]) {
    for (x, y) in x.chunks(inputs).zip(y.chunks_mut(w.len() / inputs)) {
        for (o, (w, y)) in w.chunks(inputs).zip(y).enumerate() {
            let from = match start {
                Start::Zero => 0.0,
                Start::Bias(bias) => bias[o],
                Start::Accumulate => *y,
            };
            *y = x.iter().zip(w).fold(from, |sum, (x, w)| x.mul_add(*w, sum));
        }
    }
}

/// What `matmul` makes of numbers in bf16.
fn rounded(x: &[f32], w: &[f32], inputs: usize, start: Start, y: &mut [f32]) {
    let read = |first: usize, rows: &mut [f32]| {
        rows.copy_from_slice(&w[first * inputs..][..rows.len()]);
        Ok::<_, Infallible>(())
    };
    let w = Matrix::pack(w.len() / inputs, inputs, DType::Bf16, read).expect("reading a slice cannot fail");
    matmul(x, &w.with_precision(Precision::Bf16), start, y);
}

fn assert_same(got: &[f32], expected: &[f32], what: &str) {
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert_eq!(got.to_bits(), expected.to_bits(), "{what}: element {i} is {got:e}, not {expected:e}");
    }
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started")
}

const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::Bf16];

#[test]
fn sides_either_way_round_give_the_same_bits() {
    let pools = [pool(1), pool(3)];
    let mut shapes: Vec<_> = (1..40).map(|rows| (rows, 1 + rows * 7 % 70, 1 + rows * 13 % 90)).collect();
    shapes.extend([(300, 96, 130), (90, 520, 64), (33, 40, 4200)]);
    for (rows, columns, inputs) in shapes {
        let (x, w) = (numbers(rows * inputs, 1), numbers(columns * inputs, 2));
        let (x_turned, w_turned) = (turned(&x, inputs), turned(&w, inputs));
        let (bias, old) = (numbers(columns, 3), numbers(rows * columns, 4));
        for precision in PRECISIONS {
            for start in [Start::Zero, Start::Bias(&bias), Start::Accumulate] {
                let mut expected = old.clone();
                match precision {
                    Precision::F32 => plain(&x, &w, inputs, start, &mut expected),
                    Precision::Bf16 => rounded(&x, &w, inputs, start, &mut expected),
                }
                for isa in Isa::all().filter(|isa| *isa > Isa::Portable || rows < 50) {
                    for (number, pool) in pools.iter().enumerate() {
                        for turn in 0..4 {
                            let mut y = old.clone();
                            let sides = || {
                                let (mut left, mut right) = (Left::default(), Right::default());
                                match turn & 1 {
                                    0 => left.pack(View::new(&x, inputs), Inputs::Along, precision),
                                    _ => left.pack(View::new(&x_turned, rows), Inputs::Across, precision),
                                };
                                match turn & 2 {
                                    0 => right.pack(View::new(&w, inputs), Inputs::Along, precision),
                                    _ => right.pack(View::new(&w_turned, columns), Inputs::Across, precision),
                                };
                                multiply(&mut [Product::new(&left, &right, start, &mut y, columns)]);
                            };
                            pool.install(|| force(isa, sides));
                            let what = format!("{rows} {columns} {inputs} {precision:?} {start:.0?} {isa:?}");
                            assert_same(&y, &expected, &format!("{what}, pool {number}, turn {turn}"));
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn parts_and_gathered_rows_are_those_of_the_whole() {
    let (x, w) = (numbers(50 * 100, 5), numbers(200 * 100, 6));
    let row_of: Vec<u32> = (0..70).map(|row| row * 17 % 50).collect();
    let gathered: Vec<f32> = row_of.iter().flat_map(|row| x[*row as usize * 100..][..100].to_vec()).collect();
    for precision in PRECISIONS {
        for isa in Isa::all() {
            let mut whole = vec![0.0; 70 * 200];
            let mut part = vec![7.0; 70 * 150];
            let mut fewer = vec![0.0; 70 * 200];
            force(isa, || {
                let (mut left, mut right) = (Left::default(), Right::default());
                left.pack(View::new(&gathered, 100), Inputs::Along, precision);
                right.pack(View::new(&w, 100), Inputs::Along, precision);
                multiply(&mut [Product::new(&left, &right, Start::Zero, &mut whole, 200)]);
                left.pack_here(View::new(&x, 100).gather(&row_of), Inputs::Along, precision);
                Product::of_part(&left, &right, 64..200, 0, Start::Zero, &mut part, 150).run();
                left.pack_here(View::new(&gathered, 100).columns(64..100), Inputs::Along, precision);
                Product::of_part(&left, &right, 0..200, 64, Start::Zero, &mut fewer, 200).run();
            });
            for (whole, part) in whole.chunks(200).zip(part.chunks(150)) {
                assert_same(&part[..136], &whole[64..], &format!("{precision:?} {isa:?}"));
                assert_eq!(part[136..], [7.0; 14]);
            }
            let cut: Vec<f32> = w.chunks(100).flat_map(|w| w[64..].to_vec()).collect();
            let inputs: Vec<f32> = gathered.chunks(100).flat_map(|x| x[64..].to_vec()).collect();
            let mut expected = vec![0.0; 70 * 200];
            match precision {
                Precision::F32 => plain(&inputs, &cut, 36, Start::Zero, &mut expected),
                Precision::Bf16 => force(isa, || rounded(&inputs, &cut, 36, Start::Zero, &mut expected)),
            }
            assert_same(&fewer, &expected, &format!("{precision:?} {isa:?}, fewer inputs"));
        }
    }
}

#[test]
fn nothing_is_multiplied_with_nothing() {
    let (mut left, mut right) = (Left::default(), Right::default());
    left.pack(View::new(&[], 3), Inputs::Along, Precision::F32);
    right.pack(View::new(&[1.0; 6], 3), Inputs::Along, Precision::F32);
    multiply(&mut [Product::new(&left, &right, Start::Zero, &mut [], 2)]);
    multiply(&mut []);
    // No rows are summed over: y stays.
    for precision in PRECISIONS {
        left.pack(View::new(&[], 2), Inputs::Across, precision);
        right.pack(View::new(&[], 3), Inputs::Across, precision);
        let mut y = [5.0; 6];
        multiply(&mut [Product::new(&left, &right, Start::Accumulate, &mut y, 3)]);
        assert_eq!(y, [5.0; 6]);
    }
}
