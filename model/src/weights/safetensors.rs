//! Files of safetensors: 8 bytes of length, a JSON object that says where each tensor lies, the data.
//!
//! Source: the format's description in huggingface/safetensors 0.8. As there, the data must be covered without holes.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use super::bytes::Bytes;
use super::stored::{Element, Stored};
use crate::{Error, Result};

/// Longest header, as in the reference.
const MAX_HEADER: u64 = 100_000_000;

/// Where a tensor lies.
#[derive(Deserialize)]
struct Place {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

/// The tensors in the order of the header.
struct Header(Vec<(String, Place)>);

/// The tensors of a file.
pub(super) fn open(path: &Path) -> Result<Vec<Stored>> {
    let wrong = |problem: String| Error::malformed(path, problem);
    let file = Bytes::map(path)?;
    let length = file.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    let length = length.ok_or_else(|| wrong(format!("it has {} bytes, and its header's length 8", file.len())))?;
    if length > MAX_HEADER {
        return Err(wrong(format!("its header would have {length} bytes: it is no file of safetensors")));
    }
    let header = file
        .cut(8, length)
        .ok_or_else(|| wrong(format!("its header has {length} bytes, and the file {} (is it cut off?)", file.len())))?;
    let header: Header =
        serde_json::from_slice(&header).map_err(|error| wrong(format!("its header cannot be read: {error}")))?;
    let start = 8 + length;
    let path: Arc<Path> = path.into();
    let mut tensors = Vec::with_capacity(header.0.len());
    let mut spans = Vec::with_capacity(header.0.len());
    for (name, place) in header.0 {
        let element = element(&place.dtype)
            .ok_or_else(|| Error::tensor(&path, &name, format!("is of type {}, which is not read", place.dtype)))?;
        let [from, to] = place.data_offsets;
        let offset = start.checked_add(from);
        let offset = offset.ok_or_else(|| Error::tensor(&path, &name, format!("begins at byte {from}")))?;
        let tensor = Stored::dense(&path, &name, place.shape, element, &file, offset)?;
        if to.checked_sub(from) != Some(tensor.bytes.len() as u64) {
            let problem =
                format!("is {:?} of {}, which is not bytes {from} to {to} of the data", tensor.shape, place.dtype);
            return Err(Error::tensor(&path, &name, problem));
        }
        spans.push((from, to, tensors.len()));
        tensors.push(tensor);
    }
    spans.sort_unstable();
    let mut end = 0;
    for (from, to, number) in spans {
        if from != end {
            let what = if from < end { "overlaps the tensor before it" } else { "leaves a hole before it" };
            return Err(Error::tensor(
                &path,
                &tensors[number].name,
                format!("{what}: it begins at byte {from} of the data"),
            ));
        }
        end = to;
    }
    let found = file.len() as u64 - start;
    if end != found {
        return Err(Error::malformed(&path, format!("its tensors have {end} bytes, and there are {found}")));
    }
    Ok(tensors)
}

fn element(dtype: &str) -> Option<Element> {
    Some(match dtype {
        "F64" => Element::F64,
        "F32" => Element::F32,
        "F16" => Element::F16,
        "BF16" => Element::BF16,
        "I64" | "U64" => Element::Integer(8),
        "I32" | "U32" => Element::Integer(4),
        "I16" | "U16" => Element::Integer(2),
        "I8" | "U8" | "BOOL" => Element::Integer(1),
        _ => return None,
    })
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Names)
    }
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Header;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut tensors = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
            } else {
                let place = map.next_value()?;
                tensors.push((name, place));
            }
        }
        Ok(Header(tensors))
    }
}
