//! Three files take the places of three others, as one.
//!
//! Once all new files are whole and synced, the index is renamed to `PREFIX.idx.next`: from then on the new set is the one that counts.
//! Whoever comes upon that name, after a kill, finishes the renames; before it the old set stands untouched.

use std::fs;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use crate::documents::{Documents, documents_path};
use crate::index::Mapping;
use crate::part::{Part, remove, sync_folder};
use crate::reader::with_suffix;
use crate::{Error, Result, bin_path, idx_path};

fn next(prefix: &Path) -> PathBuf {
    with_suffix(prefix, ".idx.next")
}

/// Gives the files of a set their names.
pub(crate) fn replace(prefix: &Path, bin: &mut Part, idx: &mut Part, mut documents: Option<Part>) -> Result<()> {
    finish_replacing(prefix)?;
    bin.sync()?;
    idx.sync()?;
    documents.as_mut().map_or(Ok(()), Part::sync)?;
    idx.name_as(&next(prefix))?;
    sync_folder(&next(prefix))?;
    // No index ever stands beside another set's tokens.
    remove(&idx_path(prefix))?;
    if documents.is_none() {
        remove(&documents_path(prefix))?;
    }
    bin.name()?;
    documents.as_mut().map_or(Ok(()), Part::name)?;
    rename(&next(prefix), &idx_path(prefix))?;
    sync_folder(&next(prefix))
}

/// Finishes what a killed process was replacing, if there is something.
pub(crate) fn finish_replacing(prefix: &Path) -> Result<()> {
    let next = next(prefix);
    if !next.exists() {
        return Ok(());
    }
    let hash = format!("{:016x}", xxh3_64(&Mapping::open(&next)?));
    remove(&idx_path(prefix))?;
    for path in [bin_path(prefix), documents_path(prefix)] {
        let mut temporary = path.clone();
        temporary.as_mut_os_string().push(".tmp");
        rename(&temporary, &path)?;
    }
    // A file of documents of the set that was replaced.
    if Documents::open(prefix).unwrap_or_default().is_some_and(|documents| documents.header().idx_xxh3 != hash) {
        remove(&documents_path(prefix))?;
    }
    rename(&next, &idx_path(prefix))?;
    sync_folder(&next)
}

/// Renames a file that may have its name already.
fn rename(from: &Path, to: &Path) -> Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("rename", from)(error)),
        _ => Ok(()),
    }
}
