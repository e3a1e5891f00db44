//! Ranks of tiktoken: a line for each token, its bytes in base64 and its rank, which is its id.
//!
//! Merges are not written down: neighbours that make a token go together, those of lowest rank first, which comes to one merge for
//! each token, found by taking its bytes apart. The pattern and the control tokens are not in the file either. They come from
//! `FILE.json` beside it, `{"pattern": …, "special_tokens": {name: id}}`, as `tokenizer export` writes it; without that from the ranks
//! themselves, if they are those of a well-known vocabulary, whatever the file is called. Anything else is refused: a wrong
//! pattern gives wrong ids without a word.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;
use yuan_pipeline::{Error, Result};

use super::byte_level::{Added, ByteLevel, Ranks};
use crate::bytes::to_symbols;
use crate::edit;
use crate::pretokenize::named;

/// No vocabulary has more tokens; tables have an entry for each.
const MAX_RANK: u32 = 1 << 24;

/// What lies beside a file of ranks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Companion {
    /// What cuts texts into pieces: `cl100k`, `o200k`, `gpt2`, `llama3`, `qwen2`, or a regular expression.
    pub pattern: String,
    /// Control tokens by name.
    #[serde(default)]
    pub special_tokens: BTreeMap<String, u32>,
    /// Tokens that are cut out wherever they stand in a text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub added_tokens: BTreeMap<String, u32>,
    /// Whether texts are brought into normalisation form C first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nfc: bool,
}

/// The name of what lies beside a file of ranks.
pub(super) fn companion_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

/// A vocabulary that is told by its ranks.
struct WellKnown {
    name: &'static str,
    /// XXH3-64 of rank and length as 4 bytes each, then the bytes, of all tokens by rank.
    fingerprint: u64,
    pattern: &'static str,
    special: &'static [(&'static str, u32)],
    /// Numbered tokens behind these: before and behind the number, the first number, the first id, how many.
    numbered: Option<(&'static str, &'static str, u32, u32, u32)>,
    nfc: bool,
}

/// OpenAI's encodings, Llama 3 (the slots with the names they have in Llama 3.0), Qwen 1 and its followers.
const WELL_KNOWN: [WellKnown; 6] = [
    WellKnown {
        name: "r50k_base",
        fingerprint: 0x3882_4f2c_2063_699b,
        pattern: "gpt2",
        special: &[("<|endoftext|>", 50_256)],
        numbered: None,
        nfc: false,
    },
    WellKnown {
        name: "p50k_base",
        fingerprint: 0x80a0_2f24_d08a_a6b8,
        pattern: "gpt2",
        special: &[("<|endoftext|>", 50_256)],
        numbered: None,
        nfc: false,
    },
    WellKnown {
        name: "cl100k_base",
        fingerprint: 0x6fb5_1880_2d59_c138,
        pattern: "cl100k",
        special: &[
            ("<|endoftext|>", 100_257),
            ("<|fim_prefix|>", 100_258),
            ("<|fim_middle|>", 100_259),
            ("<|fim_suffix|>", 100_260),
            ("<|endofprompt|>", 100_276),
        ],
        numbered: None,
        nfc: false,
    },
    WellKnown {
        name: "o200k_base",
        fingerprint: 0xb44b_3fb2_1bd7_171c,
        pattern: "o200k",
        special: &[("<|endoftext|>", 199_999), ("<|endofprompt|>", 200_018)],
        numbered: None,
        nfc: false,
    },
    WellKnown {
        name: "llama3",
        fingerprint: 0x1c31_5dc0_9dc1_0f54,
        pattern: "llama3",
        special: &[
            ("<|begin_of_text|>", 128_000),
            ("<|end_of_text|>", 128_001),
            ("<|reserved_special_token_0|>", 128_002),
            ("<|reserved_special_token_1|>", 128_003),
            ("<|reserved_special_token_2|>", 128_004),
            ("<|reserved_special_token_3|>", 128_005),
            ("<|start_header_id|>", 128_006),
            ("<|end_header_id|>", 128_007),
            ("<|reserved_special_token_4|>", 128_008),
            ("<|eot_id|>", 128_009),
        ],
        numbered: Some(("<|reserved_special_token_", "|>", 5, 128_010, 246)),
        nfc: false,
    },
    WellKnown {
        name: "qwen",
        fingerprint: 0x4943_0a6d_499d_3834,
        pattern: "qwen2",
        special: &[("<|endoftext|>", 151_643), ("<|im_start|>", 151_644), ("<|im_end|>", 151_645)],
        numbered: Some(("<|extra_", "|>", 0, 151_646, 205)),
        nfc: true,
    },
];

impl WellKnown {
    fn of(tokens: &[(u32, Vec<u8>)]) -> Option<&'static Self> {
        let mut hash = Xxh3::new();
        for (rank, bytes) in tokens {
            hash.update(&rank.to_le_bytes());
            hash.update(&(bytes.len() as u32).to_le_bytes());
            hash.update(bytes);
        }
        let fingerprint = hash.digest();
        WELL_KNOWN.iter().find(|known| known.fingerprint == fingerprint)
    }

    fn companion(&self) -> Companion {
        let numbered = self.numbered.into_iter().flat_map(|(before, after, number, id, count)| {
            (0..count).map(move |place| (format!("{before}{}{after}", number + place), id + place))
        });
        let special = self.special.iter().map(|(name, id)| ((*name).to_owned(), *id));
        Companion {
            pattern: self.pattern.into(),
            special_tokens: special.chain(numbered).collect(),
            added_tokens: BTreeMap::new(),
            nfc: self.nfc,
        }
    }
}

/// Whether a file with this beginning has ranks.
pub(super) fn is_ranks(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.len() < 4096 && entry(line.trim_ascii_end()).is_some()
}

/// A token's bytes and its rank.
fn entry(line: &[u8]) -> Option<(Vec<u8>, u32)> {
    let (bytes, rank) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let bytes = STANDARD.decode(bytes).ok().filter(|bytes| !bytes.is_empty())?;
    Some((bytes, rank.trim().parse().ok()?))
}

/// The tokens by rank.
fn tokens(path: &Path, bytes: &[u8]) -> Result<Vec<(u32, Vec<u8>)>> {
    let refuse = |line: usize, problem: &str| {
        let hint = "a line is a token's bytes in base64, a space and its rank";
        edit::refuse(path, format!("line {}: {problem}", line + 1), hint)
    };
    let mut tokens = Vec::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if !line.is_empty() {
            let (token, rank) = entry(line).ok_or_else(|| refuse(number, "no token and rank"))?;
            tokens.push((rank, token));
        }
    }
    tokens.sort_unstable();
    if let Some((rank, _)) = tokens.last().filter(|(rank, _)| *rank > MAX_RANK) {
        return Err(edit::refuse(path, format!("has rank {rank}, more than {MAX_RANK}"), "no vocabulary is so large"));
    }
    if let Some(two) = tokens.windows(2).find(|two| two[0].0 == two[1].0) {
        return Err(edit::refuse(path, format!("has rank {} twice", two[0].0), "every token has a rank of its own"));
    }
    let mut known: Vec<&[u8]> = tokens.iter().map(|(_, token)| &token[..]).collect();
    known.sort_unstable();
    if let Some(two) = known.windows(2).find(|two| two[0] == two[1]) {
        let problem = format!("has the token `{}` twice", STANDARD.encode(two[0]));
        return Err(edit::refuse(path, problem, "every token has one rank"));
    }
    if let Some(byte) = (0..=255_u8).find(|byte| known.binary_search(&&[*byte][..]).is_err()) {
        let hint = "ranks of a byte-level vocabulary have all 256 bytes";
        return Err(edit::refuse(path, format!("has no token for the byte 0x{byte:02x}"), hint));
    }
    Ok(tokens)
}

fn companion(path: &Path, tokens: &[(u32, Vec<u8>)]) -> Result<Companion> {
    let beside = companion_path(path);
    match std::fs::read(&beside) {
        Ok(json) => serde_json::from_slice(&json).map_err(|problem| {
            let hint = r#"it is {"pattern": "cl100k", "special_tokens": {"<|endoftext|>": 100257}}"#;
            edit::refuse(&beside, format!("does not go with ranks: {problem}"), hint)
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            WellKnown::of(tokens).map(WellKnown::companion).ok_or_else(|| {
                let known = WELL_KNOWN.map(|known| known.name).join(", ");
                let hint = format!(
                    "put `{}` beside it: {{\"pattern\": \"cl100k\", \"special_tokens\": {{\"<|endoftext|>\": 100257}}}}, where \
                     `pattern` is gpt2, cl100k, o200k, llama3, qwen2 or a regular expression",
                    beside.display()
                );
                edit::refuse(path, format!("has ranks alone, and not those of {known}: it does not say its pattern"), &hint)
            })
        }
        Err(error) => Err(Error::io("read", &beside)(error)),
    }
}

/// The `tokenizer.json` that a file of ranks comes to.
pub(super) fn tokenizer_json(path: &Path, bytes: &[u8]) -> Result<Vec<u8>> {
    let tokens = tokens(path, bytes)?;
    let Companion { pattern, special_tokens, added_tokens, nfc } = companion(path, &tokens)?;
    let ranks = Ranks::new(tokens.iter().map(|(rank, token)| (&token[..], *rank)));
    let mut merges = Vec::with_capacity(tokens.len());
    // A piece that is a token becomes it even where merges do not lead there.
    let mut ignore_merges = false;
    for (_, token) in tokens.iter().filter(|(_, token)| token.len() > 1) {
        match ranks.split(token) {
            Some(first) => merges.push((to_symbols(&token[..first]), to_symbols(&token[first..]))),
            None => ignore_merges = true,
        }
    }
    let special = special_tokens.into_iter().map(|(content, id)| Added { id, content, special: true });
    let added = added_tokens.into_iter().map(|(content, id)| Added { id, content, special: false });
    let added: Vec<Added> = special.chain(added).collect();
    let mut names: HashSet<String> = tokens.iter().map(|(_, token)| to_symbols(token)).collect();
    let mut ids: HashSet<u32> = tokens.iter().map(|(rank, _)| *rank).collect();
    for Added { id, content, .. } in &added {
        if *id > MAX_RANK || !ids.insert(*id) || !names.insert(content.clone()) {
            let hint = "each token has a name and an id of its own";
            return Err(edit::refuse(
                &companion_path(path),
                format!("gives `{content}` id {id}, and one of the two is taken"),
                hint,
            ));
        }
    }
    let json = ByteLevel {
        vocab: tokens.iter().map(|(rank, token)| (to_symbols(token), *rank)).collect(),
        merges,
        added,
        patterns: named(&pattern).unwrap_or_else(|| vec![pattern]),
        nfc,
        ignore_merges,
    };
    Ok(serde_json::to_vec(&json.json()).expect("a JSON value is JSON"))
}
