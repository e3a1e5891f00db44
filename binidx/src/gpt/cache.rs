//! Megatron-Core's index cache: it looks here, by a hash of what decides on the indices, before it builds them.
//!
//! A dataset has four files, `HASH-GPTDataset-PART-` and `description.txt`, `document_index.npy`, `sample_index.npy`,
//! `shuffle_index.npy`; a blend has `HASH-BlendedDataset-PART-` and `description.txt`, `dataset_index.npy`,
//! `dataset_sample_index.npy`. HASH is the MD5 of the description, which is JSON as Python writes it. Part of it is what the
//! trainer's tokenizer says of itself: the object `tokenizer` of a description that Megatron has written once.
//!
//! Source: `MegatronDataset` and `BlendedDataset` of megatron-core 0.16.1.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};
use serde_json::{Value, json};

use super::{Flavour, SampleIndex, ShuffleIndex, TrainingData};
use crate::npy;
use crate::{Error, Result};

/// Writes the cache of all datasets and of the blend into a folder, Megatron's `--data-cache-path`; gives the files.
///
/// `tokenizer` is what the trainer's tokenizer says of itself (`unique_identifiers`). Prefixes and the split must be spelt
/// as they will be for the trainer.
///
/// # Errors
/// If the data are those of Yuan's fork, or a file cannot be written.
pub fn write(data: &TrainingData, tokenizer: &Value, folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    let folder = folder.as_ref();
    if data.settings().flavour == Flavour::Yuan {
        return Err(Error::sampling("cache", "Yuan's fork has another cache: this one is Megatron-Core's"));
    }
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let descriptions: Vec<Value> =
        (0..data.datasets().len()).map(|dataset| dataset_description(data, dataset, tokenizer)).collect();
    let mut written = Vec::new();
    for (dataset, description) in data.datasets().iter().zip(&descriptions) {
        let indices = dataset.indices();
        let mut files = Files::describe(folder, "GPTDataset", data, description, &mut written)?;
        files.array("document_index", &[indices.document_index.len()], &indices.document_index)?;
        match &indices.sample_index {
            SampleIndex::I32(rows) => files.array("sample_index", &[rows.len(), 2], rows.as_flattened())?,
            SampleIndex::I64(rows) => files.array("sample_index", &[rows.len(), 2], rows.as_flattened())?,
        }
        match &indices.shuffle_index {
            ShuffleIndex::U32(samples) => files.array("shuffle_index", &[samples.len()], samples)?,
            ShuffleIndex::I64(samples) => files.array("shuffle_index", &[samples.len()], samples)?,
        }
    }
    if let Some(blended) = data.blended() {
        let weights = match blended.size {
            Some(_) => json!(blended.weights),
            // Sizes, which are whole numbers.
            None => blended.weights.iter().map(|size| *size as u64).collect(),
        };
        let description = json!({
            "class": "BlendedDataset",
            "datasets": descriptions,
            "split": data.settings().part.name(),
            "weights": weights,
            "size": blended.size,
        });
        let index = &blended.index;
        let mut files = Files::describe(folder, "BlendedDataset", data, &description, &mut written)?;
        files.array("dataset_index", &[index.dataset_index.len()], &index.dataset_index)?;
        files.array("dataset_sample_index", &[index.dataset_sample_index.len()], &index.dataset_sample_index)?;
    }
    Ok(written)
}

/// Everything that decides on the indices of a dataset, in Megatron's order.
fn dataset_description(data: &TrainingData, dataset: usize, tokenizer: &Value) -> Value {
    let sampling = data.datasets()[dataset].sampling();
    let split = data.settings().split.as_ref();
    let matrix = split.map(|split| {
        let rows = split.bounds().into_iter().map(|bounds| match bounds {
            // The first bound of all is the whole number 0, which Python writes as such.
            Some((0.0, end)) if split.fractions()[0] > 0.0 => json!([0, end]),
            Some((start, end)) => json!([start, end]),
            None => Value::Null,
        });
        rows.collect::<Value>()
    });
    json!({
        "class": "GPTDataset",
        "dataset_path": data.prefixes()[dataset],
        "num_samples": sampling.samples,
        "index_split": data.settings().part.name(),
        "random_seed": sampling.seed,
        "sequence_length": sampling.sequence_length,
        "split": split.map(|split| split.text()),
        "split_matrix": matrix,
        "tokenizer": tokenizer,
    })
}

/// The files of one description.
struct Files<'a> {
    stem: PathBuf,
    written: &'a mut Vec<PathBuf>,
}

impl<'a> Files<'a> {
    fn describe(
        folder: &Path,
        class: &str,
        data: &TrainingData,
        description: &Value,
        written: &'a mut Vec<PathBuf>,
    ) -> Result<Self> {
        let text = python_json(description);
        let hash: String = Md5::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        let stem = folder.join(format!("{hash}-{class}-{}-", data.settings().part.name()));
        let path = crate::reader::with_tail(&stem, "description.txt");
        fs::write(&path, text).map_err(Error::io("write", &path))?;
        written.push(path);
        Ok(Self { stem, written })
    }

    fn array<T: npy::Number>(&mut self, name: &str, shape: &[usize], numbers: &[T]) -> Result<()> {
        let path = crate::reader::with_tail(&self.stem, &format!("{name}.npy"));
        npy::write(&path, shape, numbers)?;
        self.written.push(path);
        Ok(())
    }
}

/// `json.dumps(value, indent=4)`.
fn python_json(value: &Value) -> Vec<u8> {
    let mut text = Vec::new();
    let mut serializer =
        serde_json::Serializer::with_formatter(&mut text, Python(PrettyFormatter::with_indent(b"    ")));
    value.serialize(&mut serializer).expect("a JSON value is written into memory");
    text
}

/// Python's spelling of JSON: characters beyond ASCII are escaped, and floats are `repr`'s.
struct Python(PrettyFormatter<'static>);

impl Formatter for Python {
    fn write_f64<W: ?Sized + Write>(&mut self, out: &mut W, value: f64) -> io::Result<()> {
        out.write_all(python_float(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        for character in fragment.chars() {
            if (' '..='~').contains(&character) {
                write!(out, "{character}")?;
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

/// `repr` of a finite float: the fewest digits that give it back, with an exponent below 0.0001 and from 10¹⁶ on.
fn python_float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{value:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_pythons() {
        // `print(json.dumps(value, indent=4))`, Python 3.11.
        let value = json!({"a": [0, 0.999, 1.0, 1e-5, 0.0001, 1e16, 1.5e300, 123456789012345.6], "b": {}, "c": [],
            "d": "\u{7f} 语料 \u{1f600}\n\t\"\\/", "e": null});
        let expected = "{\n    \"a\": [\n        0,\n        0.999,\n        1.0,\n        1e-05,\n        0.0001,\n        \
            1e+16,\n        1.5e+300,\n        123456789012345.6\n    ],\n    \"b\": {},\n    \"c\": [],\n    \"d\": \
            \"\\u007f \\u8bed\\u6599 \\ud83d\\ude00\\n\\t\\\"\\\\/\",\n    \"e\": null\n}";
        assert_eq!(String::from_utf8(python_json(&value)).unwrap(), expected);
    }
}
