//! Does the model compute what its reference computes? Compared with values that lie beside it.
//!
//! A fixture is a safetensors file with inputs and what the reference made of them:
//!
//! | name | what |
//! |---|---|
//! | `X.input_ids` | `[tokens]`, a text, or `[texts, tokens]`, texts padded to one length, with `X.attention_mask` (1 for what is no padding) and `X.position_ids` if they are not 0, 1, 2… |
//! | `X.logits`, `X.logprobs`, `X.final_hidden` | `[…, vocab]` of each token; of each token but the first; behind the last norm |
//! | `X.logits_at_real_tokens` | as `X.logits`, padding left out |
//! | `X.layerN.NAME` | what a layer computes, by the names of [`Activation`](crate::engine::Activation) |
//! | `reset.X.logits` | attention stops at each end of a document |
//! | `m32cfg.X.logits` | padding is not masked |
//! | `bothreset_eodpad.X.input_ids`, `.logits` | padding is ends of documents, at which attention stops |
//! | `decode.prefill_len`, `.step_logits` | the text `seq1` (`decode1`: `seq0`) read at once up to a length, then token by token |
//! | `decode.layerN.NAME` | what a layer remembers after the first part |
//! | `rope.inv_freq`, `.attention_scaling`, `.cos`, `.sin` | rotary frequencies and angles |
//!
//! Where logits have fewer columns than the vocabulary, they are every second, third… one.

mod fixture;

use std::path::Path;

use self::fixture::{Fixture, Values};
use crate::backend::Target;
use crate::batch::{Batch, first_keys_after_eod};
use crate::config::{Config, Rope};
use crate::engine::Engine;
use crate::rope::AngleTable;
use crate::{Error, Result};

/// How far from one reference value after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The value's name in the fixture.
    pub name: String,
    /// Numbers compared.
    pub count: usize,
    /// Greatest difference; infinite where there are other numbers than expected.
    pub max_delta: f32,
}

/// Compares a model with a fixture.
///
/// # Errors
/// If the fixture cannot be read or asks for what the model cannot do.
pub fn compare(engine: &dyn Engine, config: &Config, path: &Path) -> Result<Vec<Comparison>> {
    let fixture = Fixture::read(path)?;
    let mut check = Check { engine, config, fixture: &fixture, found: Vec::new() };
    let cases: Vec<&str> = fixture.cases("input_ids").collect();
    for case in cases {
        let ids = fixture.get(&format!("{case}.input_ids")).expect("its name was listed");
        match ids.shape[..] {
            [_] => check.text(case, &ids.ids())?,
            [_, tokens] if tokens > 0 => check.padded(case, ids, tokens)?,
            _ => return Err(Error::malformed(path, format!("`{case}.input_ids` is neither a text nor a batch"))),
        }
    }
    for (case, text) in [("decode", "seq1"), ("decode1", "seq0")] {
        let length = fixture.get(&format!("{case}.prefill_len"));
        if let (Some(length), Some(ids)) = (length, fixture.get(&format!("{text}.input_ids"))) {
            check.decode(case, &ids.ids(), length.ids()[0] as usize)?;
        }
    }
    check.rope();
    Ok(check.found)
}

struct Check<'a> {
    engine: &'a dyn Engine,
    config: &'a Config,
    fixture: &'a Fixture,
    found: Vec<Comparison>,
}

impl Check<'_> {
    /// Compares, if the fixture has the value.
    fn compare(&mut self, name: &str, found: &[f32]) {
        if let Some(expected) = self.fixture.get(name) {
            let pairs = expected.values.iter().zip(found);
            let max_delta = if expected.values.len() == found.len() {
                // What is no number is infinitely far.
                pairs.map(|(a, b)| if (a - b).is_nan() { f32::INFINITY } else { (a - b).abs() }).fold(0.0, f32::max)
            } else {
                f32::INFINITY
            };
            self.found.push(Comparison { name: name.to_owned(), count: found.len(), max_delta });
        }
    }

    /// Compares logits, `[rows, vocab]`, where the fixture may have fewer columns.
    fn compare_logits(&mut self, name: &str, logits: &[f32]) {
        let Some(expected) = self.fixture.get(name) else { return };
        let (vocab, columns) = (self.config.vocab_size(), expected.shape.last().copied().unwrap_or(0));
        if columns == 0 || !vocab.is_multiple_of(columns) {
            self.found.push(Comparison { name: name.to_owned(), count: 0, max_delta: f32::INFINITY });
            return;
        }
        let kept: Vec<f32> = logits.iter().step_by(vocab / columns).copied().collect();
        self.compare(name, &kept);
    }

    fn logits(&self, batch: &Batch) -> Result<Vec<f32>> {
        self.engine.logits(batch, &(0..batch.len() as u32).collect::<Vec<_>>())
    }

    fn text(&mut self, case: &str, ids: &[u32]) -> Result<()> {
        let batch = Batch::of(ids);
        self.compare_logits(&format!("{case}.logits"), &self.logits(&batch)?);
        let targets: Vec<Target> = ids.iter().skip(1).zip(0..).map(|(id, row)| Target { row, id: *id }).collect();
        let scored = self.engine.score(&batch, &targets)?;
        let log_probs: Vec<f32> = scored.iter().map(|scored| scored.log_prob).collect();
        self.compare(&format!("{case}.logprobs"), &log_probs);
        for activation in self.engine.activations(&batch)? {
            let name = match activation.name {
                "final_hidden" => format!("{case}.final_hidden"),
                name => format!("{case}.layer{}.{name}", activation.layer),
            };
            self.compare(&name, &activation.values);
        }
        if let (Some(eod), Some(_)) = (self.config.eod(), self.fixture.get(&format!("reset.{case}.logits"))) {
            let positions: Vec<u32> = (0..ids.len() as u32).collect();
            let mut batch = Batch::new();
            batch.push_with(ids, &positions, &first_keys_after_eod(ids, eod))?;
            self.compare_logits(&format!("reset.{case}.logits"), &self.logits(&batch)?);
        }
        Ok(())
    }

    fn padded(&mut self, case: &str, ids: &Values, tokens: usize) -> Result<()> {
        let texts: Vec<Vec<u32>> = ids.ids().chunks(tokens).map(<[u32]>::to_vec).collect();
        let counted: Vec<u32> = (0..tokens as u32).collect();
        let positions = self.fixture.get(&format!("{case}.position_ids")).map(Values::ids);
        let positions = positions.unwrap_or_else(|| counted.repeat(texts.len()));
        let mask = self.fixture.get(&format!("{case}.attention_mask")).map(Values::ids);
        let vocab = self.config.vocab_size();
        let (mut unmasked, mut masked, mut real) = (Batch::new(), Batch::new(), Vec::new());
        for (number, (text, positions)) in texts.iter().zip(positions.chunks(tokens)).enumerate() {
            if let (None, Some(eod)) = (&mask, self.config.eod()) {
                unmasked.push_with(text, &counted, &first_keys_after_eod(text, eod))?;
                continue;
            }
            unmasked.push_with(text, positions, &vec![0; tokens])?;
            let mask = mask.as_ref().map_or(&[][..], |mask| &mask[number * tokens..][..tokens]);
            let is_real: Vec<bool> = mask.iter().map(|mark| *mark != 0).collect();
            let start = is_real.iter().position(|real| *real).unwrap_or(tokens);
            // Nothing sees padding behind a text: where there is some, the text alone is compared.
            masked.push_with(text, positions, &vec![start as u32; tokens])?;
            real.extend(is_real);
        }
        if mask.is_none() {
            self.compare_logits(&format!("{case}.logits"), &self.logits(&unmasked)?);
            return Ok(());
        }
        let logits = self.logits(&masked)?;
        self.compare_real(&format!("{case}.logits_at_real_tokens"), &logits, vocab, &real);
        self.compare_real(&format!("{case}.logits"), &logits, vocab, &real);
        self.compare_logits(&format!("m32cfg.{case}.logits"), &self.logits(&unmasked)?);
        Ok(())
    }

    /// Compares the logits of what is no padding.
    fn compare_real(&mut self, name: &str, logits: &[f32], vocab: usize, real: &[bool]) {
        let Some(expected) = self.fixture.get(name) else { return };
        let columns = expected.shape.last().copied().unwrap_or(0).max(1);
        let step = vocab / columns;
        let mut comparison = Comparison { name: name.to_owned(), count: 0, max_delta: 0.0 };
        let rows = expected.values.chunks(columns).zip(logits.chunks(vocab)).zip(real);
        for ((expected, found), _) in rows.filter(|(_, real)| **real) {
            for (expected, found) in expected.iter().zip(found.iter().step_by(step)) {
                let delta = (expected - found).abs();
                comparison.max_delta = comparison.max_delta.max(if delta.is_nan() { f32::INFINITY } else { delta });
                comparison.count += 1;
            }
        }
        self.found.push(comparison);
    }

    fn decode(&mut self, case: &str, ids: &[u32], length: usize) -> Result<()> {
        let mut session = self.engine.session(1);
        let mut logits = session.read(&[&ids[..length]])?;
        let expected: Vec<(String, &Values)> =
            self.fixture.below(case).map(|(name, values)| (name.to_owned(), values)).collect();
        for (name, values) in expected {
            let Some((layer, kind)) = name.strip_prefix("layer").and_then(|name| name.split_once('.')) else {
                continue;
            };
            let layer = layer.parse().map_err(|_| Error::request(format!("`{name}` names no layer")))?;
            let memory = session.memory(0, layer)?;
            if let Some((_, found)) = memory.iter().find(|(own, _)| *own == kind) {
                // The reference remembers two rows that localized filtering has read; the last of them is ours.
                let last = values.values.len() - found.len().min(values.values.len());
                let pairs = values.values[last..].iter().zip(found);
                let max_delta = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                self.found.push(Comparison { name: format!("{case}.{name}"), count: found.len(), max_delta });
            }
        }
        for id in &ids[length..] {
            logits.extend(session.read(&[&[*id]])?);
        }
        self.compare_logits(&format!("{case}.step_logits"), &logits);
        Ok(())
    }

    fn rope(&mut self) {
        let rope: &Rope = self.config.rope();
        self.compare("rope.inv_freq", &rope.frequencies());
        self.compare("rope.attention_scaling", &[rope.scale()]);
        if let Some(expected) = self.fixture.get("rope.cos") {
            let positions: Vec<u32> = (0..expected.shape[0] as u32).collect();
            let angles = AngleTable::new(rope).rows(&positions);
            // Both halves of a head have the same angles.
            let twice = |values: &[f32]| -> Vec<f32> {
                values.chunks(angles.half).flat_map(|row| [row, row].concat()).collect()
            };
            self.compare("rope.cos", &twice(&angles.cos));
            self.compare("rope.sin", &twice(&angles.sin));
        }
    }
}
