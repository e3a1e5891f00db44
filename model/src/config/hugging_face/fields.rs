//! The fields of a JSON object, each of which must be known.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::Path;

use serde_json::{Map, Value};

use crate::{Error, Result};

/// Largest number of rows, columns, heads, layers or experts that is believed; products are checked apart.
const MAX_SIZE: u64 = 1 << 31;

/// An object, and which of its fields were asked for. A field that is `null` counts as absent.
pub(super) struct Fields<'a> {
    path: &'a Path,
    /// The names of the objects around, each with a dot.
    prefix: String,
    object: &'a Map<String, Value>,
    known: RefCell<HashSet<&'a str>>,
}

impl<'a> Fields<'a> {
    /// Those of a file.
    pub(super) fn new(path: &'a Path, object: &'a Map<String, Value>) -> Self {
        Self { path, prefix: String::new(), object, known: RefCell::default() }
    }

    /// An error about a field.
    pub(super) fn error(&self, name: &str, problem: impl Into<String>) -> Error {
        Error::config(self.path, format!("{}{name}", self.prefix), problem)
    }

    /// A field's value, unless absent.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        let (name, value) = self.object.get_key_value(name)?;
        self.known.borrow_mut().insert(name);
        (!value.is_null()).then_some(value)
    }

    fn read<T>(&self, name: &str, what: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match read(value) {
            Some(value) => Ok(Some(value)),
            None => Err(self.error(name, format!("is {}, and must be {what}", shown(value)))),
        }
    }

    /// A positive whole number.
    pub(super) fn size(&self, name: &str) -> Result<Option<usize>> {
        let what = "a whole number from 1 to 2147483648";
        self.read(name, what, |value| value.as_u64().filter(|size| (1..=MAX_SIZE).contains(size)).map(|it| it as usize))
    }

    /// A positive whole number that must be there.
    pub(super) fn needed_size(&self, name: &str) -> Result<usize> {
        self.size(name)?.ok_or_else(|| self.error(name, "is missing"))
    }

    /// A whole number, 0 included.
    pub(super) fn count(&self, name: &str) -> Result<Option<usize>> {
        let what = "a whole number from 0 to 2147483648";
        self.read(name, what, |value| value.as_u64().filter(|size| *size <= MAX_SIZE).map(|it| it as usize))
    }

    /// A finite positive number.
    pub(super) fn positive(&self, name: &str) -> Result<Option<f64>> {
        self.read(name, "a positive number", |value| value.as_f64().filter(|it| it.is_finite() && *it > 0.0))
    }

    /// True or false.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>> {
        self.read(name, "true or false", Value::as_bool)
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>> {
        self.read(name, "a text", Value::as_str)
    }

    /// A token id.
    pub(super) fn token(&self, name: &str) -> Result<Option<u32>> {
        self.read(name, "a token id", |value| value.as_u64()?.try_into().ok())
    }

    /// A token id or a list of them.
    pub(super) fn tokens(&self, name: &str) -> Result<Vec<u32>> {
        let one = |value: &Value| -> Option<u32> { value.as_u64()?.try_into().ok() };
        let tokens = self.read(name, "a token id or a list of them", |value| match value {
            Value::Array(values) => values.iter().map(one).collect(),
            value => Some(vec![one(value)?]),
        });
        Ok(tokens?.unwrap_or_default())
    }

    /// A list.
    pub(super) fn list(&self, name: &str) -> Result<Option<&'a Vec<Value>>> {
        self.read(name, "a list", Value::as_array)
    }

    /// An object.
    pub(super) fn object(&self, name: &str) -> Result<Option<Fields<'a>>> {
        let Some(object) = self.read(name, "an object", Value::as_object)? else { return Ok(None) };
        let prefix = format!("{}{name}.", self.prefix);
        Ok(Some(Fields { path: self.path, prefix, object, known: RefCell::default() }))
    }

    /// Refuses any value of a field but one: others ask for what is not implemented.
    pub(super) fn only(&self, name: &str, expected: impl Into<Value>) -> Result<()> {
        let expected = expected.into();
        let same = |value: &Value| value == &expected || (value.is_number() && value.as_f64() == expected.as_f64());
        match self.get(name) {
            Some(value) if !same(value) => {
                Err(self.error(name, format!("is {}, and only {} is implemented", shown(value), shown(&expected))))
            }
            _ => Ok(()),
        }
    }

    /// Fields that change nothing here.
    pub(super) fn harmless(&self, names: &[&str]) {
        names.iter().for_each(|name| {
            self.get(name);
        });
    }

    /// Refuses fields that nobody asked for.
    pub(super) fn finish(self) -> Result<()> {
        let known = self.known.borrow();
        match self.object.keys().find(|name| !known.contains(name.as_str())) {
            Some(name) => {
                let value = shown(&self.object[name]);
                Err(self.error(name, format!("is not known here (it is {value}): what it asks for would not be done")))
            }
            None => Ok(()),
        }
    }
}

/// A value as it is shown in a message, cut where it is long.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
