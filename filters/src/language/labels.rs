//! What the labels of language identification models mean: `__label__zh` (lid.176), `__label__cmn_Hani` (GlotLID),
//! `__label__zho_Hans` (OpenLID) → language and script.
//!
//! Sources: ISO 639-3 and ISO 15924; the label lists of fastText's lid.176, GlotLID v3 (cis-lmu/glotlid), OpenLID
//! (laurieburchell/open-lid-dataset) and NLLB.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A label in our terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LanguageLabel {
    /// ISO 639-1, else 639-3; `zh-Hans` and `zh-Hant` where the label tells.
    pub language: String,
    /// ISO 15924, where the label tells: `Latn`.
    pub script: Option<String>,
}

/// Three-letter codes → two-letter codes.
static SHORT: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    let lines = include_str!("../../data/iso_639_3_to_1.txt").lines();
    lines.filter_map(|line| line.split_once(' ')).chain(MEMBERS).collect()
});

/// Members of macrolanguages that stand for the whole: what everybody writes under the two-letter code.
const MEMBERS: [(&str, &str); 26] = [
    ("als", "sq"),
    ("arb", "ar"),
    ("ayr", "ay"),
    ("azj", "az"),
    ("cmn", "zh"),
    ("ekk", "et"),
    ("fuv", "ff"),
    ("gaz", "om"),
    ("gug", "gn"),
    ("ike", "iu"),
    ("khk", "mn"),
    ("kmr", "ku"),
    ("knc", "kr"),
    ("kpv", "kv"),
    ("lvs", "lv"),
    ("npi", "ne"),
    ("ory", "or"),
    ("pbt", "ps"),
    ("pes", "fa"),
    ("plt", "mg"),
    ("prs", "fa"),
    ("quy", "qu"),
    ("swh", "sw"),
    ("uzn", "uz"),
    ("ydd", "yi"),
    ("zsm", "ms"),
];

/// Labels without a script that are codes of Wikipedia's, not of ISO 639: lid.176 was trained on it.
const WIKIPEDIA: [(&str, &str); 4] = [("als", "gsw"), ("bh", "bho"), ("eml", "egl"), ("no", "nb")];

impl LanguageLabel {
    /// What a label says. One that is no language is kept as it is.
    pub fn of(label: &str) -> Self {
        let name = label.strip_prefix("__label__").unwrap_or(label);
        let mut parts = name.split(['_', '-']);
        let primary = parts.next().unwrap_or_default().to_ascii_lowercase();
        let script = parts.find_map(|part| match (part.len(), part.to_ascii_lowercase().as_str()) {
            (4, lower) if lower.bytes().all(|byte| byte.is_ascii_lowercase()) => {
                let (first, rest) = lower.split_at(1);
                Some(first.to_ascii_uppercase() + rest)
            }
            (2, "cn" | "sg") if primary == "zh" => Some("Hans".into()),
            (2, "tw" | "hk" | "mo") if primary == "zh" => Some("Hant".into()),
            _ => None,
        });
        if !(2..=3).contains(&primary.len()) || !primary.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return Self { language: name.to_owned(), script: None };
        }
        let wikipedia = WIKIPEDIA.iter().find(|(code, _)| script.is_none() && *code == primary).map(|(_, code)| *code);
        let language = wikipedia.or_else(|| SHORT.get(primary.as_str()).copied()).unwrap_or(&primary);
        let language = match (language, script.as_deref()) {
            ("zh", Some(variant @ ("Hans" | "Hant"))) => format!("zh-{variant}"),
            _ => language.to_owned(),
        };
        Self { language, script }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_all_styles_mean_the_same() {
        for (label, language, script) in [
            ("__label__zh", "zh", ""),
            ("__label__cmn_Hani", "zh", "Hani"),
            ("__label__zho_Hans", "zh-Hans", "Hans"),
            ("__label__zho_Hant", "zh-Hant", "Hant"),
            ("zh-TW", "zh-Hant", "Hant"),
            ("__label__yue_Hant", "yue", "Hant"),
            ("__label__eng_Latn", "en", "Latn"),
            ("__label__en", "en", ""),
            ("__label__arb_Arab", "ar", "Arab"),
            ("__label__ary_Arab", "ary", "Arab"),
            ("__label__als_Latn", "sq", "Latn"),
            ("__label__als", "gsw", ""),
            ("__label__no", "nb", ""),
            ("__label__nno_Latn", "nn", "Latn"),
            ("__label__srp_Cyrl", "sr", "Cyrl"),
            ("__label__zsm_Latn", "ms", "Latn"),
            ("__label__kmr_Latn", "ku", "Latn"),
            ("__label__ceb", "ceb", ""),
            ("__label__und_Zxxx", "und", "Zxxx"),
            ("__label__", "", ""),
            ("__label__hq", "hq", ""),
            ("__label__spam mail", "spam mail", ""),
        ] {
            let expected = LanguageLabel {
                language: language.into(),
                script: Some(script.to_owned()).filter(|script| !script.is_empty()),
            };
            assert_eq!(LanguageLabel::of(label), expected, "{label}");
        }
    }

    #[test]
    fn no_member_is_a_code_of_iso_639_1_already() {
        let table = include_str!("../../data/iso_639_3_to_1.txt");
        assert_eq!(table.lines().count(), 184);
        let in_table = |code: &str| table.lines().any(|line| line.starts_with(&format!("{code} ")));
        assert!(!MEMBERS.iter().any(|(code, _)| in_table(code)));
    }
}
