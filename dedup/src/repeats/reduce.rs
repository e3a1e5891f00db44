//! Partial files → the places to cut: all occurrences of a unit but those that are kept.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use yuan_pipeline::{Context, Result};

use super::RepeatedText;
use crate::cuts::write_cuts;
use crate::files::{Format, Kind, Record};
use crate::ranges::{Keys, Ranges};
use crate::sorter::{Sorted, Sorter};

/// Writes the (document, unit) pairs to cut to `outcome`, sorted.
pub(super) fn reduce(
    config: &RepeatedText,
    partials: &[PathBuf],
    format: Format,
    outcome: &Path,
    context: &Context<'_>,
) -> Result<()> {
    let ranges = Ranges::<2>::new(partials, format, context);
    let memory = context.memory / 4 / ranges.size()?.1 as u64;
    let sorters = Mutex::new(Vec::new());
    let (repeated, occurrences) = (AtomicU64::new(0), AtomicU64::new(0));
    let keep = config.keep_first as u64;
    let group = |sorter: &mut Sorter, places: &[Record<2>]| {
        let [_, first] = places[0].key;
        let spans_documents = places[places.len() - 1].key[1] != first;
        let kept = if keep == 0 && !spans_documents { 1 } else { keep };
        if places.len() as u64 > kept.max(1) || keep == 0 && spans_documents {
            repeated.fetch_add(1, Ordering::Relaxed);
            occurrences.fetch_add(places.len() as u64, Ordering::Relaxed);
        }
        let cut = places.iter().skip(kept as usize);
        cut.copied().try_for_each(|place| sorter.push(&[place.key[1], place.doc_id]))
    };
    ranges.each(
        |thread| Ok(Sorter::new(2, memory, context.scratch.join(format!("cuts-{thread}")))),
        |sorter, keys| match keys {
            Keys::Sorted(records) => {
                records.chunk_by(|one, other| one.key[0] == other.key[0]).try_for_each(|places| group(sorter, places))
            }
            Keys::Crowd(crowd) => {
                // One hash; its places come in the order of the corpus. With none to keep, look first whether two documents
                // have it.
                let (mut documents, mut last) = (0, None);
                let mut count = 0_u64;
                crowd.read(|Record { key: [_, doc_id], .. }| {
                    documents += u64::from(last != Some(doc_id));
                    last = Some(doc_id);
                    count += 1;
                    Ok(())
                })?;
                let mut kept = if keep == 0 && documents == 1 { 1 } else { keep };
                if count > kept {
                    repeated.fetch_add(1, Ordering::Relaxed);
                    occurrences.fetch_add(count, Ordering::Relaxed);
                }
                crowd.read(|Record { key: [_, doc_id], doc_id: unit }| {
                    if kept > 0 {
                        kept -= 1;
                        return Ok(());
                    }
                    sorter.push(&[doc_id, unit])
                })
            }
        },
        |sorter| {
            sorters.lock().expect("no holder of the sorters panics").push(sorter);
            Ok(())
        },
    )?;
    context.tally("repeats", "distinct", repeated.into_inner(), 0);
    context.tally("repeats", "occurrences", occurrences.into_inner(), 0);
    let sorters = sorters.into_inner().expect("no holder of the sorters panics");
    write_cuts(Sorted::of(sorters)?, outcome, Format { kind: Kind::Cuts, ..format }, context)
}
