//! The sets of all sources, each opened once, and walks over what is known of their documents.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use super::recipe::{Mix, wrong};
use crate::work::Job;
use crate::work::whole;
use crate::{About, DType, Error, Result, TokenSet, Vocabulary, bin_path, idx_path, loss_mask_prefix};

/// Documents of a set that a thread walks over at a time: four row groups of a file of documents.
const WALK_DOCUMENTS: u64 = 1 << 18;
/// Documents between two looks at whether the work is still wanted.
const TICK_DOCUMENTS: u64 = 1 << 12;

/// The sets of a mix.
pub(super) struct Inputs {
    pub sets: Vec<Set>,
    /// What all tokens mean, as far as it is known of all.
    pub vocabulary: Vocabulary,
    /// The widest number type.
    pub dtype: DType,
}

/// A set, and the sources that name it.
pub(super) struct Set {
    pub tokens: TokenSet,
    pub sources: Vec<usize>,
    /// Documents of the sets before it.
    first: u64,
}

/// By what a set is known again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    pub prefix: PathBuf,
    /// Of its documents; without them sizes, and the time of the last change.
    identity: String,
}

/// A document with a token at least, as a walk meets it.
pub(super) struct Seen<'a> {
    pub about: About<'a>,
    pub tokens: u64,
    /// Its number among the documents of all sets.
    pub number: u64,
    /// The sources that name its set.
    pub sources: &'a [usize],
}

impl Inputs {
    /// Finds and opens the sets of all sources.
    ///
    /// # Errors
    /// If a path names no set, a set cannot be read, or two do not hold the same kind of tokens.
    pub fn open(mix: &Mix) -> Result<Self> {
        let mut sets: Vec<Set> = Vec::new();
        let mut known: HashMap<PathBuf, usize> = HashMap::new();
        let mut first = 0;
        for (source, settings) in mix.sources.iter().enumerate() {
            for path in &settings.paths {
                let prefixes = prefixes_at(path).map_err(|error| match error {
                    Error::Recipe { problem, hint, .. } => {
                        let problem = format!("source `{}`: {problem}", settings.name);
                        Error::Recipe { setting: format!("source.{source}.paths"), problem, hint }
                    }
                    error => error,
                })?;
                for prefix in prefixes {
                    let place = match known.get(&prefix) {
                        Some(place) => *place,
                        None => {
                            let tokens = TokenSet::open(&prefix)?;
                            whole(&tokens)?;
                            if tokens.reader().index().is_multimodal() {
                                return Err(Error::dataset(prefix, "sets with modes are not mixed"));
                            }
                            let documents = tokens.reader().document_count() as u64;
                            sets.push(Set { tokens, sources: Vec::new(), first });
                            first += documents;
                            known.insert(prefix, sets.len() - 1);
                            sets.len() - 1
                        }
                    };
                    if !sets[place].sources.contains(&source) {
                        sets[place].sources.push(source);
                    }
                }
            }
        }
        let vocabulary = vocabulary(&sets)?;
        let dtypes = sets.iter().map(|set| set.tokens.reader().index().dtype());
        let dtype = dtypes.reduce(|one, other| if one.holds(other) { one } else { other });
        Ok(Self { vocabulary, dtype: dtype.unwrap_or(DType::I32), sets })
    }

    /// Documents of all sets.
    pub fn documents(&self) -> u64 {
        self.sets.last().map_or(0, |set| set.first + set.tokens.reader().document_count() as u64)
    }

    /// By what each set is known again.
    ///
    /// # Errors
    /// If a file cannot be looked at.
    pub fn known(&self) -> Result<Vec<Known>> {
        let known = |set: &Set| {
            let prefix = set.tokens.prefix();
            let identity = match set.tokens.documents() {
                Some(documents) => format!("{} {}", documents.header().digest, documents.header().idx_xxh3),
                None => {
                    let mut identity = String::new();
                    for path in [bin_path(prefix), idx_path(prefix)] {
                        let file = std::fs::metadata(&path).map_err(Error::io("read", &path))?;
                        let changed = file.modified().ok();
                        let changed = changed.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
                        identity += &format!("{} {} ", file.len(), changed.map_or(0, |time| time.as_nanos()));
                    }
                    identity.trim_end().to_owned()
                }
            };
            Ok(Known { prefix: prefix.to_path_buf(), identity })
        };
        self.sets.iter().map(known).collect()
    }

    /// Shows all documents with tokens to `visit`, in any order and on all threads, each with a tally of its own; gives the
    /// tallies. No token is read: lengths come from the files of documents, or from the index where there is none.
    ///
    /// # Errors
    /// If a file of documents is damaged, and [`Error::Cancelled`].
    pub fn walk<T: Send>(
        &self,
        job: &Job<'_>,
        new: impl Fn() -> T + Sync,
        visit: impl Fn(&mut T, &Seen<'_>) + Sync,
    ) -> Result<Vec<T>> {
        let pieces = |set: &Set| (set.tokens.reader().document_count() as u64).div_ceil(WALK_DOCUMENTS);
        let ranges: Vec<(&Set, u64)> =
            self.sets.iter().flat_map(|set| (0..pieces(set)).map(move |piece| (set, piece * WALK_DOCUMENTS))).collect();
        let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || -> Result<()> {
            let mut tally = new();
            while let Some((set, start)) = ranges.get(next.fetch_add(1, Ordering::Relaxed)) {
                set.walk(*start, job, &mut |seen| visit(&mut tally, seen))?;
            }
            done.lock().expect("no holder panics").push(tally);
            Ok(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..job.threads.max(1)).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("a walk does not panic"))
        })?;
        Ok(done.into_inner().expect("no holder panics"))
    }
}

impl Set {
    /// The number of one of its documents among those of all sets.
    pub fn number(&self, document: usize) -> u64 {
        self.first + document as u64
    }

    /// Its tokens, those of all documents.
    pub fn length(&self) -> u64 {
        let reader = self.tokens.reader();
        (reader.bin().len() / reader.index().dtype().bytes()) as u64
    }

    fn walk(&self, start: u64, job: &Job<'_>, visit: &mut dyn FnMut(&Seen<'_>)) -> Result<()> {
        let reader = self.tokens.reader();
        let range = start..(start + WALK_DOCUMENTS).min(reader.document_count() as u64);
        let mut see = |number: u64, about: About<'_>, tokens: u64| {
            if tokens > 0 {
                visit(&Seen { about, tokens, number: self.first + number, sources: &self.sources });
            }
            if (number + 1).is_multiple_of(TICK_DOCUMENTS) || number + 1 == range.end {
                let since_last = (number - start) % TICK_DOCUMENTS + 1;
                job.progress.done.fetch_add(since_last, Ordering::Relaxed);
                return job.check();
            }
            Ok(())
        };
        if let Some(documents) = self.tokens.documents() {
            return documents.for_each(range.clone(), |number, about, tokens, _| see(number, about, tokens));
        }
        let file = self.tokens.prefix().to_string_lossy();
        let source = self.tokens.prefix().file_name().unwrap_or_default().to_string_lossy();
        for number in range.clone() {
            let lengths = reader.index().document(number as usize)?.map(|sequence| {
                let length = reader.index().sequence_length(sequence).unwrap_or(0);
                u64::try_from(length).map_err(|_| {
                    let problem = format!("sequence {sequence} has {length} tokens");
                    Error::malformed(reader.index().path(), "sequence_lengths", problem)
                })
            });
            let tokens = lengths.sum::<Result<u64>>()?;
            see(number, About { source: &source, file: &file, row: number, ..About::default() }, tokens)?;
        }
        Ok(())
    }
}

/// What the tokens of all sets mean.
fn vocabulary(sets: &[Set]) -> Result<Vocabulary> {
    for (place, set) in sets.iter().enumerate() {
        let mine = set.tokens.vocabulary();
        for other in &sets[..place] {
            let theirs = other.tokens.vocabulary();
            let differs = |what: &str, one: Option<String>, other_one: Option<String>| {
                let (one, other_one) = (one?, other_one?);
                let other = other.tokens.prefix().display();
                (one != other_one).then(|| format!("its {what} is {one}, that of `{other}` is {other_one}"))
            };
            let problem = differs("tokenizer", mine.tokenizer.clone(), theirs.tokenizer)
                .or_else(|| {
                    let number = |size: Option<u64>| size.map(|size| size.to_string());
                    differs("vocabulary size", number(mine.vocab_size), number(theirs.vocab_size))
                })
                .or_else(|| {
                    let number = |id: Option<u32>| id.map(|id| id.to_string());
                    differs("end of documents", number(mine.eod), number(theirs.eod))
                });
            if let Some(problem) = problem {
                return Err(Error::dataset(set.tokens.prefix(), problem)
                    .hinting("tokenize the documents of one of them again, with the tokenizer of the other"));
            }
        }
    }
    let known = sets.iter().map(|set| set.tokens.vocabulary());
    Ok(known.reduce(|one, other| one.common(&other)).unwrap_or_default())
}

/// The prefixes of the sets that a path of a recipe names, in order of name.
fn prefixes_at(path: &str) -> Result<Vec<PathBuf>> {
    let as_path = Path::new(path);
    let mut prefixes = Vec::new();
    if as_path.is_dir() {
        below(as_path, &mut prefixes)?;
    } else if idx_path(as_path).is_file() {
        prefixes.push(idx_path(as_path).with_extension(""));
    } else if path.contains(['*', '?', '[']) {
        let found = glob::glob(path).map_err(|error| wrong("paths", format!("`{path}` is no pattern: {error}")))?;
        for found in found {
            let found = found.map_err(|error| {
                let path = error.path().to_path_buf();
                Error::io("list", path)(error.into())
            })?;
            if found.is_dir() {
                below(&found, &mut prefixes)?;
            } else if found
                .extension()
                .is_some_and(|suffix| suffix == "idx" || suffix == "bin" && idx_path(&found).is_file())
            {
                prefixes.push(found.with_extension(""));
            }
        }
    }
    if prefixes.is_empty() {
        return Err(wrong("paths", format!("no token set (`.bin` with `.idx`) is at `{path}`"))
            .hinting("relative paths start at the recipe's folder; `yuan-data tokenize` writes token sets"));
    }
    // Masks are no texts. One that is named itself is meant.
    if !idx_path(as_path).is_file() {
        let masks: Vec<PathBuf> = prefixes.iter().map(|prefix| loss_mask_prefix(prefix)).collect();
        prefixes.retain(|prefix| !masks.contains(prefix));
    }
    // The same set has one name, wherever the command is started; its files may be links and are not followed.
    for prefix in &mut prefixes {
        let folder = prefix.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().map_err(Error::io("read", folder))?;
        *prefix = folder.join(prefix.file_name().unwrap_or_default());
    }
    prefixes.sort();
    prefixes.dedup();
    Ok(prefixes)
}

/// Adds the sets of a folder and of those in it.
fn below(folder: &Path, prefixes: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let path = entry.map_err(Error::io("list", folder))?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        if path.is_dir() {
            below(&path, prefixes)?;
        } else if path.extension().is_some_and(|suffix| suffix == "idx") {
            prefixes.push(path.with_extension(""));
        }
    }
    Ok(())
}
