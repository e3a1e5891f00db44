//! Which settings a document is held to: the recipe's, what is built in for its language, the recipe's for it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use yuan_pipeline::{Document, Measure};

use crate::language::language_of_key;
use crate::words::Language;

/// Settings of a stage `T` that differ for one language, by language: `languages.zh = { min_words = 30 }`.
///
/// Names and types are checked when it is read: what `T` does not have, a language cannot have.
pub struct PerLanguage<T> {
    own: BTreeMap<String, Settings>,
    stage: PhantomData<fn() -> T>,
}

/// Settings by name.
type Settings = Map<String, Value>;

/// What is built in for languages, by language and stage; each file speaks of other stages.
static BUILT_IN: LazyLock<BTreeMap<String, BTreeMap<String, Settings>>> = LazyLock::new(|| {
    let mut all: BTreeMap<String, BTreeMap<String, Settings>> = BTreeMap::new();
    for table in [include_str!("../../data/built_in.json"), include_str!("../../data/built_in_ratios.json")] {
        let table: BTreeMap<String, BTreeMap<String, Settings>> =
            serde_json::from_str(table).expect("the built-in tables are checked by a test");
        for (code, stages) in table {
            all.entry(code).or_default().extend(stages);
        }
    }
    all
});

impl<T: Default + Serialize + DeserializeOwned> PerLanguage<T> {
    /// The settings `own` as they hold for documents of a language.
    ///
    /// A setting that is not its default holds for every language. Those at their defaults give way to what is
    /// built in for `stage` and the language (`other` is for languages that have nothing of their own), and all
    /// of them to what the recipe says for the language.
    pub fn effective(&self, own: &T, stage: &str, language: Language) -> T {
        self.try_effective(own, stage, language).expect("settings were checked when they were read")
    }

    fn try_effective(&self, own: &T, stage: &str, language: Language) -> Result<T, serde_json::Error> {
        let mut settings = serde_json::to_value(own)?;
        let defaults = serde_json::to_value(T::default())?;
        let built_in = |code: &str| BUILT_IN.get(code).and_then(|stages| stages.get(stage));
        let built_in = built_in(language.code()).or_else(|| built_in("other"));
        for (name, value) in built_in.into_iter().flatten() {
            if settings[name] == defaults[name] {
                settings[name] = value.clone();
            }
        }
        for (name, value) in self.own.get(language.code()).into_iter().flatten() {
            settings[name] = value.clone();
        }
        serde_json::from_value(settings)
    }

    /// The languages that the recipe says something for.
    pub fn languages(&self) -> impl Iterator<Item = Language> {
        self.own.keys().filter_map(|code| Language::of_name(code))
    }

    /// Whether the recipe says something for a language.
    pub fn speaks_of(&self, language: Language) -> bool {
        self.own.contains_key(language.code())
    }
}

impl<T> Default for PerLanguage<T> {
    fn default() -> Self {
        Self { own: BTreeMap::new(), stage: PhantomData }
    }
}

impl<T> Clone for PerLanguage<T> {
    fn clone(&self) -> Self {
        Self { own: self.own.clone(), stage: PhantomData }
    }
}

impl<T> PartialEq for PerLanguage<T> {
    fn eq(&self, other: &Self) -> bool {
        self.own == other.own
    }
}

impl<T> std::fmt::Debug for PerLanguage<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.own.fmt(formatter)
    }
}

impl<T> Serialize for PerLanguage<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.own.serialize(serializer)
    }
}

impl<'de, T: Default + Serialize + DeserializeOwned> Deserialize<'de> for PerLanguage<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = BTreeMap::<String, Settings>::deserialize(deserializer)?;
        let mut languages = Self::default();
        for (name, settings) in read {
            let language = language_of_key(&name).map_err(D::Error::custom)?;
            let code = language.code();
            if languages.own.insert(code.to_owned(), settings).is_some() {
                let problem = format!("two keys under `languages` are for `{code}`, one of them `{name}`");
                return Err(D::Error::custom(format!("{problem}\nwrite all of them under `{code}`")));
            }
            if let Err(error) = languages.try_effective(&T::default(), "", language) {
                return Err(D::Error::custom(error));
            }
        }
        Ok(languages)
    }
}

impl<T> JsonSchema for PerLanguage<T> {
    fn schema_name() -> Cow<'static, str> {
        "PerLanguage".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": { "type": "object" } })
    }
}

/// The language of a document: its `language` column, else a guess by the scripts of its text.
pub struct DocumentLanguage(pub Language);

impl Measure for DocumentLanguage {
    const NAME: &'static str = "language";

    fn of(document: &Document<'_>) -> Self {
        let named = document.str("language").and_then(|name| Language::of_name(&name));
        Self(named.unwrap_or_else(|| Language::guess(document.text())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{
        C4, C4Paragraphs, DataJuicer, FineWeb, GopherQuality, GopherRepetition, Madlad, PolyLm, Roots, Yayi2,
    };

    fn quality(toml: &str, code: &str) -> GopherQuality {
        let own: GopherQuality = toml::from_str(toml).expect("settings");
        own.languages.effective(&own, "gopher_quality", Language::of_name(code).expect("a code"))
    }

    #[test]
    fn the_recipe_beats_what_is_built_in_and_a_language_beats_both() {
        assert_eq!(quality("", "zh").max_mean_word_chars, 5.0);
        assert_eq!(quality("max_mean_word_chars = 7", "zh").max_mean_word_chars, 7.0);
        assert_eq!(
            quality("max_mean_word_chars = 7\nlanguages.cmn.max_mean_word_chars = 6", "zh-Hant").max_mean_word_chars,
            6.0
        );
        assert!(quality("", "sw").stop_words.is_empty(), "of an unknown language the English words are wrong");
        assert!(!quality("", "en").stop_words.is_empty());
    }

    #[test]
    fn what_a_stage_does_not_have_a_language_cannot_have() {
        let problem = |toml: &str| toml::from_str::<GopherQuality>(toml).expect_err("a mistake").message().to_owned();
        assert!(problem("languages.zh = { min_word = 3 }").starts_with("unknown field `min_word`"));
        assert!(problem("languages.zh = { min_words = \"many\" }").contains("invalid type"));
        assert!(problem("languages.'中文' = {}").contains("is no language"));
        assert!(problem("languages.zh-Hant.min_words = 500").contains("thresholds are for `zh`, both variants"));
        let both = problem("languages.zh.min_words = 5\nlanguages.cmn.min_words = 6");
        assert!(both.contains("two keys under `languages` are for `zh`"), "{both}");
    }

    #[test]
    fn every_built_in_value_is_one_of_its_stage() {
        fn check<T: Default + Serialize + DeserializeOwned>(stage: &str, languages: &PerLanguage<T>) {
            for code in BUILT_IN.keys() {
                let language = Language::of_name(code).expect("a code");
                assert!(languages.try_effective(&T::default(), stage, language).is_ok(), "{stage} {code}");
            }
        }
        check("gopher_quality", &GopherQuality::default().languages);
        check("gopher_repetition", &GopherRepetition::default().languages);
        check("c4", &C4::default().languages);
        check("c4_paragraphs", &C4Paragraphs::default().languages);
        check("fineweb", &FineWeb::default().languages);
        check("madlad", &Madlad::default().languages);
        check("roots", &Roots::default().languages);
        check("roots_compat", &Roots::default().languages);
        check("data_juicer", &DataJuicer::default().languages);
        check("polylm", &PolyLm::default().languages);
        let yayi2 = ["yayi2", "yayi2 encyclopaedia", "yayi2 qa", "yayi2 news", "yayi2 books", "yayi2 code"];
        yayi2.iter().for_each(|stage| check(stage, &Yayi2::default().languages));
        let known = [
            "gopher_quality",
            "gopher_repetition",
            "c4",
            "c4_paragraphs",
            "fineweb",
            "madlad",
            "roots",
            "roots_compat",
            "data_juicer",
            "polylm",
        ];
        let is_known = |stage: &String| known.iter().chain(&yayi2).any(|known| known == stage);
        assert!(BUILT_IN.values().flat_map(BTreeMap::keys).all(is_known));
    }
}
