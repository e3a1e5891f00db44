//! URL filter: drops documents that come from listed sites, or whose address says what they are.
//!
//! Source: Penedo et al. 2023, arXiv:2306.01116 (RefinedWeb), appendix G.1, as defined by datatrove 0.10.1
//! (`URLFilter`). Reads the document's URL; adds nothing. Lists are the user's: UT1, EasyList and the like.
//! Cost: a few hash look-ups for each document, however long the lists.

mod address;
mod blocklist;
mod datatrove;
mod name_set;

use std::collections::HashSet;
use std::io::Read;
use std::path::PathBuf;

use aho_corasick::AhoCorasick;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use yuan_pipeline::{Batch, Detail, Document, Error, Finding, Reason, Result, Stage, Verdict};

use crate::lists::open;
use address::{Address, registrable};
use blocklist::Blocklist;
use datatrove::{DatatroveLists, normalize};

const LISTED_DOMAIN: &str = "listed_domain";
const LISTED_SUBDOMAIN: &str = "listed_subdomain";
const LISTED_URL: &str = "listed_url";
const BANNED_WORD: &str = "banned_url_word";
const SOFT_WORDS: &str = "soft_url_words";
const BANNED_SUBWORD: &str = "banned_url_subword";
const BANNED_SUBSTRING: &str = "banned_url_substring";

/// Drops documents by their URL: `listed_domain`, `listed_subdomain`, `listed_url`, `banned_url_word`,
/// `soft_url_words`, `banned_url_subword`, `banned_url_substring`, `missing_url`, checked in this order.
///
/// Hosts are compared without case, port, user name and final dot, and as `xn--` names; percent escapes are
/// resolved. A file may be plain, `.gz` or `.zst`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UrlFilterConfig {
    /// The field with the document's URL. Default `url`.
    pub url_field: String,
    /// What becomes of a document without a URL: `keep` (and count it) or `drop`. Default `keep`.
    pub missing_url: MissingUrl,
    /// Lists of blocked sites: a domain a line blocks it and all below it, an address with a path blocks it and
    /// all below it; `#` begins a comment. Also `hosts` files, AdBlock lists (rules such as `||ads.example^`
    /// that name a whole domain; exceptions `@@||ads.example^` are heeded, all other rules left out) and
    /// folders of UT1's layout, whose `domains` and `urls` are read. Default empty.
    pub block_files: Vec<PathBuf>,
    /// Further blocked domains and addresses. Default empty.
    pub block: Vec<String>,
    /// Lists of the same kinds whose sites stay whatever other lists and words say. Default empty.
    pub allow_files: Vec<PathBuf>,
    /// Further allowed domains and addresses. Default empty.
    pub allow: Vec<String>,
    /// Words of which one in the URL is enough. A word stands between characters that are no letters or digits.
    /// Default empty.
    pub banned_words: Vec<String>,
    /// Files of such words, one a line. Default empty.
    pub banned_word_files: Vec<PathBuf>,
    /// Words of which `min_soft_words` different ones in the URL are enough. Default empty.
    pub soft_words: Vec<String>,
    /// Files of such words. Default empty.
    pub soft_word_files: Vec<PathBuf>,
    /// How many different soft words drop a document. Default 2 (datatrove).
    pub min_soft_words: usize,
    /// Words that must not occur even inside others, once all but letters and digits is left out. Default empty.
    pub banned_subwords: Vec<String>,
    /// Files of such words. Default empty.
    pub banned_subword_files: Vec<PathBuf>,
    /// Strings that must not occur anywhere in the URL: `/casino/`, `.xxx/`. Default empty.
    pub banned_substrings: Vec<String>,
    /// `datatrove` for `URLFilter` with these lists: only the registrable domain and the whole host are looked
    /// up, letter for letter; words in the URL keep their case; `allow` and `banned_substrings` are left
    /// aside. Its `domain`, `subdomain`, `url`, `hard_blacklisted`, `soft_blacklisted` and `blacklisted_subword`
    /// are the first six reasons above, in this order. Default `none`.
    pub compat: UrlCompat,
}

/// What becomes of a document without a URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingUrl {
    /// It stays and is counted as `missing_url`.
    #[default]
    Keep,
    /// It goes, as `missing_url`.
    Drop,
}

/// Whose definition of the URL filter is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UrlCompat {
    /// Ours.
    #[default]
    None,
    /// datatrove's `URLFilter`.
    Datatrove,
}

impl Default for UrlFilterConfig {
    fn default() -> Self {
        Self {
            url_field: "url".into(),
            missing_url: MissingUrl::Keep,
            block_files: Vec::new(),
            block: Vec::new(),
            allow_files: Vec::new(),
            allow: Vec::new(),
            banned_words: Vec::new(),
            banned_word_files: Vec::new(),
            soft_words: Vec::new(),
            soft_word_files: Vec::new(),
            min_soft_words: 2,
            banned_subwords: Vec::new(),
            banned_subword_files: Vec::new(),
            banned_substrings: Vec::new(),
            compat: UrlCompat::None,
        }
    }
}

/// The stage: the lists, ready to look up.
pub struct UrlFilter {
    url_field: String,
    missing_url: MissingUrl,
    lists: Lists,
}

enum Lists {
    Ours(Box<OurLists>),
    Datatrove(Box<DatatroveLists>),
}

struct OurLists {
    blocked: Blocklist,
    allowed: Blocklist,
    banned_words: HashSet<String>,
    soft_words: HashSet<String>,
    min_soft_words: usize,
    subwords: Option<AhoCorasick>,
    substrings: Option<AhoCorasick>,
}

impl UrlFilterConfig {
    /// Reads the lists.
    ///
    /// # Errors
    /// If a file cannot be read, or nothing at all is listed.
    pub fn build(self) -> Result<UrlFilter> {
        let words = |own: &[String], files: &[PathBuf]| -> Result<Vec<String>> {
            let mut words = own.to_vec();
            for file in files {
                let mut text = String::new();
                open(file)?.read_to_string(&mut text).map_err(Error::io("read", file))?;
                words.extend(text.lines().filter(|line| !line.starts_with('#')).map(|line| line.trim().to_owned()));
            }
            words.retain(|word| !word.is_empty());
            Ok(words)
        };
        let sites = |mut list: Blocklist, own: &[String], files: &[PathBuf]| -> Result<Blocklist> {
            files.iter().try_for_each(|file| list.read(file))?;
            own.iter().try_for_each(|entry| list.add_entry(entry)).map_err(|why| Error::stage("url_filter", why))?;
            Ok(list)
        };
        let banned_words = words(&self.banned_words, &self.banned_word_files)?;
        let soft_words = words(&self.soft_words, &self.soft_word_files)?;
        let subwords = words(&self.banned_subwords, &self.banned_subword_files)?;
        let lists = match self.compat {
            UrlCompat::None => Lists::Ours(Box::new(OurLists {
                blocked: sites(Blocklist::default(), &self.block, &self.block_files)?,
                allowed: sites(Blocklist::default(), &self.allow, &self.allow_files)?,
                banned_words: banned_words.iter().map(|word| word.to_lowercase()).collect(),
                soft_words: soft_words.iter().map(|word| word.to_lowercase()).collect(),
                min_soft_words: self.min_soft_words,
                subwords: automaton(subwords.iter().map(|word| letters(word)))?,
                substrings: automaton(self.banned_substrings.iter().map(|part| part.to_lowercase()))?,
            })),
            UrlCompat::Datatrove => Lists::Datatrove(Box::new(DatatroveLists {
                listed: sites(Blocklist::literal(), &self.block, &self.block_files)?,
                banned_words: distinct(banned_words.iter().map(|word| normalize(word))),
                soft_words: distinct(soft_words.iter().map(|word| normalize(word))),
                subwords: automaton(subwords.iter().map(|word| normalize(word)))?,
                min_soft_words: self.min_soft_words,
            })),
        };
        let filter = UrlFilter { url_field: self.url_field, missing_url: self.missing_url, lists };
        if filter.is_empty() && self.missing_url == MissingUrl::Keep {
            return Err(Error::Stage {
                stage: "url_filter".into(),
                problem: "its lists hold nothing to look for".into(),
                hint: Some("name a list of domains with `block_files`, or words with `banned_words`".into()),
            });
        }
        Ok(filter)
    }
}

fn automaton(words: impl Iterator<Item = String>) -> Result<Option<AhoCorasick>> {
    let words = distinct(words.filter(|word| !word.is_empty()));
    let built = (!words.is_empty()).then(|| AhoCorasick::new(&words)).transpose();
    built.map_err(|why| Error::stage("url_filter", why))
}

fn distinct(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut words: Vec<String> = words.collect();
    words.sort();
    words.dedup();
    words
}

/// Letters and digits of every script, in lower case.
fn letters(text: &str) -> String {
    text.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

impl UrlFilter {
    /// Why a document of this URL goes; `None` if it stays.
    pub fn reason(&self, url: &str) -> Option<Reason> {
        match &self.lists {
            Lists::Ours(lists) => lists.reason(url),
            Lists::Datatrove(lists) => {
                lists.reason(url).map(|code| Reason { code, detail: Detail::Text(url.to_owned()) })
            }
        }
    }

    /// How many domains and addresses are listed, and how many bytes of memory they take.
    pub fn listed(&self) -> (usize, usize) {
        let count = |list: &Blocklist| {
            let sets = [&list.domains, &list.urls, &list.exceptions];
            sets.iter().fold((0, 0), |(names, bytes), set| (names + set.len(), bytes + set.memory_bytes()))
        };
        match &self.lists {
            Lists::Ours(lists) => count(&lists.blocked),
            Lists::Datatrove(lists) => count(&lists.listed),
        }
    }

    /// Lines of the lists of blocked sites that name no whole domain or address.
    pub fn left_out(&self) -> u64 {
        match &self.lists {
            Lists::Ours(lists) => lists.blocked.left_out,
            Lists::Datatrove(lists) => lists.listed.left_out,
        }
    }

    fn is_empty(&self) -> bool {
        let no_words = match &self.lists {
            Lists::Ours(lists) => {
                let no_parts = lists.subwords.is_none() && lists.substrings.is_none();
                no_parts && lists.banned_words.is_empty() && lists.soft_words.is_empty()
            }
            Lists::Datatrove(lists) => {
                lists.subwords.is_none() && lists.banned_words.is_empty() && lists.soft_words.is_empty()
            }
        };
        no_words && self.listed().0 == 0
    }

    fn verdict(&self, document: &Document<'_>) -> Verdict {
        let url = document.str(&self.url_field).filter(|url| !url.trim().is_empty());
        match (url, self.missing_url) {
            (Some(url), _) => self.reason(&url).map_or(Verdict::Keep, Verdict::Drop),
            (None, MissingUrl::Keep) => Verdict::Keep,
            (None, MissingUrl::Drop) => Verdict::Drop(Reason { code: "missing_url", detail: Detail::None }),
        }
    }
}

impl OurLists {
    fn reason(&self, url: &str) -> Option<Reason> {
        let address = Address::of(url);
        let excepted = address.domains().any(|name| self.blocked.exceptions.contains(name));
        if excepted || listed_domain(&self.allowed, &address).is_some() || listed_url(&self.allowed, &address).is_some()
        {
            return None;
        }
        let reason = |code, text: &str| Some(Reason { code, detail: Detail::Text(text.to_owned()) });
        if let Some(name) = listed_domain(&self.blocked, &address) {
            let whole = registrable(&address.host).is_none_or(|domain| name.len() <= domain.len());
            return reason(if whole { LISTED_DOMAIN } else { LISTED_SUBDOMAIN }, name);
        }
        if let Some(prefix) = listed_url(&self.blocked, &address) {
            return reason(LISTED_URL, &prefix);
        }
        let text = address.text();
        let words = text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
        let mut soft: Vec<&str> = Vec::new();
        if !self.banned_words.is_empty() || !self.soft_words.is_empty() {
            for word in words {
                if self.banned_words.contains(word) {
                    return reason(BANNED_WORD, word);
                }
                if self.soft_words.contains(word) && !soft.contains(&word) {
                    soft.push(word);
                }
            }
        }
        if soft.len() >= self.min_soft_words.max(1) {
            return reason(SOFT_WORDS, &soft.join(" "));
        }
        if let Some(subwords) = &self.subwords {
            let joined = letters(&text);
            if let Some(hit) = subwords.find(&joined) {
                return reason(BANNED_SUBWORD, &joined[hit.range()]);
            }
        }
        let hit = self.substrings.as_ref().and_then(|parts| parts.find(&text))?;
        reason(BANNED_SUBSTRING, &text[hit.range()])
    }
}

/// The longest listed domain that the address lies in.
fn listed_domain<'a>(list: &Blocklist, address: &'a Address) -> Option<&'a str> {
    address.domains().find(|name| list.domains.contains(name))
}

/// The longest listed address that the address lies below.
fn listed_url(list: &Blocklist, address: &Address) -> Option<String> {
    let worth_it = list.urls.len() > 0 && !address.path.is_empty();
    worth_it.then(|| address.prefixes().find(|prefix| list.urls.contains(prefix)))?
}

impl Stage for UrlFilter {
    fn is_expected_to_drop(&self) -> bool {
        true
    }

    fn process(&self, batch: Batch) -> Result<Batch> {
        let (mut missing, mut bytes) = (0, 0);
        let mut batch = batch.judge(|document| {
            let verdict = self.verdict(&document);
            if verdict == Verdict::Keep && document.str(&self.url_field).is_none_or(|url| url.trim().is_empty()) {
                missing += 1;
                bytes += document.text().len() as u64;
            }
            verdict
        })?;
        if missing > 0 {
            batch.tally("url_filter", "missing_url", missing, bytes);
        }
        Ok(batch)
    }

    fn explain(&self, document: &Document<'_>) -> Vec<Finding> {
        match self.verdict(document) {
            Verdict::Keep => Vec::new(),
            Verdict::Drop(reason) => {
                vec![Finding { rule: reason.code, value: 1.0, threshold: 0.0, at_least: false, drops: true }]
            }
        }
    }
}
