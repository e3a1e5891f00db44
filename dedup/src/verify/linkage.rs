//! Which of the documents that were nominated go, and for which.
//!
//! Members of a component come in the order in which they are kept: the first is never dropped. Only pairs with a band key
//! in common are compared.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::record::Candidate;
use super::similarity::{Bar, Similarity};

/// How far being alike carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Linkage {
    /// A document goes only if it is alike to the one that is kept for it.
    #[default]
    Star,
    /// A document goes if it is alike to one that goes or is kept, and so on: connected components.
    Components,
}

/// For a member that goes: the member that is kept for it, and how alike they are.
pub(super) type Verdict = Option<(u32, f32)>;

/// The keys that two members or more have, as numbers: those of each member, one after the other.
struct SharedKeys {
    count: usize,
    /// Where the keys of a member begin; one more at the end.
    starts: Vec<u32>,
    keys: Vec<u32>,
}

impl SharedKeys {
    /// O(keys · log keys), 16 bytes a key for as long as it takes, then 4 for each that is shared.
    fn of(members: &[Candidate<'_>]) -> Self {
        let mut all: Vec<([u8; 8], u32)> = Vec::with_capacity(members.iter().map(|member| member.keys.len()).sum());
        for (number, member) in (0_u32..).zip(members) {
            all.extend(member.keys.iter().map(|key| (*key, number)));
        }
        all.sort_unstable();
        let groups = || all.chunk_by(|one, other| one.0 == other.0).filter(|group| group.len() > 1);
        let mut starts = vec![0_u32; members.len() + 1];
        groups().flatten().for_each(|(_, member)| starts[*member as usize + 1] += 1);
        (0..members.len()).for_each(|member| starts[member + 1] += starts[member]);
        let mut next = starts.clone();
        let mut keys = vec![0; starts[members.len()] as usize];
        let mut count = 0;
        for group in groups() {
            for (_, member) in group {
                let place = &mut next[*member as usize];
                keys[*place as usize] = count;
                *place += 1;
            }
            count += 1;
        }
        Self { count: count as usize, starts, keys }
    }

    fn of_member(&self, member: u32) -> impl Iterator<Item = usize> {
        let range = self.starts[member as usize] as usize..self.starts[member as usize + 1] as usize;
        self.keys[range].iter().map(|key| *key as usize)
    }
}

/// Each member is held against those kept before it that it shares a key with, and goes with the likest that reaches the
/// threshold, of equals the first. A comparison for each such pair. The first members may be of an index: `known` says of each
/// whether it is kept, and nothing is decided on them.
pub(super) fn star(
    members: &[Candidate<'_>],
    known: &[bool],
    similarity: Similarity,
    bar: impl Into<Bar>,
) -> Vec<Verdict> {
    let bar = bar.into();
    let shared = SharedKeys::of(members);
    let mut kept_by_key: Vec<Vec<u32>> = vec![Vec::new(); shared.count];
    let mut asked = vec![u32::MAX; members.len()];
    let mut verdicts = Vec::with_capacity(members.len());
    for (number, member) in (0_u32..).zip(members) {
        let mut best: Option<(u32, f64)> = None;
        let is_known = known.get(number as usize);
        let others = shared.of_member(number).filter(|_| is_known.is_none()).flat_map(|key| &kept_by_key[key]);
        for kept in others {
            if std::mem::replace(&mut asked[*kept as usize], number) == number {
                continue;
            }
            let Some(found) = similarity.reaching(bar, member, &members[*kept as usize]) else { continue };
            if best.is_none_or(|(known, best)| found > best || found == best && *kept < known) {
                best = Some((*kept, found));
            }
        }
        if is_known.copied().unwrap_or(best.is_none()) {
            shared.of_member(number).for_each(|key| kept_by_key[key].push(number));
        }
        verdicts.push(best.map(|(kept, found)| (kept, found as f32)));
    }
    verdicts
}

/// Members are connected if they share a key and reach the threshold; the first of those that are connected, directly or
/// not, is kept. Members of a key lie in groups of those connected already: a member that joins one is not held against the
/// rest of it. The first members may be of an index, kept ones before others: `known` has the keeper of each, which connects
/// them, and nothing is decided on them. A member that connects two of their clusters goes with the first.
pub(super) fn components(
    members: &[Candidate<'_>],
    known: &[Option<u64>],
    similarity: Similarity,
    bar: impl Into<Bar>,
) -> Vec<Verdict> {
    let bar = bar.into();
    let mut roots: Vec<u32> = (0..members.len() as u32).collect();
    let mut first_of: HashMap<u64, u32> = HashMap::new();
    for (number, keeper) in (0_u32..).zip(known) {
        let Some(keeper) = keeper else { continue };
        roots[number as usize] = *first_of.entry(*keeper).or_insert(number);
    }
    let shared = SharedKeys::of(members);
    let mut by_key: Vec<Vec<Vec<u32>>> = vec![Vec::new(); shared.count];
    for (number, member) in (0_u32..).zip(members) {
        let is_known = (number as usize) < known.len();
        for key in shared.of_member(number) {
            let groups = &mut by_key[key];
            let mut own = Vec::new();
            groups.retain_mut(|group| {
                let is_alike = |other: &u32| similarity.reaching(bar, member, &members[*other as usize]).is_some();
                let (theirs, mine) = (root(&mut roots, group[0]), root(&mut roots, number));
                let joins = theirs == mine || !is_known && group.iter().any(is_alike);
                if joins {
                    roots[theirs.max(mine) as usize] = theirs.min(mine);
                    if own.len() < group.len() {
                        std::mem::swap(&mut own, group);
                    }
                    own.append(group);
                }
                !joins
            });
            own.push(number);
            groups.push(own);
        }
    }
    (0..members.len() as u32)
        .map(|number| {
            let first = root(&mut roots, number);
            // Never less than nothing: those in between carry.
            let found = || similarity.reaching(bar.any(), &members[number as usize], &members[first as usize]);
            let goes = first != number && number as usize >= known.len();
            goes.then(|| (first, found().unwrap_or(0.0) as f32))
        })
        .collect()
}

fn root(roots: &mut [u32], mut number: u32) -> u32 {
    while roots[number as usize] != number {
        roots[number as usize] = roots[roots[number as usize] as usize];
        number = roots[number as usize];
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Document {
        keys: Vec<[u8; 8]>,
        shingles: Vec<[u8; 4]>,
    }

    fn document(keys: &[u64], shingles: impl IntoIterator<Item = u32>) -> Document {
        Document {
            keys: keys.iter().map(|key| key.to_le_bytes()).collect(),
            shingles: shingles.into_iter().map(u32::to_le_bytes).collect(),
        }
    }

    fn members(documents: &[Document]) -> Vec<Candidate<'_>> {
        documents.iter().map(|Document { keys, shingles }| Candidate { keys, shingles }).collect()
    }

    #[test]
    fn a_chain_is_cut_by_a_star_and_kept_whole_by_components() {
        // 0 and 2 are alike by a third only, both are alike to 1.
        let documents = [document(&[1], 0..10), document(&[1], 2..12), document(&[1], 5..15)];
        let members = members(&documents);
        let kept =
            |verdicts: Vec<Verdict>| verdicts.into_iter().map(|verdict| verdict.map(|it| it.0)).collect::<Vec<_>>();
        assert_eq!(kept(star(&members, &[], Similarity::Jaccard, 0.5)), [None, Some(0), None]);
        assert_eq!(kept(components(&members, &[], Similarity::Jaccard, 0.5)), [None, Some(0), Some(0)]);
    }

    #[test]
    fn keys_nominate_and_shingles_decide() {
        let documents = [
            document(&[1, 2], 0..100),
            document(&[2], 0..50),    // contained
            document(&[3], 0..100),   // equal, no key in common
            document(&[1], 200..300), // a key in common, nothing else
            document(&[9], []),       // shorter than a shingle
            document(&[9], []),
        ];
        let members = members(&documents);
        let jaccard = star(&members, &[], Similarity::Jaccard, 0.6);
        assert_eq!(jaccard, [None, None, None, None, None, Some((4, 1.0))]);
        let containment = star(&members, &[], Similarity::Containment, 0.6);
        assert_eq!(containment, [None, Some((0, 1.0)), None, None, None, Some((4, 1.0))]);
        assert_eq!(components(&members, &[], Similarity::Jaccard, 0.6), jaccard);
    }

    #[test]
    fn the_likest_is_chosen_and_of_equals_the_first() {
        let documents =
            [document(&[1], 0..80), document(&[1], 40..120), document(&[1], 30..110), document(&[1], 200..300)];
        let members = members(&documents);
        let verdicts = star(&members, &[], Similarity::Jaccard, 0.4);
        // 50 of 110 with the first, 70 of 90 with the second.
        assert_eq!(verdicts[1], None);
        assert_eq!(verdicts[2].map(|it| it.0), Some(1));
        assert!((f64::from(verdicts[2].expect("goes").1) - 70.0 / 90.0).abs() < 1e-6);
        assert_eq!(verdicts[3], None);
    }

    #[test]
    fn components_are_those_of_all_pairs() {
        // Numbers of a fixed sequence; windows of a line overlap by chance.
        let mut state = 7_u64;
        let mut next = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        for _ in 0..200 {
            let documents: Vec<Document> = (0..30)
                .map(|_| {
                    let start = next(60) as u32;
                    document(&[1], start..start + 10 + next(10) as u32)
                })
                .collect();
            let members = members(&documents);
            // All share one key: every pair is nominated.
            let found = components(&members, &[], Similarity::Jaccard, 0.5);
            let mut labels: Vec<usize> = (0..members.len()).collect();
            loop {
                let mut changed = false;
                for one in 0..members.len() {
                    for other in 0..members.len() {
                        let alike = Similarity::Jaccard.reaching(0.5, &members[one], &members[other]).is_some();
                        if alike && labels[one] > labels[other] {
                            labels[one] = labels[other];
                            changed = true;
                        }
                    }
                }
                if !changed {
                    break;
                }
            }
            let expected: Vec<Option<usize>> =
                labels.iter().enumerate().map(|(number, label)| (number != *label).then_some(*label)).collect();
            let kept: Vec<Option<usize>> = found.iter().map(|verdict| verdict.map(|it| it.0 as usize)).collect();
            assert_eq!(kept, expected);
            assert!(kept.iter().flatten().count() > 5, "they overlap");
        }
    }
}
