//! Joining datasets.

use std::path::Path;

use crate::{Error, Reader, Result, Writer, Written};

/// Joins datasets in the order given into one at `prefix`: lengths and documents one after the other,
/// tokens byte by byte, pointers anew. Streams: memory does not grow with the sets.
///
/// A set that marks no documents adds none, as with Megatron; since the joined set could then not be
/// told from a damaged one, it is joined as one document for each sequence.
///
/// Source: `IndexedDatasetBuilder.add_index` and `tools/merge_datasets.py` of Megatron-LM.
///
/// # Errors
/// If there is nothing to join, a set differs from the first in its dtype, is multimodal or is damaged.
pub fn concat<P: AsRef<Path>>(parts: &[P], prefix: impl AsRef<Path>) -> Result<Written> {
    let prefix = prefix.as_ref();
    let join = |part: &Path, problem: &str| Error::Join { path: part.to_path_buf(), problem: problem.into() };
    let first = parts.first().ok_or_else(|| join(prefix, "no dataset was given to join"))?;
    let mut writer = Writer::create(prefix, Reader::open(first)?.index().dtype())?;
    for part in parts {
        let part = part.as_ref();
        let reader = Reader::open(part)?;
        let index = reader.index();
        if index.dtype() != writer.dtype() {
            let problem = format!("it holds {}, the first dataset {}", index.dtype(), writer.dtype());
            return Err(join(part, &problem));
        }
        if index.is_multimodal() {
            return Err(join(part, "it is multimodal, and modes are read but not written"));
        }
        for document in 0..reader.document_count() {
            for sequence in index.document(document)? {
                // Also shows that the sequence lies within the file.
                writer.add_length(reader.sequence(sequence)?.len())?;
            }
            writer.end_document()?;
        }
        let tokens = reader.summary()?.tokens * index.dtype().bytes() as u64;
        if tokens != reader.bin().len() as u64 {
            return Err(Error::malformed(
                reader.bin_path(),
                "size",
                format!("{} bytes, the index counts {tokens}", reader.bin().len()),
            ));
        }
        writer.append_encoded(reader.bin(), reader.bin_path())?;
    }
    writer.finish()
}
