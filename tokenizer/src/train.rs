//! `train_tokenizer`: a byte-level BPE tokenizer learnt from a sample of the corpus.
//!
//! Reads `text`. The sample is the documents of lowest hash, taken whole, up to `sample_bytes`; its pieces
//! are counted by all threads, the merges learnt by one. The file written depends on the documents, their ids
//! and this config alone. Memory: about twelve bytes for each byte of distinct pieces of the sample.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};

use aho_corasick::AhoCorasick;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;
use yuan_pipeline::{Context, Error, Pass, Result, Scan, Stage};

use crate::Digits;
use crate::bytes::bytes_in_order;
use crate::hash::FixedHash;
use crate::huggingface::{matcher, tokenizer_config_json, tokenizer_json};
use crate::layout::{Layout, PUNCTUATION, SPECIAL_TOKENS, html};
use crate::pretokenize::{Splitter, pattern};
use crate::sample::{Sample, Sampler};
use crate::train_bpe::{BYTES_PER_PIECE, BYTES_PER_SYMBOL, Wanted, train};

/// The step's name in a recipe.
const NAME: &str = "train_tokenizer";
/// Text handed to a counting thread at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// Trains a byte-level BPE tokenizer and writes it as a Hugging Face `tokenizer.json`.
///
/// Ids: special tokens, reserved slots, added tokens, 256 byte symbols, merges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainTokenizerConfig {
    /// Tokens of all kinds. A sample too small for so many merges gives fewer. Default 81920 (YAYI 2,
    /// arXiv:2312.14862: 80,000 rounded up to a multiple of 128).
    pub vocab_size: u32,
    /// Control tokens, which text never becomes; they have the first ids, in this order. Default: those of
    /// Yuan 2.0 and Yuan 2.0-M32, from `<eod>` (0) to `<file_sep>` (17).
    pub special_tokens: Vec<String>,
    /// Slots `<reserved_0>`… for control tokens of later training, right behind the special tokens. Default
    /// 200 (YAYI 2).
    pub reserved: u32,
    /// Whether opening and closing HTML tags without attributes are tokens of their own. Default true
    /// (YAYI 2).
    pub html_tags: bool,
    /// Whether Chinese punctuation marks are tokens of their own, so that no merge joins them to text.
    /// Default true (YAYI 2).
    pub punctuation: bool,
    /// Further strings that are tokens of their own wherever they stand. Default none.
    pub added_tokens: Vec<String>,
    /// `split` makes every digit a token, `keep` treats runs of digits like words. Default `split` (YAYI 2,
    /// PolyLM, LLaMA).
    pub digits: Digits,
    /// Fewest times a pair stands in the sample to be merged. Default 2 (Hugging Face's trainers take 0 or
    /// 2; one occurrence teaches nothing).
    pub min_frequency: u64,
    /// Most characters of a merged token. Default 16 (SentencePiece `max_sentencepiece_length`).
    pub max_token_chars: u32,
    /// Most bytes of text to learn from, 1 to 2147483647; documents are chosen by hash. Default 268435456
    /// (256 MiB, some 3 GB of memory for Chinese text).
    pub sample_bytes: u64,
    /// Seed of the hash by which documents are chosen. Default 0.
    pub seed: u64,
    /// The file written; if its name is `tokenizer.json`, a `tokenizer_config.json` is put beside it, so that
    /// `transformers` loads the folder. Default `tokenizer.json`.
    pub output: PathBuf,
}

impl Default for TrainTokenizerConfig {
    fn default() -> Self {
        Self {
            vocab_size: 81_920,
            special_tokens: SPECIAL_TOKENS.map(Into::into).to_vec(),
            reserved: 200,
            html_tags: true,
            punctuation: true,
            added_tokens: Vec::new(),
            digits: Digits::Split,
            min_frequency: 2,
            max_token_chars: 16,
            sample_bytes: 256 << 20,
            seed: 0,
            output: "tokenizer.json".into(),
        }
    }
}

impl TrainTokenizerConfig {
    /// Lays out the ids and gets ready to scan.
    ///
    /// # Errors
    /// If a token cannot be an added token, the vocabulary has no room for the ids that are given, or
    /// `sample_bytes` is out of range.
    pub fn build(&self) -> Result<TrainTokenizer> {
        let html = self.html_tags.then(html).into_iter().flatten();
        let punctuation = PUNCTUATION.iter().filter(|_| self.punctuation).map(ToString::to_string);
        let added = html.chain(punctuation).chain(self.added_tokens.iter().cloned());
        let layout =
            Layout::new(&self.special_tokens, self.reserved, added).map_err(|problem| Error::stage(NAME, problem))?;
        let needed = layout.first_merge();
        if self.vocab_size < needed {
            return Err(Error::Stage {
                stage: NAME.into(),
                problem: format!(
                    "`vocab_size` is {}, but {} special tokens and reserved slots, {} added tokens and 256 bytes need {needed}",
                    self.vocab_size,
                    layout.special.len(),
                    layout.added.len(),
                ),
                hint: Some(format!(
                    "set `vocab_size` to more than {needed}, or fewer `reserved`, `special_tokens` or `added_tokens`"
                )),
            });
        }
        if !(1..=i32::MAX as u64).contains(&self.sample_bytes) {
            return Err(Error::stage(NAME, format!("`sample_bytes` is {}, not 1 to {}", self.sample_bytes, i32::MAX)));
        }
        let names = layout.special.iter().chain(&layout.added).cloned().collect::<Vec<_>>();
        let added =
            matcher(names.iter()).ok_or_else(|| Error::stage(NAME, "there are too many added tokens to look for"))?;
        Ok(TrainTokenizer {
            sampler: Sampler::new(self.seed, self.sample_bytes),
            splitter: Splitter::new(&pattern(self.digits)).map_err(|problem| Error::stage(NAME, problem))?,
            config: self.clone(),
            layout,
            added,
        })
    }
}

/// The pass of a [`TrainTokenizerConfig`].
pub struct TrainTokenizer {
    config: TrainTokenizerConfig,
    layout: Layout,
    added: Option<AhoCorasick>,
    splitter: Splitter,
    sampler: Sampler,
}

/// Pieces and how often they came.
type Counts = HashMap<Box<[u8]>, u64, FixedHash>;

impl Pass for TrainTokenizer {
    fn scan(&self, partial: &Path) -> Result<Box<dyn Scan>> {
        self.sampler.scan(partial)
    }

    fn reduce(&self, partials: &[PathBuf], outcome: &Path, context: &Context<'_>) -> Result<()> {
        let config = &self.config;
        let sample = Sample::choose(partials, config.sample_bytes)?;
        context.tally("sample", "documents", sample.documents, sample.bytes);
        let mut pieces: Vec<(Box<[u8]>, u64)> = self.count(&sample, context)?.into_iter().collect();
        pieces.sort_unstable();
        check_memory(&pieces, config, context)?;
        let forbidden: HashSet<Vec<u8>> =
            self.layout.special.iter().chain(&self.layout.added).map(|token| token.clone().into()).collect();
        let wanted = Wanted {
            tokens: (config.vocab_size - self.layout.first_merge()) as usize,
            min_frequency: config.min_frequency,
            max_token_chars: config.max_token_chars,
            forbidden: &forbidden,
        };
        let merges = train(&pieces, &bytes_in_order(), &wanted, || context.check())?;
        let vocab_size = self.layout.first_byte() as usize + merges.tokens.len();
        let tokenizer = tokenizer_json(&self.layout, config.digits, &merges);
        let bytes = serde_json::to_vec_pretty(&tokenizer).expect("a JSON value is JSON");
        write_whole(&config.output, &bytes)?;
        if config.output.file_name().is_some_and(|name| name == "tokenizer.json") {
            let tokenizer_config = tokenizer_config_json(&self.layout.special);
            let bytes = serde_json::to_vec_pretty(&tokenizer_config).expect("a JSON value is JSON");
            write_whole(&config.output.with_file_name("tokenizer_config.json"), &bytes)?;
        }
        let summary = json!({
            "tokenizer": config.output,
            "vocab_size": vocab_size,
            "merges": merges.rules.len(),
            "sample_documents": sample.documents,
            "sample_bytes": sample.bytes,
            "distinct_pieces": pieces.len(),
            "xxh3": format!("{:016x}", xxh3_64(&bytes)),
        });
        let summary = serde_json::to_vec_pretty(&summary).expect("a JSON value is JSON");
        std::fs::write(outcome, summary).map_err(Error::io("write", outcome))
    }

    fn ends_in_stage(&self) -> bool {
        false
    }

    fn stage(&self, _outcome: &Path) -> Result<Option<Box<dyn Stage>>> {
        Ok(None)
    }
}

impl TrainTokenizer {
    /// Counts the pieces of the sample, on all threads.
    fn count(&self, sample: &Sample, context: &Context<'_>) -> Result<Counts> {
        let workers = context.threads.max(1);
        let (send, receive) = sync_channel::<Vec<String>>(workers);
        let receive = Mutex::new(receive);
        std::thread::scope(|scope| {
            let counting: Vec<_> = (0..workers).map(|_| scope.spawn(|| self.count_received(&receive))).collect();
            let mut chunk = Vec::new();
            let mut bytes = 0;
            sample.for_each(|text| {
                bytes += text.len();
                chunk.push(text.to_owned());
                if bytes >= CHUNK_BYTES {
                    context.check()?;
                    bytes = 0;
                    send.send(std::mem::take(&mut chunk)).expect("the receiver outlives the scope");
                }
                Ok(())
            })?;
            send.send(chunk).expect("the receiver outlives the scope");
            drop(send);
            let mut total = Counts::default();
            for worker in counting {
                let counts = worker.join().expect("counting does not panic");
                if total.is_empty() {
                    total = counts;
                } else {
                    counts.into_iter().for_each(|(piece, count)| *total.entry(piece).or_default() += count);
                }
            }
            Ok(total)
        })
    }

    fn count_received(&self, receive: &Mutex<Receiver<Vec<String>>>) -> Counts {
        let mut counts = Counts::default();
        loop {
            let received = receive.lock().expect("no holder panics").recv();
            let Ok(texts) = received else { return counts };
            texts.iter().for_each(|text| self.count_text(text, &mut counts));
        }
    }

    /// Counts the pieces between the added tokens of a text.
    fn count_text(&self, text: &str, counts: &mut Counts) {
        let mut count = |piece: &str| match counts.get_mut(piece.as_bytes()) {
            Some(count) => *count += 1,
            None => {
                counts.insert(piece.as_bytes().into(), 1);
            }
        };
        let mut done = 0;
        for found in self.added.iter().flat_map(|added| added.find_iter(text)) {
            self.splitter.split(&text[done..found.start()], &mut count);
            done = found.end();
        }
        self.splitter.split(&text[done..], &mut count);
    }
}

/// Refuses a training that would not fit, before it is begun.
fn check_memory(pieces: &[(Box<[u8]>, u64)], config: &TrainTokenizerConfig, context: &Context<'_>) -> Result<()> {
    let bytes: u64 = pieces.iter().map(|(piece, _)| piece.len() as u64).sum();
    let needed = bytes * (1 + BYTES_PER_SYMBOL) + pieces.len() as u64 * BYTES_PER_PIECE;
    if needed <= context.memory {
        return Ok(());
    }
    let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
    let fitting = (config.sample_bytes as u128 * u128::from(context.memory) / u128::from(needed)) as u64;
    Err(Error::Stage {
        stage: NAME.into(),
        problem: format!(
            "learning from {} MiB of text takes some {} MiB of memory, {} MiB are allowed",
            mebibytes(config.sample_bytes),
            mebibytes(needed),
            mebibytes(context.memory)
        ),
        hint: Some(format!("set `sample_bytes = {fitting}`, or allow more with `--memory`")),
    })
}

/// Writes a file so that it is there whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    let mut file = File::create(&temporary).map_err(Error::io("create", &temporary))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::io("write", &temporary))?;
    std::fs::rename(&temporary, path).map_err(Error::io("rename", &temporary))
}
