//! Joining neighbours: in a small array for short segments, with a queue for long ones and for whole texts.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::bpe::Joins;
use crate::symbols::Symbols;
use crate::unigram::UNKNOWN;
use crate::words::first_character;

/// Segments of more characters are joined with a queue.
const SHORT: usize = 48;
/// How deep unused pieces are taken apart before one is given after all, as the C++ library does.
const MAX_DEPTH: usize = 100;
/// The priority of neighbours that cannot be joined: below that of any score, as no score is this NaN.
const NEVER: u32 = 0;

/// Arrays for one segment.
#[derive(Clone, Debug, Default)]
pub(crate) struct MergeScratch {
    symbols: Vec<Symbol>,
    long: Vec<Linked>,
    queue: BinaryHeap<(u32, Reverse<usize>)>,
}

/// A symbol of a short segment, and what joining it to the next one gives.
#[derive(Clone, Copy, Debug)]
struct Symbol {
    start: u32,
    /// The id of the symbol, if it came from joining.
    id: u32,
    joined: u32,
    priority: u32,
}

/// A symbol of a long text, in a list.
#[derive(Clone, Copy, Debug)]
struct Linked {
    start: usize,
    /// 0 after it was joined to the one before it.
    length: usize,
    previous: usize,
    next: usize,
    /// A user-defined symbol.
    frozen: bool,
    /// The id of the symbol, if it came from joining or is frozen.
    id: u32,
    joined: u32,
    priority: u32,
}

/// No symbol, or no id.
const NONE: usize = usize::MAX;

/// Appends the ids of a segment without user-defined symbols, for models without unused pieces.
pub(crate) fn segment(joins: &Joins<'_>, segment: &str, scratch: &mut MergeScratch, ids: &mut Vec<u32>) {
    let symbols = &mut scratch.symbols;
    symbols.clear();
    let one = |(start, _)| Symbol { start: start as u32, id: UNKNOWN, joined: UNKNOWN, priority: NEVER };
    symbols.extend(segment.char_indices().take(SHORT + 1).map(one));
    if symbols.len() > SHORT {
        let long = &mut scratch.long;
        long.clear();
        long.extend(segment.char_indices().map(|(start, character)| Linked::new(start, character.len_utf8())));
        join_with_queue(joins, segment, long, &mut scratch.queue, |_, _| {});
        give(long, |symbol| {
            ids.push(symbol_id(joins, &segment[symbol.start..symbol.start + symbol.length], symbol.id))
        });
        return;
    }
    let bytes = segment.as_bytes();
    let end_of = |symbols: &[Symbol], at: usize| symbols.get(at + 1).map_or(bytes.len(), |next| next.start as usize);
    let look_up = |symbols: &mut [Symbol], at: usize| {
        let (joined, priority) = match symbols.get(at + 1) {
            Some(_) => {
                joins.join(&bytes[symbols[at].start as usize..end_of(symbols, at + 1)]).unwrap_or((UNKNOWN, NEVER))
            }
            None => (UNKNOWN, NEVER),
        };
        (symbols[at].joined, symbols[at].priority) = (joined, priority);
    };
    for at in 0..symbols.len() {
        look_up(symbols, at);
    }
    loop {
        let mut best = 0;
        for at in 1..symbols.len() {
            if symbols[at].priority > symbols[best].priority {
                best = at;
            }
        }
        if symbols[best].joined == UNKNOWN {
            break;
        }
        symbols[best].id = symbols[best].joined;
        symbols.remove(best + 1);
        look_up(symbols, best);
        if best > 0 {
            look_up(symbols, best - 1);
        }
    }
    for at in 0..symbols.len() {
        ids.push(symbol_id(joins, &segment[symbols[at].start as usize..end_of(symbols, at)], symbols[at].id));
    }
}

fn symbol_id(joins: &Joins<'_>, text: &str, id: u32) -> u32 {
    if id == UNKNOWN { joins.give(text.as_bytes()) } else { id }
}

impl Linked {
    fn new(start: usize, length: usize) -> Self {
        Self { start, length, previous: NONE, next: NONE, frozen: false, id: UNKNOWN, joined: UNKNOWN, priority: NEVER }
    }
}

/// Joins all that can be joined; `seen` is told the joined piece and the length of its first part whenever two
/// neighbours could be joined, whether they then are or not.
fn join_with_queue(
    joins: &Joins<'_>,
    text: &str,
    symbols: &mut [Linked],
    queue: &mut BinaryHeap<(u32, Reverse<usize>)>,
    mut seen: impl FnMut(u32, usize),
) {
    let bytes = text.as_bytes();
    let count = symbols.len();
    for (at, symbol) in symbols.iter_mut().enumerate() {
        symbol.previous = at.checked_sub(1).unwrap_or(NONE);
        symbol.next = if at + 1 < count { at + 1 } else { NONE };
    }
    let mut look_up = |symbols: &mut [Linked], at: usize| -> Option<(u32, Reverse<usize>)> {
        let left = symbols[at];
        let joined = symbols.get(left.next).filter(|right| !left.frozen && !right.frozen);
        let joined = joined.and_then(|right| joins.join(&bytes[left.start..right.start + right.length]));
        (symbols[at].joined, symbols[at].priority) = joined.unwrap_or((UNKNOWN, NEVER));
        let (id, priority) = joined?;
        seen(id, left.length);
        Some((priority, Reverse(at)))
    };
    queue.clear();
    queue.extend((0..count).filter_map(|at| look_up(symbols, at)));
    while let Some((priority, Reverse(at))) = queue.pop() {
        let left = symbols[at];
        // An entry counts if the neighbours it was made for are still there, or others with the same priority, whose
        // own entry would come next.
        if left.length == 0 || left.joined == UNKNOWN || left.priority != priority {
            continue;
        }
        let right = symbols[left.next];
        symbols[left.next].length = 0;
        symbols[at] = Linked { length: left.length + right.length, next: right.next, id: left.joined, ..left };
        if let Some(next) = symbols.get_mut(right.next) {
            next.previous = at;
        }
        // The left neighbour first: of equal pieces, the one seen last says how it is taken apart.
        if left.previous != NONE {
            queue.extend(look_up(symbols, left.previous));
        }
        queue.extend(look_up(symbols, at));
    }
}

fn give(symbols: &[Linked], each: impl FnMut(&Linked)) {
    symbols.iter().filter(|symbol| symbol.length > 0).for_each(each);
}

/// Appends the ids of a text's pieces, for models with unused pieces.
pub(crate) fn whole_text(joins: &Joins<'_>, user_defined: &Symbols, text: &str, ids: &mut Vec<u32>) {
    let mut symbols = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let mut symbol = Linked::new(at, first_character(&text[at..]));
        if let Some((length, id)) = user_defined.longest(&text.as_bytes()[at..]) {
            symbol = Linked { frozen: true, length, id, ..symbol };
        }
        at += symbol.length;
        symbols.push(symbol);
    }
    // Where each unused piece is taken apart.
    let mut parts = HashMap::new();
    join_with_queue(joins, text, &mut symbols, &mut BinaryHeap::new(), |id, first| {
        if joins.is_unused(id) {
            parts.insert(id, first);
        }
    });
    give(&symbols, |symbol| take_apart(joins, &parts, &text[symbol.start..symbol.start + symbol.length], ids));
}

fn take_apart(joins: &Joins<'_>, parts: &HashMap<u32, usize>, piece: &str, ids: &mut Vec<u32>) {
    // Texts still to be given, the next one last, and how often they were taken apart.
    let mut todo = vec![(piece, 0)];
    while let Some((piece, depth)) = todo.pop() {
        let id = joins.give(piece.as_bytes());
        if id == UNKNOWN || depth > MAX_DEPTH || !joins.is_unused(id) {
            ids.push(id);
            continue;
        }
        match parts.get(&id).and_then(|&first| piece.split_at_checked(first)) {
            Some((first, second)) => todo.extend([(second, depth + 1), (first, depth + 1)]),
            None => ids.push(UNKNOWN),
        }
    }
}
