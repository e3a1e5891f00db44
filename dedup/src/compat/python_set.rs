//! In which order CPython walks through a `set` of small whole numbers.
//!
//! text-dedup links the members of a bucket in the order of such a set, and the order decides which one is kept. Source:
//! behaviour of CPython 3.7 to 3.14 (`Objects/setobject.c`): open addressing; a number's hash is the number; up to nine
//! places in a row are tried, then the next place is 5·i + 1 + perturbation; a table three fifths full is rebuilt four
//! times as large as its members are many, twice beyond 50,000.

const LINEAR_PROBES: usize = 9;
const PERTURB_SHIFT: u32 = 5;
const FREE: u64 = u64::MAX;

/// The members, given in the order in which they were added, in the order of iteration. They are distinct, and below
/// 2⁶¹ − 1. O(members).
pub(super) fn iteration_order(members: &[u64]) -> Vec<u64> {
    let mut table = vec![FREE; 8];
    for (before, &member) in members.iter().enumerate() {
        insert(&mut table, member);
        let fill = before + 1;
        if fill * 5 >= (table.len() - 1) * 3 {
            let wanted = if fill > 50_000 { fill * 2 } else { fill * 4 };
            let mut size = 8;
            while size <= wanted {
                size *= 2;
            }
            let old = std::mem::replace(&mut table, vec![FREE; size]);
            old.into_iter().filter(|member| *member != FREE).for_each(|member| insert(&mut table, member));
        }
    }
    table.retain(|member| *member != FREE);
    table
}

fn insert(table: &mut [u64], member: u64) {
    let mask = table.len() - 1;
    let mut perturb = member;
    let mut at = member as usize & mask;
    loop {
        let probes = if at + LINEAR_PROBES <= mask { LINEAR_PROBES } else { 0 };
        if let Some(free) = (at..=at + probes).find(|place| table[*place] == FREE) {
            table[free] = member;
            return;
        }
        perturb >>= PERTURB_SHIFT;
        at = (at.wrapping_mul(5).wrapping_add(1).wrapping_add(perturb as usize)) & mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tests/oracle/dedup_compat.py sets` with CPython 3.11: how the set was made, then its order.
    #[test]
    fn the_order_is_cpythons() {
        let table = include_str!("../../../tests/fixtures/dedup/python_sets.txt");
        let mut cases = 0;
        for line in table.lines() {
            let numbers =
                |text: &str| -> Vec<u64> { text.split(' ').map(|number| number.parse().expect("a number")).collect() };
            let (added, order) = line.split_once('\t').expect("two columns");
            let added = numbers(added);
            match order.split_once("digest ") {
                None => assert_eq!(iteration_order(&added), numbers(order), "{line}"),
                // A long one: start, step and count; then a sum over the places.
                Some((_, digest)) => {
                    let [start, step, count] = added[..] else { panic!("{line}") };
                    let members: Vec<u64> = (0..count).map(|n| start + n * step).collect();
                    let sum = iteration_order(&members)
                        .iter()
                        .zip(1_u64..)
                        .fold(0_u64, |sum, (member, place)| sum.wrapping_add(member.wrapping_mul(place)));
                    assert_eq!(sum.to_string(), digest, "{line}");
                }
            }
            cases += 1;
        }
        assert!(cases >= 30, "{cases}");
    }
}
