//! What tells a model apart from others: results of one are none of another.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use yuan_model::bundled;

use crate::args::RunOnArgs;

/// Bytes of a place of a file that tell it apart.
const ENDS: u64 = 64 << 10;
/// Places that are looked at: all of a file of 16 MiB, and of a larger one its ends and what lies between, evenly.
const PLACES: u64 = 256;

/// A model's name with a hash of what its files are, and of how it is run.
pub fn identity(path: &Path, tokenizer: Option<&Path>, run: &RunOnArgs) -> anyhow::Result<String> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut hash = blake3::Hasher::new();
    if bundled::is_bundled(path) {
        for (_, bytes) in bundled::FILES {
            hash.update(bytes);
        }
    } else if path.is_dir() {
        for entry in fs::read_dir(path).with_context(|| format!("cannot read `{}`", path.display()))? {
            let file = entry?.path();
            let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or("");
            let is_config = file.file_name().is_some_and(|name| name == "config.json");
            if is_config || ["safetensors", "bin", "gguf"].contains(&ending) {
                files.push(file);
            }
        }
        files.sort();
    } else {
        files.push(path.to_path_buf());
    }
    files.extend(tokenizer.filter(|path| bundled::file(path).is_none()).map(Path::to_path_buf));
    for file in &files {
        hash.update(&ends(file).with_context(|| format!("cannot read `{}`", file.display()))?);
    }
    hash.update(format!("{:?} {:?}", run.dtype, run.precision).as_bytes());
    let name = crate::commands::run::name_of(path);
    Ok(format!("{name} {}", &hash.finalize().to_hex()[..12]))
}

/// The length of a file, its first and last bytes, and bytes of places that are spread evenly over it.
fn ends(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = length.to_le_bytes().to_vec();
    if length <= PLACES * ENDS {
        file.read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    for place in 0..PLACES {
        // The first begins at the beginning, the last ends at the end.
        let start = (u128::from(length - ENDS) * u128::from(place) / u128::from(PLACES - 1)) as u64;
        file.seek(SeekFrom::Start(start))?;
        (&mut file).take(ENDS).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_files_and_their_lengths_count() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = RunOnArgs { device: yuan_model::Place::Cpu, dtype: None, precision: yuan_model::Precision::F32 };
        let path = folder.path().join("m");
        fs::create_dir(&path).expect("made");
        let mut seen = Vec::new();
        let mut told = |bytes: &[u8]| {
            fs::write(path.join("model.safetensors"), bytes).expect("written");
            let told = identity(&path, None, &run).expect("told");
            assert!(told.starts_with("m ") && !seen.contains(&told), "{told}");
            seen.push(told);
        };
        let long = vec![0; 200 << 10];
        told(b"");
        told(b"x");
        told(&long);
        told(&[&long[..], b"x"].concat());
        told(&[b"x", &long[..]].concat());
        // As long as each other, and different in the middle.
        let mut middle = vec![0; 200 << 10];
        middle[100 << 10] = 1;
        told(&middle);
        let mut large = vec![0; 20 << 20];
        told(&large);
        large[10 << 20..][..64 << 10].fill(1);
        told(&large);
        let bf16 = RunOnArgs { dtype: Some(yuan_model::DType::BF16), ..run };
        assert!(!seen.contains(&identity(&path, None, &bf16).expect("told")));
    }
}
