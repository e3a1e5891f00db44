//! datatrove's own files, for runs of which it does another step.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use yuan_pipeline::{Context, Error, Result};

use super::super::clusters::{Clusters, Union};
use super::super::pairs::{PairFiles, find, read_file};
use super::super::partial::Units;
use super::signature::Precision;
use super::{MinhashDatatrove, STAGE};
use crate::cluster::in_parallel;
use crate::sorter::Sorter;

const SIGNATURES: &str = ".minhash.sig";

/// Writes `bucket_BBB/RRRRR.minhash.sig`, each sorted by signature and document.
pub(super) fn write_signatures(
    units: &Units,
    precision: Precision,
    folder: &Path,
    context: &Context<'_>,
) -> Result<()> {
    let ranks = units.ranks();
    let threads = context.threads.max(1);
    let memory = context.memory / 2 / threads as u64;
    for band in 0..units.bands {
        let bucket = folder.join(format!("bucket_{band:03}"));
        std::fs::create_dir_all(&bucket).map_err(Error::io("create", &bucket))?;
    }
    in_parallel(threads, |_, next| {
        loop {
            let number = next();
            let Some(rank) = number.checked_div(units.bands).and_then(|number| ranks.get(number)) else {
                return Ok(());
            };
            let band = number % units.bands;
            let mut sorter = Sorter::new(units.rows + 1, memory, context.scratch.join(format!("sign-{number}")));
            units.read_band(band, Some(*rank), context, |record| sorter.push(record))?;
            let mut sorted = sorter.finish()?;
            let path = folder.join(format!("bucket_{band:03}/{rank:05}{SIGNATURES}"));
            let mut file = BufWriter::with_capacity(1 << 16, File::create(&path).map_err(Error::io("create", &path))?);
            while let Some(record) = sorted.next()? {
                let (minima, place) = record.split_at(units.rows);
                let mut write = || -> std::io::Result<()> {
                    for minimum in minima {
                        file.write_all(&minimum.to_le_bytes()[..precision.bytes()])?;
                    }
                    file.write_all(&(place[0] as u32).to_le_bytes())
                };
                write().map_err(Error::io("write", &path))?;
            }
            file.flush().map_err(Error::io("write", &path))?;
        }
    })
}

/// Writes `BBBBB_00.dups`.
pub(super) fn write_pairs(pairs: &PairFiles, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    for (band, file) in pairs.files.iter().enumerate() {
        let path = folder.join(format!("{band:05}_00.dups"));
        std::fs::copy(file, &path).map_err(Error::io("write", &path))?;
    }
    Ok(())
}

/// Writes `RRRRRR.remove` and whatever else is asked for. How many documents go, and how many clusters there are.
pub(super) fn write_clusters(clusters: &Clusters, folder: &Path, options: ClusterOptions) -> Result<(u64, u64)> {
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let mut files = ["remove", "clusters", "sizes"].map(|suffix| ByRank { folder, suffix, open: None });
    let mut names = HashMap::new();
    let mut removed = 0;
    for (place, root, size, is_root) in clusters.members() {
        let (rank, document) = ((place >> 32) as u32, place as u32);
        if !is_root {
            removed += 1;
            files[0].write(rank, &[document])?;
        }
        let next = names.len() as u32;
        let name = *names.entry(root).or_insert(next);
        if options.clusters {
            files[1].write(rank, &[document, name])?;
        }
        if options.sizes {
            files[2].write(rank, &[document, size])?;
        }
    }
    files.iter_mut().try_for_each(ByRank::close)?;
    Ok((removed, names.len() as u64))
}

/// Files of one kind, `RRRRRR.suffix`, written rank by rank.
struct ByRank<'a> {
    folder: &'a Path,
    suffix: &'a str,
    open: Option<(u32, PathBuf, BufWriter<File>)>,
}

impl ByRank<'_> {
    fn write(&mut self, rank: u32, words: &[u32]) -> Result<()> {
        if self.open.as_ref().is_none_or(|(open, ..)| *open != rank) {
            self.close()?;
            let path = self.folder.join(format!("{rank:06}.{}", self.suffix));
            let file = BufWriter::new(File::create(&path).map_err(Error::io("create", &path))?);
            self.open = Some((rank, path, file));
        }
        let Some((_, path, file)) = &mut self.open else { return Ok(()) };
        words.iter().try_for_each(|word| file.write_all(&word.to_le_bytes())).map_err(Error::io("write", path))
    }

    fn close(&mut self) -> Result<()> {
        match self.open.take() {
            Some((_, path, mut file)) => file.flush().map_err(Error::io("write", &path)),
            None => Ok(()),
        }
    }
}

/// The places of documents that `RRRRRR.remove` files name; the second is the first again, as no root is told.
pub(super) fn read_removed(folder: &Path, units: &Units, context: &Context<'_>) -> Result<Vec<(u64, u64)>> {
    let mut removed = Vec::new();
    let mut found = 0;
    for rank in units.ranks() {
        context.check()?;
        let path = folder.join(format!("{rank:06}.remove"));
        // A rank from which nothing goes has no file.
        if path.exists() {
            found += 1;
            read_file(&path, |[document]: [u32; 1]| {
                removed
                    .push((u64::from(rank) << 32 | u64::from(document), u64::from(rank) << 32 | u64::from(document)));
                Ok(())
            })?;
        }
    }
    if found == 0 && listed(folder, ".remove")?.is_empty() {
        return Err(nothing(folder, "NNNNNN.remove"));
    }
    removed.sort_unstable();
    removed.dedup();
    Ok(removed)
}

/// The files of a folder with this ending, by name.
fn listed(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ending)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn nothing(folder: &Path, name: &str) -> Error {
    Error::Stage {
        stage: STAGE.into(),
        problem: format!("`{}` holds no file `{name}`", folder.display()),
        hint: Some("give the folder that the step before wrote".into()),
    }
}

fn damaged(path: &Path, problem: impl std::fmt::Display) -> Error {
    Error::Stage {
        stage: STAGE.into(),
        problem: format!("`{}` {problem}", path.display()),
        hint: Some("it must be of the same `bands`, `rows_per_band` and `precision`".into()),
    }
}

/// Signature files of a bucket with their ranks.
struct Bucket {
    files: Vec<(PathBuf, u32)>,
}

impl Bucket {
    fn open(folder: &Path, band: usize) -> Result<Self> {
        let bucket = folder.join(format!("bucket_{band:03}"));
        let mut files = Vec::new();
        for path in listed(&bucket, SIGNATURES)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let rank = name.trim_end_matches(SIGNATURES).parse();
            let rank = rank.map_err(|_| damaged(&path, "is not named by a rank, as 00012.minhash.sig"))?;
            files.push((path, rank));
        }
        if files.is_empty() { Err(nothing(&bucket, "NNNNN.minhash.sig")) } else { Ok(Self { files }) }
    }

    fn read(&self, config: &MinhashDatatrove, take: &mut dyn FnMut(&[u64]) -> Result<()>) -> Result<()> {
        let (rows, width) = (config.rows_per_band, config.precision().bytes());
        let size = rows * width + 4;
        let (mut bytes, mut record) = (vec![0; size], vec![0; rows + 1]);
        for (path, rank) in &self.files {
            let file = File::open(path).map_err(Error::io("read", path))?;
            let length = file.metadata().map_err(Error::io("read", path))?.len();
            if !length.is_multiple_of(size as u64) {
                return Err(damaged(path, format!("has {length} bytes, which are no records of {size}")));
            }
            let mut file = BufReader::with_capacity(1 << 16, file);
            for _ in 0..length / size as u64 {
                file.read_exact(&mut bytes).map_err(Error::io("read", path))?;
                for (word, bytes) in record.iter_mut().zip(bytes.chunks(width)) {
                    let mut whole = [0; 8];
                    whole[..bytes.len()].copy_from_slice(bytes);
                    *word = u64::from_le_bytes(whole);
                }
                let document: [u8; 4] = bytes[size - 4..].try_into().expect("four bytes");
                record[rows] = u64::from(*rank) << 32 | u64::from(u32::from_le_bytes(document));
                take(&record)?;
            }
        }
        Ok(())
    }

    /// The first minima at which workers of a bucket take turns, as the first file has them.
    fn bounds(&self, config: &MinhashDatatrove, workers: u32) -> Result<Vec<u64>> {
        let (path, _) = &self.files[0];
        let width = config.precision().bytes();
        let size = config.rows_per_band * width + 4;
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let records = bytes.len() / size;
        if workers > 1 && records < workers as usize {
            return Err(damaged(path, format!("has {records} signatures, fewer than {workers} workers")));
        }
        let first = |worker: u32| {
            let start = size * (records / workers as usize) * worker as usize;
            let mut whole = [0; 8];
            whole[..width].copy_from_slice(&bytes[start..start + width]);
            u64::from_le_bytes(whole)
        };
        Ok((1..workers).map(first).collect())
    }
}

/// `MinhashDedupBuckets`: the pairs in `signatures`, a folder of `bucket_BBB/`, as `BBBBB_WW.dups` in `output`, a file for each
/// bucket and worker. Of `config` what describes the files is heeded. How many pairs there are.
///
/// # Errors
/// If a file cannot be read or written, or is of other parameters.
pub fn match_files(
    config: &MinhashDatatrove,
    signatures: &Path,
    output: &Path,
    workers: u32,
    memory: u64,
    threads: usize,
) -> Result<u64> {
    config.validate()?;
    let buckets = (0..config.bands).map(|band| Bucket::open(signatures, band)).collect::<Result<Vec<_>>>()?;
    std::fs::create_dir_all(output).map_err(Error::io("create", output))?;
    let scratch = output.join("sorting");
    std::fs::create_dir_all(&scratch).map_err(Error::io("create", &scratch))?;
    let cancelled = AtomicBool::new(false);
    let context = Context::new(memory, threads, scratch.clone(), &cancelled);
    let mut pairs = 0;
    // A worker's pairs are those of signatures between its bounds, so each is a search of its own.
    let mut bounds = Vec::with_capacity(buckets.len());
    for bucket in &buckets {
        bounds.push(bucket.bounds(config, workers.max(1))?);
    }
    for worker in 0..workers.max(1) as usize {
        let read = |band: usize, take: &mut dyn FnMut(&[u64]) -> Result<()>| {
            let low = worker.checked_sub(1).map_or(0, |before| bounds[band][before]);
            let high = bounds[band].get(worker).copied().unwrap_or(u64::MAX);
            buckets[band]
                .read(config, &mut |record| if (low..high).contains(&record[0]) { take(record) } else { Ok(()) })
        };
        let found = find(config.bands, config.rows_per_band, config.precision().bound(), &read, &context)?;
        for (band, file) in found.files.iter().enumerate() {
            pairs += file.metadata().map_err(Error::io("read", file))?.len() / 16;
            let path = output.join(format!("{band:05}_{worker:02}.dups"));
            std::fs::rename(file, &path).map_err(Error::io("write", &path))?;
        }
    }
    std::fs::remove_dir_all(&scratch).map_err(Error::io("remove", &scratch))?;
    Ok(pairs)
}

/// What [`cluster_files`] writes beside `.remove`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClusterOptions {
    /// `RRRRRR.clusters`: documents of clusters, each with the number of its cluster (`save_cluster_id`).
    pub clusters: bool,
    /// `RRRRRR.sizes`: the same with sizes (`save_cluster_size`).
    pub sizes: bool,
    /// Whether pairs with a document of an index are left out (`ignore_index_matches`).
    pub ignore_index: bool,
}

/// `MinhashDedupCluster`: what goes by the `.dups` files of the folder `pairs`, as `RRRRRR.remove` in `output`. How many documents
/// go, and how many clusters there are.
///
/// # Errors
/// If a file cannot be read or written, or clusters do not fit in `memory`.
pub fn cluster_files(pairs: &Path, output: &Path, options: ClusterOptions, memory: u64) -> Result<(u64, u64)> {
    let files = listed(pairs, ".dups")?;
    if files.is_empty() {
        return Err(nothing(pairs, "BBBBB_WW.dups"));
    }
    let cancelled = AtomicBool::new(false);
    let context = Context::new(memory, 1, PathBuf::new(), &cancelled);
    let union = if options.ignore_index { Union::LargerWithoutIndex } else { Union::Larger };
    let clusters = Clusters::of(&PairFiles { files }, union, STAGE, &context)?;
    write_clusters(&clusters, output, options)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Pairs by hand: a chain, a cluster that is joined to a larger one, one of an index.
    #[test]
    fn clusters_are_those_of_datatrove() {
        let folder = tempfile::tempdir().unwrap();
        let index = u32::MAX;
        let pairs: [&[[u32; 4]]; 2] = [
            &[[0, 3, 0, 5], [0, 5, 1, 2], [0, 7, 1, 8]],
            &[[1, 8, 0, 3], [index, index, 2, 4], [2, 4, 2, 9], [2, 11, 2, 12]],
        ];
        let given = folder.path().join("pairs");
        std::fs::create_dir(&given).unwrap();
        for (band, pairs) in pairs.iter().enumerate() {
            let bytes: Vec<u8> = pairs.iter().flatten().flat_map(|word| word.to_le_bytes()).collect();
            std::fs::write(given.join(format!("{band:05}_00.dups")), bytes).unwrap();
        }
        let read = |options: ClusterOptions, name: &str| -> BTreeMap<String, Vec<u32>> {
            let output = folder.path().join(name);
            cluster_files(&given, &output, options, 1 << 20).unwrap();
            let files = std::fs::read_dir(&output).unwrap();
            let words = |path: &Path| -> Vec<u32> {
                let bytes = std::fs::read(path).unwrap();
                bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
            };
            files
                .map(|file| {
                    let path = file.unwrap().path();
                    (path.file_name().unwrap().to_string_lossy().into_owned(), words(&path))
                })
                .collect()
        };
        // datatrove 0.10.1 on these files (`MinhashDedupCluster`, with and without ids, sizes, `ignore_index_matches`).
        let all = read(ClusterOptions { clusters: true, sizes: true, ignore_index: false }, "all");
        let expected: &[(&str, &[u32])] = &[
            ("000000.clusters", &[3, 0, 5, 0, 7, 0]),
            ("000000.remove", &[5, 7]),
            ("000000.sizes", &[3, 5, 5, 5, 7, 5]),
            ("000001.clusters", &[2, 0, 8, 0]),
            ("000001.remove", &[2, 8]),
            ("000001.sizes", &[2, 5, 8, 5]),
            ("000002.clusters", &[4, 1, 9, 1, 11, 2, 12, 2]),
            ("000002.remove", &[4, 9, 12]),
            ("000002.sizes", &[4, 3, 9, 3, 11, 2, 12, 2]),
            ("4294967295.clusters", &[4294967295, 1]),
            ("4294967295.sizes", &[4294967295, 3]),
        ];
        assert_eq!(all, expected.iter().map(|(name, words)| ((*name).to_owned(), words.to_vec())).collect());
        let without = read(ClusterOptions { ignore_index: true, ..ClusterOptions::default() }, "without");
        let expected: &[(&str, &[u32])] =
            &[("000000.remove", &[5, 7]), ("000001.remove", &[2, 8]), ("000002.remove", &[9, 12])];
        assert_eq!(without, expected.iter().map(|(name, words)| ((*name).to_owned(), words.to_vec())).collect());
    }
}
