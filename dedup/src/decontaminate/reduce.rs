//! From n-grams found to contaminated documents and items: two walks over what was noted, in the order of the corpus.

use std::path::{Path, PathBuf};

use yuan_pipeline::{Context, Result};

use super::Evals;
use super::outcome::{Match, Outcome};
use super::scan::{Noted, NotedFile};
use crate::files::Format;

pub(super) fn reduce(
    evals: &Evals,
    partials: &[PathBuf],
    format: Format,
    outcome: &Path,
    context: &Context<'_>,
) -> Result<()> {
    let (config, ngrams) = (&evals.config, evals.index.len());
    let walk = |take: &mut dyn FnMut(&Noted<'_>, &[u32]) -> Result<()>| -> Result<()> {
        let mut distinct = Vec::new();
        for path in partials {
            context.check()?;
            NotedFile::open(path, format)?.documents(ngrams, |noted| {
                distinct.clear();
                distinct.extend(noted.hits().map(|(ngram, _, _)| ngram));
                distinct.sort_unstable();
                distinct.dedup();
                take(&noted, &distinct)
            })?;
        }
        Ok(())
    };
    // In how many documents each n-gram is.
    let mut documents = vec![0_u32; ngrams];
    walk(&mut |_, found| {
        found.iter().for_each(|ngram| documents[*ngram as usize] = documents[*ngram as usize].saturating_add(1));
        Ok(())
    })?;
    let is_common = |ngram: u32| documents[ngram as usize] > config.max_documents;
    let mut writer = Outcome::create(evals, format, outcome)?;
    let mut items: Vec<(u32, bool)> = Vec::new();
    let mut contaminating: Vec<u32> = Vec::new();
    walk(&mut |noted, found| {
        items.clear();
        for &ngram in found {
            items.extend(evals.index.items_of(ngram).iter().map(|item| (*item, is_common(ngram))));
        }
        items.sort_unstable();
        let matches: Vec<Match> = items
            .chunk_by(|one, other| one.0 == other.0)
            .filter_map(|of_item| {
                let of = evals.index.entries[of_item[0].0 as usize].ngrams;
                let overlap = of_item.len() as f64 / f64::from(of);
                // Those that are not common come first.
                let is_item = if of_item[0].1 {
                    overlap >= config.min_common_overlap && of as usize >= config.words
                } else {
                    true
                };
                let is_contaminated = is_item && overlap >= config.min_overlap;
                is_contaminated.then_some(Match { item: of_item[0].0, found: of_item.len() as u32, of })
            })
            .collect();
        if matches.is_empty() {
            return Ok(());
        }
        contaminating.clear();
        contaminating.extend(matches.iter().map(|found| found.item));
        let is_of_item =
            |ngram: u32| evals.index.items_of(ngram).iter().any(|item| contaminating.binary_search(item).is_ok());
        let spans = noted.hits().filter(|(ngram, _, _)| is_of_item(*ngram)).map(|(_, start, end)| (start, end));
        writer.document(noted.doc_id, &matches, found, spans.collect())
    })?;
    let common = documents.iter().filter(|count| **count > config.max_documents).count() as u64;
    context.tally("ngrams", "indexed", ngrams as u64, 0);
    context.tally("ngrams", "found", documents.iter().filter(|count| **count > 0).count() as u64, 0);
    context.tally("ngrams", "common", common, 0);
    writer.finish(context)
}
