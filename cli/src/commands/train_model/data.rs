//! Token sets as what a network is trained on and evaluated with.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;
use yuan_binidx::gpt::{Blend, Dataset, NO_PAD, Sampling, Settings, TrainingData};
use yuan_binidx::{Reader, TokenSet, bin_path, idx_path, loss_mask_prefix};
use yuan_pipeline::hash_file;
use yuan_tokenizer::Tokenizer;
use yuan_train::training::{HeldOut, Take, Text, Texts};
use yuan_train::{Cause, Error};

use crate::hints::usage;

/// Documents of a held-out set that are in memory at a time.
const HELD: usize = 256;
/// Bytes at both ends of a `.bin` file by which it is known.
const END_BYTES: u64 = 64 << 10;

/// What the tokens must be for a model.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The token documents end with.
    pub eod: u32,
    /// Ids are below this.
    pub vocab_size: usize,
    /// The tokenizer, if it is at hand.
    pub tokenizer: Option<&'a Tokenizer>,
}

/// Opens a set, and looks whether it is of the model's tokens.
pub fn open(prefix: &Path, wanted: Wanted<'_>) -> anyhow::Result<TokenSet> {
    let set = TokenSet::open(prefix)?;
    let known = set.vocabulary();
    let wrong = |problem: String, hint: &str| Err(usage(format!("`{}`: {problem}", prefix.display()), hint.to_owned()));
    if let Some(eod) = known.eod.filter(|eod| *eod != wanted.eod) {
        let problem = format!("its documents end with token {eod}, and the model's with {}", wanted.eod);
        return wrong(problem, "set `eod_token` and `eos_token_id` of the config.json");
    }
    if let Some(size) = known.vocab_size.filter(|size| *size > wanted.vocab_size as u64) {
        let problem = format!("it has {size} token ids, and the model {}", wanted.vocab_size);
        return wrong(problem, "set `vocab_size` of the config.json");
    }
    if let (Some(own), Some(tokenizer)) = (&known.tokenizer, wanted.tokenizer)
        && own.as_str() != tokenizer.fingerprint()
    {
        let problem = "its tokens are of another tokenizer".to_owned();
        return wrong(problem, "give the one they were made with as `--tokenizer`");
    }
    Ok(set)
}

/// Token sets as the texts of a run.
pub struct TokenTexts {
    data: TrainingData,
    /// A loss mask for each set, or none.
    masks: Vec<Reader>,
    pad: Option<u32>,
}

impl TokenTexts {
    /// The texts of a run of `samples` texts of `length` tokens.
    pub fn new(
        blend: &Blend,
        length: usize,
        samples: u64,
        seed: u32,
        loss_mask: bool,
        pad: Option<u32>,
    ) -> anyhow::Result<Self> {
        let plain = Settings::new(length, Some(samples));
        let settings = Settings { sampling: Sampling { seed, ..plain.sampling }, ..plain };
        let data = TrainingData::build(blend, &settings)?;
        let mask = |(prefix, dataset): (&String, &Dataset)| {
            let mask = Reader::open(loss_mask_prefix(Path::new(prefix)))?;
            let tokens = dataset.reader();
            if !tokens.index().sequence_lengths().eq(mask.index().sequence_lengths()) {
                let problem = format!("`{}` is of other documents than `{prefix}`", mask.bin_path().display());
                return Err(usage(problem, "make both anew with `yuan-data tokenize --loss-mask`".to_owned()));
            }
            Ok(mask)
        };
        let sets = blend.prefixes.iter().zip(data.datasets()).filter(|_| loss_mask);
        let masks = sets.map(mask).collect::<anyhow::Result<_>>()?;
        Ok(Self { data, masks, pad })
    }

    /// Megatron's indices.
    pub fn data(&self) -> &TrainingData {
        &self.data
    }
}

impl Texts for TokenTexts {
    fn read(&self, place: u64, text: &mut Text) -> Result<(), Cause> {
        let found = usize::try_from(place).ok().and_then(|place| self.data.locate(place));
        let (number, sample) = found.ok_or("there are no more")?;
        let dataset = &self.data.datasets()[number];
        let ids = dataset.text(sample, NO_PAD)?;
        text.ids.clear();
        for id in ids {
            text.ids.push(u32::try_from(id).map_err(|_| format!("it holds {id}, which is no token"))?);
        }
        text.weights.clear();
        match self.masks.get(number) {
            None => text.weights.resize(text.ids.len() - 1, 1.0),
            Some(mask) => {
                let mut first = true;
                for piece in dataset.pieces(sample).unwrap_or_default() {
                    let whole = mask.sequence(piece.sequence)?;
                    let part = whole.get(piece.offset..piece.offset + piece.tokens);
                    let part = part.ok_or("its loss mask is too short")?;
                    // The first token of a text is not predicted.
                    let skip = usize::from(first && piece.tokens > 0);
                    first &= piece.tokens == 0;
                    text.weights.extend(part.ids().skip(skip).map(|counts| f32::from(counts != 0)));
                }
            }
        }
        if let Some(pad) = self.pad {
            let targets = text.ids.iter().skip(1).zip(&mut text.weights);
            targets.filter(|(id, _)| **id == pad).for_each(|(_, weight)| *weight = 0.0);
        }
        Ok(())
    }
}

/// Ids, and the bytes of their text if there is a tokenizer.
type Document = (Vec<u32>, Option<u64>);

/// A token set whose documents are evaluated.
pub struct HeldOutSet<'a> {
    name: String,
    key: String,
    set: TokenSet,
    eod: u32,
    tokenizer: Option<&'a Tokenizer>,
}

impl<'a> HeldOutSet<'a> {
    /// A set under a name.
    pub fn new(name: &str, prefix: &Path, wanted: Wanted<'a>) -> anyhow::Result<Self> {
        let set = open(prefix, wanted).with_context(|| format!("the held-out set `{name}`"))?;
        // Without a tokenizer, or with another one, bytes are counted otherwise.
        let tokenizer = wanted.tokenizer.map(Tokenizer::fingerprint);
        let known = json!({ "set": identity(prefix)?, "tokenizer": tokenizer }).to_string();
        let key = format!("{:016x}", xxh3_64(known.as_bytes()));
        Ok(Self { name: name.to_owned(), key, set, eod: wanted.eod, tokenizer: wanted.tokenizer })
    }

    /// The ids and bytes of some documents.
    fn documents(&self, from: usize, to: usize) -> Result<Vec<Document>, Cause> {
        let mut raw = Vec::new();
        self.set.for_each(from..to, |_, document| {
            raw.push(document.ids());
            Ok(())
        })?;
        let document = |(place, ids): (usize, Vec<i64>)| {
            let known = |id: i64| u32::try_from(id).map_err(|_| format!("document {} holds {id}", from + place));
            let mut ids = ids.into_iter().map(known).collect::<Result<Vec<u32>, String>>()?;
            // What ends a document is none of its text.
            ids.pop_if(|id| *id == self.eod);
            let text = self.tokenizer.map(|tokenizer| tokenizer.decode(&ids)).transpose()?;
            Ok((ids, text.map(|text| text.len() as u64)))
        };
        raw.into_iter().enumerate().map(document).collect()
    }
}

impl HeldOut for HeldOutSet<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn key(&self) -> &str {
        &self.key
    }

    fn for_each(&self, take: &mut Take<'_>) -> yuan_train::Result<()> {
        let count = self.set.reader().document_count();
        for from in (0..count).step_by(HELD) {
            let documents = self.documents(from, count.min(from + HELD));
            let what = || format!("the held-out set `{}`", self.name);
            for (ids, bytes) in documents.map_err(|source| Error::Data { what: what(), source })? {
                if !take(&ids, bytes)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// What a set is known by: another one of the same name is another.
pub fn identity(prefix: &Path) -> anyhow::Result<Value> {
    let (idx, bin) = (idx_path(prefix), bin_path(prefix));
    let (_, index) = hash_file(&idx).with_context(|| format!("cannot read `{}`", idx.display()))?;
    let (bytes, ends) = ends(&bin).with_context(|| format!("cannot read `{}`", bin.display()))?;
    Ok(json!({
        "idx_xxh3": format!("{index:016x}"), "bin_bytes": bytes, "bin_ends_xxh3": format!("{:016x}", xxh3_64(&ends)),
    }))
}

/// What a model to begin with is known by, wherever it lies: configuration and weights, in the order of their names.
pub fn identity_of_model(path: &Path) -> anyhow::Result<Value> {
    let mut files = vec![path.to_path_buf()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        files = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        let is_of_it = |file: &PathBuf| {
            let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or("");
            // A checkpoint's moments are not read.
            let is_other = file.ends_with("optimizer.safetensors");
            file.ends_with("config.json") || (["safetensors", "bin", "gguf"].contains(&ending) && !is_other)
        };
        files.retain(is_of_it);
        files.sort();
    } else if !path.exists() {
        // No file, but the name of what the program knows.
        return Ok(json!(path));
    }
    let known = files.iter().map(|file| {
        let (bytes, ends) = ends(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        Ok(json!({ "bytes": bytes, "ends_xxh3": format!("{:016x}", xxh3_64(&ends)) }))
    });
    Ok(Value::Array(known.collect::<anyhow::Result<_>>()?))
}

/// The size of a file, and its first and last bytes.
fn ends(path: &Path) -> std::io::Result<(u64, Vec<u8>)> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    (&mut file).take(END_BYTES).read_to_end(&mut bytes)?;
    file.seek(SeekFrom::Start(length.saturating_sub(END_BYTES)))?;
    file.read_to_end(&mut bytes)?;
    Ok((length, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use yuan_binidx::{DType, Writer, loss_mask};

    const EOD: u32 = 200;
    const SEP: u32 = 150;
    /// Questions are below it, all else is learnt.
    const LEARNT: u32 = 100;

    /// A set whose ids say themselves what is learnt, with its mask.
    fn set(prefix: &Path, documents: &[(usize, usize)]) {
        let mut tokens = Writer::create(prefix, DType::U16).expect("created");
        let mut masks = Writer::create(loss_mask_prefix(prefix), DType::U8).expect("created");
        for (number, (question, answer)) in documents.iter().enumerate() {
            let numbered = |first: u32, place: usize| first + ((7 * number + place) % 50) as u32;
            let mut ids: Vec<u32> = (0..*question).map(|place| numbered(1, place)).collect();
            ids.push(SEP);
            ids.extend((0..*answer).map(|place| numbered(LEARNT, place)));
            ids.push(EOD);
            let mask: Vec<u32> = loss_mask(&ids, EOD, SEP).into_iter().map(u32::from).collect();
            tokens.add_document(&ids, &[ids.len()]).expect("added");
            masks.add_document(&mask, &[mask.len()]).expect("added");
        }
        tokens.finish().expect("finished");
        masks.finish().expect("finished");
    }

    #[test]
    fn a_mask_lies_beside_what_is_to_be_predicted() {
        let folder = tempfile::tempdir().expect("a folder");
        let prefixes = ["short", "long"].map(|name| folder.path().join(name));
        set(&prefixes[0], &[(1, 0), (0, 0), (3, 2), (1, 1), (2, 4), (0, 3), (5, 1)]);
        set(&prefixes[1], &[(40, 9), (3, 33), (17, 1), (0, 21), (30, 30)]);
        let prefixes = prefixes.map(|prefix| prefix.to_string_lossy().into_owned()).to_vec();
        let texts = |loss_mask: bool, pad: Option<u32>| {
            let blend = Blend { prefixes: prefixes.clone(), weights: Some(vec![1.0, 2.0]) };
            TokenTexts::new(&blend, 12, 60, 1234, loss_mask, pad).expect("texts")
        };
        let (plain, masked, padded) = (texts(false, None), texts(true, None), texts(true, Some(LEARNT + 3)));
        let mut sums = [0.0; 3];
        for place in 0..60 {
            let [all, learnt, not_padded] = [&plain, &masked, &padded].map(|texts| {
                let mut text = Text::default();
                texts.read(place, &mut text).expect("read");
                text
            });
            assert!(all.ids == learnt.ids && all.ids == not_padded.ids && all.ids.len() == 13);
            assert_eq!(all.weights, [1.0; 12]);
            let expected = |counts: &dyn Fn(u32) -> bool| -> Vec<f32> {
                all.ids[1..].iter().map(|id| f32::from(counts(*id))).collect()
            };
            assert_eq!(learnt.weights, expected(&|id| id >= LEARNT), "text {place}: {:?}", all.ids);
            assert_eq!(not_padded.weights, expected(&|id| id >= LEARNT && id != LEARNT + 3), "text {place}");
            for (sum, text) in sums.iter_mut().zip([&all, &learnt, &not_padded]) {
                *sum += text.weights.iter().sum::<f32>();
            }
        }
        assert!(sums[0] > sums[1] && sums[1] > sums[2] && sums[2] > 100.0, "{sums:?}");
        assert!(masked.read(60_000, &mut Text::default()).is_err());
    }
}
