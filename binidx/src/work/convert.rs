//! Sets in another form, and sets in another order.

use std::path::{Path, PathBuf};

use super::Job;
use crate::form::{Target, Tokens};
use crate::shuffle::Shuffle;
use crate::{Error, Result, Written, shuffle_key};

/// Writes sets, one behind the other, as one of another form. Streams: memory does not grow with them.
///
/// # Errors
/// If a set is damaged, an id does not fit the target's number type, or the disk refuses.
pub fn convert(sets: &[Box<dyn Tokens>], target: &Target, out: &Path, job: &Job<'_>) -> Result<Written> {
    refuse_modes(sets, out)?;
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
/// any number of sets, and as `write_binidx` gives them. `scratch` is an empty folder for what does not fit in memory, and is
/// left empty but for folders. Cost: one reading and writing if all fits in half of the memory, else two.
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
    refuse_modes(sets, out)?;
    let mut sink = target.create(out)?;
    let mut shuffle = Shuffle::new(scratch, job);
    for set in sets {
        set.for_each(&mut |document| {
            shuffle.add(shuffle_key(seed, &document.about, 0), document)?;
            job.tick(document.bytes.len() as u64)
        })?;
    }
    shuffle.finish(&mut |document| sink.add(document))?;
    sink.finish()
}

/// Modes stay where sets are joined, cut and taken out of; nowhere else is there a place for them.
pub(crate) fn refuse_modes(sets: &[Box<dyn Tokens>], out: &Path) -> Result<()> {
    if sets.iter().any(|set| set.is_multimodal()) {
        let problem = "a set is multimodal, and its modes would be lost";
        return Err(Error::dataset(out, problem).hinting("`concat`, `split` and `remove` keep them"));
    }
    Ok(())
}
