//! Text as it was before software garbled it: mojibake, HTML entities, leftover tags, unreadable characters.
//!
//! Sources: the Encoding Standard (encoding.spec.whatwg.org) for what wrong decoders do, the HTML Standard for
//! entities and elements. What is not certain stays as it is; how often real garbled text comes back, and that
//! clean text never changes, is in `tests/fixtures/repair/MEASUREMENTS.md`. Reads and rewrites `text`. Belongs
//! before `normalize`, which removes characters that garbled text still needs (U+00AD, U+00A0, C1 controls).

mod charset;
mod gbk;
mod junk;
mod legacy;
mod markup;
mod plausible;
mod scan;
mod single_byte;

use std::borrow::Cow;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Batch, Detail, Document, Finding, Reason, Result, Stage, Verdict};

use scan::{Suspicions, scan};

/// Repairs what software did to texts: bytes read in the wrong encoding, HTML left in, unreadable characters.
///
/// Repairs are made only where they are certain; what was lost for good is counted. Documents with too much of it
/// are dropped as `garbled_text`, those that end empty as `empty_text`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RepairText {
    /// UTF-8 that was read as Windows-1252 or Latin-1, up to three times over: Ã© becomes é, â€™ becomes ’.
    /// Default true.
    pub utf8_as_latin1: bool,
    /// UTF-8 that was read as Windows-1251: РџСЂРёРІРµС‚ becomes Привет. Default true.
    pub utf8_as_windows_1251: bool,
    /// UTF-8 that was read as GBK or GB18030: 涓枃 becomes 中文. A character that lost a byte, as those at the
    /// end of a run do half of the time, becomes U+FFFD. Default true.
    pub utf8_as_gbk: bool,
    /// GBK, Big5, Shift-JIS, EUC-JP and EUC-KR that were read as Latin-1: ÖÐÎÄ becomes 中文. Default true.
    pub legacy_as_latin1: bool,
    /// Decodes HTML entities that end in a semicolon, `&amp;amp;` twice. Not in code: between Markdown's fences or
    /// back-ticks, in lines indented by a tab or four spaces. Default true. Source: HTML Standard, section 13.5.
    pub html_entities: bool,
    /// Removes tags of HTML's own elements, comments, scripts and style sheets; those that begin or end a block
    /// become a line break, `用户<rt>user</rt>` becomes 用户（user）, `10<sup>5</sup>` becomes 10⁵. Not in code, and
    /// not what may be text: `a < b`, `Vec<T>`, `<n>`, "the `<div>` element". Default true. Source: HTML Standard,
    /// section 4.
    pub html_tags: bool,
    /// Removes private-use characters, which mean something in one font only: icons of web pages, mostly.
    /// Default true.
    pub remove_private_use: bool,
    /// Removes runs of three or more boxes (□, ■), which stand for characters that a font did not have.
    /// Default true.
    pub remove_boxes: bool,
    /// Greatest fraction of characters, in [0, 1], that are lost for good: U+FFFD, 锟斤拷 (which is U+FFFD read
    /// as GBK), 烫烫烫 and 屯屯屯 (memory nobody wrote to). Default 0.05; 1 keeps all documents.
    pub max_unrepairable_fraction: f64,
}

impl Default for RepairText {
    fn default() -> Self {
        Self {
            utf8_as_latin1: true,
            utf8_as_windows_1251: true,
            utf8_as_gbk: true,
            legacy_as_latin1: true,
            html_entities: true,
            html_tags: true,
            remove_private_use: true,
            remove_boxes: true,
            max_unrepairable_fraction: 0.05,
        }
    }
}

/// A text repaired.
#[derive(Clone, Debug, PartialEq)]
pub struct Repaired<'a> {
    /// The text; borrowed where nothing had to change.
    pub text: Cow<'a, str>,
    /// The kinds of repairs made, in the order they were made: `utf8_as_gbk`, `html_tags`…
    pub kinds: Vec<&'static str>,
    /// Characters that are lost for good.
    pub unrepairable: usize,
}

impl RepairText {
    /// The text repaired, and what was done to it.
    ///
    /// Cost: one walk over the bytes for a text that shows nothing suspicious.
    ///
    /// # Example
    /// ```
    /// let repair = yuan_filters::RepairText::default();
    /// let repaired = repair.repair("Itâ€™s <b>here</b> &amp; now");
    /// assert_eq!(repaired.text, "It’s here & now");
    /// assert_eq!(repaired.kinds, ["html_tags", "html_entities", "utf8_as_latin1"]);
    /// ```
    pub fn repair<'a>(&self, text: &'a str) -> Repaired<'a> {
        let mut repaired = Repaired { text: Cow::Borrowed(text), kinds: Vec::new(), unrepairable: 0 };
        let mut seen = scan(text);
        if seen.markup && self.html_tags {
            repaired.take("html_tags", markup::strip_tags(&repaired.text));
        }
        if seen.entity && self.html_entities && repaired.take("html_entities", markup::decode_entities(&repaired.text))
        {
            seen = Suspicions { markup: false, entity: false, ..scan(&repaired.text) };
        }
        if seen.latin
            && self.legacy_as_latin1
            && let Some((text, kind)) = legacy::repair(&repaired.text)
        {
            repaired.take(kind, Some(text));
        }
        if seen.latin && self.utf8_as_latin1 {
            repaired.take("utf8_as_latin1", single_byte::repair(&repaired.text, false));
        }
        if seen.cyrillic && self.utf8_as_windows_1251 {
            repaired.take("utf8_as_windows_1251", single_byte::repair(&repaired.text, true));
        }
        if (seen.han || !repaired.kinds.is_empty()) && self.utf8_as_gbk {
            repaired.take("utf8_as_gbk", gbk::repair(&repaired.text));
        }
        if seen.han_in_word && self.utf8_as_gbk {
            repaired.take("utf8_as_gbk", gbk::repair_letters(&repaired.text));
        }
        if seen.junk || !repaired.kinds.is_empty() {
            let (private, boxes) = (self.remove_private_use, self.remove_boxes);
            repaired.take("unreadable_characters", junk::remove(&repaired.text, private, boxes));
            repaired.unrepairable = junk::unrepairable(&repaired.text);
        }
        repaired
    }

    /// Whether a document stays with so many lost characters.
    pub fn judge(&self, repaired: &Repaired<'_>) -> Verdict {
        let fraction = unrepairable_fraction(repaired);
        match () {
            () if repaired.text.trim_start().is_empty() => {
                Verdict::Drop(Reason { code: "empty_text", detail: Detail::None })
            }
            () if fraction > self.max_unrepairable_fraction => {
                Verdict::drop("garbled_text", fraction, self.max_unrepairable_fraction)
            }
            () => Verdict::Keep,
        }
    }
}

/// Where UTF-8 was read as Windows-1252, Latin-1 or Windows-1251, in order: one range for each character that was.
///
/// Cost: one walk over the bytes for a text that shows nothing suspicious.
pub(crate) fn garbled_utf8(text: &str) -> Vec<Range<usize>> {
    let seen = scan(text);
    let mut places = if seen.latin { single_byte::places(text, false) } else { Vec::new() };
    if seen.cyrillic {
        places.extend(single_byte::places(text, true));
        places.sort_unstable_by_key(|place| place.start);
    }
    places
}

fn unrepairable_fraction(repaired: &Repaired<'_>) -> f64 {
    match repaired.unrepairable {
        0 => 0.0,
        lost => lost as f64 / repaired.text.chars().count() as f64,
    }
}

impl Repaired<'_> {
    /// Takes the outcome of one repair; false if there was nothing to do.
    fn take(&mut self, kind: &'static str, outcome: Option<String>) -> bool {
        let Some(text) = outcome else {
            return false;
        };
        self.text = Cow::Owned(text);
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
        true
    }
}

impl Stage for RepairText {
    fn process(&self, batch: Batch) -> Result<Batch> {
        let mut verdicts = vec![Verdict::Keep; batch.rows()];
        let mut counts: Vec<(&'static str, u64, u64)> = Vec::new();
        let mut count = |kind, bytes: usize| match counts.iter_mut().find(|count| count.0 == kind) {
            Some(count) => (count.1, count.2) = (count.1 + 1, count.2 + bytes as u64),
            None => counts.push((kind, 1, bytes as u64)),
        };
        let mut batch = batch.rewrite(|document| {
            let repaired = self.repair(document.text());
            verdicts[document.row()] = self.judge(&repaired);
            for kind in &repaired.kinds {
                count(*kind, document.text().len());
            }
            if repaired.unrepairable > 0 {
                count("unrepairable", document.text().len());
            }
            match repaired.text {
                Cow::Borrowed(_) => None,
                Cow::Owned(new) => Some(new),
            }
        })?;
        for (kind, documents, bytes) in counts {
            batch.tally("repair_text", kind, documents, bytes);
        }
        batch.judge(|document| std::mem::replace(&mut verdicts[document.row()], Verdict::Keep))
    }

    fn explain(&self, document: &Document<'_>) -> Vec<Finding> {
        let fraction = unrepairable_fraction(&self.repair(document.text()));
        vec![Finding {
            rule: "garbled_text",
            value: fraction,
            threshold: self.max_unrepairable_fraction,
            at_least: false,
            drops: fraction > self.max_unrepairable_fraction,
        }]
    }
}
