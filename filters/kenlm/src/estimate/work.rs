//! Independent pieces of work, done by several threads.

use std::sync::Mutex;
use std::sync::PoisonError;

use crate::error::Result;

/// Calls `work` with every item and its number, on up to `threads` threads, and gives the results in the items'
/// order. The first error, by item number among those that were met, ends it.
pub(crate) fn in_parallel<T: Send, R: Send>(
    threads: usize,
    items: Vec<T>,
    work: impl Fn(usize, T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let count = items.len();
    if threads <= 1 || count <= 1 {
        return items.into_iter().enumerate().map(|(index, item)| work(index, item)).collect();
    }
    let queue = Mutex::new(items.into_iter().enumerate());
    let results: Mutex<Vec<Option<Result<R>>>> = Mutex::new((0..count).map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(count) {
            scope.spawn(|| {
                loop {
                    // A thread that panics ends the whole scope, so a poisoned lock is never worked with.
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((index, item)) = next else { return };
                    let result = work(index, item);
                    let failed = result.is_err();
                    results.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(result);
                    if failed {
                        // Nothing more is begun.
                        for rest in queue.lock().unwrap_or_else(PoisonError::into_inner).by_ref() {
                            drop(rest);
                        }
                    }
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    // An error leaves holes behind it, never before the first error's own place.
    let mut done = Vec::with_capacity(count);
    let mut failed = None;
    for result in results {
        match result {
            Some(Ok(value)) => done.push(value),
            Some(Err(error)) => failed = failed.or(Some(error)),
            None => {}
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn results_keep_the_order() {
        for threads in [1, 2, 5] {
            let results =
                in_parallel(threads, (0..100).collect(), |index, item: usize| Ok(index * 1000 + item)).unwrap();
            assert_eq!(results, (0..100).map(|item| item * 1001).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_error_is_handed_on() {
        for threads in [1, 3] {
            let result = in_parallel(threads, (0..50).collect(), |_, item: usize| {
                if item == 7 { Err(Error::Corpus { reason: "seven".to_string() }) } else { Ok(item) }
            });
            assert!(result.unwrap_err().to_string().contains("seven"));
        }
    }
}
