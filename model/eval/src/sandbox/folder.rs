//! The folder that a program may write to.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Entries below a folder that are looked at; more are too many.
const ENTRIES: usize = 4096;

/// Bytes on disk below a folder; `None` if there are too many entries to count.
pub(super) fn bytes(folder: &Path) -> Option<u64> {
    let (mut sum, mut left) = (0_u64, ENTRIES);
    walk(folder, &mut |_, about| {
        sum = sum.saturating_add(about.blocks().saturating_mul(512));
        left -= usize::from(left > 0);
        left > 0
    });
    (left > 0).then_some(sum)
}

/// Removes a folder, whatever rights its own folders have lost.
pub(super) fn remove(folder: TempDir) {
    if fs::remove_dir_all(folder.path()).is_err() {
        walk(folder.path(), &mut |path, about| {
            if about.is_dir() {
                // What stays is told by nobody: there is nothing that a user could do while it runs.
                let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
            }
            true
        });
    }
    // It is gone, or tried again.
    let _ = folder.close();
}

/// Visits a folder and what lies below it, each folder before what it holds, until told to stop. Links are not followed.
fn walk(folder: &Path, visit: &mut dyn FnMut(&Path, &fs::Metadata) -> bool) {
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(path) = waiting.pop() {
        let Ok(about) = fs::symlink_metadata(&path) else { continue };
        if !visit(&path, &about) {
            return;
        }
        if about.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            waiting.extend(entries.map(|entry| entry.path()).collect::<Vec<PathBuf>>());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_deep_counts_and_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, deep) = (folder.path().to_path_buf(), folder.path().join("a/b"));
        fs::create_dir_all(&deep).expect("made");
        fs::write(deep.join("file"), vec![1; 100_000]).expect("written");
        assert!(bytes(&root).is_some_and(|bytes| (100_000..200_000).contains(&bytes)), "{:?}", bytes(&root));
        fs::set_permissions(&deep, fs::Permissions::from_mode(0o000)).expect("set");
        remove(folder);
        assert!(!root.exists());
        let many = tempfile::tempdir().expect("a folder");
        (0..ENTRIES).for_each(|name| fs::write(many.path().join(name.to_string()), "").expect("written"));
        assert_eq!(bytes(many.path()), None);
    }
}
