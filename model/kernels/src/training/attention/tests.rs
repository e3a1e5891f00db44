use super::*;

fn number(place: usize) -> f32 {
    ((place * 7919 % 991) as f32 - 495.0) / 400.0
}

struct Case {
    queries_and_keys: Vec<f32>,
    values: Vec<f32>,
    d_out: Vec<f32>,
    sequences: Vec<Range<usize>>,
    first_keys: Vec<u32>,
}

const HEADS: usize = 2;
const WIDTH: usize = 10;

impl Case {
    /// Two sequences, of which the first has documents that see themselves alone.
    fn new(first: usize, second: usize, document: usize) -> Self {
        let rows = first + second;
        let first_keys = (0..first).map(|row| (row / document * document) as u32).chain(vec![0; second]).collect();
        Self {
            queries_and_keys: (0..rows * HEADS * 2 * WIDTH).map(number).collect(),
            values: (0..rows * HEADS * WIDTH).map(|place| number(place + 77)).collect(),
            d_out: (0..rows * HEADS * WIDTH).map(|place| number(place + 333)).collect(),
            sequences: vec![0..first, first..rows],
            first_keys,
        }
    }

    fn attention(&self, precision: Precision) -> CausalAttention<'_> {
        CausalAttention {
            heads: HEADS,
            width: WIDTH,
            scale: 0.6,
            precision,
            queries_and_keys: &self.queries_and_keys,
            values: &self.values,
            sequences: &self.sequences,
            first_keys: &self.first_keys,
        }
    }

    /// Attention and its gradients: `[out, d_queries_and_keys, d_values]`.
    fn found(&self, precision: Precision) -> [Vec<f32>; 3] {
        let attention = self.attention(precision);
        let mut all = [self.values.clone(), self.queries_and_keys.clone(), self.values.clone()];
        let [out, d_both, d_values] = &mut all;
        let mut log_sums = vec![0.0; HEADS * self.first_keys.len()];
        attend(attention, out, &mut log_sums);
        attend_backward(attention, out, &log_sums, &self.d_out, d_both, d_values);
        all
    }

    /// The same row by row in f64.
    fn expected(&self) -> [Vec<f64>; 3] {
        let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
        let (both, values, d_out) = (wide(&self.queries_and_keys), wide(&self.values), wide(&self.d_out));
        let (mut out, mut d_both, mut d_values) =
            (vec![0.0; values.len()], vec![0.0; both.len()], vec![0.0; values.len()]);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for sequence in &self.sequences {
            for (row, head) in sequence.clone().flat_map(|row| (0..HEADS).map(move |head| (row, head))) {
                let seen = sequence.start + self.first_keys[row] as usize..row + 1;
                let query = |row: usize| (row * HEADS + head) * 2 * WIDTH..(row * HEADS + head) * 2 * WIDTH + WIDTH;
                let key = |row: usize| query(row).end..query(row).end + WIDTH;
                let value = |row: usize| (row * HEADS + head) * WIDTH..(row * HEADS + head + 1) * WIDTH;
                let powers: Vec<f64> =
                    seen.clone().map(|at| (0.6 * dot(&both[query(row)], &both[key(at)])).exp()).collect();
                let sum: f64 = powers.iter().sum();
                let shares: Vec<f64> = powers.iter().map(|power| power / sum).collect();
                let d_shares: Vec<f64> = seen.clone().map(|at| dot(&d_out[value(row)], &values[value(at)])).collect();
                let pull = dot(&shares, &d_shares);
                for ((at, share), d_share) in seen.zip(&shares).zip(&d_shares) {
                    let d_score = 0.6 * share * (d_share - pull);
                    for place in 0..WIDTH {
                        out[value(row).start + place] += share * values[value(at).start + place];
                        d_values[value(at).start + place] += share * d_out[value(row).start + place];
                        d_both[query(row).start + place] += d_score * both[key(at).start + place];
                        d_both[key(at).start + place] += d_score * both[query(row).start + place];
                    }
                }
            }
        }
        [out, d_both, d_values]
    }
}

#[test]
fn gradients_are_those_of_the_definition() {
    for (first, second, document) in [(1, 1, 1), (7, 3, 7), (300, 129, 300), (290, 64, 37)] {
        let case = Case::new(first, second, document);
        let expected = case.expected();
        for isa in Isa::all().filter(|isa| *isa > Isa::Portable || first < 100) {
            for (precision, tolerance) in [(Precision::F32, 2e-5), (Precision::Bf16, 0.1)] {
                for (found, expected) in force(isa, || case.found(precision)).iter().zip(&expected) {
                    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
                        let difference = (f64::from(*found) - expected).abs();
                        let what = format!("{first} {second} {document} {isa:?} {precision:?} {place}");
                        assert!(difference < tolerance * (1.0 + expected.abs()), "{what}: {found} {expected}");
                    }
                }
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let case = Case::new(150, 90, 60);
    let found = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| case.found(Precision::F32))
    };
    assert_eq!(found(1), found(3));
}
