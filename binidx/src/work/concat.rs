//! Joining datasets.

use std::path::Path;

use super::Job;
use crate::{DType, Error, Result, TokenSet, Writer, Written};

/// Joins datasets in the order given into one at `prefix`: lengths and documents one after the other,
/// tokens byte by byte or in a `dtype` of one's choice, pointers anew. Streams: memory does not grow with the sets.
///
/// A set that marks no documents adds none, as with Megatron; since the joined set could then not be
/// told from a damaged one, it is joined as one document for each sequence. If one of the sets has a file of documents,
/// so has the joined one; of the others' documents it knows set and number.
///
/// Source: `IndexedDatasetBuilder.add_index` and `tools/merge_datasets.py` of Megatron-LM.
///
/// # Errors
/// If there is nothing to join, a set differs from the first in its dtype and no `dtype` is asked for, one is multimodal and
/// another not, or one is damaged.
pub fn concat<P: AsRef<Path>>(
    parts: &[P],
    prefix: impl AsRef<Path>,
    dtype: Option<DType>,
    job: &Job<'_>,
) -> Result<Written> {
    let prefix = prefix.as_ref();
    let sets: Vec<TokenSet> = parts.iter().map(TokenSet::open).collect::<Result<_>>()?;
    let first = sets.first().ok_or_else(|| Error::dataset(prefix, "no dataset was given to join"))?;
    let (first_dtype, multimodal) = (first.reader().index().dtype(), first.reader().index().is_multimodal());
    for set in &sets {
        let index = set.reader().index();
        if dtype.is_none() && index.dtype() != first_dtype {
            let problem = format!("it holds {}, the first dataset {first_dtype}", index.dtype());
            let wider = if index.dtype().holds(first_dtype) { index.dtype() } else { first_dtype };
            return Err(Error::dataset(set.prefix(), problem).hinting(format!("`--dtype {wider}` makes them the same")));
        }
        if index.is_multimodal() != multimodal {
            let problem = "of this and the first dataset one is multimodal and the other not";
            return Err(Error::dataset(set.prefix(), problem));
        }
        whole(set)?;
        let [one, other] = [first, set].map(|set| set.vocabulary().tokenizer);
        if one.is_some() && other.is_some() && one != other {
            let problem = "its tokens are of another tokenizer than those of the first dataset";
            return Err(Error::dataset(set.prefix(), problem)
                .hinting("the same ids mean other texts: tokenize the documents of one of them again"));
        }
    }
    let mut writer = Writer::create(prefix, dtype.unwrap_or(first_dtype))?;
    if multimodal {
        writer = writer.with_modes()?;
    }
    if sets.iter().any(|set| set.documents().is_some()) {
        let vocabulary = sets.iter().map(TokenSet::vocabulary).reduce(|one, other| one.common(&other));
        writer = writer.with_documents(vocabulary.unwrap_or_default())?;
    }
    for set in &sets {
        set.for_each(0..set.reader().document_count(), |_, document| {
            writer.add(document)?;
            job.tick(document.bytes.len() as u64)
        })?;
    }
    writer.finish()
}

/// Whether the index counts the bytes that are there.
pub(crate) fn whole(set: &TokenSet) -> Result<()> {
    let reader = set.reader();
    let tokens = reader.summary()?.tokens * reader.index().dtype().bytes() as u64;
    if tokens == reader.bin().len() as u64 {
        return Ok(());
    }
    let problem = format!("{} bytes, the index counts {tokens}", reader.bin().len());
    Err(Error::malformed(reader.bin_path(), "size", problem))
}
