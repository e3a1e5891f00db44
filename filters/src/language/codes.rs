//! Codes of languages as people write them: which of them say something here, and what the others were meant to be.

use crate::words::Language;

/// What [`identify`](super::identify()) can answer.
const IDENTIFIED: &str = "af ak am ar az be bg bn bo ca cs cy da de dv el en eo es et eu fa fi fr ga gl gu he hi hr hu hy id \
    is it ja jv ka kk km kn ko ku ky la lo lt lv mk ml mn mr ms mt my nb ne nl or pa pl pt ro ru si sk \
    sl sn sq sr sv sw ta te th tk tl tr uk und ur uz vi zh zh-Hans zh-Hant zu";

/// Every code of ISO 639-1 and 639-3: a `language` column may hold any of them.
const KNOWN: &str = include_str!("../../data/iso_639.txt");

/// What people write → the code. Some are codes of languages (Chinook Jargon is `chn`) that nobody has meant yet.
const MEANT: &[(&str, &str)] = &[
    ("arabic", "ar"),
    ("bengali", "bn"),
    ("br-pt", "pt"),
    ("chi", "zh"),
    ("chinese", "zh"),
    ("chn", "zh"),
    ("chs", "zh-Hans"),
    ("cht", "zh-Hant"),
    ("cn", "zh"),
    ("cz", "cs"),
    ("czech", "cs"),
    ("danish", "da"),
    ("dk", "da"),
    ("dutch", "nl"),
    ("english", "en"),
    ("finnish", "fi"),
    ("french", "fr"),
    ("ger", "de"),
    ("german", "de"),
    ("gr", "el"),
    ("greek", "el"),
    ("hebrew", "he"),
    ("hindi", "hi"),
    ("hungarian", "hu"),
    ("indonesian", "id"),
    ("italian", "it"),
    ("iw", "he"),
    ("jap", "ja"),
    ("japanese", "ja"),
    ("jp", "ja"),
    ("khmer", "km"),
    ("korean", "ko"),
    ("kp", "ko"),
    ("malay", "ms"),
    ("mandarin", "zh"),
    ("norwegian", "nb"),
    ("persian", "fa"),
    ("polish", "pl"),
    ("portuguese", "pt"),
    ("romanian", "ro"),
    ("russian", "ru"),
    ("simplified", "zh-Hans"),
    ("spanish", "es"),
    ("swahili", "sw"),
    ("swedish", "sv"),
    ("thai", "th"),
    ("traditional", "zh-Hant"),
    ("turkish", "tr"),
    ("ua", "uk"),
    ("ukrainian", "uk"),
    ("us", "en"),
    ("vietnamese", "vi"),
    ("vn", "vi"),
    ("zhcn", "zh-Hans"),
    ("zhtw", "zh-Hant"),
    ("中文", "zh"),
    ("汉语", "zh"),
    ("漢語", "zh"),
];

fn holds(codes: &str, code: &str) -> bool {
    codes.split_whitespace().any(|known| known == code)
}

/// The code that was probably meant, among `codes`.
fn meant(wrong: &str, codes: &str) -> Option<String> {
    let lower = wrong.trim().to_lowercase().replace('_', "-");
    let written = MEANT.iter().find(|(from, _)| *from == lower).map(|(_, code)| (*code).to_owned());
    let tag = || {
        let mut parts = lower.split('-');
        let primary = Language::of_name(parts.next()?)?;
        let chinese = primary == Language::CHINESE;
        let script = parts.find_map(|part| match part {
            "hans" | "cn" | "sg" => Some("zh-Hans"),
            "hant" | "tw" | "hk" | "mo" => Some("zh-Hant"),
            _ => None,
        });
        Some(script.filter(|_| chinese).unwrap_or(primary.code()).to_owned())
    };
    // `zhh` is a slip of the fingers; `estonian` is not Spanish.
    let short = || (lower.len() == 3).then(|| lower.get(..2).map(str::to_owned)).flatten();
    [written, tag(), short()].into_iter().flatten().find_map(|code| {
        let primary = code.split('-').next().unwrap_or_default().to_owned();
        [code, primary].into_iter().find(|code| holds(codes, code))
    })
}

fn advice(wrong: &str, codes: &str, listing: &str) -> String {
    match meant(wrong, codes) {
        Some(code) => format!("did you mean `{code}`? {listing}"),
        None => listing.to_owned(),
    }
}

/// Whether `language_id` can name the language `kept`, `zh` standing for both of its scripts.
///
/// # Errors
/// What is wrong, and in a second line what to write.
pub fn check_identified(kept: &str) -> Result<(), String> {
    if holds(IDENTIFIED, kept) {
        return Ok(());
    }
    let problem = match Language::of_name(kept).filter(|language| holds(KNOWN, language.code())) {
        Some(_) if meant(kept, IDENTIFIED).is_none() => {
            format!("`{kept}` is a language that `language_id` cannot tell")
        }
        _ => format!("`{kept}` is no language that `language_id` names"),
    };
    Err(format!("{problem}\n{}", advice(kept, IDENTIFIED, &format!("it names {IDENTIFIED}"))))
}

/// Whether a model that names these languages can name the language `kept`.
///
/// # Errors
/// What is wrong, and in a second line what to write.
pub(super) fn check_named<'m>(kept: &str, languages: impl Iterator<Item = &'m str>) -> Result<(), String> {
    let mut languages: Vec<&str> = languages.collect();
    languages.extend(["und", "zh-Hans", "zh-Hant"]);
    if languages.contains(&kept) || languages.iter().any(|named| named.split('-').next() == Some(kept)) {
        return Ok(());
    }
    languages.sort_unstable();
    languages.dedup();
    let codes = languages.join(" ");
    let problem = format!("`{kept}` is no language that the model names");
    Err(format!("{problem}\n{}", advice(kept, &codes, &format!("it names {codes}"))))
}

/// The language that thresholds under a key are for.
///
/// # Errors
/// What is wrong, and in a second line what to write.
pub fn language_of_key(key: &str) -> Result<Language, String> {
    const CODES: &str = "codes are those of ISO 639, such as `zh`, `en`, `haw`";
    let is_code = |code: &str| holds(KNOWN, code) && !MEANT.iter().any(|(wrong, _)| *wrong == code);
    let language = Language::of_name(key);
    if let Some(language) = language.filter(|_| is_code(key)) {
        return Ok(language);
    }
    match language.filter(|language| is_code(language.code())) {
        Some(Language::CHINESE) => {
            Err(format!("`{key}` is no language of its own: thresholds are for `zh`, both variants\nwrite `zh`"))
        }
        Some(language) => {
            let code = language.code();
            Err(format!("`{key}` is no language of its own: thresholds are for `{code}`\nwrite `{code}`"))
        }
        None => Err(format!("`{key}` is no language that is known\n{}", advice(key, KNOWN, CODES))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ngrams::LANGUAGES;
    use super::*;

    #[test]
    fn what_is_no_code_is_refused_with_the_nearest_one() {
        let kept = |code| check_identified(code).expect_err("refused");
        for (wrong, code) in [("zhh", "zh"), ("cn", "zh"), ("chinese", "zh"), ("zh_Hant", "zh-Hant"), ("ENG", "en")] {
            assert!(kept(wrong).contains(&format!("did you mean `{code}`?")), "{}", kept(wrong));
        }
        assert!(kept("so").starts_with("`so` is a language that `language_id` cannot tell"));
        assert!(!kept("xx").contains("did you mean"));
        assert!(["zh", "zh-Hans", "und", "ja"].iter().chain(&LANGUAGES).all(|code| check_identified(code).is_ok()));
    }

    #[test]
    fn a_key_is_a_code_that_is_known() {
        assert_eq!(language_of_key("sw"), Ok(Language::of_name("sw").expect("a code")));
        assert_eq!(language_of_key("cmn"), Ok(Language::CHINESE));
        assert!(["pcm", "haw", "und"].iter().all(|key| language_of_key(key).is_ok()));
        assert!(IDENTIFIED.split_whitespace().all(|code| code.contains('-') || language_of_key(code).is_ok()));
        let wrong = |key| language_of_key(key).expect_err("refused");
        assert!(wrong("zh-Hant").contains("thresholds are for `zh`, both variants"));
        assert!(wrong("en-US").contains("thresholds are for `en`\n"));
        for (key, code) in
            [("cn", "zh"), ("chn", "zh"), ("chinese", "zh"), ("jap", "ja"), ("zhh", "zh"), ("中文", "zh")]
        {
            assert!(wrong(key).contains(&format!("did you mean `{code}`?")), "{}", wrong(key));
        }
        assert!(!wrong("xx").contains("did you mean"));
    }
}
