//! What texts begin with alike, as a tree.

use std::ops::Range;

/// Tokens that are worth a step of the model, and a copy of what it remembers, to be read once.
pub(super) const WORTH: usize = 32;

/// Tokens that some texts share, behind those of its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// The node whose tokens stand before; none for what stands behind all texts' common start.
    pub parent: Option<usize>,
    /// How many nodes stand before it.
    pub level: usize,
    /// The texts that have it.
    pub texts: Range<usize>,
    /// The places of its tokens in each of them.
    pub tokens: Range<usize>,
}

/// How many tokens two texts begin with alike.
pub(super) fn shared(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// The tree of texts that all begin with the same `start` tokens, parents before their children. Neighbours share what they begin with
/// where that saves [`WORTH`] tokens at least, and all of it if they are the same.
pub(super) fn tree(texts: &[&[u32]], start: usize) -> Vec<Node> {
    let alike: Vec<usize> =
        (0..texts.len()).map(|place| if place == 0 { 0 } else { shared(texts[place - 1], texts[place]) }).collect();
    let mut nodes = Vec::new();
    grow(texts, &alike, 0..texts.len(), start, None, &mut nodes);
    nodes
}

/// Appends the nodes of some texts that have `depth` tokens in common, those of the parent.
fn grow(
    texts: &[&[u32]],
    alike: &[usize],
    range: Range<usize>,
    mut depth: usize,
    mut parent: Option<usize>,
    nodes: &mut Vec<Node>,
) {
    let longest = texts[range.clone()].iter().map(|text| text.len()).max().unwrap_or(0);
    if longest == depth {
        return;
    }
    let common = alike[range.start + 1..range.end].iter().copied().min().unwrap_or(longest);
    let saved = common.saturating_sub(depth) * (range.len() - 1);
    if common == longest || saved >= WORTH {
        let level = parent.map_or(0, |parent: usize| nodes[parent].level + 1);
        nodes.push(Node { parent, level, texts: range.clone(), tokens: depth..common });
        (depth, parent) = (common, Some(nodes.len() - 1));
    }
    if common == longest {
        return;
    }
    let mut first = range.start;
    for end in range.start + 1..=range.end {
        if end == range.end || alike[end] == common {
            grow(texts, alike, first..end, depth, parent, nodes);
            first = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_is_shared_where_it_is_worth_it() {
        let start: Vec<u32> = (0..40).collect();
        let with = |more: &[u32]| [&start[..], more].concat();
        let texts = [with(&[1, 2]), with(&[1, 3]), with(&[4]), with(&[4]), with(&[]), vec![0, 1, 9], vec![0, 1]];
        let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        let node = |parent, level, texts, tokens| Node { parent, level, texts, tokens };
        let expected = [
            node(None, 0, 0..5, 0..40),
            node(Some(0), 1, 0..1, 40..42),
            node(Some(0), 1, 1..2, 40..42),
            node(Some(0), 1, 2..4, 40..41),
            node(None, 0, 5..6, 0..3),
            node(None, 0, 6..7, 0..2),
        ];
        assert_eq!(tree(&texts, 0), expected);
        assert_eq!(
            tree(&texts[..5], 40),
            expected[1..4].iter().map(|it| node(None, 0, it.texts.clone(), it.tokens.clone())).collect::<Vec<_>>()
        );
        assert_eq!(tree(&[], 0), []);
    }

    #[test]
    fn each_token_of_each_text_lies_in_one_node() {
        // Texts of few different tokens have much in common.
        let mut state = 1u64;
        let mut draw = |most: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % most
        };
        for _ in 0..200 {
            let mut texts: Vec<Vec<u32>> = vec![vec![0; 5]];
            for _ in 0..draw(12) {
                let last = texts.last().expect("one");
                let kept = (5 + draw(last.len() as u64 - 4) as usize).min(last.len());
                let more = (0..draw(50)).map(|_| draw(3) as u32).collect::<Vec<_>>();
                texts.push([&last[..kept], &more].concat());
            }
            let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
            let nodes = tree(&texts, 5);
            for (number, text) in texts.iter().enumerate() {
                let mut own: Vec<&Node> = nodes.iter().filter(|node| node.texts.contains(&number)).collect();
                own.sort_by_key(|node| node.level);
                let mut at = 5;
                for (level, node) in own.iter().enumerate() {
                    assert_eq!((node.tokens.start, node.level), (at, level));
                    assert_eq!(text[node.tokens.clone()], texts[node.texts.start][node.tokens.clone()]);
                    assert_eq!(node.parent.map(|parent| &nodes[parent]), level.checked_sub(1).map(|level| own[level]));
                    at = node.tokens.end;
                }
                assert_eq!(at, text.len());
            }
        }
    }
}
