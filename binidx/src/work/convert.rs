//! Sets in another form, and sets in another order.

use std::path::{Path, PathBuf};

use super::Job;
use crate::form::{Target, Tokens};
use crate::shuffle::Shuffle;
use crate::{Result, Written, shuffle_key};

/// Writes sets, one behind the other, as one of another form. Streams: memory does not grow with them.
///
/// # Errors
/// If a set is damaged, an id does not fit the target's number type, or the disk refuses.
pub fn convert(sets: &[Box<dyn Tokens>], target: &Target, out: &Path, job: &Job<'_>) -> Result<Written> {
    let mut sink = target.create(out)?;
    for set in sets {
        set.for_each(&mut |document| {
            sink.add(document)?;
            job.tick(document.bytes.len() as u64)
        })?;
    }
    sink.finish()
}

/// Writes the documents of sets in the order of a [hash](shuffle_key) of seed, file and record, as one set: the same order for
/// any number of sets, and as `write_binidx` gives them. `scratch` is a folder for what does not fit in memory; it is
/// removed. Cost: one reading and writing if all fits in half of the memory, else two.
///
/// # Errors
/// As [`convert`].
pub fn shuffle(
    sets: &[Box<dyn Tokens>],
    target: &Target,
    out: &Path,
    seed: u64,
    scratch: PathBuf,
    job: &Job<'_>,
) -> Result<Written> {
    let mut sink = target.create(out)?;
    let mut shuffle = Shuffle::new(scratch.clone(), job);
    for set in sets {
        set.for_each(&mut |document| {
            shuffle.add(shuffle_key(seed, &document.about, 0), document)?;
            job.tick(document.bytes.len() as u64)
        })?;
    }
    shuffle.finish(&mut |document| sink.add(document))?;
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch).map_err(crate::Error::io("remove", &scratch))?;
    }
    sink.finish()
}
