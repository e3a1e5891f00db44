//! Which document a token is of, and where a document's tokens are.

use std::collections::HashSet;

use serde::Serialize;

use crate::{About, Error, Result, TokenSet};

/// A document's place in a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Located {
    /// Its number, from 0.
    pub document: u64,
    /// Its own id.
    pub id: Option<String>,
    /// Where it is from.
    pub source: String,
    /// The input file.
    pub file: String,
    /// The record of that file, from 0.
    pub row: u64,
    /// Its language.
    pub language: Option<String>,
    /// The place of its first token among all tokens of the set.
    pub first_token: u64,
    /// Its tokens.
    pub tokens: u64,
}

impl Located {
    fn new(document: u64, about: About<'_>, first_token: u64, tokens: u64) -> Self {
        Self {
            document,
            id: about.id.map(str::to_owned),
            source: about.source.to_owned(),
            file: about.file.to_owned(),
            row: about.row,
            language: about.language.map(str::to_owned),
            first_token,
            tokens,
        }
    }
}

/// The document of the token that has `token` others before it in the `.bin` file. Cost: two binary searches and a row group.
///
/// # Errors
/// If there is no such token, or the index is out of order.
pub fn locate(set: &TokenSet, token: u64) -> Result<Located> {
    let index = set.reader().index();
    let width = index.dtype().bytes() as u64;
    let tokens = set.reader().bin().len() as u64 / width;
    if token >= tokens {
        let problem = format!("there is no token {token}, it has {tokens}");
        return Err(Error::dataset(set.prefix(), problem).hinting("tokens are counted from 0"));
    }
    let at = i64::try_from(token * width).unwrap_or(i64::MAX);
    // Of the sequences that begin at the same byte all but the last are empty.
    let sequence = below(index.sequence_count(), |sequence| index.sequence_pointer(sequence) <= Some(at));
    let document = if index.marks_documents() {
        let starts = |document| index.document_index(document) <= i64::try_from(sequence).ok();
        below(index.document_count(), starts)
    } else {
        sequence
    };
    let first = index.document(document)?.start;
    let first_token = index.sequence_pointer(first).map_or(0, i64::cast_unsigned) / width;
    let mut found = None;
    set.for_each(document..document + 1, |number, document| {
        found = Some(Located::new(number as u64, document.about, first_token, document.tokens()));
        Ok(())
    })?;
    let within = |located: &Located| token.checked_sub(first_token).is_some_and(|offset| offset < located.tokens);
    found.filter(within).ok_or_else(|| {
        Error::malformed(index.path(), "sequence_pointers", format!("token {token} lies in no document"))
    })
}

/// The last place below `count` for which `is_at_most` holds; it holds for none behind one for which it does not.
fn below(count: usize, is_at_most: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_at_most(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low.saturating_sub(1)
}

/// The documents with these ids, in the order of the set. Cost: a walk over the file of documents.
///
/// # Errors
/// If there is no file of documents, or it is damaged.
pub fn find(set: &TokenSet, ids: &HashSet<String>) -> Result<Vec<Located>> {
    let mut found = Vec::new();
    let mut first_token = 0;
    set.known_documents()?.for_each(0..set.reader().document_count() as u64, |number, about, tokens, _| {
        if about.id.is_some_and(|id| ids.contains(id)) {
            found.push(Located::new(number, about, first_token, tokens));
        }
        // A damaged file of documents may claim any number.
        first_token = first_token.saturating_add(tokens);
        Ok(())
    })?;
    Ok(found)
}
