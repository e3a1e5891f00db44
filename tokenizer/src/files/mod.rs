//! Files of tokenizers: what each comes to as a `tokenizer.json`, which all else is made of, SentencePiece models aside.
//!
//! | file | told by | read by |
//! |---|---|---|
//! | `tokenizer.json` | a file that is none of these | as it is |
//! | ranks of tiktoken | its first line: base64, a space, a number | `tiktoken.rs` |
//! | GGUF, the vocabulary in its header | its first bytes, `GGUF` | `gguf.rs` |

mod byte_level;
mod export;
mod gguf;
mod tiktoken;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use yuan_pipeline::{Error, Result};

pub(crate) use byte_level::{Added, ByteLevel};
pub use export::{Exported, export_huggingface, export_tiktoken};

/// What of a file tells its kind.
const HEAD_BYTES: u64 = 4096;

/// What a file comes to as a `tokenizer.json`, or as a `.model` (some GGUF files); one of no other known kind is taken as it is. Of a GGUF file the header is read alone.
///
/// # Errors
/// If the file cannot be read, or is of another kind, and damaged or says too little.
pub(crate) fn load(path: &Path) -> Result<Vec<u8>> {
    let mut file = File::open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => no_tokenizer(path, "is not there"),
        _ => Error::io("read", path)(source),
    })?;
    let mut bytes = Vec::new();
    (&mut file).take(HEAD_BYTES).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if bytes.starts_with(&yuan_gguf::MAGIC) {
        return gguf::vocabulary(path, (&bytes[..]).chain(file));
    }
    file.read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if tiktoken::is_ranks(&bytes) { tiktoken::tokenizer_json(path, &bytes) } else { Ok(bytes) }
}

/// A file that is no tokenizer.
pub(crate) fn no_tokenizer(path: &Path, problem: &str) -> Error {
    Error::Stage {
        stage: "tokenize".into(),
        problem: format!("`{}` {problem}", path.display()),
        hint: Some(
            "name a `tokenizer.json` of Hugging Face `tokenizers`, a SentencePiece `.model`, ranks of tiktoken or a GGUF file, or make a \
             tokenizer with `yuan-data train-tokenizer`"
                .into(),
        ),
    }
}
