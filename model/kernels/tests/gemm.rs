//! Products against the plain loop they are defined by, bit for bit, on every path of this CPU.

use half::{bf16, f16};
use std::convert::Infallible;
use std::sync::Arc;
use yuan_kernels::gemm::{Chosen, DType, Gate, Matrix, Precision, Rows, Start, experts, grouped, matmul};
use yuan_kernels::isa::{Isa, force};

/// Numbers of many magnitudes and both signs.
fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let unit = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
            unit * (2.0_f32).powi((state & 7) as i32 - 4)
        })
        .collect()
}

fn naive(x: &[f32], w: &[f32], columns: usize, start: Start, y: &mut [f32]) {
    let out = w.len() / columns;
    for (x, y) in x.chunks(columns).zip(y.chunks_mut(out)) {
        for (o, (w, y)) in w.chunks(columns).zip(y).enumerate() {
            let from = match start {
                Start::Zero => 0.0,
                Start::Bias(bias) => bias[o],
                Start::Accumulate => *y,
            };
            *y = x.iter().zip(w).fold(from, |sum, (x, w)| x.mul_add(*w, sum));
        }
    }
}

struct Held {
    weights: Vec<f32>,
    columns: usize,
}

impl Rows for Held {
    fn out(&self) -> usize {
        self.weights.len() / self.columns
    }
    fn columns(&self) -> usize {
        self.columns
    }
    fn read(&self, first_row: usize, rows: &mut [f32]) {
        rows.copy_from_slice(&self.weights[first_row * self.columns..][..rows.len()]);
    }
}

fn pack(weights: &[f32], columns: usize, dtype: DType) -> Matrix {
    Matrix::pack(weights.len() / columns, columns, dtype, |first, rows| {
        rows.copy_from_slice(&weights[first * columns..][..rows.len()]);
        Ok::<_, Infallible>(())
    })
    .expect("reading a slice cannot fail")
}

/// Each way to hold the weights, with the weights it stands for.
fn matrices(weights: &[f32], columns: usize) -> Vec<(Matrix, Vec<f32>)> {
    let rounded = |round: fn(f32) -> f32| weights.iter().map(|&w| round(w)).collect::<Vec<_>>();
    let held = Held { weights: weights.to_vec(), columns };
    vec![
        (pack(weights, columns, DType::F32), weights.to_vec()),
        (pack(weights, columns, DType::F16), rounded(|w| f16::from_f32(w).to_f32())),
        (pack(weights, columns, DType::Bf16), rounded(|w| bf16::from_f32(w).to_f32())),
        (Matrix::lazy(Arc::new(held)), weights.to_vec()),
    ]
}

fn assert_same(got: &[f32], expected: &[f32], what: &str) {
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert_eq!(got.to_bits(), expected.to_bits(), "{what}: element {i} is {got:e}, not {expected:e}");
    }
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started")
}

#[test]
fn products_have_the_bits_of_the_plain_loop_on_every_path() {
    let pools = [pool(1), pool(2), pool(5)];
    let mut shapes: Vec<(usize, usize, usize)> = (1..=70).map(|rows| (rows, 33 + rows % 40, 17 + rows % 13)).collect();
    shapes.extend([
        (0, 5, 3),
        (1, 1, 1),
        (1, 300, 1031),
        (2, 256, 64),
        (3, 130, 515),
        (29, 96, 1025),
        (400, 40, 600),
        (4200, 9, 515),
    ]);
    // The last is packed in two sheets.
    for (rows, out, columns) in shapes {
        let (x, w) = (numbers(rows * columns, 1), numbers(out * columns, 2));
        let (bias, old) = (numbers(out, 3), numbers(rows * out, 4));
        for (matrix, weights) in matrices(&w, columns) {
            for start in [Start::Zero, Start::Bias(&bias), Start::Accumulate] {
                let mut expected = old.clone();
                naive(&x, &weights, columns, start, &mut expected);
                for isa in Isa::all() {
                    if isa == Isa::Portable && rows > 100 {
                        continue;
                    }
                    for (i, pool) in pools.iter().enumerate() {
                        let mut y = old.clone();
                        pool.install(|| force(isa, || matmul(&x, &matrix, start, &mut y)));
                        assert_same(&y, &expected, &format!("{matrix:?} {rows} rows, {start:.0?} {isa:?} pool {i}"));
                    }
                }
            }
        }
    }
}

#[test]
fn grouped_products_are_those_of_each_expert_alone() {
    let (columns, out, tokens) = (37, 50, 40);
    let x = numbers(tokens * columns, 5);
    let weights: Vec<Vec<f32>> = (0..6).map(|e| numbers(out * columns, 10 + e)).collect();
    let w: Vec<Matrix> = weights.iter().map(|weights| pack(weights, columns, DType::F32)).collect();
    let layouts: [[usize; 7]; 4] =
        [[0, 0, 3, 3, 30, 31, 80], [0, 0, 0, 80, 80, 80, 80], [0; 7], [0, 80, 80, 80, 80, 80, 80]];
    for offsets in layouts {
        let row_of: Vec<u32> = (0..offsets[6] as u32).map(|a| a * 7 % tokens as u32).collect();
        let gathered: Vec<f32> = row_of.iter().flat_map(|&r| x[r as usize * columns..][..columns].to_vec()).collect();
        let mut expected = vec![0.0; row_of.len() * out];
        for (e, weights) in weights.iter().enumerate() {
            let (a, b) = (offsets[e], offsets[e + 1]);
            naive(&gathered[a * columns..b * columns], weights, columns, Start::Zero, &mut expected[a * out..b * out]);
        }
        for isa in Isa::all() {
            for threads in [1, 2, 5] {
                let mut y = vec![f32::NAN; expected.len()];
                pool(threads).install(|| force(isa, || grouped(&x, Some(&row_of), &offsets, &w, &mut y)));
                assert_same(&y, &expected, &format!("{offsets:?} {isa:?} {threads} threads"));
                let mut y = vec![f32::NAN; expected.len()];
                pool(threads).install(|| force(isa, || grouped(&gathered, None, &offsets, &w, &mut y)));
                assert_same(&y, &expected, &format!("{offsets:?} {isa:?} {threads} threads, gathered"));
            }
        }
    }
}

struct Mixture {
    hidden: usize,
    width: usize,
    first: Vec<Vec<f32>>,
    second: Vec<Vec<f32>>,
}

/// One token through one expert in f64.
fn expert(m: &Mixture, e: usize, gate: Gate, x: &[f32]) -> Vec<f64> {
    let times = |w: &[f32], x: &[f64]| -> Vec<f64> {
        w.chunks(x.len()).map(|w| w.iter().zip(x).map(|(w, x)| *w as f64 * x).sum()).collect()
    };
    let x: Vec<f64> = x.iter().map(|&x| x as f64).collect();
    let h = times(&m.first[e], &x);
    let silu = |x: f64| x / (1.0 + (-x).exp());
    let active: Vec<f64> = (0..m.width)
        .map(|i| match gate {
            Gate::First => silu(h[i]) * h[m.width + i],
            Gate::Second => h[i] * silu(h[m.width + i]),
            Gate::None => silu(h[i]),
        })
        .collect();
    assert_eq!(m.second[e].len(), m.hidden * m.width);
    times(&m.second[e], &active)
}

#[test]
fn experts_agree_with_f64_and_with_themselves_in_any_company() {
    let (hidden, width, count, tokens, top_k) = (48, 35, 5, 61, 2);
    let x = numbers(tokens * hidden, 6);
    // Expert 3 is never chosen.
    let ids: Vec<u32> = (0..tokens * top_k).map(|i| [0, 1, 2, 4, 2, 0, 4, 1][i % 8]).collect();
    let weights: Vec<f32> = numbers(ids.len(), 7).iter().map(|w| w.abs()).collect();
    for gate in [Gate::First, Gate::Second, Gate::None] {
        let m = Mixture {
            hidden,
            width,
            first: (0..count).map(|e| numbers(gate.inputs(width) * hidden, 20 + e)).collect(),
            second: (0..count).map(|e| numbers(hidden * width, 30 + e)).collect(),
        };
        let gate_up: Vec<Matrix> = m.first.iter().map(|w| pack(w, hidden, DType::F32)).collect();
        let down: Vec<Matrix> = m.second.iter().map(|w| pack(w, width, DType::F32)).collect();
        let run = |x: &[f32], ids: &[u32], weights: &[f32]| {
            let mut out = vec![f32::NAN; x.len()];
            experts(x, Chosen { experts: ids, weights, top_k }, &gate_up, gate, &down, &mut out);
            out
        };
        let together = run(&x, &ids, &weights);
        for t in 0..tokens {
            let row = &x[t * hidden..][..hidden];
            let (ids, weights) = (&ids[t * top_k..][..top_k], &weights[t * top_k..][..top_k]);
            assert_same(&run(row, ids, weights), &together[t * hidden..][..hidden], &format!("token {t} alone"));
            let mut exact = vec![0.0; hidden];
            for (&e, &weight) in ids.iter().zip(weights) {
                for (sum, y) in exact.iter_mut().zip(expert(&m, e as usize, gate, row)) {
                    *sum += weight as f64 * y;
                }
            }
            let size = exact.iter().fold(0.0_f64, |size, y| size.max(y.abs()));
            for (got, exact) in together[t * hidden..].iter().zip(&exact) {
                assert!((*got as f64 - exact).abs() <= 1e-5 * size, "token {t}: {got} for {exact}, {gate:?}");
            }
        }
        let turned: Vec<usize> = (0..tokens).rev().collect();
        let pick =
            |from: &[f32], len: usize| turned.iter().flat_map(|&t| from[t * len..][..len].to_vec()).collect::<Vec<_>>();
        let turned_ids: Vec<u32> = turned.iter().flat_map(|&t| ids[t * top_k..][..top_k].to_vec()).collect();
        for isa in Isa::all() {
            for threads in [1, 2, 5] {
                let y = pool(threads)
                    .install(|| force(isa, || run(&pick(&x, hidden), &turned_ids, &pick(&weights, top_k))));
                assert_same(&y, &pick(&together, hidden), &format!("{gate:?} {isa:?} {threads} threads"));
            }
        }
    }
}

/// What the instruction's manual says, a number at a time: no value may be subnormal.
fn flushed(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { 0.0_f32.copysign(x) } else { x }
}

fn naive_bf16(x: &[f32], w: &[f32], columns: usize, start: Start, y: &mut [f32]) {
    let out = w.len() / columns;
    let steps = columns.div_ceil(32) * 32;
    // What is rounded on the way is zero if it was subnormal before; weights have been of bf16 for long.
    let read = |row: &[f32], before: fn(f32) -> f32| {
        let mut row: Vec<f32> = row.iter().map(|&v| flushed(bf16::from_f32(before(v)).to_f32())).collect();
        row.resize(steps, 0.0);
        row
    };
    let w: Vec<Vec<f32>> = w.chunks(columns).map(|row| read(row, |v| v)).collect();
    for (x, y) in x.chunks(columns).map(|row| read(row, flushed)).zip(y.chunks_mut(out)) {
        for (o, (w, y)) in w.iter().zip(y).enumerate() {
            let from = match start {
                Start::Zero => 0.0,
                Start::Bias(bias) => bias[o],
                Start::Accumulate => *y,
            };
            *y = flushed(from);
            for (x, w) in x.chunks(32).zip(w.chunks(32)) {
                let (mut even, mut odd) = (0.0, 0.0);
                for (x, w) in x.chunks(2).zip(w.chunks(2)) {
                    even = flushed(x[0].mul_add(w[0], even));
                    odd = flushed(x[1].mul_add(w[1], odd));
                }
                *y = flushed(*y + flushed(even + odd));
            }
        }
    }
}

/// Numbers whose exponents lie within `exponents`, zeros and subnormals among them where 0 is.
fn spread(len: usize, seed: u64, exponents: std::ops::Range<u32>) -> Vec<f32> {
    numbers(len, seed)
        .iter()
        .map(|x| {
            let bits = x.to_bits();
            let exponent = exponents.start + (bits >> 3) % (exponents.end - exponents.start);
            f32::from_bits(bits & 0x807f_ffff | exponent << 23)
        })
        .collect()
}

#[test]
fn bf16_products_have_the_bits_of_the_matrix_units_on_every_path() {
    // Ordinary, cancelling, near the smallest and overflowing.
    let ranges = [120..132, 90..160, 40..90, 58..70, 0..70, 0..255];
    for (rows, out, columns) in [
        (1, 40, 33),
        (5, 64, 96),
        (16, 31, 64),
        (17, 33, 1),
        (33, 100, 1100),
        (70, 65, 95),
        (300, 40, 64),
        (4200, 3, 515),
    ] {
        // The last is packed in two sheets: once is enough, and not a number at a time.
        let long = rows > 1000;
        for (i, range) in ranges.iter().enumerate().take(if long { 1 } else { ranges.len() }) {
            let seed = i as u64;
            let (x, w) =
                (spread(rows * columns, seed + 50, range.clone()), spread(out * columns, seed + 60, range.clone()));
            let (bias, old) = (spread(out, seed + 70, range.clone()), spread(rows * out, seed + 80, range.clone()));
            let matrix = pack(&w, columns, DType::Bf16).with_precision(Precision::Bf16);
            for start in [Start::Zero, Start::Bias(&bias), Start::Accumulate] {
                let mut expected = old.clone();
                naive_bf16(&x, &w, columns, start, &mut expected);
                for isa in Isa::all().filter(|&isa| !long || isa > Isa::Avx2) {
                    for threads in [1, 2, 5] {
                        let mut y = old.clone();
                        pool(threads).install(|| force(isa, || matmul(&x, &matrix, start, &mut y)));
                        for (i, (got, expected)) in y.iter().zip(&expected).enumerate() {
                            let same = got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan();
                            assert!(
                                same,
                                "{rows} {out} {columns} {range:?} {isa:?}: [{i}] is {got:e}, not {expected:e}"
                            );
                        }
                    }
                }
            }
        }
    }
}

/// What lies nearer to the least normal number than to any other of bf16 was subnormal before: a CPU's own conversion makes it zero.
#[test]
fn what_is_subnormal_is_zero_before_it_is_rounded() {
    let large = f32::from_bits(230 << 23);
    let matrix = pack(&[large; 2], 2, DType::Bf16).with_precision(Precision::Bf16);
    for (bits, expected) in [(0x007f_8000, 0.0), (0x007f_ffff, 0.0), (0x0080_0000, f32::MIN_POSITIVE * large)] {
        for isa in Isa::all() {
            let mut y = [1.0];
            force(isa, || matmul(&[f32::from_bits(bits), 0.0], &matrix, Start::Zero, &mut y));
            assert_eq!(y, [expected], "{bits:x} {isa:?}");
        }
    }
}
