//! A set of documents that numbers its members: one bit for each document of the corpus, near enough.

use std::collections::HashMap;

/// Documents whose ids differ in these lower bits share a page. Ids count up within a file, so pages fill well.
const PAGE_BITS: u32 = 12;
const WORDS: usize = 1 << (PAGE_BITS - 6);

type Page = [u64; WORDS];

/// A set being filled, in any order.
#[derive(Default)]
pub(crate) struct DocumentSet {
    pages: HashMap<u64, Box<Page>>,
}

impl DocumentSet {
    pub(crate) fn insert(&mut self, doc_id: u64) {
        let page = self.pages.entry(doc_id >> PAGE_BITS).or_insert_with(|| Box::new([0; WORDS]));
        let (word, bit) = place(doc_id);
        page[word] |= bit;
    }

    pub(crate) fn contains(&self, doc_id: u64) -> bool {
        let (word, bit) = place(doc_id);
        self.pages.get(&(doc_id >> PAGE_BITS)).is_some_and(|page| page[word] & bit != 0)
    }

    /// Counts the members: O(pages).
    pub(crate) fn len(&self) -> u64 {
        self.pages.values().map(|page| members(page)).sum()
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        self.pages.len() as u64 * (size_of::<Page>() + 64) as u64
    }

    /// The set, closed, with its members numbered from 0 in the order of their ids.
    pub(crate) fn numbered(self) -> NumberedDocuments {
        let mut pages: Vec<_> = self.pages.into_iter().collect();
        pages.sort_unstable_by_key(|&(number, _)| number);
        let mut members = 0;
        let pages = pages
            .into_iter()
            .map(|(number, bits)| {
                let first = members;
                members += self::members(&bits);
                NumberedPage { number, first, bits }
            })
            .collect();
        NumberedDocuments { pages, members }
    }
}

fn members(page: &Page) -> u64 {
    page.iter().map(|word| u64::from(word.count_ones())).sum()
}

/// The word and the bit of a document within its page.
fn place(doc_id: u64) -> (usize, u64) {
    ((doc_id >> 6) as usize % WORDS, 1 << (doc_id % 64))
}

/// A closed set of documents, numbered in the order of their ids.
pub(crate) struct NumberedDocuments {
    pages: Vec<NumberedPage>,
    members: u64,
}

struct NumberedPage {
    /// The upper bits of the ids.
    number: u64,
    /// The number of the first member.
    first: u64,
    bits: Box<Page>,
}

impl NumberedDocuments {
    pub(crate) fn len(&self) -> u64 {
        self.members
    }

    /// The number of a member.
    ///
    /// # Panics
    /// If the document's page is not in the set.
    pub(crate) fn number(&self, doc_id: u64) -> u64 {
        let page = self.pages.binary_search_by_key(&(doc_id >> PAGE_BITS), |page| page.number);
        let page = &self.pages[page.expect("only members are asked for")];
        let (word, bit) = place(doc_id);
        let before: u32 = page.bits[..word].iter().map(|word| word.count_ones()).sum();
        page.first + u64::from(before + (page.bits[word] & (bit - 1)).count_ones())
    }

    /// The member of this number.
    ///
    /// # Panics
    /// If there are not so many members.
    pub(crate) fn doc_id(&self, number: u64) -> u64 {
        let page = &self.pages[self.pages.partition_point(|page| page.first <= number) - 1];
        let mut left = (number - page.first) as u32;
        for (at, &word) in page.bits.iter().enumerate() {
            if left < word.count_ones() {
                return page.number << PAGE_BITS | (at as u64) << 6 | nth_bit(word, left);
            }
            left -= word.count_ones();
        }
        panic!("member {number} of {}", self.members)
    }

    /// All members, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> {
        self.pages.iter().flat_map(|page| {
            page.bits.iter().zip(0_u64..).flat_map(move |(&word, at)| {
                (0..word.count_ones()).map(move |n| page.number << PAGE_BITS | at << 6 | nth_bit(word, n))
            })
        })
    }
}

/// Where the `n`th set bit of a word stands.
fn nth_bit(mut word: u64, n: u32) -> u64 {
    (0..n).for_each(|_| word &= word - 1);
    word.trailing_zeros().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn members_are_numbered_in_the_order_of_their_ids() {
        let ids: Vec<u64> =
            (0..20_000_u64).map(|n| (n % 3) << 32 | (n * n * 7919 % 30_011)).chain([u64::MAX, 0]).collect();
        let expected: BTreeSet<u64> = ids.iter().copied().collect();
        let mut set = DocumentSet::default();
        ids.iter().for_each(|&id| set.insert(id));
        let numbered = set.numbered();
        assert_eq!(numbered.len(), expected.len() as u64);
        assert!(numbered.iter().eq(expected.iter().copied()));
        for (&id, number) in expected.iter().zip(0..) {
            assert_eq!((numbered.number(id), numbered.doc_id(number)), (number, id));
        }
    }
}
