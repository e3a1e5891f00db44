//! Connected components, found by several threads at once.

use std::sync::atomic::{AtomicU32, Ordering};

/// Numbers in components whose root is their smallest member, so that the outcome does not depend on the order of
/// unions. Four bytes a number.
pub(crate) struct Components {
    parents: Vec<AtomicU32>,
}

impl Components {
    /// `count` numbers, each by itself.
    pub(crate) fn new(count: u32) -> Self {
        Self { parents: (0..count).map(AtomicU32::new).collect() }
    }

    /// The smallest number connected with this one, as far as unions are done. Halves the path on its way.
    pub(crate) fn root(&self, mut number: u32) -> u32 {
        loop {
            let parent = self.parents[number as usize].load(Ordering::Relaxed);
            if parent == number {
                return number;
            }
            let grandparent = self.parents[parent as usize].load(Ordering::Relaxed);
            if grandparent != parent {
                // If another thread was faster, its shortcut is as good.
                let slot = &self.parents[number as usize];
                let _ = slot.compare_exchange_weak(parent, grandparent, Ordering::Relaxed, Ordering::Relaxed);
            }
            number = grandparent;
        }
    }

    /// Connects two numbers. Parents are always smaller than their children, so there are no cycles.
    pub(crate) fn unite(&self, one: u32, other: u32) {
        loop {
            let (one, other) = (self.root(one), self.root(other));
            let (low, high) = (one.min(other), one.max(other));
            if low == high {
                return;
            }
            let slot = &self.parents[high as usize];
            if slot.compare_exchange(high, low, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Components by relabelling until nothing changes.
    fn naive(count: u32, links: &[(u32, u32)]) -> Vec<u32> {
        let mut labels: Vec<u32> = (0..count).collect();
        loop {
            let before = labels.clone();
            for &(one, other) in links {
                let low = labels[one as usize].min(labels[other as usize]);
                labels[one as usize] = low;
                labels[other as usize] = low;
            }
            if labels == before {
                return labels;
            }
        }
    }

    #[test]
    fn roots_are_the_smallest_members_whatever_the_order_and_the_threads() {
        let count = 3000;
        let mix = |n: u32| n.wrapping_mul(2_654_435_761).rotate_left(15) % count;
        let mut links: Vec<(u32, u32)> = (0..1400).map(|n| (mix(n), mix(n + 90_000))).collect();
        links.extend((2000..2500).map(|n| (n + 1, n)));
        let expected = naive(count, &links);
        for threads in [1, 4] {
            let components = Components::new(count);
            std::thread::scope(|scope| {
                for thread in 0..threads {
                    let (components, links) = (&components, &links);
                    scope.spawn(move || {
                        links
                            .iter()
                            .rev()
                            .skip(thread)
                            .step_by(threads)
                            .for_each(|&(one, other)| components.unite(one, other));
                    });
                }
            });
            let roots: Vec<u32> = (0..count).map(|number| components.root(number)).collect();
            assert_eq!(roots, expected, "{threads} threads");
        }
    }
}
