//! Which language has which model: a folder that `train_kenlm` wrote, one of cc_net's, or a single file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use yuan_kenlm::Model;
use yuan_pipeline::{Error, Result};

use super::wrong;
use crate::scores::prepare::{Preparation, Spelling, Tokens};

/// The name of the card in a folder of models.
pub(crate) const CARD: &str = "kenlm.json";
/// The name of the models that are part of the program.
pub(super) const BUNDLED: &str = "bundled";
/// The suffixes of model files.
const MODEL_SUFFIXES: [&str; 8] = [".arpa.bin", ".bin", ".binary", ".klm", ".arpa", ".arpa.gz", ".arpa.zst", ".trie"];

/// What a folder of models says of them: how their texts were spelt and cut, and what they were learnt from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KenLmCard {
    /// The longest n-grams, in tokens.
    pub order: usize,
    /// How texts are spelt.
    pub spelling: Spelling,
    /// What their tokens are.
    pub tokens: Tokens,
    /// By language.
    pub languages: BTreeMap<String, KenLmModelCard>,
}

/// One model of a folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KenLmModelCard {
    /// The model's file in the folder.
    pub file: PathBuf,
    /// The SentencePiece model's file in the folder, if the tokens are its pieces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentencepiece: Option<PathBuf>,
    /// Documents learnt from.
    pub documents: u64,
    /// Sentences learnt from.
    pub sentences: u64,
    /// Tokens learnt from.
    pub tokens: u64,
    /// N-grams of each order.
    pub ngrams: Vec<u64>,
}

impl KenLmCard {
    /// The card of a folder, if it has one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(CARD);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
        serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::Input { path, problem: error.to_string() })
    }
}

/// A language's model and its tokens.
pub(super) struct LanguageModel {
    pub model: Model,
    pub preparation: Preparation,
}

/// How texts are spelt and cut, where the settings say it.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub spelling: Option<Spelling>,
    pub tokens: Option<Tokens>,
    pub sentencepiece: Option<&'a Path>,
}

/// Opens what `path` names: models by language, under `""` one for all.
///
/// # Errors
/// If there is no model, or one cannot be read.
pub(super) fn open(path: &Path, wanted: Wanted<'_>) -> Result<BTreeMap<String, LanguageModel>> {
    if path == Path::new(BUNDLED) {
        return bundled(wanted);
    }
    if !path.is_dir() {
        let tokens = wanted.tokens.unwrap_or(match wanted.sentencepiece {
            Some(_) => Tokens::SentencePiece,
            None => Tokens::Units,
        });
        let spelling = wanted.spelling.unwrap_or(Spelling::CcNetFixed);
        let model = language_model(path, spelling, tokens, wanted.sentencepiece)?;
        return Ok([(String::new(), model)].into());
    }
    if let Some(card) = KenLmCard::read(path)? {
        let spelling = wanted.spelling.unwrap_or(card.spelling);
        let tokens = wanted.tokens.unwrap_or(card.tokens);
        let of_language = |(language, model): (&String, &KenLmModelCard)| {
            let pieces = model.sentencepiece.as_ref().map(|file| path.join(file));
            let pieces = wanted.sentencepiece.or(pieces.as_deref());
            Ok((language.clone(), language_model(&path.join(&model.file), spelling, tokens, pieces)?))
        };
        return card.languages.iter().map(of_language).collect();
    }
    let mut models = BTreeMap::new();
    for (language, file) in files_by_language(path)? {
        // cc_net's `zh.arpa.bin` and `zh.sp.model`.
        let pieces = path.join(format!("{language}.sp.model"));
        let pieces = wanted.sentencepiece.or(pieces.exists().then_some(pieces.as_path()));
        let tokens = wanted.tokens.unwrap_or(if pieces.is_some() { Tokens::SentencePiece } else { Tokens::Units });
        let spelling = wanted.spelling.unwrap_or(if pieces.is_some() { Spelling::CcNet } else { Spelling::CcNetFixed });
        models.insert(language, language_model(&file, spelling, tokens, pieces)?);
    }
    if models.is_empty() {
        let problem = format!("`{}` holds no model", path.display());
        return Err(wrong(problem, "models are files such as `zh.bin` or `zh.arpa.bin`, by language"));
    }
    Ok(models)
}

/// Bytes where a table may begin: a model's fields are read in place.
#[repr(align(64))]
struct Aligned<B: ?Sized>(B);

/// The models of `filters/models/kenlm`; its MODEL_CARD.md tells what they were learnt from.
fn bundled(wanted: Wanted<'_>) -> Result<BTreeMap<String, LanguageModel>> {
    static ZH: &Aligned<[u8]> = &Aligned(*include_bytes!("../../../models/kenlm/zh.bin"));
    static EN: &Aligned<[u8]> = &Aligned(*include_bytes!("../../../models/kenlm/en.bin"));
    let card: KenLmCard = serde_json::from_str(include_str!("../../../models/kenlm/kenlm.json"))
        .expect("the card of the bundled models is checked by a test");
    let preparation = Preparation::new(
        wanted.spelling.unwrap_or(card.spelling),
        wanted.tokens.unwrap_or(card.tokens),
        wanted.sentencepiece,
    )?;
    let of_language = |(language, bytes): (&str, &'static Aligned<[u8]>)| {
        let name = format!("the bundled model of `{language}`");
        let model = Model::from_static(&name, &bytes.0).map_err(|error| Error::stage("kenlm", error.to_string()))?;
        Ok((language.to_owned(), LanguageModel { model, preparation: preparation.clone() }))
    };
    [("zh", ZH), ("en", EN)].into_iter().map(of_language).collect()
}

/// Files of models in a folder, by the language that their names begin with; of two, the binary one.
fn files_by_language(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut found: BTreeMap<String, (usize, PathBuf)> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some((language, suffix)) = name.split_once('.').map(|(language, _)| (language, &name[language.len()..]))
        else {
            continue;
        };
        let Some(rank) = MODEL_SUFFIXES.iter().position(|known| *known == suffix) else { continue };
        if crate::language::language_of_key(language).is_err() && !["zh_hans", "zh_hant"].contains(&language) {
            continue;
        }
        let better = found.get(language).is_none_or(|(known, _)| rank < *known);
        if better {
            found.insert(language.to_owned(), (rank, path));
        }
    }
    Ok(found.into_iter().map(|(language, (_, path))| (language, path)).collect())
}

fn language_model(
    file: &Path,
    spelling: Spelling,
    tokens: Tokens,
    sentencepiece: Option<&Path>,
) -> Result<LanguageModel> {
    let model = Model::open(file).map_err(|error| Error::stage("kenlm", error.to_string()))?;
    if tokens == Tokens::SentencePiece && sentencepiece.is_none() {
        let problem = format!("tokens of `{}` are SentencePiece's, and its model is not there", file.display());
        return Err(wrong(problem, "name it as `sentencepiece_file`, or put `LANGUAGE.sp.model` beside it"));
    }
    Ok(LanguageModel { model, preparation: Preparation::new(spelling, tokens, sentencepiece)? })
}
