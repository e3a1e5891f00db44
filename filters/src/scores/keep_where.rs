//! Keeps documents of which an expression over their columns holds.
//!
//! Reads the columns that the expression names, of earlier stages or of the input; adds nothing. One look at each name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Batch, Detail, Document, Error, Finding, Reason, Result, Stage, Verdict};

use super::expression::{Expression, Value};
use super::only_where::{parse, values_of};

/// Keeps the documents of which an expression holds: `kenlm_perplexity < 2000 && quality > 0.3`.
///
/// Others are dropped as `expression_false`, with the values that made it so; those of which it cannot be said for want of a
/// value as `expression_unknown`, if `missing` says so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeepWhereConfig {
    /// The expression: names of columns and fields, numbers, `"strings"`; `< <= > >= == !=`, `in [a, b]`; `&&` `||` `!`
    /// (also `and`, `or`, `not`); `+ - * /`; `missing(name)`, `starts_with(name, "x")`, `contains(name, "x")`, `min(a, b)`,
    /// `max(a, b)`, `log(a)`; a name with other
    /// characters than letters, digits, `_` and `.` in backticks. What is compared with a missing value is unknown, and
    /// `||` and `&&` look past it where the other side decides.
    pub expression: String,
    /// What becomes of documents of which the expression is unknown, because a value is missing: `keep` or `drop`. A
    /// language without a model has no score. Default `keep`.
    pub missing: MissingValue,
}

/// What becomes of a document without a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingValue {
    /// It stays.
    #[default]
    Keep,
    /// It goes.
    Drop,
}

/// The stage of a [`KeepWhereConfig`].
pub struct KeepWhere {
    expression: Expression,
    missing: MissingValue,
}

impl KeepWhereConfig {
    /// Reads the expression.
    ///
    /// # Errors
    /// If there is a mistake in it.
    pub fn build(&self) -> Result<KeepWhere> {
        if self.expression.trim().is_empty() {
            return Err(Error::Stage {
                stage: "keep_where".into(),
                problem: "there is no `expression`".into(),
                hint: Some("write one such as `kenlm_perplexity < 2000 && quality > 0.3`".into()),
            });
        }
        let expression = parse("keep_where", "expression", &self.expression)?;
        Ok(KeepWhere { expression, missing: self.missing })
    }
}

impl KeepWhere {
    fn judge(&self, values: &[Value<'_>]) -> Verdict {
        let code = match (self.expression.holds(values), self.missing) {
            (Some(true), _) | (None, MissingValue::Keep) => return Verdict::Keep,
            (Some(false), _) => "expression_false",
            (None, MissingValue::Drop) => "expression_unknown",
        };
        let told = self.expression.names().iter().zip(values).map(|(name, value)| match value {
            Value::Number(number) => format!("{name} = {number}"),
            Value::Text(text) => format!("{name} = {:?}", text.chars().take(40).collect::<String>()),
            Value::Missing => format!("no {name}"),
        });
        Verdict::Drop(Reason { code, detail: Detail::Text(told.collect::<Vec<_>>().join(", ")) })
    }
}

impl Stage for KeepWhere {
    fn process(&self, batch: Batch) -> Result<Batch> {
        let names = self.expression.names();
        let mut with = vec![0; names.len()];
        let mut all = 0;
        let mut batch = batch.judge(|document| {
            let values = values_of(&self.expression, &document);
            with.iter_mut().zip(&values).for_each(|(with, value)| *with += u64::from(*value != Value::Missing));
            all += 1;
            self.judge(&values)
        })?;
        // A name that no document has a value for is probably misspelt: the summary tells.
        for (name, with) in names.iter().zip(with) {
            batch.tally("with_value", name, with, 0);
            batch.tally("without_value", name, all - with, 0);
        }
        Ok(batch)
    }

    fn explain(&self, document: &Document<'_>) -> Vec<Finding> {
        let holds = self.expression.holds(&values_of(&self.expression, document));
        let value = match (holds, self.missing) {
            (Some(holds), _) => f64::from(u8::from(holds)),
            (None, MissingValue::Keep) => 1.0,
            (None, MissingValue::Drop) => 0.0,
        };
        let rule = if holds.is_some() { "expression_false" } else { "expression_unknown" };
        vec![Finding { rule, value, threshold: 1.0, at_least: true, drops: value == 0.0 }]
    }

    fn is_expected_to_drop(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Float32Array;
    use arrow_schema::{DataType, Field};

    use super::*;

    fn reasons(config: &str) -> Vec<Option<(&'static str, String)>> {
        let config: KeepWhereConfig = toml::from_str(config).expect("settings");
        let field = Field::new("quality", DataType::Float32, true);
        let column = Float32Array::from(vec![Some(0.5), Some(0.25), None]);
        let batch = Batch::of_texts(&["a", "b", "c"]).annotate(field, Arc::new(column)).expect("as many rows");
        let batch = config.build().expect("an expression").process(batch).expect("judged");
        let told = |row| match batch.reason(row) {
            Some(Reason { code, detail: Detail::Text(detail) }) => Some((*code, detail.clone())),
            _ => None,
        };
        (0..3).map(told).collect()
    }

    #[test]
    fn documents_go_with_the_values_that_made_them_go() {
        let low = Some(("expression_false", "quality = 0.25".to_owned()));
        assert_eq!(reasons("expression = 'quality > 0.3'"), [None, low.clone(), None]);
        let none = Some(("expression_unknown", "no quality".to_owned()));
        assert_eq!(reasons("expression = 'quality > 0.3'\nmissing = 'drop'"), [None, low, none]);
    }

    #[test]
    fn a_mistake_is_told_with_its_character() {
        let problem = |expression: &str| {
            let config = KeepWhereConfig { expression: expression.into(), ..KeepWhereConfig::default() };
            config.build().map(|_| ()).expect_err("a mistake").to_string()
        };
        assert!(problem("质量 = 3").contains("character 4: `=` compares nothing"), "{}", problem("质量 = 3"));
        assert!(problem(" ").contains("there is no `expression`"));
    }
}
