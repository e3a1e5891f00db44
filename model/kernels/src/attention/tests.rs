use super::*;

const KV_HEADS: usize = 2;
const HEADS: usize = 4;
const WIDTH: usize = 24;

/// Numbers between -1 and 1.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A sequence of its own: queries, keys and values.
struct Texts {
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    first_keys: Vec<u32>,
}

impl Texts {
    fn new(rows: usize, seed: u64, first_key: impl Fn(usize) -> u32) -> Self {
        Self {
            queries: numbers(rows * HEADS * WIDTH, seed).iter().map(|value| value * 4.0).collect(),
            keys: numbers(rows * KV_HEADS * WIDTH, seed + 1),
            values: numbers(rows * KV_HEADS * WIDTH, seed + 2),
            first_keys: (0..rows).map(first_key).collect(),
        }
    }
}

fn shape(window: Option<usize>) -> Attention {
    Attention { heads: HEADS, scale: 0.3, window }
}

/// Attention of some texts at once; queries of a text from `from` on, as in decoding.
fn run_all(texts: &[Texts], window: Option<usize>, from: usize) -> Vec<f32> {
    let (columns, kv_columns) = (HEADS * WIDTH, KV_HEADS * WIDTH);
    let queries: Vec<f32> = texts.iter().flat_map(|text| &text.queries[from * columns..]).copied().collect();
    let keys: Vec<Keys> = texts
        .iter()
        .map(|text| {
            let mut keys = Keys::new(KV_HEADS, WIDTH);
            // In two parts, as prefill and decoding append them.
            let (first, second) = text.keys.split_at(from * kv_columns);
            keys.extend(first, kv_columns, 0);
            keys.extend(second, kv_columns, 0);
            keys
        })
        .collect();
    let mut start = 0;
    let sequences: Vec<Sequence<'_>> = texts
        .iter()
        .zip(&keys)
        .map(|(text, keys)| {
            let rows = start..start + text.first_keys.len() - from;
            start = rows.end;
            let values = Columns { data: &text.values, columns: kv_columns, first_column: 0 };
            Sequence { rows, keys, values, first_keys: &text.first_keys[from..] }
        })
        .collect();
    let mut out = vec![0.0; start * columns];
    attention(shape(window), Columns { data: &queries, columns, first_column: 0 }, &sequences, &mut out);
    out
}

/// What the formula says, in f64 and one row after the other.
fn plain(text: &Texts, window: Option<usize>) -> Vec<f64> {
    let mut out = Vec::new();
    for row in 0..text.first_keys.len() {
        let from = (text.first_keys[row] as usize).max(window.map_or(0, |window| (row + 1).saturating_sub(window)));
        for head in 0..HEADS {
            let kv = head / (HEADS / KV_HEADS);
            let query = &text.queries[(row * HEADS + head) * WIDTH..][..WIDTH];
            let keys = if from > row { 0..text.first_keys.len() } else { from..row + 1 };
            let score = |key: usize| -> f64 {
                let key = &text.keys[(key * KV_HEADS + kv) * WIDTH..][..WIDTH];
                let product: f64 = query.iter().zip(key).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum();
                if from > row { 0.0 } else { product * f64::from(0.3_f32) }
            };
            let powers: Vec<f64> = keys.clone().map(|key| score(key).exp()).collect();
            let sum: f64 = powers.iter().sum();
            out.extend((0..WIDTH).map(|place| {
                let value = |key: usize| f64::from(text.values[(key * KV_HEADS + kv) * WIDTH + place]);
                keys.clone().zip(&powers).map(|(key, power)| power / sum * value(key)).sum::<f64>()
            }));
        }
    }
    out
}

fn assert_near(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(*found) - expected).abs() < 2e-6, "{place}: {found} {expected}");
    }
}

#[test]
fn it_is_a_softmax_over_what_a_row_sees() {
    for rows in [1, 2, 15, 33, 128, 129, 300] {
        for window in [None, Some(1), Some(40), Some(200)] {
            let text = Texts::new(rows, 7, |_| 0);
            assert_near(&run_all(std::slice::from_ref(&text), window, 0), &plain(&text, window));
        }
    }
    // Rows behind a border do not see what lies before it; the first rows see nothing.
    let text = Texts::new(300, 8, |row| if row < 140 { 3 } else { 140 });
    assert_near(&run_all(std::slice::from_ref(&text), None, 0), &plain(&text, None));
}

#[test]
fn company_decoding_and_instruction_sets_change_no_bit() {
    let texts = [5, 200, 1, 131, 64].map(|rows| Texts::new(rows, rows as u64, |_| 0));
    let alone: Vec<Vec<f32>> = texts.iter().map(|text| run_all(std::slice::from_ref(text), Some(150), 0)).collect();
    for isa in Isa::all() {
        assert!(force(isa, || run_all(&texts, Some(150), 0)) == alone.concat(), "{isa:?}");
    }
    for (text, alone) in texts.iter().zip(&alone) {
        for from in [1, 100, 130, 199] {
            if from < text.first_keys.len() {
                let late = run_all(std::slice::from_ref(text), Some(150), from);
                assert!(late[..] == alone[from * HEADS * WIDTH..], "{from}");
            }
        }
    }
}

#[test]
fn what_is_not_finite_spoils_a_row_that_does_not_see_it_only_as_a_value_in_its_blocks() {
    // A border at 150: the last rows see keys of the second block alone, and the task of rows 128 to 159 has rows of both kinds.
    let text = || Texts::new(200, 9, |row| if row < 150 { 0 } else { 150 });
    let good = run_all(&[text()], None, 0);
    let late = |row: usize| row * HEADS * WIDTH;
    for odd in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
        // A key that is not seen, in the row's own block.
        let mut keys = text();
        keys.keys[149 * KV_HEADS * WIDTH..][..KV_HEADS * WIDTH].fill(odd);
        assert!(run_all(&[keys], None, 0)[late(150)..] == good[late(150)..], "{odd}");
        // A value in that block.
        let mut values = text();
        values.values[149 * KV_HEADS * WIDTH..][..KV_HEADS * WIDTH].fill(odd);
        assert!(run_all(&[values], None, 0)[late(150)..].iter().all(|value| value.is_nan()), "{odd}");
        // A value in a block that rows beside it see, and one that nobody beside it sees.
        let mut values = text();
        values.values[3 * KV_HEADS * WIDTH..][..KV_HEADS * WIDTH].fill(odd);
        let found = run_all(&[values], None, 0);
        assert!(found[late(150)..late(160)].iter().all(|value| value.is_nan()), "{odd}");
        assert!(found[late(160)..] == good[late(160)..], "{odd}");
    }
}
