//! The pieces that learning begins with: all symbols, and the substrings that come most often times their length.
//!
//! Places of the parts are sorted by what begins there, up to the longest piece; substrings that come at least twice are the
//! intervals of this order with a common beginning that is longer than that of what surrounds them (a suffix array's internal
//! nodes). Intervals never span two first symbols: threads take first symbols.

use libm::log;

use super::{Asked, Parts, Scored};

/// A substring: what it promises, where it begins, and its symbols.
#[derive(Clone, Copy)]
struct Found {
    promise: f64,
    at: u32,
    length: u32,
}

/// Seeds with their scores, symbols first.
pub(super) fn find(parts: &Parts, asked: &Asked<'_>, most: usize) -> Vec<Scored> {
    let counts = symbol_counts(parts, asked.alphabet);
    let places = by_first_symbol(parts, asked.alphabet);
    let mut found = in_threads(parts, asked, places, most);
    sort(&mut found, parts, most.saturating_sub(asked.alphabet));
    let singles = counts.iter().zip(0_u32..).filter(|(count, _)| **count > 0.0);
    let singles = singles.map(|(count, symbol)| (*count, vec![symbol]));
    let symbols = |one: &Found| symbols_of(parts, one).to_vec();
    let all: Vec<(f64, Vec<u32>)> = singles.chain(found.iter().map(|one| (one.promise, symbols(one)))).collect();
    let total = log(all.iter().map(|(promise, _)| promise).sum());
    all.into_iter().map(|(promise, symbols)| Scored { symbols, score: log(promise) - total }).collect()
}

fn symbol_counts(parts: &Parts, alphabet: usize) -> Vec<f64> {
    let mut counts = vec![0.0; alphabet];
    for number in 0..parts.len() {
        let (symbols, count) = parts.get(number);
        symbols.iter().for_each(|symbol| counts[*symbol as usize] += count);
    }
    counts
}

/// A place: where it is, the end of its part, and the part.
#[derive(Clone, Copy)]
struct Place {
    at: u32,
    part: u32,
}

/// All places with two symbols or more to the end, grouped by the first: the places of each symbol.
fn by_first_symbol(parts: &Parts, alphabet: usize) -> Vec<Vec<Place>> {
    let mut places: Vec<Vec<Place>> = vec![Vec::new(); alphabet];
    let mut at = 0;
    for part in 0..parts.len() {
        let (symbols, _) = parts.get(part);
        for (offset, symbol) in symbols.iter().enumerate().take(symbols.len() - 1) {
            places[*symbol as usize].push(Place { at: at + offset as u32, part: part as u32 });
        }
        at += symbols.len() as u32;
    }
    places
}

fn in_threads(parts: &Parts, asked: &Asked<'_>, mut places: Vec<Vec<Place>>, most: usize) -> Vec<Found> {
    // The largest first, each to the thread that has least.
    let mut shares: Vec<(usize, Vec<Vec<Place>>)> = vec![(0, Vec::new()); asked.threads.max(1)];
    places.sort_by_key(|group| std::cmp::Reverse(group.len()));
    for group in places {
        if let Some(least) = shares.iter_mut().min_by_key(|share| share.0) {
            least.0 += group.len();
            least.1.push(group);
        }
    }
    let (max, space) = (asked.max_symbols, asked.space);
    let work = |groups: Vec<Vec<Place>>| {
        let mut found = Vec::new();
        for mut group in groups {
            group.sort_unstable_by(|one, other| {
                rest(parts, *one, max).cmp(rest(parts, *other, max)).then(one.at.cmp(&other.at))
            });
            intervals(parts, &group, max, &mut |one| found.push(one));
            if found.len() > 4 * most.max(1 << 16) {
                sort(&mut found, parts, most);
            }
        }
        found
    };
    let mut found = std::thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = shares.into_iter().map(|(_, groups)| scope.spawn(move || work(groups))).collect();
        let found = workers.into_iter().map(|worker| worker.join().expect("sorting does not panic"));
        found.collect::<Vec<_>>().concat()
    });
    found.retain(|one| {
        let symbols = symbols_of(parts, one);
        let spaces = symbols.iter().take_while(|symbol| **symbol == space).count();
        (spaces <= 1 || spaces == symbols.len())
            && !symbols[1.max(spaces)..].contains(&space)
            && !asked.forbids(symbols)
    });
    found
}

/// What begins at a place, up to the longest piece.
fn rest(parts: &Parts, place: Place, max: usize) -> &[u32] {
    let end = (parts.ends[place.part as usize].0).min(place.at.saturating_add(max as u32));
    &parts.symbols[place.at as usize..end as usize]
}

fn symbols_of<'p>(parts: &'p Parts, found: &Found) -> &'p [u32] {
    &parts.symbols[found.at as usize..][..found.length as usize]
}

/// Hands over the repeated substrings of two symbols and more of places in order.
fn intervals(parts: &Parts, places: &[Place], max: usize, take: &mut impl FnMut(Found)) {
    // Open intervals: the length in common, where they begin, and the count so far.
    let mut open: Vec<(u32, usize, f64)> = Vec::new();
    for (number, place) in places.iter().enumerate() {
        let common = number.checked_sub(1).map_or(0, |before| {
            let (one, other) = (rest(parts, places[before], max), rest(parts, *place, max));
            one.iter().zip(other).take_while(|(one, other)| one == other).count() as u32
        });
        let mut start = number.saturating_sub(1);
        let mut inner = number.checked_sub(1).map_or(0.0, |before| parts.ends[places[before].part as usize].1);
        while let Some((length, from, count)) = open.last().copied().filter(|(length, ..)| *length > common) {
            open.pop();
            inner += count;
            start = from;
            close(places, length, from, inner, take);
        }
        match open.last_mut() {
            Some((length, _, count)) if *length == common => *count += inner,
            _ if common >= 2 => open.push((common, start, inner)),
            _ => {}
        }
    }
    let mut inner = places.last().map_or(0.0, |last| parts.ends[last.part as usize].1);
    while let Some((length, from, count)) = open.pop() {
        inner += count;
        close(places, length, from, inner, take);
    }
}

fn close(places: &[Place], length: u32, from: usize, count: f64, take: &mut impl FnMut(Found)) {
    take(Found { promise: count * f64::from(length), at: places[from].at, length });
}

/// The most promising, of equal ones those of lower symbols; no more than `most`.
fn sort(found: &mut Vec<Found>, parts: &Parts, most: usize) {
    found.sort_unstable_by(|one, other| {
        let symbols = || symbols_of(parts, one).cmp(symbols_of(parts, other));
        other.promise.total_cmp(&one.promise).then_with(symbols)
    });
    found.truncate(most);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn repeated_substrings_are_found_with_their_counts() {
        let words: [(&[u32], f64); 5] =
            [(&[1, 2, 3, 1, 2], 3.0), (&[1, 2, 3], 5.0), (&[4, 4, 4, 4], 2.0), (&[2, 3, 1, 2, 3], 1.0), (&[5, 6], 7.0)];
        let mut parts = Parts::new();
        let mut all: BTreeMap<Vec<u32>, (usize, f64)> = BTreeMap::new();
        for (word, count) in words {
            parts.push(word, count);
            for from in 0..word.len() {
                for to in from + 2..=word.len() {
                    let known = all.entry(word[from..to].to_vec()).or_default();
                    known.0 += 1;
                    known.1 += count;
                }
            }
        }
        for threads in [1, 3] {
            let asked = Asked { pieces: 9, max_symbols: 16, alphabet: 8, space: 7, forbidden: &|_| false, threads };
            let found = in_threads(&parts, &asked, by_first_symbol(&parts, 8), 1000);
            // Each is as often there as by counting; the longest of those that come at the same places are among them.
            for one in &found {
                let symbols = symbols_of(&parts, one);
                assert_eq!(one.promise, all[symbols].1 * symbols.len() as f64, "{symbols:?}");
            }
            for (symbols, (places, count)) in &all {
                let longer = all.iter().any(|(other, known)| {
                    other.len() == symbols.len() + 1 && other.starts_with(symbols) && known.1 == *count
                });
                if *places > 1 && !longer {
                    assert!(found.iter().any(|one| symbols_of(&parts, one) == symbols), "{symbols:?}");
                }
            }
        }
    }
}
