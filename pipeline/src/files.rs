//! What is done with files whatever is in them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

use crate::{Error, Result};

/// The bytes of a file and their XXH3-64. Memory: 256 KiB, however long it is.
///
/// # Errors
/// If the system cannot read it.
pub fn hash_file(path: &Path) -> std::io::Result<(u64, u64)> {
    let mut file = File::open(path)?;
    let (mut hash, mut bytes, mut buffer) = (Xxh3::new(), 0, vec![0; 256 << 10]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, hash.digest())),
            read => {
                hash.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}

/// Makes a folder this process's: another one is refused it as long as the file, `path`, is held. It may be there already, from
/// before.
///
/// # Errors
/// [`Error::OtherRun`] names the folder if another process has it; [`Error::Io`] if the file cannot be made.
pub fn lock(path: &Path, folder: &Path) -> Result<File> {
    let file = File::create(path).map_err(Error::io("create", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::OtherRun {
            problem: format!("another process works in `{}`", folder.display()),
            hint: "wait for it, or choose another folder with `-o`".into(),
        }),
        Err(std::fs::TryLockError::Error(source)) => Err(Error::io("lock", path)(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_hashed_in_pieces_and_a_folder_is_held_by_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("long");
        let bytes: Vec<u8> = (0..600_000_u32).map(|byte| byte as u8).collect();
        std::fs::write(&path, &bytes).expect("written");
        assert_eq!(hash_file(&path).expect("read"), (600_000, xxhash_rust::xxh3::xxh3_64(&bytes)));
        assert!(hash_file(&folder.path().join("none")).is_err());
        let held = folder.path().join("lock");
        let first = lock(&held, folder.path()).expect("free");
        let refused = lock(&held, folder.path()).expect_err("held").to_string();
        assert_eq!(refused, format!("another process works in `{}`", folder.path().display()));
        drop(first);
        lock(&held, folder.path()).expect("free again");
    }
}
