//! Examples as numbers: cut into tokens and looked up once, then read in every epoch.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::source::ExampleSource;
use super::tokens::TokenReader;
use crate::hash::hash;
use crate::tokens::END_OF_LINE;
use crate::{Dictionary, EntryKind, Error, Result};

/// All examples one after the other, each as 32-bit numbers: tokens as fastText counts them, number of labels, length of the words'
/// part, bits of the weight, the labels, the words.
///
/// A word of the dictionary is its number. Another word is `UNKNOWN`, its hash, the number of its rows, and those rows.
pub(super) struct Encoded {
    storage: Storage,
    /// Where every `STRIDE`th example starts and how many tokens come before it.
    landmarks: Vec<Landmark>,
    tokens: u64,
}

/// When and where encoded examples go to a file.
#[derive(Clone, Copy)]
pub(super) struct Spill<'a> {
    /// The most that is kept in memory.
    pub memory_bytes: usize,
    /// Where the temporary file goes; the system's directory if there is none.
    pub directory: Option<&'a Path>,
}

impl Spill<'_> {
    fn failed(self, action: &'static str, source: std::io::Error) -> Error {
        Error::Io { action, path: self.directory.map_or_else(std::env::temp_dir, Path::to_owned), source }
    }
}

enum Storage {
    Memory(Vec<u32>),
    /// A temporary file without a name; nobody else can change it.
    File(memmap2::Mmap),
}

#[derive(Clone, Copy)]
struct Landmark {
    start: usize,
    tokens: u64,
}

/// Stands before the hash of a word that the dictionary does not have.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// Examples between two landmarks.
const STRIDE: u64 = 256;

/// Numbers before an example's labels.
const HEADER: usize = 4;

/// An example as numbers.
#[derive(Clone, Copy)]
pub(super) struct EncodedExample<'a> {
    /// Tokens that fastText counts for its progress: labels, words known and unknown, the line's end.
    pub tokens: u32,
    /// What the learning rate is multiplied with.
    pub weight: f32,
    /// Numbers of the labels that the dictionary has.
    pub labels: &'a [u32],
    /// Words as they are stored.
    pub words: &'a [u32],
}

impl Encoded {
    /// Walks the source once and keeps all its examples as numbers, in memory or, above a limit, in a file.
    ///
    /// `keep_going` is asked for each example.
    pub(super) fn new(
        source: &mut dyn ExampleSource,
        dictionary: &Dictionary,
        spill: Spill<'_>,
        keep_going: &dyn Fn() -> Result<()>,
    ) -> Result<Self> {
        let mut reader = TokenReader::new(dictionary.label_prefix());
        let mut writer = Writer::new(spill);
        let mut rows = Vec::new();
        source.visit(&mut |example| {
            keep_going()?;
            reader.read(example, |token, weight| {
                let hash = hash(token);
                match dictionary.id_hashed(token, hash) {
                    Some(id) if dictionary.kind(id as usize) == EntryKind::Word => writer.words.push(id),
                    Some(id) => writer.labels.push(id - dictionary.word_count() as u32),
                    None if token.starts_with(dictionary.label_prefix()) => {}
                    None => {
                        rows.clear();
                        dictionary.push_subwords(token, &mut rows);
                        writer.words.extend([UNKNOWN, hash, rows.len() as u32]);
                        writer.words.extend_from_slice(&rows);
                    }
                }
                writer.end_token(weight, token == END_OF_LINE)
            })?;
            // A file's last line may have no end.
            writer.end_example(1.0)
        })?;
        if writer.tokens == 0 {
            return Err(Error::NothingToLearn { problem: "there are no examples".into() });
        }
        writer.finish()
    }

    fn numbers(&self) -> &[u32] {
        match &self.storage {
            Storage::Memory(numbers) => numbers,
            // SAFETY: a map starts at a page, so it is aligned; any four bytes are a number; the file has no name, so nobody changes it.
            Storage::File(map) => unsafe { std::slice::from_raw_parts(map.as_ptr().cast(), map.len() / 4) },
        }
    }

    /// Examples in their order, again from the first after the last, without end. Worker `worker` of `workers` starts about
    /// `worker / workers` of all tokens in.
    pub(super) fn cycle(&self, worker: usize, workers: usize) -> impl Iterator<Item = EncodedExample<'_>> {
        let first_token = self.tokens as u128 * worker as u128 / workers as u128;
        let landmark = self.landmarks.partition_point(|landmark| u128::from(landmark.tokens) <= first_token);
        let start = self.landmarks[landmark.saturating_sub(1)].start;
        let numbers = self.numbers();
        let mut rest = &numbers[start..];
        std::iter::from_fn(move || {
            if rest.is_empty() {
                rest = numbers;
            }
            let (header, after) = rest.split_at(HEADER);
            let (labels, after) = after.split_at(header[1] as usize);
            let (words, after) = after.split_at(header[2] as usize);
            rest = after;
            Some(EncodedExample { tokens: header[0], weight: f32::from_bits(header[3]), labels, words })
        })
    }
}

/// Takes examples into memory up to a limit, and into a temporary file from then on.
struct Writer<'a> {
    spill: Spill<'a>,
    memory: Vec<u32>,
    file: Option<BufWriter<File>>,
    landmarks: Vec<Landmark>,
    /// Numbers, examples and tokens so far.
    written: usize,
    examples: u64,
    tokens: u64,
    /// The example at hand.
    example_tokens: u32,
    labels: Vec<u32>,
    words: Vec<u32>,
}

impl<'a> Writer<'a> {
    fn new(spill: Spill<'a>) -> Self {
        Writer {
            spill,
            memory: Vec::new(),
            file: None,
            landmarks: Vec::new(),
            written: 0,
            examples: 0,
            tokens: 0,
            example_tokens: 0,
            labels: Vec::new(),
            words: Vec::new(),
        }
    }

    /// Counts a token; `last` is true for the token that ends its example, wherever it stands.
    fn end_token(&mut self, weight: f32, last: bool) -> Result<()> {
        self.example_tokens = self.example_tokens.saturating_add(1);
        if last { self.end_example(weight) } else { Ok(()) }
    }

    /// Writes the example at hand, if it has tokens.
    fn end_example(&mut self, weight: f32) -> Result<()> {
        if self.example_tokens == 0 {
            return Ok(());
        }
        if self.examples.is_multiple_of(STRIDE) {
            self.landmarks.push(Landmark { start: self.written, tokens: self.tokens });
        }
        self.examples += 1;
        self.tokens += u64::from(self.example_tokens);
        let (labels, words) = (std::mem::take(&mut self.labels), std::mem::take(&mut self.words));
        if words.len().max(labels.len()) > u32::MAX as usize {
            let problem = "it has more than 4,294,967,295 words and n-grams; cut it".into();
            return Err(Error::Example { number: self.examples, problem });
        }
        let header = [self.example_tokens, labels.len() as u32, words.len() as u32, weight.to_bits()];
        for part in [header.as_slice(), &labels, &words] {
            self.write(part)?;
        }
        self.example_tokens = 0;
        (self.labels, self.words) = (labels, words);
        self.labels.clear();
        self.words.clear();
        Ok(())
    }

    fn write(&mut self, numbers: &[u32]) -> Result<()> {
        self.written += numbers.len();
        if self.file.is_none() {
            if (self.memory.len() + numbers.len()) * 4 <= self.spill.memory_bytes {
                self.memory.extend_from_slice(numbers);
                return Ok(());
            }
            let file = match self.spill.directory {
                Some(directory) => tempfile::tempfile_in(directory),
                None => tempfile::tempfile(),
            };
            let file = file.map_err(|source| self.spill.failed("make a temporary file in", source))?;
            self.file = Some(BufWriter::with_capacity(1 << 20, file));
            let memory = std::mem::take(&mut self.memory);
            self.append(&memory)?;
        }
        self.append(numbers)
    }

    fn append(&mut self, numbers: &[u32]) -> Result<()> {
        let spill = self.spill;
        let Some(file) = &mut self.file else { return Ok(()) };
        let written = numbers.iter().try_for_each(|number| file.write_all(&number.to_ne_bytes()));
        written.map_err(|source| spill.failed("write a temporary file in", source))
    }

    fn finish(self) -> Result<Encoded> {
        let failed = |source| self.spill.failed("read a temporary file in", source);
        let storage = match self.file {
            None => Storage::Memory(self.memory),
            Some(file) => {
                let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
                // SAFETY: the file was made without a name, so no other program maps or shortens it.
                Storage::File(unsafe { memmap2::Mmap::map(&file) }.map_err(failed)?)
            }
        };
        Ok(Encoded { storage, landmarks: self.landmarks, tokens: self.tokens })
    }
}
