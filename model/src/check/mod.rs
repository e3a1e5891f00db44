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
//! Where logits have fewer columns than the vocabulary, they are every second, third… one. A value of a layer that the model
//! does not compute is as wrong as one that it computes otherwise.

mod fixture;

use std::path::Path;

use self::fixture::Fixture;
use crate::Result;
use crate::backend::Target;
use crate::batch::{Batch, first_keys_after_eod};
use crate::config::Config;
use crate::engine::Engine;
use crate::rope::AngleTable;

/// The name of the fixture that lies in a model's folder. It holds no weights.
pub const FIXTURE: &str = "fixtures.safetensors";

/// How far from one reference value after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The value's name in the fixture.
    pub name: String,
    /// Numbers compared.
    pub count: usize,
    /// Greatest difference; infinite where there is a problem.
    pub max_delta: f32,
    /// Why there is no difference to tell: there are other numbers than expected, or some are not finite.
    pub problem: Option<String>,
}

impl Comparison {
    fn of(name: &str, expected: &[f32], found: &[f32]) -> Self {
        let count = found.len();
        if expected.len() != count {
            return Self::failed(name, count, format!("the fixture has {} values, the model {count}", expected.len()));
        }
        let deltas = expected.iter().zip(found).map(|(a, b)| (a - b).abs());
        match (count, deltas.clone().filter(|delta| !delta.is_finite()).count()) {
            (0, _) => Self::failed(name, 0, "there is nothing to compare".to_owned()),
            (_, 0) => Self { name: name.to_owned(), count, max_delta: deltas.fold(0.0, f32::max), problem: None },
            (_, odd) => Self::failed(name, count, format!("{odd} are not finite, in the fixture or in the model")),
        }
    }

    fn failed(name: &str, count: usize, problem: String) -> Self {
        Self { name: name.to_owned(), count, max_delta: f32::INFINITY, problem: Some(problem) }
    }
}

/// Compares a model with a fixture.
///
/// # Errors
/// If the fixture cannot be read, or the device fails; [`Error::Tensor`](crate::Error::Tensor) names a tensor that has not the
/// shape or the numbers that its name promises, or is of a layer that the model has not.
pub fn compare(engine: &dyn Engine, config: &Config, path: &Path) -> Result<Vec<Comparison>> {
    let fixture = Fixture::read(path, config.layers())?;
    let mut check = Check { engine, config, fixture: &fixture, found: Vec::new() };
    for case in fixture.cases("input_ids") {
        check.case(case)?;
    }
    for (case, text) in [("decode", "seq1"), ("decode1", "seq0")] {
        check.decode(case, &format!("{text}.input_ids"))?;
    }
    check.rope()?;
    for (name, ..) in fixture.in_layers() {
        if !check.found.iter().any(|it| it.name == name) {
            let problem = "the model computes nothing of this name".to_owned();
            check.found.push(Comparison::failed(name, 0, problem));
        }
    }
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
            self.found.push(Comparison::of(name, &expected.values, found));
        }
    }

    /// Compares logits, `[rows, vocab]`, where the fixture may have fewer columns; of rows that are real, if it is said
    /// which are.
    fn compare_logits(&mut self, name: &str, logits: &[f32], is_real: Option<&[bool]>) -> Result<()> {
        let Some(expected) = self.fixture.get(name) else { return Ok(()) };
        let vocab = self.config.vocab_size();
        let columns = match expected.shape[..] {
            [.., columns] if columns > 0 && vocab.is_multiple_of(columns) => columns,
            _ => {
                let problem = format!("is {:?}, and its rows must divide the vocabulary of {vocab}", expected.shape);
                return Err(self.fixture.wrong(name, problem));
            }
        };
        let kept: Vec<f32> = logits.iter().step_by(vocab / columns).copied().collect();
        let comparison = match is_real {
            Some(is_real) if kept.len() == expected.values.len() => {
                let real = |values: &[f32]| -> Vec<f32> {
                    let rows = values.chunks_exact(columns).zip(is_real).filter(|(_, real)| **real);
                    rows.flat_map(|(row, _)| row).copied().collect()
                };
                Comparison::of(name, &real(&expected.values), &real(&kept))
            }
            _ => Comparison::of(name, &expected.values, &kept),
        };
        self.found.push(comparison);
        Ok(())
    }

    fn logits(&self, batch: &Batch) -> Result<Vec<f32>> {
        self.engine.logits(batch, &(0..batch.len() as u32).collect::<Vec<_>>())
    }

    /// Reads a text, or some padded ones.
    fn case(&mut self, case: &str) -> Result<()> {
        let name = format!("{case}.input_ids");
        let Some(ids) = self.fixture.whole(&name, self.config.vocab_size())? else { return Ok(()) };
        match *ids.shape {
            [tokens] if tokens > 0 => self.text(case, &ids.numbers),
            [texts, tokens] if texts > 0 && tokens > 0 => self.padded(case, &ids.numbers, ids.shape, tokens),
            _ => {
                let problem = format!("is {:?}, and neither `[tokens]` nor `[texts, tokens]`", ids.shape);
                Err(self.fixture.wrong(&name, problem))
            }
        }
    }

    fn text(&mut self, case: &str, ids: &[u32]) -> Result<()> {
        let batch = Batch::of(ids);
        self.compare_logits(&format!("{case}.logits"), &self.logits(&batch)?, None)?;
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
            self.compare_logits(&format!("reset.{case}.logits"), &self.logits(&batch)?, None)?;
        }
        Ok(())
    }

    fn padded(&mut self, case: &str, ids: &[u32], shape: &[usize], tokens: usize) -> Result<()> {
        let longest = tokens.max(self.config.max_positions());
        let positions = self.beside(case, "position_ids", longest, shape)?;
        let positions = positions.unwrap_or_else(|| (0..tokens as u32).collect::<Vec<_>>().repeat(ids.len() / tokens));
        let texts = || ids.chunks_exact(tokens).zip(positions.chunks_exact(tokens));
        let mut unmasked = Batch::new();
        let Some(mask) = self.beside(case, "attention_mask", 2, shape)? else {
            for (text, positions) in texts() {
                let first_keys = self.config.eod().map_or(vec![0; tokens], |eod| first_keys_after_eod(text, eod));
                unmasked.push_with(text, positions, &first_keys)?;
            }
            return self.compare_logits(&format!("{case}.logits"), &self.logits(&unmasked)?, None);
        };
        let is_real: Vec<bool> = mask.iter().map(|mark| *mark != 0).collect();
        let mut masked = Batch::new();
        for ((text, positions), is_real) in texts().zip(is_real.chunks_exact(tokens)) {
            unmasked.push_with(text, positions, &vec![0; tokens])?;
            // Nothing sees padding behind a text: where there is some, the text alone is compared.
            let start = is_real.iter().position(|real| *real).unwrap_or(tokens);
            masked.push_with(text, positions, &vec![start as u32; tokens])?;
        }
        let logits = self.logits(&masked)?;
        self.compare_logits(&format!("{case}.logits_at_real_tokens"), &logits, Some(&is_real))?;
        self.compare_logits(&format!("{case}.logits"), &logits, Some(&is_real))?;
        self.compare_logits(&format!("m32cfg.{case}.logits"), &self.logits(&unmasked)?, None)
    }

    /// Numbers of a padded case, one for each of its ids.
    fn beside(&self, case: &str, what: &str, end: usize, shape: &[usize]) -> Result<Option<Vec<u32>>> {
        let name = format!("{case}.{what}");
        match self.fixture.whole(&name, end)? {
            Some(found) if found.shape != shape => {
                let problem = format!("is {:?}, and `{case}.input_ids` is {shape:?}", found.shape);
                Err(self.fixture.wrong(&name, problem))
            }
            found => Ok(found.map(|found| found.numbers)),
        }
    }

    fn decode(&mut self, case: &str, text: &str) -> Result<()> {
        let (fixture, name) = (self.fixture, format!("{case}.prefill_len"));
        if fixture.get(&name).is_none() {
            return Ok(());
        }
        let ids = fixture.whole(text, self.config.vocab_size())?.filter(|ids| ids.shape.len() == 1);
        let ids = ids.ok_or_else(|| fixture.wrong(&name, format!("needs a text `{text}`, and there is none")))?.numbers;
        let length = fixture.whole(&name, ids.len() + 1)?.map_or(Vec::new(), |length| length.numbers);
        let &[length @ 1..=u32::MAX] = length.as_slice() else {
            let problem =
                format!("is {length:?}, and must be one number, from 1 to the {} tokens of `{text}`", ids.len());
            return Err(fixture.wrong(&name, problem));
        };
        let (prompt, rest) = ids.split_at(length as usize);
        let mut session = self.engine.session(1);
        let mut logits = session.read(&[prompt])?;
        let own = format!("{case}.layer");
        for (name, layer, kind, expected) in fixture.in_layers().filter(|(name, ..)| name.starts_with(&own)) {
            let memory = session.memory(0, layer)?;
            if let Some((_, found)) = memory.iter().find(|(own, _)| *own == kind) {
                // The reference remembers two rows that localized filtering has read; the last of them is ours.
                let skipped = if kind == "lf_memory" && expected.len() == 2 * found.len() { found.len() } else { 0 };
                self.found.push(Comparison::of(name, &expected[skipped..], found));
            }
        }
        for id in rest {
            logits.extend(session.read(&[&[*id]])?);
        }
        self.compare_logits(&format!("{case}.step_logits"), &logits, None)
    }

    fn rope(&mut self) -> Result<()> {
        let rope = self.config.rope();
        self.compare("rope.inv_freq", &rope.frequencies());
        self.compare("rope.attention_scaling", &[rope.scale()]);
        for name in ["rope.cos", "rope.sin"] {
            let Some(expected) = self.fixture.get(name) else { continue };
            let rows = match expected.shape[..] {
                [rows, width] if width == rope.width => rows,
                _ => {
                    let problem = format!("is {:?}, and must be `[positions, {}]`", expected.shape, rope.width);
                    return Err(self.fixture.wrong(name, problem));
                }
            };
            let angles = AngleTable::new(rope).rows(&(0..rows as u32).collect::<Vec<_>>());
            let found = if name == "rope.cos" { &angles.cos } else { &angles.sin };
            // Both halves of a head have the same angles.
            let twice: Vec<f32> = found.chunks_exact(angles.half).flat_map(|row| [row, row].concat()).collect();
            self.compare(name, &twice);
        }
        Ok(())
    }
}
