//! Which pieces of documents stand together in a sequence: lengths alone.

use std::collections::BTreeMap;

/// A run of tokens of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Its first token in the window.
    pub at: usize,
    /// Its tokens, at least one.
    pub tokens: usize,
    /// The document's number.
    pub document: u64,
    /// Its first token in the document.
    pub offset: usize,
    /// Whether the document fits in a sequence.
    pub fits: bool,
}

/// One behind the other, cut where a sequence is full.
pub(super) fn concat(pieces: &[Piece], length: usize) -> Vec<Vec<Piece>> {
    let (mut packs, mut open, mut room) = (Vec::new(), Vec::new(), length);
    for piece in pieces {
        let mut rest = *piece;
        while rest.tokens > 0 {
            let tokens = room.min(rest.tokens);
            open.push(Piece { tokens, ..rest });
            rest = Piece { at: rest.at + tokens, tokens: rest.tokens - tokens, offset: rest.offset + tokens, ..rest };
            room -= tokens;
            if room == 0 {
                packs.push(std::mem::take(&mut open));
                room = length;
            }
        }
    }
    packs.extend((!open.is_empty()).then_some(open));
    packs
}

/// One behind the other, a new sequence begun where a piece does not fit.
pub(super) fn next_fit(pieces: &[Piece], length: usize) -> Vec<Vec<Piece>> {
    let mut packs: Vec<Vec<Piece>> = Vec::new();
    let mut room = 0;
    for piece in pieces {
        match packs.last_mut().filter(|_| piece.tokens <= room) {
            Some(open) => open.push(*piece),
            None => {
                packs.push(vec![*piece]);
                room = length;
            }
        }
        room -= piece.tokens;
    }
    packs
}

/// The longest first, each to the sequence in which it leaves the least room, of these to the one begun first. Sequences and
/// the pieces in them stand in the order of the documents. Cost: O(n log n), n pieces.
pub(super) fn best_fit(pieces: &[Piece], length: usize) -> Vec<Vec<Piece>> {
    let mut longest: Vec<usize> = (0..pieces.len()).collect();
    longest.sort_by_key(|place| std::cmp::Reverse(pieces[*place].tokens));
    // Sequences by the room in them, those begun first in front.
    let mut by_room: BTreeMap<usize, std::collections::VecDeque<usize>> = BTreeMap::new();
    let mut packs: Vec<Vec<usize>> = Vec::new();
    for place in longest {
        let tokens = pieces[place].tokens;
        let (pack, room) = match by_room.range_mut(tokens..).next() {
            Some((&room, packs_of_room)) => {
                let pack = packs_of_room.pop_front().expect("rooms without a sequence are taken out");
                if packs_of_room.is_empty() {
                    by_room.remove(&room);
                }
                (pack, room)
            }
            None => {
                packs.push(Vec::new());
                (packs.len() - 1, length)
            }
        };
        packs[pack].push(place);
        if room > tokens {
            by_room.entry(room - tokens).or_default().push_back(pack);
        }
    }
    packs.iter_mut().for_each(|pack| pack.sort_unstable());
    packs.sort_unstable();
    packs.into_iter().map(|pack| pack.into_iter().map(|place| pieces[place]).collect()).collect()
}
