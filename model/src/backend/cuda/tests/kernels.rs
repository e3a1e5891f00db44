//! Kernels one by one, on awkward shapes, against those of the CPU.

use half::{bf16, f16};
use yuan_kernels as cpu;
use yuan_kernels::{Attention, Columns, Keys, Sequence};

use super::*;
use crate::backend::{Gate, RouteWeights};

/// Numbers between -1 and 1 that a type has.
fn numbers(count: usize, seed: u32, dtype: DType) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) ^ 0x9e37_79b9;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / (u32::MAX / 2) as f32 - 1.0
    };
    (0..count).map(|_| round(next(), dtype)).collect()
}

fn round(number: f32, dtype: DType) -> f32 {
    match dtype {
        DType::F32 => number,
        DType::F16 => f16::from_f32(number).to_f32(),
        DType::BF16 => bf16::from_f32(number).to_f32(),
    }
}

/// What a result may be off by, in parts of numbers of size 1: a rounding of the type, and of fp32 sums.
fn tolerance(dtype: DType) -> f32 {
    match dtype {
        DType::F32 => 1e-5,
        DType::F16 => 1e-3,
        DType::BF16 => 8e-3,
    }
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        let allowed = tolerance * expected.abs().max(1.0);
        assert!((found - expected).abs() <= allowed, "{place}: {found} is not {expected}");
    }
}

/// A device and numbers on it.
struct Bench<D: Driver> {
    cuda: Cuda<D>,
    dtype: DType,
}

impl<D: Driver> Bench<D> {
    fn array_of(&self, numbers: &[f32], columns: usize, dtype: DType) -> Array<D> {
        let array = self.cuda.array_of(numbers.len() / columns, columns, dtype).unwrap();
        let mut bytes = Vec::new();
        dtype.append(numbers, &mut bytes);
        self.cuda.driver.upload(&bytes, array.address()).unwrap();
        array
    }

    fn array(&self, numbers: &[f32], columns: usize) -> Array<D> {
        self.array_of(numbers, columns, self.dtype)
    }

    fn numbers(&self, count: usize, seed: u32) -> Vec<f32> {
        numbers(count, seed, self.dtype)
    }

    #[track_caller]
    fn assert(&self, found: &Array<D>, expected: &[f32]) {
        assert_close(&self.cuda.to_vec(found).unwrap(), expected, tolerance(self.dtype));
    }

    fn rows(&self) {
        for (rows, width) in [(1, 8), (3, 72), (5, 2056)] {
            let (numbers, other) = (self.numbers(rows * width, 1), self.numbers(rows * width, 2));
            let weight = numbers_of_weight(width);
            let x = self.array(&numbers, width);
            let mut expected = vec![0.0; rows * width];
            cpu::rms_norm(&numbers, &weight, 1e-5, &mut expected);
            let weight = self.cuda.vector(weight).unwrap();
            self.assert(&self.cuda.rms_norm(&x, &weight, 1e-5).unwrap(), &expected);

            let mut sum = self.array(&numbers, width);
            self.cuda.add(&mut sum, &self.array(&other, width)).unwrap();
            let expected: Vec<f32> = numbers.iter().zip(&other).map(|(a, b)| a + b).collect();
            self.assert(&sum, &expected);

            let gates = self.numbers(rows, 3);
            let mut expected = numbers.clone();
            cpu::sigmoid_gate(&mut expected, width, &gates);
            let mut gated = self.array(&numbers, width);
            self.cuda.sigmoid_gate(&mut gated, &self.array_of(&gates, 1, DType::F32)).unwrap();
            self.assert(&gated, &expected);

            let chosen: Vec<u32> = (0..7).map(|place| place * 5 % rows as u32).collect();
            let expected: Vec<f32> =
                chosen.iter().flat_map(|row| &numbers[*row as usize * width..][..width]).copied().collect();
            self.assert(&self.cuda.rows(&x, &chosen).unwrap(), &expected);
        }
    }

    fn linear(&self) {
        let (rows, depth, columns) = (5, 24, 11);
        let (x, weight) = (self.numbers(rows * depth, 1), self.numbers(columns * depth, 2));
        let bias = numbers(columns, 3, DType::F32);
        let product = |row: usize, column: usize| {
            let pairs = x[row * depth..][..depth].iter().zip(&weight[column * depth..][..depth]);
            pairs.map(|(x, weight)| f64::from(*x) * f64::from(*weight)).sum::<f64>() as f32
        };
        let products: Vec<f32> = (0..rows)
            .flat_map(|row| (0..columns).map(move |column| (row, column)))
            .map(|(a, b)| product(a, b))
            .collect();
        let (x, weight) = (self.array(&x, depth), self.array(&weight, depth));
        let mut matrix = Matrix { weight, product: self.dtype };
        let added: Vec<f32> = products.iter().zip(bias.iter().cycle()).map(|(x, bias)| x + bias).collect();
        let bias = self.cuda.vector(bias).unwrap();
        let found = self.cuda.to_vec(&self.cuda.linear(&x, &matrix, Some(&bias)).unwrap()).unwrap();
        // Rounded before the bias is added.
        assert_close(&found, &added, 4.0 * tolerance(self.dtype));
        matrix.product = DType::F32;
        let wide = self.cuda.linear(&x, &matrix, None).unwrap();
        assert_close(&self.cuda.to_vec(&wide).unwrap(), &products, 2e-6);
    }

    fn gates(&self) {
        for (gate, number) in [(Gate::None, 0), (Gate::First, 1), (Gate::Second, 2)] {
            let (rows, width) = (3, 40);
            let mlp = Mlp { width, gate };
            let x = self.numbers(rows * mlp.inner(), 4);
            let out = self.cuda.array(rows, width).unwrap();
            let there = self.array(&x, mlp.inner());
            let args = [out.arg(), there.arg(), Arg::Int(width as u32), Arg::Int(number)];
            self.cuda.launch("activate", Grid::of(rows), &args).unwrap();
            let silu = |x: f32| x / (1.0 + (-x).exp());
            let expected: Vec<f32> = (0..rows * width)
                .map(|place| {
                    let row = &x[place / width * mlp.inner()..][..mlp.inner()];
                    match gate {
                        Gate::None => silu(row[place % width]),
                        Gate::First => silu(row[place % width]) * row[width + place % width],
                        Gate::Second => row[place % width] * silu(row[width + place % width]),
                    }
                })
                .collect();
            self.assert(&out, &expected);
        }
    }

    fn rope(&self) {
        let (rows, columns, half) = (4, 96, 6);
        let heads = Heads { first_column: 16, count: 3, width: 24 };
        let angles: Vec<f32> = numbers(rows * half, 5, DType::F32).iter().map(|x| x * 9.0).collect();
        let (cos, sin): (Vec<f32>, Vec<f32>) = angles.iter().map(|angle| (angle.cos(), angle.sin())).unzip();
        let mut expected = self.numbers(rows * columns, 6);
        let mut x = self.array(&expected, columns);
        cpu::rope(&mut expected, columns, heads, &cos, &sin, half);
        let layout = self.cuda.layout(&Batch::of(&[0; 4]), Angles { half, cos, sin }).unwrap();
        self.cuda.rope(&mut x, heads, &layout).unwrap();
        self.assert(&x, &expected);
    }

    fn routes(&self) {
        for (rows, experts, top_k) in [(1, 1, 1), (9, 32, 2), (33, 60, 4), (600, 8, 3), (5, 256, 8), (7, 33, 33)] {
            let mut logits = numbers(rows * experts, 7, DType::F32);
            // Equal ones, and one that is no number.
            logits.iter_mut().for_each(|logit| *logit = (*logit * 6.0).round() / 2.0);
            if experts > 8 {
                logits[3] = f32::NAN;
            }
            let keys = numbers(rows * experts * 3, 8, DType::F32);
            let mut expected = vec![0.0; rows * experts];
            cpu::attention_router(&keys, experts, &mut expected);
            let routed = self.cuda.attention_router(&self.array_of(&keys, 3 * experts, DType::F32)).unwrap();
            assert_close(&self.cuda.to_vec(&routed).unwrap(), &expected, 1e-5);
            for weights in [RouteWeights::OfTaken, RouteWeights::OfAll] {
                if weights == RouteWeights::OfAll && experts > 8 {
                    logits[3] = -0.5;
                }
                let mut expected = (vec![0; rows * top_k], vec![0.0; rows * top_k]);
                cpu::top_k(&logits, experts, top_k, weights, &mut expected.0, &mut expected.1);
                let logits = self.array_of(&logits, experts, DType::F32);
                let routes = self.cuda.route(&logits, Routing { top_k, weights }).unwrap();
                let found = self.cuda.routes_to_vec(&routes).unwrap();
                assert_eq!(found.0, expected.0, "{experts} experts");
                let is_number = |weights: &[f32]| weights.iter().all(|weight| !weight.is_nan());
                if is_number(&expected.1) {
                    assert_close(&found.1, &expected.1, 2e-6);
                }
                self.sorted(&routes, &expected.0, experts, top_k);
            }
        }
    }

    /// Rows are sorted by expert, and within one as they were.
    fn sorted(&self, routes: &Routes<D>, ids: &[u32], experts: usize, top_k: usize) {
        let mut order: Vec<u32> = (0..ids.len() as u32).collect();
        order.sort_by_key(|place| ids[*place as usize]);
        let rows: Vec<u32> = order.iter().map(|place| place / top_k as u32).collect();
        let offsets: Vec<u32> =
            (0..=experts as u32).map(|expert| ids.iter().filter(|id| **id < expert).count() as u32).collect();
        let sort = self.cuda.sorted(routes).unwrap();
        assert_eq!(sort.offsets, offsets);
        assert_eq!(sort.rows, rows);
        for (sorted, place) in order.iter().enumerate() {
            assert_eq!(sort.places[*place as usize], sorted as u32);
        }
    }

    fn score(&self) {
        // More tokens than a part has, the last of them with the largest logits.
        let (rows, depth, vocab) = (3, 8, 4100);
        let (x, mut weight) = (self.numbers(rows * depth, 9), self.numbers(vocab * depth, 10));
        weight[4096 * depth..].iter_mut().for_each(|weight| *weight *= 8.0);
        let ids = [0, 4097, 77];
        let logits = |row: usize| -> Vec<f64> {
            let product =
                |weight: &[f32]| x[row * depth..][..depth].iter().zip(weight).map(|(a, b)| f64::from(a * b)).sum();
            weight.chunks(depth).map(product).collect()
        };
        let (x_there, head) = (self.array(&x, depth), self.array(&weight, depth));
        let scored = self.cuda.score(&x_there, &head, &ids).unwrap();
        for (row, (scored, id)) in scored.iter().zip(ids).enumerate() {
            let logits = logits(row);
            let own = logits[id as usize];
            let expected = own - logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
            assert!((f64::from(scored.log_prob) - expected).abs() < 1e-5, "{} {expected}", scored.log_prob);
            assert_eq!(scored.is_greedy, logits.iter().all(|logit| *logit <= own));
        }
        let best = logits(1).iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        assert!(self.cuda.score(&x_there, &head, &[0, best as u32, 0]).unwrap()[1].is_greedy);
        assert!(self.cuda.score(&x_there, &head, &[0, 4100, 0]).is_err());
    }

    fn attention(&self) {
        // Sequences, heads of queries and of keys, width, window, tokens of a document.
        type Case<'a> = (&'a [usize], usize, usize, usize, Option<usize>, usize);
        let cases: [Case<'_>; 9] = [
            (&[1], 1, 1, 16, None, 30),
            (&[5, 1, 40], 4, 2, 16, None, 30),
            (&[130, 64, 65], 2, 1, 32, Some(70), 30),
            (&[230], 1, 1, 16, None, 230),
            // Of the second part the first row's key is the last but one of a tile.
            (&[188], 1, 1, 16, None, 188),
            (&[300, 192], 1, 1, 16, Some(150), 100),
            (&[70], 2, 2, 64, Some(1), 30),
            (&[20, 90], 1, 1, 128, None, 30),
            (&[67], 1, 1, 256, None, 67),
        ];
        for (lengths, heads, kv_heads, width, window, document) in cases {
            let rows: usize = lengths.iter().sum();
            let columns = (heads + 2 * kv_heads) * width;
            let all = self.numbers(rows * columns, 11);
            let shape = AttentionShape {
                queries: Heads { first_column: 0, count: heads, width },
                keys: Heads { first_column: heads * width, count: kv_heads, width },
                values: Heads { first_column: (heads + kv_heads) * width, count: kv_heads, width },
                scale: 2.0 / (width as f32).sqrt(),
                window,
            };
            let (mut batch, mut first_keys, mut sequences) = (Batch::new(), Vec::new(), Vec::new());
            for len in lengths {
                // Sequences of documents, of which the last token of some sees nothing.
                let document = document as u32;
                let mut first: Vec<u32> = (0..*len as u32).map(|place| place / document * document).collect();
                if *len > 60 && *len < 80 {
                    first[len - 1] = *len as u32;
                }
                batch.push_with(&vec![0; *len], &vec![0; *len], &first).unwrap();
                first_keys.extend(first);
            }
            let keys: Vec<Keys> = batch
                .sequences()
                .iter()
                .map(|rows| {
                    let mut keys = Keys::new(kv_heads, width);
                    keys.extend(&all[rows.start * columns..rows.end * columns], columns, shape.keys.first_column);
                    keys
                })
                .collect();
            for (rows, keys) in batch.sequences().iter().zip(&keys) {
                let data = &all[rows.start * columns..rows.end * columns];
                let values = Columns { data, columns, first_column: shape.values.first_column };
                sequences.push(Sequence { rows: rows.clone(), keys, values, first_keys: &first_keys[rows.clone()] });
            }
            let mut expected = vec![0.0; rows * heads * width];
            let how = Attention { heads, scale: shape.scale, window };
            cpu::attention(how, Columns { data: &all, columns, first_column: 0 }, &sequences, &mut expected);
            let angles = Angles { half: 1, cos: vec![1.0; rows], sin: vec![0.0; rows] };
            let layout = self.cuda.layout(&batch, angles).unwrap();
            let x = self.array(&all, columns);
            self.assert(&self.cuda.attention(&x, &x, &shape, &layout, &mut []).unwrap(), &expected);
            self.remembered(&all, columns, &shape, &first_keys, lengths, &expected);
        }
    }

    /// The same attention in two parts, the second of which knows the first only from memory.
    fn remembered(
        &self,
        all: &[f32],
        columns: usize,
        shape: &AttentionShape,
        first_keys: &[u32],
        lengths: &[usize],
        expected: &[f32],
    ) {
        // Of some the number of tokens is known beforehand.
        let room = |(number, length): (usize, &usize)| if number % 2 == 0 { *length } else { 0 };
        let rooms: Vec<usize> = lengths.iter().enumerate().map(room).collect();
        let mut memories: Vec<Memory<D>> = rooms.iter().map(|room| Memory::new(*room)).collect();
        let out = shape.queries.count * shape.queries.width;
        for is_second in [false, true] {
            let (mut batch, mut values, mut results) = (Batch::new(), Vec::new(), Vec::new());
            let mut start = 0;
            for len in lengths {
                let rows = if is_second { start + len / 3..start + len } else { start..start + len / 3 };
                start += len;
                batch.push_with(&vec![0; rows.len()], &vec![0; rows.len()], &first_keys[rows.clone()]).unwrap();
                values.extend_from_slice(&all[rows.start * columns..rows.end * columns]);
                results.extend_from_slice(&expected[rows.start * out..rows.end * out]);
            }
            let angles = Angles { half: 1, cos: vec![1.0; batch.len()], sin: vec![0.0; batch.len()] };
            let layout = self.cuda.layout(&batch, angles).unwrap();
            let x = self.array(&values, columns);
            let mut memories: Vec<&mut Memory<D>> = memories.iter_mut().collect();
            self.assert(&self.cuda.attention(&x, &x, shape, &layout, &mut memories).unwrap(), &results);
        }
        for (memory, room) in memories.iter().zip(rooms).filter(|(_, room)| *room > 0) {
            assert_eq!(memory.taken(), room);
        }
    }

    fn all(&self) {
        self.rows();
        self.linear();
        self.gates();
        self.rope();
        self.routes();
        self.score();
        self.attention();
    }
}

fn numbers_of_weight(width: usize) -> Vec<f32> {
    numbers(width, 12, DType::F32).iter().map(|weight| weight + 1.0).collect()
}

#[test]
fn emulated_kernels_compute_what_the_cpus_do() {
    for dtype in DType::ALL.into_iter().filter(|_| emulated::is_there()) {
        for is_reversed in [false, true] {
            Bench { cuda: Cuda::new(Emulated { is_reversed }, dtype), dtype }.all();
        }
    }
}

#[cfg(feature = "cuda")]
#[test]
fn a_gpus_kernels_compute_what_the_cpus_do() {
    for dtype in DType::ALL {
        if let Some(gpu) = gpu() {
            Bench { cuda: Cuda::new(gpu, dtype), dtype }.all();
        }
    }
}
