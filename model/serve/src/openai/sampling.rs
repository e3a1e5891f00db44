//! How a request wants its tokens chosen.

use std::collections::BTreeMap;
use std::sync::Arc;

use yuan_model::generate::{Sampling, StopRules};

use super::fields::Fields;
use crate::app::{App, MOST_TEXTS};
use crate::engine::Adjust;
use crate::http::Problem;

/// Most strings that end a text, and bytes of each.
const STOPS: (usize, usize) = (16, 1024);

/// Most tokens whose logits something is added to.
const BIASES: usize = 1024;

/// Most of the likeliest tokens that are told.
pub const TOP: u32 = 20;

/// How tokens are chosen.
///
/// # Errors
/// A number out of its range, with its field.
pub fn sampling(app: &App, fields: &Fields) -> Result<Sampling, Problem> {
    let sampling = Sampling {
        temperature: number("temperature", fields.temperature, 1.0, (0.0, 100.0))?,
        top_k: match fields.top_k {
            None | Some(-1 | 0) => 0,
            Some(k) => usize::try_from(k).map_err(|_| {
                Problem::field("top_k", format!("`top_k` is {k}; it must be greater than 0, or 0 for all"))
            })?,
        },
        top_p: match number("top_p", fields.top_p, 1.0, (0.0, 1.0))? {
            0.0 => return Err(Problem::field("top_p", "`top_p` is 0; it must be greater than 0, and at most 1")),
            share => share,
        },
        repetition_penalty: number("repetition_penalty", fields.repetition_penalty, 1.0, (0.01, 100.0))?,
        // Other seeds, other texts, negative ones too.
        seed: fields.seed.map_or_else(|| app.seed(), i64::cast_unsigned),
    };
    // The ranges above are narrower but for temperatures near 0.
    sampling.check().map_err(|error| Problem::field("temperature", error.to_string()))?;
    Ok(sampling)
}

/// What is added to logits.
///
/// # Errors
/// A number out of its range, or a token that is none, with its field.
pub fn adjust(app: &App, fields: &Fields) -> Result<Arc<Adjust>, Problem> {
    let mut bias = Vec::new();
    if let Some(count) = fields.logit_bias.as_ref().map(BTreeMap::len).filter(|count| *count > BIASES) {
        let message = format!("`logit_bias` has {count} tokens; it must have {BIASES} at most");
        return Err(Problem::field("logit_bias", message));
    }
    for (id, value) in fields.logit_bias.iter().flatten() {
        // Not `+7` or `07`: a token would have two biases.
        let known = |number: &u32| (*number as usize) < app.served.vocab_size && number.to_string() == *id;
        let known = id.parse().ok().filter(known);
        let known =
            known.ok_or_else(|| Problem::field("logit_bias", format!("`logit_bias`: `{id}` is no token's id")))?;
        bias.push((known, number("logit_bias", Some(*value), 0.0, (-100.0, 100.0))? as f32));
    }
    Ok(Arc::new(Adjust {
        presence: number("presence_penalty", fields.presence_penalty, 0.0, (-2.0, 2.0))? as f32,
        frequency: number("frequency_penalty", fields.frequency_penalty, 0.0, (-2.0, 2.0))? as f32,
        bias,
    }))
}

/// What ends texts, but for their length.
///
/// # Errors
/// Strings that end every text, or too many or too long ones.
pub fn stop(app: &App, fields: &mut Fields) -> Result<Arc<StopRules>, Problem> {
    let strings: Vec<String> = fields.stop.take().map_or_else(Vec::new, Vec::from);
    let (most, longest) = STOPS;
    if strings.len() > most || strings.iter().any(|text| text.is_empty() || text.len() > longest) {
        let message = format!("`stop` is at most {most} strings of 1 to {longest} bytes");
        return Err(Problem::field("stop", message));
    }
    Ok(Arc::new(StopRules { ids: app.served.ends.clone(), strings, max_new_tokens: 0 }))
}

/// The rules for texts of so many tokens, if any: those of one length share them.
pub fn of_length(rules: &mut Arc<StopRules>, new: usize) -> Option<Arc<StopRules>> {
    if rules.max_new_tokens != new {
        Arc::make_mut(rules).max_new_tokens = new;
    }
    (new > 0).then(|| rules.clone())
}

/// Texts for each prompt.
///
/// # Errors
/// None, or more than a request may have with so many prompts.
pub fn count(name: &str, asked: Option<u32>, prompts: usize) -> Result<usize, Problem> {
    let count = asked.unwrap_or(1) as usize;
    let most = MOST_TEXTS / prompts.max(1);
    if prompts > MOST_TEXTS {
        return Err(Problem::field(
            "prompt",
            format!("there are {prompts} prompts; a request has {MOST_TEXTS} at most"),
        ));
    }
    if count == 0 || count > most {
        let message =
            format!("`{name}` is {count}; it must be from 1 to {most}: a request has {MOST_TEXTS} texts at most");
        return Err(Problem::field(name, message));
    }
    Ok(count)
}

fn number(name: &str, value: Option<f64>, usual: f64, (least, most): (f64, f64)) -> Result<f64, Problem> {
    match value {
        None => Ok(usual),
        Some(value) if value >= least && value <= most => Ok(value),
        Some(value) => {
            Err(Problem::field(name, format!("`{name}` is {value}; it must be at least {least} and at most {most}")))
        }
    }
}
