//! Damaged files in front of code that panics at them.
//!
//! The crates that read Parquet and Arrow take much of what a file says for granted. Of what is damaged most ends in an error; the rest
//! panics, which here becomes an error too.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Does work that may panic at damage; nothing that it has touched may be used behind a panic.
///
/// # Errors
/// What it panicked with.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let before = GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    done.map_err(|panic| {
        let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
        let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
        format!("it is damaged: {}", said.unwrap_or_else(|| "it cannot be decoded".into()))
    })
}

/// Batches of a reader that may panic at damage, up to the first that it panics at.
pub fn guarded_batches(
    mut batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> {
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        guarded(|| batches.next()).unwrap_or_else(|problem| {
            ended = true;
            Some(Err(ArrowError::ParseError(problem)))
        })
    })
}

/// Lets panics that become errors leave no trace on stderr; for programs, once, at their start.
pub fn hush_guarded_panics() {
    let said = take_hook();
    set_hook(Box::new(move |panic| {
        if !GUARDED.get() {
            said(panic);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_and_ends_the_batches() {
        assert_eq!(guarded(|| 7), Ok(7));
        assert_eq!(guarded(|| -> u8 { panic!("at {}", 5) }), Err("it is damaged: at 5".to_owned()));
        let mut calls = 0;
        let batches = std::iter::from_fn(|| {
            calls += 1;
            if calls == 2 { panic!("here") } else { Some(Err(ArrowError::ParseError("no".into()))) }
        });
        let said: Vec<String> = guarded_batches(batches).take(9).map(|batch| batch.unwrap_err().to_string()).collect();
        assert_eq!(said.len(), 2);
        assert!(said[1].contains("damaged: here"), "{said:?}");
    }
}
