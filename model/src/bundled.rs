//! The model that is part of this program, `yuan-moe-tiny` (`model/bundled/MODEL_CARD.md`), under the path `bundled`.
//!
//! Its files are looked for where those of other models are, `bundled/config.json` and so on, so that whatever takes a model's
//! folder takes it. A folder of that name is `./bundled`.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What it is called in place of a folder.
pub const NAME: &str = "bundled";

/// Bytes where numbers may begin: tensors are read in place, as of a mapped file.
#[repr(align(64))]
struct Aligned<B: ?Sized>(B);

static WEIGHTS: &Aligned<[u8]> = &Aligned(*include_bytes!("../bundled/yuan-moe-tiny/model.safetensors"));

/// Its files.
pub const FILES: [(&str, &[u8]); 5] = [
    ("config.json", include_bytes!("../bundled/yuan-moe-tiny/config.json")),
    ("model.safetensors", &WEIGHTS.0),
    ("special_tokens_map.json", include_bytes!("../bundled/yuan-moe-tiny/special_tokens_map.json")),
    ("tokenizer.json", include_bytes!("../bundled/yuan-moe-tiny/tokenizer.json")),
    ("tokenizer_config.json", include_bytes!("../bundled/yuan-moe-tiny/tokenizer_config.json")),
];

/// Percentiles of its bits per byte on clean text of each language, as the stage `buckets` writes them.
pub const CUTOFFS: &str = include_str!("../bundled/yuan-moe-tiny/cutoffs.csv");

/// Whether it has learnt a language, by its tag: English, and Chinese but in traditional characters, of which it has seen so few that
/// an encyclopaedia in them would look like noise.
pub fn knows(language: &str) -> bool {
    let mut tags = language.split(['-', '_']);
    match tags.next() {
        Some("en") => true,
        Some("zh") => !tags.any(|tag| ["hant", "tw", "hk", "mo"].iter().any(|other| tag.eq_ignore_ascii_case(other))),
        _ => false,
    }
}

/// Whether a path stands for the bundled model.
pub fn is_bundled(path: &Path) -> bool {
    path == Path::new(NAME)
}

/// A file of the bundled model, if the path is one's.
pub fn file(path: &Path) -> Option<&'static [u8]> {
    let name = path.strip_prefix(NAME).ok()?;
    FILES.iter().find(|(own, _)| name == Path::new(own)).map(|(_, bytes)| *bytes)
}

/// Whether there is such a file or folder.
pub fn exists(path: &Path) -> bool {
    is_bundled(path) || file(path).is_some() || path.exists()
}

/// Whether there is such a folder.
pub(crate) fn is_folder(path: &Path) -> bool {
    is_bundled(path) || path.is_dir()
}

/// Whether there is such a file.
pub(crate) fn is_file(path: &Path) -> bool {
    file(path).is_some() || path.is_file()
}

/// The bytes of a file of the bundled model or of the system's.
///
/// # Errors
/// If there is no such file, or it cannot be read.
pub fn read(path: &Path) -> io::Result<Cow<'static, [u8]>> {
    match file(path) {
        Some(bytes) => Ok(bytes.into()),
        None => Ok(std::fs::read(path)?.into()),
    }
}

/// Opens a file of the bundled model or of the system's.
pub(crate) fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    match file(path) {
        Some(bytes) => Ok(Box::new(bytes)),
        None => Ok(Box::new(File::open(path)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_it_has_learnt() {
        for known in ["en", "en-GB", "zh", "zh-Hans", "zh-CN"] {
            assert!(knows(known), "{known}");
        }
        for other in ["zh-Hant", "zh_hant", "zh-TW", "zh-Hant-HK", "ja", "", "yue"] {
            assert!(!knows(other), "{other}");
        }
    }
}
