//! How much of a text the entries of a list make up, and how close together they stand.

use std::collections::VecDeque;

use super::word_list::{Hit, WordList};
use crate::words::Words;

/// How much of a text is entries of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Coverage {
    /// How often an entry stands in the text.
    pub hits: usize,
    /// How many characters they take.
    pub hit_chars: usize,
    /// All characters but white space; 0 where there was no hit.
    pub chars: usize,
}

impl Coverage {
    /// Counts in one walk over the text.
    pub fn of<'w>(list: &WordList, text: &str, words: impl Fn() -> &'w Words) -> Self {
        let mut coverage = Self::default();
        list.find(text, words, |hit| {
            coverage.hits += 1;
            coverage.hit_chars += visible_chars(&text[hit.start..hit.end]);
        });
        // A text without a hit needs no length.
        if coverage.hits > 0 {
            coverage.chars = visible_chars(text);
        }
        coverage
    }

    /// The share of characters, in [0, 1], that belong to a hit.
    pub fn fraction(&self) -> f64 {
        if self.chars == 0 { 0.0 } else { self.hit_chars as f64 / self.chars as f64 }
    }
}

/// How many of the text's words, of those that count, are entries of the list or part of one.
pub fn words_in_entries(list: &WordList, text: &str, words: &Words, counts: impl Fn(&str) -> bool) -> usize {
    let spans = words.spans();
    let (mut next, mut inside) = (0, 0);
    list.find(
        text,
        || words,
        |hit| {
            next += spans[next..].partition_point(|span| (span.start as usize) < hit.start);
            let length = spans[next..].partition_point(|span| span.end as usize <= hit.end);
            inside += spans[next..next + length].iter().filter(|span| counts(&text[span.range()])).count();
            next += length;
        },
    );
    inside
}

/// How densely the entries of each category stand, those counted that stand close together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Density {
    /// By category, the sum of the weights of hits that stand in a cluster.
    pub clustered: Vec<f64>,
    /// Characters of the text; 0 where there is no cluster.
    pub chars: usize,
}

/// What makes a cluster: different entries of one category that weigh enough within so many characters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cluster {
    /// How long the window is.
    pub window_chars: usize,
    /// How much different entries in it must weigh.
    pub weight: f64,
}

/// The hits of one category that are within one window: place in characters, entry, weight.
#[derive(Default)]
struct Window {
    hits: VecDeque<(usize, u32, f64)>,
    /// What the different entries among them weigh.
    weight: f64,
    /// How many of them, from the first on, are known to be in a cluster.
    clustered: usize,
}

impl Window {
    /// Takes in a hit; the weight of the hits that are now known to be in a cluster and were not before.
    fn add(&mut self, place: usize, hit: &Hit, cluster: Cluster) -> f64 {
        while self.hits.front().is_some_and(|&(first, ..)| first + cluster.window_chars <= place) {
            if let Some((_, entry, weight)) = self.hits.pop_front() {
                self.weight -= if self.holds(entry) { 0.0 } else { weight };
                self.clustered = self.clustered.saturating_sub(1);
            }
        }
        let weight = f64::from(hit.weight);
        self.weight += if self.holds(hit.entry) { 0.0 } else { weight };
        self.hits.push_back((place, hit.entry, weight));
        // Weights are sums of short decimals: what is equal on paper shall be equal here.
        if self.weight < cluster.weight - 1e-6 {
            return 0.0;
        }
        let new = self.hits.range(self.clustered..).map(|&(_, _, weight)| weight).sum();
        self.clustered = self.hits.len();
        new
    }

    fn holds(&self, entry: u32) -> bool {
        self.hits.iter().any(|&(_, other, _)| other == entry)
    }
}

impl Density {
    /// Counts the hits of `categories` categories in one walk.
    pub fn of<'w>(
        list: &WordList,
        text: &str,
        words: impl Fn() -> &'w Words,
        categories: usize,
        cluster: Cluster,
    ) -> Self {
        let mut density = Self { clustered: vec![0.0; categories], chars: 0 };
        let mut windows: Vec<Window> = Vec::new();
        let (mut place, mut done) = (0, 0);
        let may_matter = |hits: &mut dyn Iterator<Item = (f32, u16, usize)>| may_cluster(hits, categories, cluster);
        list.find_if(text, may_matter, words, |hit| {
            windows.resize_with(categories, Window::default);
            place += text[done..hit.start].chars().count();
            done = hit.start;
            let category = usize::from(hit.category);
            density.clustered[category] += windows[category].add(place, &hit, cluster);
        });
        if density.clustered.iter().any(|weight| *weight > 0.0) {
            density.chars = place + text[done..].chars().count();
        }
        density
    }

    /// The weights of a category's clustered hits for each thousand characters.
    pub fn per_1000_chars(&self, category: usize) -> f64 {
        if self.chars == 0 { 0.0 } else { self.clustered[category] * 1000.0 / self.chars as f64 }
    }
}

/// Whether any window can weigh enough, if all that may be a hit is one. A character takes at most four bytes.
fn may_cluster(hits: &mut dyn Iterator<Item = (f32, u16, usize)>, categories: usize, cluster: Cluster) -> bool {
    let mut windows: Vec<(VecDeque<(usize, f64)>, f64)> = vec![(VecDeque::new(), 0.0); categories];
    for (weight, category, place) in hits {
        let (window, sum) = &mut windows[usize::from(category)];
        while let Some(&(first, weight)) = window.front()
            && first + 4 * cluster.window_chars <= place
        {
            *sum -= weight;
            window.pop_front();
        }
        window.push_back((place, f64::from(weight)));
        *sum += f64::from(weight);
        if *sum >= cluster.weight - 1e-3 {
            return true;
        }
    }
    false
}

/// Characters that are not white space.
fn visible_chars(text: &str) -> usize {
    let bytes = text.as_bytes();
    let continued = crate::words::count(bytes, |byte| byte & 0xC0 == 0x80);
    let white = crate::words::count(bytes, |byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r'));
    let ideographic = memchr::memmem::find_iter(bytes, "\u{3000}").count();
    bytes.len() - continued - white - ideographic
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists::{Matching, entries};
    use crate::words::Language;

    const MATCHING: Matching = Matching { disguised: false, check_words_chars: 2 };

    fn list(text: &str) -> WordList {
        WordList::new(&entries(text, 0).expect("a list"), MATCHING).expect("built")
    }

    #[test]
    fn coverage_counts_characters_of_every_script_alike() {
        let (list, words) = (list("bad word\n坏话"), Words::of_spans(Vec::new(), Language::ENGLISH));
        for (text, fraction) in [("a bad word", 7.0 / 8.0), ("说坏话　了 ", 0.5), ("nothing", 0.0), ("", 0.0)] {
            assert_eq!(Coverage::of(&list, text, || &words).fraction(), fraction, "{text}");
        }
    }

    #[test]
    fn words_of_a_phrase_all_count() {
        let list = list("bad word\nworse\nno-no");
        let text = "No bad word, no worse no-no.";
        let words = Words::of_text(text, Language::ENGLISH);
        assert_eq!(words_in_entries(&list, text, &words, |_| true), 6);
        assert_eq!(words_in_entries(&list, text, &words, |word| word != "-"), 5);
    }

    #[test]
    fn a_cluster_is_different_entries_close_together() {
        let mut both = entries("one\t2\ntwo", 0).expect("a list");
        both.extend(entries("three", 1).expect("a list"));
        let list = WordList::new(&both, MATCHING).expect("built");
        let words = Words::of_spans(Vec::new(), Language::ENGLISH);
        let cluster = Cluster { window_chars: 10, weight: 3.0 };
        let density = |text: &str| Density::of(&list, text, || &words, 2, cluster);
        let close = density("one two one three");
        assert_eq!(close.clustered, [5.0, 0.0]);
        assert_eq!(close.per_1000_chars(0), 5000.0 / 17.0);
        assert_eq!(density("one one one          two").clustered[0], 0.0);
        assert_eq!(density("one          one two          two").clustered[0], 3.0);
        assert_eq!(density("nothing").chars, 0);
    }
}
