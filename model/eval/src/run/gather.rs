//! What a model hands over, put together item by item.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::{Error, Result, Take};

/// Takes what is known of an item: its number, its share of the time, its parts or why it has none.
pub(super) type Finish<'f, T> = dyn FnMut(usize, f64, Result<T>) -> Result<()> + 'f;

/// Parts of an item that is under way.
struct Parts<T> {
    parts: Vec<Option<T>>,
    left: usize,
    seconds: f64,
    refusal: Option<Error>,
}

/// Asks for the parts of some items, which lie behind each other, and hands over each item when it is whole. The time between two
/// answers is shared out among what the second brought.
///
/// # Errors
/// The first failure that is not the refusal of one request, or `finish`'s; what was under way is handed over before.
pub(super) fn gather<T>(
    counts: impl Iterator<Item = usize>,
    stop: &AtomicBool,
    ask: impl FnOnce(&mut Take<'_, T>),
    finish: &mut Finish<'_, Vec<T>>,
) -> Result<()> {
    // The item of each part, and the item's first part and their number.
    let (mut owners, mut spans) = (Vec::new(), Vec::new());
    for (item, count) in counts.enumerate() {
        spans.push((owners.len(), count));
        owners.resize(owners.len() + count, item);
    }
    let mut pending: HashMap<usize, Parts<T>> = HashMap::new();
    let mut failure = None;
    let mut since = Instant::now();
    ask(&mut |results| {
        let share = since.elapsed().as_secs_f64() / results.len().max(1) as f64;
        for (place, result) in results {
            let item = owners[place];
            let (first, count) = spans[item];
            let parts = pending.entry(item).or_insert_with(|| Parts {
                parts: (0..count).map(|_| None).collect(),
                left: count,
                seconds: 0.0,
                refusal: None,
            });
            parts.seconds += share;
            match result {
                Ok(part) => parts.parts[place - first] = Some(part),
                Err(error @ Error::Refused { .. }) => parts.refusal = parts.refusal.take().or(Some(error)),
                Err(error) => {
                    failure = failure.take().or(Some(error));
                    continue;
                }
            }
            parts.left -= 1;
            if parts.left == 0
                && let Some(Parts { parts, seconds, refusal, .. }) = pending.remove(&item)
            {
                let whole = refusal.map_or_else(|| Ok(parts.into_iter().flatten().collect()), Err);
                if let Err(error) = finish(item, seconds, whole) {
                    failure = failure.take().or(Some(error));
                }
            }
        }
        since = Instant::now();
        failure.is_none() && !stop.load(Ordering::Relaxed)
    });
    failure.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Error {
        Error::Refused { url: String::new(), problem: "too long".into(), hint: None }
    }

    #[test]
    fn items_are_whole_in_any_order_and_a_failure_loses_none_of_the_others() {
        let mut found = Vec::new();
        let mut told = Vec::new();
        let done = gather(
            [2, 1, 1, 2].into_iter(),
            &AtomicBool::new(false),
            |take| {
                told.push(take(vec![(1, Ok('b')), (2, Err(refused()))]));
                told.push(take(vec![(0, Ok('a')), (4, Err(Error::Stopped))]));
                told.push(take(vec![(3, Ok('d'))]));
            },
            &mut |item, _, parts: Result<Vec<char>>| {
                found.push((item, parts.ok()));
                Ok(())
            },
        );
        assert_eq!(found, [(1, None), (0, Some(vec!['a', 'b'])), (2, Some(vec!['d']))]);
        assert!(matches!(done, Err(Error::Stopped)) && told == [true, false, false]);
    }
}
