//! Which documents a model learns from.

use yuan_pipeline::{Document, Error, Result};

use super::expression::{Expression, Value};

/// What a name of an expression stands for in a document: a column, a field, or `source` where nothing has that name.
pub(super) fn value_of<'a>(document: &Document<'a>, name: &str) -> Value<'a> {
    if let Some(number) = document.f64(name) {
        return Value::Number(number);
    }
    match document.str(name) {
        Some(text) => Value::Text(text),
        None if name == "source" && document.file().is_some() => Value::Text(document.source()),
        None => Value::Missing,
    }
}

/// The values of all names of an expression.
pub(super) fn values_of<'a>(expression: &Expression, document: &Document<'a>) -> Vec<Value<'a>> {
    expression.names().iter().map(|name| value_of(document, name)).collect()
}

/// Reads the expression of a step's setting.
///
/// # Errors
/// If there is a mistake in it; its character is named.
pub(super) fn parse(stage: &str, setting: &str, text: &str) -> Result<Expression> {
    Expression::parse(text).map_err(|wrong| Error::Stage {
        stage: stage.into(),
        problem: format!(
            "`{setting}` is `{text}`; character {}: {}",
            text[..wrong.at].chars().count() + 1,
            wrong.problem
        ),
        hint: Some("write one such as `kenlm_perplexity < 2000 && quality > 0.3`".into()),
    })
}

/// Documents of which an expression holds; all of them, if there is none.
#[derive(Clone)]
pub(super) struct OnlyWhere(Option<Expression>);

impl OnlyWhere {
    /// # Errors
    /// If there is a mistake in the expression.
    pub fn new(stage: &str, text: &str) -> Result<Self> {
        let text = text.trim();
        Ok(Self(if text.is_empty() { None } else { Some(parse(stage, "only_where", text)?) }))
    }

    /// Whether the document is one of them. What is unknown for want of a value is not.
    pub fn holds(&self, document: &Document<'_>) -> bool {
        let Some(expression) = &self.0 else { return true };
        expression.holds(&values_of(expression, document)) == Some(true)
    }
}
