//! Several sorted files made one, in bounded memory.

use std::path::{Path, PathBuf};

use yuan_pipeline::{Context, Error, Result};

use crate::files::{Format, Partial, Record, Writer};

/// Writes the records of `sources` (of the format `format`) sorted to `output`, with what `renamed` makes of their
/// documents, none of those that it makes nothing of. The documents of a source come before those of the next one, and
/// `renamed` keeps their order. One read of each source for each range of keys that fits half the memory.
pub(crate) fn merge<const WORDS: usize>(
    sources: &[PathBuf],
    format: Format,
    renamed: impl Fn(u64) -> Option<u64>,
    output: (&Path, Format),
    context: &Context<'_>,
) -> Result<()> {
    let open = |path: &PathBuf| {
        context.check()?;
        Partial::<WORDS>::open(path, format)
    };
    let total = sources.iter().try_fold(0, |sum, path| Ok::<_, Error>(sum + open(path)?.records()))?;
    let capacity = (context.memory / 2 / size_of::<Record<WORDS>>() as u64).max(1024);
    let cuts = total.div_ceil(capacity / 4 * 3).max(1);
    let boundary = |cut: u64| ((u128::from(cut) << 64) / u128::from(cuts)) as u64;
    let mut writer = Writer::create(output.0)?;
    let mut write = |record: &Record<WORDS>| {
        let Some(doc_id) = renamed(record.doc_id) else { return Ok(()) };
        record.key.iter().try_for_each(|word| writer.write(&word.to_le_bytes()))?;
        writer.record(&[doc_id])
    };
    let mut records = Vec::new();
    // The first range last, so that they come off in order.
    let mut left: Vec<_> = (0..cuts).rev().map(|cut| (boundary(cut), boundary(cut + 1).wrapping_sub(1))).collect();
    while let Some((first, last)) = left.pop() {
        let slices = sources.iter().map(|path| open(path)?.range(first, last)).collect::<Result<Vec<_>>>()?;
        let size: u64 = slices.iter().map(|slice| slice.end - slice.start).sum();
        let slices = sources.iter().zip(slices).filter(|(_, slice)| !slice.is_empty());
        if size <= capacity {
            records.clear();
            for (path, slice) in slices {
                open(path)?.read(slice, |record| {
                    records.push(record);
                    Ok(())
                })?;
            }
            records.sort_unstable();
            records.iter().try_for_each(&mut write)?;
        } else if first == last {
            // One key, in the order of documents already.
            for (path, slice) in slices {
                open(path)?.read(slice, |record| write(&record))?;
            }
        } else {
            let middle = first + (last - first) / 2;
            left.extend([(middle + 1, last), (first, middle)]);
        }
    }
    writer.finish(output.1)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::files::{Kind, write_partial};

    #[test]
    fn the_records_of_all_files_come_out_sorted_whatever_the_memory() {
        const FORMAT: Format = Format { stage: "minhash", kind: Kind::BandKeys, parameters: 7 };
        let folder = tempfile::tempdir().unwrap();
        // Every third record has the same key: more of them than fit.
        let key = |n: u64| if n.is_multiple_of(3) { 5 } else { n.wrapping_mul(0x9e37_79b9_7f4a_7c15) };
        let mut all: Vec<Record<1>> = (0..9000).map(|n| Record { key: [key(n)], doc_id: n }).collect();
        let paths: Vec<PathBuf> = (0..4).map(|n| folder.path().join(format!("{n}"))).collect();
        for (path, records) in paths.iter().zip(all.clone().chunks_mut(2250)) {
            write_partial(path, FORMAT, records).unwrap();
        }
        all.sort_unstable();
        let expected: Vec<Record<1>> = all
            .iter()
            .filter(|record| !record.doc_id.is_multiple_of(10))
            .map(|record| Record { doc_id: 2 * record.doc_id, ..*record })
            .collect();
        let cancelled = AtomicBool::new(false);
        for memory in [1, 1 << 20] {
            let context = Context::new(memory, 1, folder.path().join("scratch"), &cancelled);
            let output = folder.path().join("output");
            let renamed = |doc_id: u64| (!doc_id.is_multiple_of(10)).then_some(2 * doc_id);
            merge::<1>(&paths, FORMAT, renamed, (&output, FORMAT), &context).unwrap();
            let mut merged = Partial::<1>::open(&output, FORMAT).unwrap();
            let (mut found, count) = (Vec::new(), merged.records());
            merged
                .read(0..count, |record| {
                    found.push(record);
                    Ok(())
                })
                .unwrap();
            assert_eq!(found, expected, "{memory}");
        }
    }
}
