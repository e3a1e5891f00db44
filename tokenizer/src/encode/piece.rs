//! One piece to ids.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Work;
use super::backtrack::Backtrack;
use super::cache::{ID_BITS, Key, LONG_BYTES, SHORT_BYTES, ShortPlace};
use super::characters::BLOCK;
use super::cuts::{Cuts, character_bytes, hash, is_lead};
use super::merge::Merges;
use super::output::{Output, Sink};
use super::tree::Tree;
use crate::hash::FixedHash;

/// Pieces of more bytes than this are cut into segments where they can be: more than one character of three bytes.
const UNCUT_BYTES: usize = 3;

/// Pieces that wait at a time.
const QUEUE: usize = 16;

/// Pieces and segments whose lines of the cache are being fetched.
#[derive(Default)]
pub(crate) struct Queue {
    places: [Waiting; QUEUE],
    filled: usize,
}

/// The piece or segment `start..end` of a text.
#[derive(Clone, Copy, Default)]
struct Waiting {
    /// If it is short.
    key: Key<2>,
    place: ShortPlace,
    start: usize,
    end: usize,
    tag: u8,
}

impl Waiting {
    #[inline]
    fn new(start: usize, end: usize, tag: u8) -> Self {
        Self { start, end, tag, ..Self::default() }
    }
}

/// The next tokenizer's number.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A vocabulary with its merges.
pub(crate) struct Bpe {
    /// Tells the caches of two vocabularies apart.
    number: u64,
    encoder: Encoder,
    cuts: Cuts,
    /// Tokens that merges do not lead to, but which a piece becomes all the same if it is one of them.
    whole: HashMap<Box<[u8]>, u32, FixedHash>,
    longest_whole: usize,
    /// Of a segment in the cache: 1 if a whole piece of the same bytes may have another token.
    segment_tag: u8,
    /// Bytes of each token, by id.
    lengths: Box<[u32]>,
}

enum Encoder {
    Backtrack(Box<Backtrack>),
    Merges(Box<Merges>),
}

impl Bpe {
    /// From the ids of the bytes, the rules `(left, right, product)` in rank order (a pair that comes twice has its
    /// last rank, as with `tokenizers`), and the bytes of all tokens that are bytes, each there once. With
    /// `ignore_merges` a piece that is a token becomes that token whatever the merges say, but for those in `barred`.
    /// `None` if an id has more than 29 bits.
    pub(crate) fn new(
        byte_ids: [u32; 256],
        merges: &[(u32, u32, u32)],
        mut tokens: Vec<(Box<[u8]>, u32)>,
        ignore_merges: bool,
        barred: impl Fn(u32) -> bool,
    ) -> Option<Self> {
        tokens.sort_unstable();
        let vocab_size = tokens.iter().map(|(_, id)| id + 1).max()?;
        if vocab_size >= 1 << ID_BITS {
            return None;
        }
        let mut lengths = vec![0; vocab_size as usize].into_boxed_slice();
        tokens.iter().for_each(|(bytes, id)| lengths[*id as usize] = bytes.len() as u32);
        let products: Vec<(&[u8], u32)>;
        let encoder = match Tree::new(&byte_ids, merges, vocab_size) {
            Some(tree) => {
                let made = tokens.iter().filter(|(_, id)| tree.is_made(*id));
                products = made.map(|(bytes, id)| (&**bytes, *id)).collect();
                Encoder::Backtrack(Box::new(Backtrack::new(tree, &products, vocab_size)?))
            }
            None => {
                let mut made = vec![false; vocab_size as usize];
                let ids = byte_ids.iter().copied().chain(merges.iter().map(|(_, _, product)| *product));
                ids.for_each(|id| made[id as usize] = true);
                products =
                    tokens.iter().filter(|(_, id)| made[*id as usize]).map(|(bytes, id)| (&**bytes, *id)).collect();
                Encoder::Merges(Box::new(Merges::new(byte_ids, merges)))
            }
        };
        let mut bpe = Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            cuts: Cuts::new(products.iter().map(|(bytes, _)| *bytes)),
            encoder,
            whole: HashMap::default(),
            longest_whole: 0,
            segment_tag: 0,
            lengths,
        };
        if ignore_merges {
            let mut work = Work::default();
            let candidates = tokens.iter().filter(|(bytes, id)| !bytes.is_empty() && !barred(*id));
            bpe.whole = candidates.filter(|(bytes, id)| bpe.merged(bytes, &mut work) != [*id]).cloned().collect();
            bpe.longest_whole = bpe.whole.keys().map(|bytes| bytes.len()).max().unwrap_or(0);
            bpe.segment_tag = u8::from(!bpe.whole.is_empty());
        }
        Some(bpe)
    }

    /// Tells it from others.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes of a token that bytes can become.
    pub(crate) fn token_bytes(&self, id: u32) -> u32 {
        self.lengths[id as usize]
    }

    /// What merging makes of some bytes.
    fn merged<'s>(&self, bytes: &[u8], work: &'s mut Work) -> &'s [u32] {
        match &self.encoder {
            Encoder::Backtrack(backtrack) => backtrack.encode(bytes, &mut work.way),
            Encoder::Merges(merges) => {
                work.way.ids.clear();
                merges.encode(bytes, &mut work.merging, &mut work.way.ids);
            }
        }
        &work.way.ids
    }

    /// The token a piece becomes whatever the merges say.
    #[inline]
    fn whole(&self, piece: &[u8]) -> Option<u32> {
        if piece.len() > self.longest_whole {
            return None;
        }
        self.whole.get(piece).copied()
    }

    /// Takes the piece `text[start..end]`, which is not empty. Its tokens are appended before long, and by
    /// [`finish`](Self::finish), which has to be called before another text is begun.
    #[inline]
    pub(crate) fn encode(
        &self,
        text: &[u8],
        start: usize,
        end: usize,
        work: &mut Work,
        output: &mut Output<'_, impl Sink>,
    ) {
        if end - start > UNCUT_BYTES && is_lead(text[start]) {
            return self.segments(text, start, end, work, output);
        }
        self.wait(text, Waiting::new(start, end, 0), work, output);
    }

    /// Cuts a piece where no token can lie across.
    fn segments(&self, text: &[u8], start: usize, end: usize, work: &mut Work, output: &mut Output<'_, impl Sink>) {
        if self.segment_tag == 1 && self.whole(&text[start..end]).is_some() {
            return self.wait(text, Waiting::new(start, end, 0), work, output);
        }
        let mut from = start;
        if let Encoder::Backtrack(backtrack) = &self.encoder {
            from = self.blocks(backtrack, text, start, end, work, output);
        }
        let mut at = from;
        while at < end {
            let next = at + character_bytes(text[at]);
            if next >= end {
                break;
            }
            if next - at == 3 && is_lead(text[next]) && !self.cuts.may_join(both(text, at)) {
                self.wait(text, Waiting::new(from, next, self.segment_tag), work, output);
                from = next;
            }
            at = next;
        }
        if from < end {
            self.wait(text, Waiting::new(from, end, self.segment_tag), work, output);
        }
    }

    /// As long as all characters have three bytes and segments are not too long, takes segments character by character.
    /// Where it came to.
    fn blocks(
        &self,
        backtrack: &Backtrack,
        text: &[u8],
        start: usize,
        end: usize,
        work: &mut Work,
        output: &mut Output<'_, impl Sink>,
    ) -> usize {
        let Backtrack { tree, characters, .. } = backtrack;
        let mut from = start;
        if !(end - start).is_multiple_of(3) {
            return from;
        }
        while from < end {
            if !work.block.take(&text[from..end]) {
                return from;
            }
            let count = ((end - from) / 3).min(BLOCK);
            // A bit for each border behind a character: whether a token may lie across, and one with a part of a character.
            let (mut joined, mut parts) = (0_u64, 0_u64);
            for at in 0..count.min((end - from) / 3 - 1) {
                let hash = hash(work.block.codes(at));
                let whole = self.cuts.may_join_whole(hash);
                characters.prefetch(hash, whole);
                joined |= u64::from(whole) << at;
                parts |= u64::from(self.cuts.may_join_parts(both(text, from + 3 * at))) << at;
            }
            joined |= parts;
            let mut done = 0;
            while done < count {
                let length = (!(joined >> done)).trailing_zeros() as usize + 1;
                let to = done + length;
                if to > count {
                    break;
                }
                let (start, end) = (from + 3 * done, from + 3 * to);
                let whole = parts >> done << (64 - length) == 0;
                let encoded = if whole { characters.encode(tree, &mut work.block, done, to) } else { None };
                match encoded {
                    Some(count) => {
                        if work.queue.filled > 0 {
                            self.finish(text, work, output);
                        }
                        match (count, &work.block.ids) {
                            (..=4, [one, two, three, four, ..]) => output.some([*one, *two, *three, *four], count),
                            (_, ids) => output.all(&ids[..count]),
                        }
                    }
                    None => self.wait(text, Waiting::new(start, end, self.segment_tag), work, output),
                }
                done = to;
            }
            if done == 0 {
                return from;
            }
            from += 3 * done;
        }
        from
    }

    /// Puts a piece or segment behind the others that wait, while its line of the cache is fetched.
    #[inline]
    fn wait(&self, text: &[u8], mut waiting: Waiting, work: &mut Work, output: &mut Output<'_, impl Sink>) {
        let length = waiting.end - waiting.start;
        if length <= SHORT_BYTES {
            waiting.key = Key::new(text, waiting.start, length, waiting.tag);
            waiting.place = work.cache.short_place(waiting.key);
        }
        work.queue.places[work.queue.filled % QUEUE] = waiting;
        work.queue.filled += 1;
        if work.queue.filled == QUEUE {
            self.finish(text, work, output);
        }
    }

    /// Appends the tokens of what waits.
    #[inline(never)]
    pub(crate) fn finish(&self, text: &[u8], work: &mut Work, output: &mut Output<'_, impl Sink>) {
        for at in 0..std::mem::take(&mut work.queue.filled).min(QUEUE) {
            let Waiting { key, place, start, end, tag } = work.queue.places[at];
            if end - start > SHORT_BYTES {
                self.longer(text, start, end, tag, work, output);
            } else if let Some(found) = work.cache.short(key, place) {
                output.some(found.ids, found.count);
            } else {
                self.new_ids(&text[start..end], tag, work, output);
                work.cache.keep_short(key, place, &work.way.ids);
            }
        }
    }

    #[inline(never)]
    fn longer(
        &self,
        text: &[u8],
        from: usize,
        to: usize,
        tag: u8,
        work: &mut Work,
        output: &mut Output<'_, impl Sink>,
    ) {
        if to - from > LONG_BYTES {
            return self.new_ids(&text[from..to], tag, work, output);
        }
        let key = Key::<4>::new(text, from, to - from, tag);
        if let Some(found) = work.cache.long(key) {
            return output.some(found.ids, found.count);
        }
        self.new_ids(&text[from..to], tag, work, output);
        work.cache.keep_long(key, &work.way.ids);
    }

    /// Appends the tokens of a piece (tag 0) or a segment that was not seen before; leaves them in `work.way.ids`.
    #[inline(never)]
    fn new_ids(&self, bytes: &[u8], tag: u8, work: &mut Work, output: &mut Output<'_, impl Sink>) {
        match self.whole(bytes) {
            Some(id) if tag == 0 => {
                work.way.ids.clear();
                work.way.ids.push(id);
            }
            _ => {
                self.merged(bytes, work);
            }
        }
        output.all(&work.way.ids);
    }
}

/// Two characters of three bytes each, in the lower six bytes; the upper two hold anything.
#[inline]
fn both(text: &[u8], at: usize) -> u64 {
    match text[at..].first_chunk::<8>() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => {
            let mut bytes = [0; 8];
            bytes[..6].copy_from_slice(&text[at..at + 6]);
            u64::from_le_bytes(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scratch;
    use super::*;
    use crate::encode::made_up::Vocabulary;
    use crate::encode::merge::Merging;
    use crate::hash::mix;

    /// Vocabularies of random rules over the bytes of a few characters, most of them of three bytes: whole characters and
    /// parts of them, tokens within characters and across. Runs of all lengths, also beyond a block, give what merging
    /// byte by byte gives.
    #[test]
    fn runs_of_characters_are_what_merging_gives() {
        let byte_ids: [u32; 256] = std::array::from_fn(|byte| byte as u32);
        let mut state = 11_u64;
        let mut below = |end: usize| {
            state = mix(state);
            (state >> 20) as usize % end
        };
        let characters = ["中", "丰", "文", "字", "の", "ア", "한", "é", "a", "𠀀"];
        let (mut in_order, mut by_characters) = (0, 0);
        for round in 0..300 {
            let of_three = 2 + round % 6;
            let mut vocabulary = Vocabulary::new();
            // Most characters are tokens from the beginning.
            for character in &characters[..of_three] {
                if below(5) > 0 {
                    let bytes = character.as_bytes();
                    let begun = vocabulary.rule(u32::from(bytes[0]), u32::from(bytes[1]));
                    vocabulary.rule(begun, u32::from(bytes[2]));
                }
            }
            let wanted = vocabulary.merges.len() + 3 + round % 60;
            let with_parts = round % 3 == 0;
            while vocabulary.merges.len() < wanted {
                let names = &vocabulary.names;
                let mut part = || loop {
                    let character = characters[below(of_three)].as_bytes();
                    let id = match below(2 * names.len()) {
                        id if (256..names.len()).contains(&id) => id,
                        _ => usize::from(character[below(3)]),
                    };
                    if with_parts || std::str::from_utf8(&names[id]).is_ok() {
                        return id as u32;
                    }
                    if names.len() < 260 || below(20) == 0 {
                        return u32::from(character[below(3)]);
                    }
                };
                let (left, right) = (part(), part());
                vocabulary.rule(left, right);
            }
            let Vocabulary { names, merges } = vocabulary;
            let slow = Merges::new(byte_ids, &merges);
            let tokens = names.iter().map(|name| name.clone().into_boxed_slice()).zip(0..).collect();
            let bpe = Bpe::new(byte_ids, &merges, tokens, false, |_| false).unwrap();
            in_order += usize::from(matches!(bpe.encoder, Encoder::Backtrack(_)));
            let (mut scratch, mut merging, mut expected, mut ids) =
                (Scratch::default(), Merging::default(), Vec::new(), Vec::new());
            for length in (1..40).chain([63, 64, 65, 66, 130, 300]) {
                let rare = below(4) == 0;
                let piece: String = (0..length)
                    .map(|_| characters[if rare { below(characters.len()) } else { below(of_three) }])
                    .collect();
                expected.clear();
                slow.encode(piece.as_bytes(), &mut merging, &mut expected);
                ids.clear();
                let Scratch { work, buffer, .. } = &mut scratch;
                work.prepare(bpe.number());
                let mut output = Output::new(buffer, &mut ids);
                bpe.encode(piece.as_bytes(), 0, piece.len(), work, &mut output);
                by_characters += usize::from(work.queue.filled == 0);
                bpe.finish(piece.as_bytes(), work, &mut output);
                output.flush();
                assert_eq!(ids, expected, "{piece} of {merges:?}");
            }
        }
        assert!(in_order > 150, "{in_order} of 300 are in order");
        assert!(by_characters > 1000, "{by_characters} runs were taken character by character");
    }
}
