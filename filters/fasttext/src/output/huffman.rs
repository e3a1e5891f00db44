//! The tree of hierarchical softmax.

use crate::{Error, Result};

/// A Huffman tree over labels: leaves are labels, inner nodes are rows of the output matrix.
///
/// It is built from counts in the order of the dictionary, from the most to the least frequent, by fastText's rule for
/// equal counts: an inner node before a label.
#[derive(Clone, Debug)]
pub struct Huffman {
    labels: usize,
    /// Left and right child of each inner node.
    children: Vec<[u32; 2]>,
    /// The inner node above each node; the root's is itself.
    parents: Vec<u32>,
}

/// No label or node is seen this often: what is not built yet counts as much.
const UNBUILT: i64 = 1_000_000_000_000_000;

impl Huffman {
    /// Builds the tree. Labels are numbered from 0, inner nodes from the number of labels on; the last is the root.
    ///
    /// # Errors
    /// [`Error::Malformed`] for negative counts and for 10^15 labels or more in all.
    pub fn new(counts: impl IntoIterator<Item = i64>) -> Result<Self> {
        let mut counts: Vec<i64> = counts.into_iter().collect();
        let labels = counts.len();
        let sum = counts.iter().try_fold(0i64, |sum, &count| if count < 0 { None } else { sum.checked_add(count) });
        if sum.is_none_or(|sum| sum >= UNBUILT) {
            return Err(Error::malformed("entries", "the counts of the labels are negative or beyond 10^15"));
        }
        let nodes = (2 * labels).saturating_sub(1);
        let mut children = Vec::with_capacity(nodes - labels);
        let mut parents: Vec<u32> = (0..nodes as u32).collect();
        counts.reserve_exact(nodes - labels);
        // Labels are used from the last to the first, inner nodes in the order in which they are built.
        let (mut unused_labels, mut first_unused_node) = (labels, labels);
        for node in labels..nodes {
            let mut pick = || {
                let built = counts.get(first_unused_node).copied().unwrap_or(UNBUILT);
                if unused_labels > 0 && counts[unused_labels - 1] < built {
                    unused_labels -= 1;
                    unused_labels
                } else {
                    first_unused_node += 1;
                    first_unused_node - 1
                }
            };
            let pair = [pick(), pick()];
            counts.push(counts[pair[0]] + counts[pair[1]]);
            for child in pair {
                parents[child] = node as u32;
            }
            children.push(pair.map(|child| child as u32));
        }
        Ok(Self { labels, children, parents })
    }

    /// Leaves.
    pub fn labels(&self) -> usize {
        self.labels
    }

    /// The root: the last inner node, the only label, or `None` without labels.
    pub fn root(&self) -> Option<u32> {
        self.parents.len().checked_sub(1).map(|root| root as u32)
    }

    /// The row of the output matrix and the children (left, right) of an inner node; `None` for a label.
    #[inline]
    pub fn inner(&self, node: u32) -> Option<(usize, [u32; 2])> {
        let row = (node as usize).checked_sub(self.labels)?;
        Some((row, self.children[row]))
    }

    /// The way from a label up to the root: rows of the output matrix, each with whether the way came from the right.
    pub fn path(&self, label: u32) -> impl Iterator<Item = (usize, bool)> + '_ {
        let mut below = label;
        std::iter::from_fn(move || {
            let node = self.parents[below as usize];
            let (row, children) = self.inner(node)?;
            if node == below {
                return None;
            }
            let right = children[1] == below;
            below = node;
            Some((row, right))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_labels_lie_high() {
        let tree = Huffman::new([50, 20, 10, 10, 5]).unwrap();
        let depths: Vec<usize> = (0..5).map(|label| tree.path(label).count()).collect();
        assert_eq!(depths, [1, 2, 3, 4, 4]);
        // 5 + 10 are the first pair: rarest first, so label 4 goes left.
        assert_eq!(tree.inner(5), Some((0, [4, 3])));
        assert_eq!(tree.path(3).collect::<Vec<_>>(), [(0, true), (1, true), (2, true), (3, false)]);
    }

    #[test]
    fn small_and_bad_trees() {
        assert_eq!(Huffman::new([]).unwrap().root(), None);
        let one = Huffman::new([7]).unwrap();
        assert_eq!((one.root(), one.path(0).count(), one.inner(0)), (Some(0), 0, None));
        for counts in [vec![-1, 3], vec![i64::MAX, 1], vec![i64::MAX, i64::MAX], vec![UNBUILT, 1]] {
            assert!(Huffman::new(counts).is_err());
        }
        // Without any counts the tree is a chain.
        let chain = Huffman::new(vec![0; 1000]).unwrap();
        assert_eq!((0..1000).map(|label| chain.path(label).count()).max(), Some(999));
    }
}
