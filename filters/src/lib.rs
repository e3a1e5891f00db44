//! Is this document worth keeping? Normalising, language, rules.
//!
//! | module | what it answers |
//! |---|---|
//! | `repair`, `normalize`, `chinese_variant`, `ccnet` | How should the text be spelt? |
//! | `boilerplate` | Which lines belong to the page, not to the text? |
//! | `pii` | Whom does the text give away? |
//! | `language` | Which language is it in? |
//! | `words`, `lines`, `sentences`, `marks`, `shape` | What is it made of? Measured once, shared by the rules. |
//! | `lists` | Which words of a list does it hold? |
//! | `rules` | Is it worth keeping? |
//! | `scores` | What do its scores say? |

mod boilerplate;
mod ccnet;
mod chinese_variant;
mod language;
mod lines;
mod lists;
mod marks;
mod normalize;
mod pii;
mod repair;
mod rules;
mod scores;
mod sentences;
mod shape;
mod words;

pub use boilerplate::{BoilerplateLines, WithoutBoilerplate};
pub use ccnet::{CcNetPunctuation, CcNetText};
pub use chinese_variant::{ChineseVariant, Variant};
pub use language::{
    Identified, LanguageId, LanguageIdentifier, ShortText, check_identified, identify, language_of_key,
};
pub use lists::{Cluster, Coverage, Density, Entry, Hit, Matching, WordList, entries, read_entries, words_in_entries};
pub use normalize::{IdeographicSpace, Normalize, QuotationMarks, UnicodeForm};
pub use pii::{Pii, PiiAction, PiiCompat, PiiConfig, PiiKind, PiiSpan};
pub use repair::{RepairText, Repaired};
pub use rules::{Advertising, BadWords, BadWordsCompat, BadWordsConfig, Toxicity, ToxicityConfig};
pub use rules::{C4, C4Paragraphs, ChineseWebText, CurlyBrackets, FineWeb, Madlad, RefinedWebLines};
pub use rules::{CasiaCompat, DatatroveCompat, DclmCompat, DocumentLanguage, GopherCompat, PerLanguage};
pub use rules::{Code, DataJuicer, DataJuicerCompat, PolyLm, Roots, RootsCompat, TextCategory, Yayi2};
pub use rules::{EnglishThreshold, ThresholdMethod, language_score_threshold, threshold_for};
pub use rules::{GopherQuality, GopherRepetition};
pub use rules::{MissingUrl, UrlCompat, UrlFilter, UrlFilterConfig};
pub use scores::{Buckets, BucketsConfig, KeepWhere, KeepWhereConfig, MissingValue};
pub use scores::{ClassifierCard, FastText, FastTextConfig, GroupTest, LabelTest, ThresholdRow};
pub use scores::{FastTextLoss, TrainFastText, TrainFastTextConfig};
pub use scores::{KenLm, KenLmCard, KenLmCompat, KenLmConfig, KenLmModelCard, TextScore};
pub use scores::{KenLmFormat, TrainKenLm, TrainKenLmConfig};
pub use scores::{Preparation, Spelling, Tokens};
pub use shape::{Kind, Shape};
pub use words::{EnglishWords, Language, Span, Words};
