//! Which documents are meant by languages, sources and ids.

use std::collections::BTreeMap;

use super::recipe::{OTHERS, Phase, Source};
use crate::About;

/// What a document of no known language is counted as.
const UNKNOWN: &str = "und";

/// A document's language, for counts.
pub(super) fn language_of<'a>(about: &About<'a>) -> &'a str {
    about.language.unwrap_or(UNKNOWN)
}

/// The key that holds for a language: its own, or that of the language without its script (`zh` for `zh-Hant`).
pub(super) fn key_of<'k>(language: &str, has: impl Fn(&str) -> Option<&'k str>) -> Option<&'k str> {
    has(language).or_else(|| has(language.split(['-', '_']).next()?))
}

/// Whether a document belongs to a source of the mix whose sets hold it.
pub(super) fn is_of(source: &Source, about: &About<'_>) -> bool {
    let any = |patterns: &[String], text: &str| patterns.iter().any(|pattern| matches(pattern, text));
    let known = |key: &str| source.languages.iter().find(|known| *known == key).map(String::as_str);
    (source.languages.is_empty() || key_of(language_of(about), known).is_some())
        && (source.sources.is_empty() || any(&source.sources, about.source))
        && (source.ids.is_empty() || any(&source.ids, about.id.unwrap_or_default()))
}

/// Whether a text is of a pattern in which `*` stands for any letters.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    // The first place of each part leaves most for those behind it.
    for part in parts {
        let Some(place) = text.find(part) else { return false };
        text = &text[place + part.len()..];
    }
    text.ends_with(tail)
}

/// Languages put together as far as no phase tells them apart: the stretches of a source are counted by these.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Groups {
    /// Names: a key of some phase, a language, or `*`.
    pub names: Vec<String>,
    /// The group of each language that there is.
    pub of_language: BTreeMap<String, usize>,
}

impl Groups {
    /// The groups of these languages for these phases.
    pub fn new<'l>(languages: impl Iterator<Item = &'l str>, phases: &[Phase]) -> Self {
        let each = phases.iter().any(|phase| phase.by == super::recipe::By::Language);
        let has = |key: &str| phases.iter().find_map(|phase| Some(phase.languages.get_key_value(key)?.0.as_str()));
        let mut groups = Self::default();
        for language in languages {
            let name = if each { language } else { key_of(language, has).unwrap_or(OTHERS) };
            let place = groups.names.iter().position(|known| known == name).unwrap_or_else(|| {
                groups.names.push(name.to_owned());
                groups.names.len() - 1
            });
            groups.of_language.insert(language.to_owned(), place);
        }
        groups
    }

    /// The key of a phase's `languages` for a group, if it has one.
    pub fn key_in<'p>(&self, group: usize, phase: &'p Phase) -> Option<&'p str> {
        let has = |key: &str| phase.languages.get_key_value(key).map(|(key, _)| key.as_str());
        key_of(&self.names[group], has).or_else(|| has(OTHERS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_letters() {
        for (pattern, text, expected) in [
            ("zh_laws", "zh_laws", true),
            ("zh_laws", "zh_laws/1", false),
            ("zh_laws*", "zh_laws/1", true),
            ("*laws", "zh_laws", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*", "", true),
            ("a*a", "a", false),
            ("**法*", "宪法", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_script_belongs_to_its_language_unless_it_is_named() {
        let phase = |keys: &[&str]| Phase {
            languages: keys.iter().map(|key| ((*key).to_owned(), 1.0)).collect(),
            ..Phase::default()
        };
        let phases = [phase(&["zh", "*"]), phase(&["zh-Hant", "en"])];
        let groups = Groups::new(["de", "en", "zh", "zh-Hant", "zh-Hans"].into_iter(), &phases);
        assert_eq!(groups.names, ["*", "en", "zh", "zh-Hant"]);
        assert_eq!(groups.of_language["zh-Hans"], groups.of_language["zh"]);
        let key = |name: &str, phase: usize| {
            groups.key_in(groups.names.iter().position(|known| known == name).unwrap(), &phases[phase])
        };
        assert_eq!([key("zh-Hant", 0), key("en", 0), key("*", 0)], [Some("zh"), Some("*"), Some("*")]);
        assert_eq!([key("zh-Hant", 1), key("zh", 1), key("en", 1)], [Some("zh-Hant"), None, Some("en")]);
    }
}
