use super::fit::{Piece, best_fit, concat, next_fit};

fn pieces(lengths: &[usize]) -> Vec<Piece> {
    let mut at = 0;
    let piece = |(document, tokens): (usize, &usize)| {
        let piece = Piece { at, tokens: *tokens, document: document as u64, offset: 0, fits: true };
        at += tokens;
        piece
    };
    lengths.iter().enumerate().map(piece).collect()
}

/// Documents and tokens of each piece.
fn told(packs: Vec<Vec<Piece>>) -> Vec<Vec<(u64, usize)>> {
    packs.into_iter().map(|pack| pack.into_iter().map(|piece| (piece.document, piece.tokens)).collect()).collect()
}

#[test]
fn concat_cuts_where_a_sequence_is_full() {
    assert_eq!(told(concat(&pieces(&[3, 6, 5]), 5)), [vec![(0, 3), (1, 2)], vec![(1, 4), (2, 1)], vec![(2, 4)]]);
    assert_eq!(told(concat(&pieces(&[5, 5]), 5)), [vec![(0, 5)], vec![(1, 5)]]);
    assert!(concat(&[], 5).is_empty());
}

#[test]
fn next_fit_begins_anew_where_a_document_does_not_fit() {
    assert_eq!(
        told(next_fit(&pieces(&[3, 2, 4, 2, 5]), 5)),
        [vec![(0, 3), (1, 2)], vec![(2, 4)], vec![(3, 2)], vec![(4, 5)]]
    );
}

#[test]
fn best_fit_leaves_the_least_room() {
    // 7 and 3, 6 and 4, 5 and 5: none is left over, where first come first served needs a fourth.
    assert_eq!(
        told(best_fit(&pieces(&[5, 4, 7, 3, 6, 5]), 10)),
        [vec![(0, 5), (5, 5)], vec![(1, 4), (4, 6)], vec![(2, 7), (3, 3)]]
    );
    assert_eq!(next_fit(&pieces(&[5, 4, 7, 3, 6, 5]), 10).len(), 4);
}

/// What the paper says, word by word: of all open sequences the one with the least room in which the piece fits.
fn slow_best_fit(pieces: &[Piece], length: usize) -> Vec<Vec<Piece>> {
    let mut order: Vec<&Piece> = pieces.iter().collect();
    order.sort_by_key(|piece| (std::cmp::Reverse(piece.tokens), piece.at));
    let mut packs: Vec<(usize, usize, Vec<Piece>)> = Vec::new();
    for (time, piece) in order.into_iter().enumerate() {
        let fitting = packs.iter_mut().filter(|(room, ..)| *room >= piece.tokens);
        // Of those with the same room the one that has had it longest.
        match fitting.min_by_key(|(room, since, _)| (*room, *since)) {
            Some((room, since, pack)) => {
                *room -= piece.tokens;
                *since = time;
                pack.push(*piece);
            }
            None => packs.push((length - piece.tokens, time, vec![*piece])),
        }
    }
    let mut packs: Vec<Vec<Piece>> = packs.into_iter().map(|(_, _, pack)| pack).collect();
    packs.iter_mut().for_each(|pack| pack.sort_by_key(|piece| piece.at));
    packs.sort_by_key(|pack| pack[0].at);
    packs
}

#[test]
fn best_fit_is_what_trying_all_sequences_gives() {
    for seed in 0..50_u64 {
        let draw = |place: u64| xxhash_rust::xxh3::xxh3_64_with_seed(&place.to_le_bytes(), seed) as usize;
        let length = 1 + draw(0) % 60;
        let lengths: Vec<usize> = (1..200).map(|place| 1 + draw(place) % length).collect();
        let pieces = pieces(&lengths);
        assert_eq!(best_fit(&pieces, length), slow_best_fit(&pieces, length), "seed {seed}");
    }
}
