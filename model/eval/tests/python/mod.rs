//! The Python that runs programs in tests.
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::path::PathBuf;
use std::process::Command;

/// `python3`, or what `YUAN_PYTHON` names. Where there is none tests are skipped, and say so.
pub fn python() -> Option<PathBuf> {
    let python = PathBuf::from(std::env::var_os("YUAN_PYTHON").unwrap_or_else(|| "python3".into()));
    let version = Command::new(&python).arg("--version").output();
    if version.is_ok_and(|ran| ran.status.success()) {
        return Some(python);
    }
    eprintln!("skipped: there is no `{}` (YUAN_PYTHON names a Python 3)", python.display());
    None
}
