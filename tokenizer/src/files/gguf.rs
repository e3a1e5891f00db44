//! The vocabulary in the header of a GGUF file.
//!
//! `tokenizer.ggml.model` says the kind: `gpt2` is byte-level BPE, whose tokens and merges are there in full. How texts are cut
//! is named by `tokenizer.ggml.pre`; what the names mean is known from llama.cpp, of which those with patterns that `tokenizers` can
//! run are here. As llama.cpp does, no text is brought into a normalisation form, whatever the original tokenizer did. `llama` is
//! SentencePiece BPE: pieces with their scores and kinds, which come to a `.model`.
//!
//! Source: `src/llama-vocab.cpp` of llama.cpp (names, patterns, `ignore_merges`) and `gguf-py` (keys, token types).

use std::io::Read;
use std::path::Path;

use yuan_gguf::{Header, Value};
use yuan_pipeline::Result;
use yuan_sentencepiece::{FilePiece, ModelFile, ModelKind, NormalizerSpec, PieceKind};

use super::byte_level::{Added, ByteLevel};
use crate::bytes::{BYTE_CHARS, from_symbols};
use crate::edit;
use crate::pretokenize::named;

/// Token types.
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;

/// The `tokenizer.json` or `.model` that the header of a GGUF file comes to.
pub(super) fn vocabulary(path: &Path, source: impl Read) -> Result<Vec<u8>> {
    let header = Header::read(source).map_err(|error| {
        edit::refuse(path, format!("has no header that can be read: {error}"), "fetch or convert the file anew")
    })?;
    let another = "name the `tokenizer.json` or `tokenizer.model` that the file was converted from";
    match header.get("tokenizer.ggml.model").and_then(Value::as_str) {
        Some("gpt2") => byte_level(path, &header),
        Some("llama") => pieces(path, &header),
        Some(other) => Err(edit::refuse(
            path,
            format!("has a vocabulary of the kind `{other}`, and `gpt2` and `llama` are read"),
            another,
        )),
        None => Err(edit::refuse(path, "has no vocabulary in its metadata (`tokenizer.ggml.model`)", another)),
    }
}

fn byte_level(path: &Path, header: &Header) -> Result<Vec<u8>> {
    let another = "name the `tokenizer.json` that the file was converted from";
    let missing = |key: &str| edit::refuse(path, format!("has no `{key}` of the kind it must be"), another);
    let strings = |key: &str| header.get(key).and_then(Value::as_strings).ok_or_else(|| missing(key));
    let tokens = strings("tokenizer.ggml.tokens")?;
    let rules = strings("tokenizer.ggml.merges")?;
    // Without types every token is an ordinary one.
    let types = header.get("tokenizer.ggml.token_type").and_then(Value::as_i32s).unwrap_or_default();
    let pre = header.get("tokenizer.ggml.pre").and_then(Value::as_str);
    let Some((patterns, ignore_merges)) = pre.and_then(pre_tokenizer) else {
        let problem = match pre {
            Some(pre) => format!("cuts texts as `{pre}` (`tokenizer.ggml.pre`), which is not known here"),
            None => "does not say how texts are cut (`tokenizer.ggml.pre`)".into(),
        };
        return Err(edit::refuse(path, problem, another));
    };
    let mut vocab = Vec::with_capacity(tokens.len());
    let mut added = Vec::new();
    for (id, name) in (0_u32..).zip(tokens) {
        match types.get(id as usize) {
            Some(kind @ (&CONTROL | &USER_DEFINED)) => {
                added.push(Added { id, content: name.clone(), special: *kind == CONTROL });
            }
            _ => vocab.push((name.clone(), id)),
        }
    }
    let known: std::collections::HashMap<&str, u32> = vocab.iter().map(|(name, id)| (name.as_str(), *id)).collect();
    if known.len() < vocab.len() {
        return Err(edit::refuse(path, "has a token twice in `tokenizer.ggml.tokens`", another));
    }
    if let Some(byte) = BYTE_CHARS.iter().position(|char| !known.contains_key(char.encode_utf8(&mut [0; 4]) as &str)) {
        return Err(edit::refuse(path, format!("has no token for the byte 0x{byte:02x}"), another));
    }
    let mut merges = Vec::with_capacity(rules.len());
    for rule in rules {
        let whole = |left: &str, right: &str| [left, right].iter().all(|part| known.contains_key(part));
        let parts = rule
            .split_once(' ')
            .filter(|(left, right)| whole(left, right) && known.contains_key(&*[*left, *right].concat()));
        let Some((left, right)) = parts.filter(|(left, _)| from_symbols(left).is_some()) else {
            let problem = format!("has a merge `{rule}` of tokens that are not in its vocabulary");
            return Err(edit::refuse(path, problem, another));
        };
        merges.push((left.to_owned(), right.to_owned()));
    }
    let json = ByteLevel { vocab, merges, added, patterns, nfc: false, ignore_merges };
    Ok(serde_json::to_vec(&json.json()).expect("a JSON value is JSON"))
}

/// The `.model` of a SentencePiece BPE vocabulary.
fn pieces(path: &Path, header: &Header) -> Result<Vec<u8>> {
    let another = "name the `tokenizer.model` that the file was converted from";
    let missing = |key: &str| edit::refuse(path, format!("has no `{key}` of the kind it must be"), another);
    let get = |key: &str| header.get(key);
    let tokens = get("tokenizer.ggml.tokens").and_then(Value::as_strings);
    let tokens = tokens.ok_or_else(|| missing("tokenizer.ggml.tokens"))?;
    let scores = get("tokenizer.ggml.scores").and_then(Value::as_f32s).filter(|scores| scores.len() == tokens.len());
    let scores = scores.ok_or_else(|| missing("tokenizer.ggml.scores"))?;
    let types = get("tokenizer.ggml.token_type").and_then(Value::as_i32s).filter(|types| types.len() == tokens.len());
    let types = types.ok_or_else(|| missing("tokenizer.ggml.token_type"))?;
    let mut file = ModelFile { normalizer: NormalizerSpec::identity(), ..ModelFile::default() };
    for ((text, score), kind) in tokens.iter().zip(scores).zip(types) {
        let kind = match kind {
            1 => PieceKind::Normal,
            2 => PieceKind::Unknown,
            &CONTROL => PieceKind::Control,
            &USER_DEFINED => PieceKind::UserDefined,
            5 => PieceKind::Unused,
            6 => PieceKind::Byte,
            other => {
                let problem = format!("has a token `{text}` of type {other} in `tokenizer.ggml.token_type`");
                return Err(edit::refuse(path, problem, another));
            }
        };
        file.trainer.byte_fallback |= kind == PieceKind::Byte;
        file.pieces.push(FilePiece { text: text.clone(), score: *score, kind });
    }
    file.trainer.kind = ModelKind::Bpe;
    let roles = ["unknown", "bos", "eos", "padding"].map(|role| format!("tokenizer.ggml.{role}_token_id"));
    for (role, name) in roles.iter().zip(&mut file.trainer.special_pieces) {
        let id = get(role).and_then(Value::as_u64).and_then(|id| usize::try_from(id).ok());
        if let Some(text) = id.and_then(|id| tokens.get(id)) {
            name.clone_from(text);
        }
    }
    let is_so = |key: &str, otherwise| get(key).and_then(Value::as_bool).unwrap_or(otherwise);
    file.normalizer.add_dummy_prefix = is_so("tokenizer.ggml.add_space_prefix", true);
    file.normalizer.remove_extra_whitespaces = is_so("tokenizer.ggml.remove_extra_whitespaces", false);
    Ok(file.to_bytes())
}

/// GPT-2's pattern.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// Letters of DeepSeek LLM's words.
const DEEPSEEK_LETTERS: &str = concat!(
    r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\x{1f7d}ᾀ-ᾴᾶ-ᾼ\x{1fbe}ῂ-ῄῆ-ῌῐ-\x{1fd3}ῖ-\x{1fdb}ῠ-Ῥ",
    r"ῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\x{2126}ℨ\x{212a}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+"
);

/// The patterns that a name stands for, each cutting the pieces of the one before, and whether a piece that is a token becomes it
/// whatever the merges.
fn pre_tokenizer(name: &str) -> Option<(Vec<String>, bool)> {
    let of = |name: &str| named(name).expect("it is named");
    let list = |patterns: &[&str]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>();
    Some(match name {
        "gpt-2" | "phi-2" | "mpt" | "olmo" | "jais" | "trillion" | "granite-docling" | "exaone4" | "gigachat"
        | "mellum" | "modern-bert" | "a.x-4.0" | "roberta-bpe" | "jina-es" | "jina-de" | "jina-v1-en"
        | "jina-v2-es" | "jina-v2-de" | "jina-v2-code" => (of("gpt2"), false),
        "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0" | "lfm2"
        | "jina-v5-nano" => (of("llama3"), true),
        "dbrx" | "smaug-bpe" | "glm4" | "chatglm-bpe" => (of("llama3"), false),
        "qwen2" | "deepseek-r1-qwen" | "kormo" | "f2llmv2" | "megrez" | "stablelm2" | "hunyuan" | "solar-open"
        | "grok-2" => (of("qwen2"), false),
        "qwen35" => (
            list(&[concat!(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|",
                r"\s*[\r\n]+|\s+(?!\S)|\s+"
            )]),
            false,
        ),
        "gpt-4o" | "llama4" | "kanana2" | "talkie" | "minimax-m2" => (of("o200k"), false),
        "tekken" => (
            list(&[concat!(
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|",
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|",
                r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            )]),
            true,
        ),
        "deepseek-v3" | "hunyuan-dense" | "joyai-llm" => (of("deepseek3"), false),
        "deepseek-llm" => (
            list(&[
                "[\r\n]",
                DEEPSEEK_LETTERS,
                r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
                r"\s+$",
                "[一-龥\u{800}-一가-\u{d7ff}]+",
                r"\p{N}+",
            ]),
            false,
        ),
        "deepseek-coder" => {
            (list(&["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥\u{800}-一가-\u{d7ff}]+", r"\p{N}"]), false)
        }
        "starcoder" | "refact" | "command-r" | "smollm" | "codeshell" | "exaone" | "minerva-7b" | "mellum2" => {
            (list(&[r"\p{N}", GPT2]), false)
        }
        "falcon" => (list(&[r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"]), false),
        "seed-coder" => (
            list(&[
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+",
            ]),
            false,
        ),
        "bailingmoe" | "bailingmoe2" | "llada-moe" => (
            list(&[
                r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
            ]),
            false,
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::huggingface::pre_tokenizer_json;
    use crate::pretokenize::PreTokenizer;

    #[test]
    fn what_names_stand_for_cuts_texts() {
        let text = "Don't 12345 今天，  x=1;\n\tÄpfel ";
        for (name, pieces) in [
            ("gpt-2", 14),
            ("llama-bpe", 14),
            ("glm4", 14),
            ("qwen2", 17),
            ("qwen35", 17),
            ("gpt-4o", 13),
            ("tekken", 17),
            ("deepseek-v3", 15),
            ("deepseek-llm", 17),
            ("deepseek-coder", 20),
            ("starcoder", 19),
            ("falcon", 17),
            ("seed-coder", 18),
            ("bailingmoe", 17),
        ] {
            let (patterns, _) = pre_tokenizer(name).unwrap();
            let splitter = PreTokenizer::from_json(&pre_tokenizer_json(&patterns)).unwrap().splitter;
            let mut found = Vec::new();
            splitter.split(text, |piece| found.push(piece.to_owned()));
            assert_eq!(found.concat(), text, "{name}");
            assert_eq!(found.len(), pieces, "{name}: {found:?}");
        }
        assert!(pre_tokenizer("default").is_none());
    }
}
