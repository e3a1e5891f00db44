//! `pii`: the hand-made strings, the cases, what datatrove does, and what holds for every text.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use yuan_filters::{PiiAction, PiiCompat, PiiConfig, PiiKind};

const SECRET: Option<&str> = Some("a secret for tests");

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn lines<T: for<'a> Deserialize<'a>>(file: &str) -> Vec<T> {
    let text = std::fs::read_to_string(repository().join("tests/fixtures/pii").join(file)).expect("the fixture");
    text.lines().map(|line| serde_json::from_str(line).expect("a row of the fixture")).collect()
}

#[derive(Deserialize)]
struct Row {
    group: String,
    text: String,
    /// Kind, first code point, text.
    spans: Vec<(PiiKind, usize, String)>,
}

impl Row {
    /// What is to be found, in bytes.
    fn expected(&self) -> Vec<(PiiKind, usize, usize)> {
        let place = |chars: usize| self.text.char_indices().nth(chars).map_or(self.text.len(), |(at, _)| at);
        let span = |(kind, first, value): &(PiiKind, usize, String)| {
            let start = place(*first);
            assert_eq!(&self.text[start..start + value.len()], value);
            (*kind, start, start + value.len())
        };
        self.spans.iter().map(span).collect()
    }
}

fn strings() -> Vec<Row> {
    lines("strings.jsonl")
}

fn all_pseudonyms() -> PiiConfig {
    PiiConfig { action: PiiAction::Pseudonym, ..PiiConfig::default() }
}

/// Found, missed, found where nothing is: of each kind.
#[test]
fn what_is_found_in_hand_made_strings() {
    let pii = PiiConfig::default().build().expect("no secret needed");
    let rows = strings();
    assert!(rows.iter().filter(|row| row.group == "negative").count() >= 300);
    assert!(rows.iter().filter(|row| row.group != "negative").count() >= 300);
    let mut table: BTreeMap<PiiKind, [f64; 3]> = BTreeMap::new();
    for row in &rows {
        let expected = row.expected();
        let found: Vec<_> = pii.find(&row.text).iter().map(|span| (span.kind, span.start, span.end)).collect();
        for span in &expected {
            table.entry(span.0).or_default()[usize::from(!found.contains(span))] += 1.0;
        }
        for span in found.iter().filter(|span| !expected.contains(span)) {
            table.entry(span.0).or_default()[2] += 1.0;
        }
    }
    assert_eq!(table.len(), PiiKind::ALL.len());
    for (kind, [found, missed, extra]) in &table {
        let (recall, precision) = (found / (found + missed), found / (found + extra));
        assert!(recall >= 0.97 && precision >= 0.97, "{}: recall {recall}, precision {precision}", kind.name());
    }
}

#[derive(Deserialize)]
struct Formatted {
    text: String,
    expected: String,
}

#[test]
fn as_datatrove_does() {
    let stage = PiiConfig { compat: PiiCompat::Datatrove, ..PiiConfig::default() }.build().expect("a stage");
    let rows: Vec<Formatted> = lines("datatrove.jsonl");
    assert!(rows.len() > 200);
    for row in rows {
        assert_eq!(stage.rewrite(&row.text), row.expected, "{}", row.text);
    }
}

/// Pieces that stand next to each other in any order: what a rewrite sets free must not be found by a second one only.
fn mixtures() -> Vec<String> {
    let rows = strings();
    let joints = ["", " ", "，", "\n", "-", "@", ".", "1", "a", "：", "=", "/"];
    let mut state = 88_172_645_463_325_252_u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    let mut mixture = || {
        let mut text = String::new();
        for _ in 0..1 + below(4) {
            let row = &rows[below(rows.len())];
            let chars: Vec<char> = row.text.chars().collect();
            let cut = below(chars.len() + 1);
            let piece = if below(2) == 0 { &chars[cut..] } else { &chars[..] };
            text.extend(piece);
            text.push_str(joints[below(joints.len())]);
        }
        text
    };
    (0..6000).map(|_| mixture()).collect()
}

#[test]
fn twice_is_once_and_the_rest_stays() {
    for config in [PiiConfig::default(), all_pseudonyms()] {
        let pii = config.build_with(SECRET).expect("a stage");
        let mut more = 0;
        for text in mixtures() {
            let spans = pii.find(&text);
            let mut done = 0;
            for span in &spans {
                assert!(done <= span.start && span.start < span.end, "{text:?}: {spans:?}");
                assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end), "{text:?}: {spans:?}");
                done = span.end;
            }
            let once = pii.rewrite(&text);
            assert_eq!(pii.rewrite(&once), once, "{:?}: {text:?}", config.action);
            // Masked: what stands between the findings, and placeholders, if nothing comes to light by that.
            if config.action == PiiAction::Mask {
                let mut stitched = String::new();
                let mut from = 0;
                for span in &spans {
                    stitched.push_str(&text[from..span.start]);
                    stitched.push_str(&format!("<{}>", span.kind.name().to_uppercase()));
                    from = span.end;
                }
                stitched.push_str(&text[from..]);
                assert!(once == stitched || !pii.find(&stitched).is_empty(), "{text:?}: {once:?}");
                more += usize::from(once != stitched);
            }
            if spans.is_empty() {
                assert_eq!(once, text);
            }
        }
        // A second look at a masked text finds something in less than 1 of 100, though pieces were cut to collide.
        assert!(more < 60, "{more}");
    }
}

#[test]
fn a_finding_alone_changes_and_its_surroundings_do_not() {
    for config in [PiiConfig::default(), all_pseudonyms()] {
        let pii = config.build_with(SECRET).expect("a stage");
        for row in strings().iter().filter(|row| row.spans.len() == 1) {
            let [(_, start, end)] = row.expected()[..] else { continue };
            let new = pii.rewrite(&row.text);
            assert!(new.starts_with(&row.text[..start]) && new.ends_with(&row.text[end..]), "{new}");
            assert_ne!(new, row.text);
        }
    }
}

#[test]
fn one_value_has_one_pseudonym_whatever_its_spelling() {
    let pii = all_pseudonyms().build_with(SECRET).expect("a stage");
    let digits = |text: &str| -> String { pii.rewrite(text).chars().filter(char::is_ascii_digit).collect() };
    let national = digits("电话13812345678。");
    assert_eq!(national.len(), 11);
    for spelling in ["电话138-1234-5678", "电话138 1234 5678。", "电话１３８１２３４５６７８"] {
        assert_eq!(digits(spelling), national, "{spelling}");
    }
    assert_eq!(digits("电话+86 138 1234 5678"), format!("86{national}"));
    let mails = pii.rewrite("Zhang.Wei@QQ.com 和 zhang.wei@qq.com");
    let (first, second) = mails.split_once(" 和 ").expect("two addresses");
    assert_eq!(first, second);
    let other = all_pseudonyms().build_with(Some("another secret")).expect("a stage");
    assert_ne!(other.rewrite("电话13812345678。"), pii.rewrite("电话13812345678。"));
}

#[test]
fn a_pseudonym_keeps_its_shape() {
    let pii = all_pseudonyms().build_with(SECRET).expect("a stage");
    let card = pii.rewrite("身份证号：11010119900307109X");
    let card = card.trim_start_matches("身份证号：");
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = card.chars().zip(weights).map(|(c, weight)| c.to_digit(10).expect("a digit") * weight).sum();
    assert!(card.starts_with("99") && card.len() == 18);
    assert_eq!(card.chars().last(), "10X98765432".chars().nth((sum % 11) as usize));
    let phone = pii.rewrite("call (415) 765-2671 now");
    assert!(phone.starts_with("call (0") && phone.len() == "call (415) 765-2671 now".len(), "{phone}");
    let key = pii.rewrite("token: ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8");
    assert!(key.starts_with("token: ghp_") && key.ends_with("EXAMPLE") && key.len() == 47, "{key}");
}

#[test]
fn a_missing_secret_is_named() {
    let config = PiiConfig { secret_env: "YUAN_NO_SUCH_VARIABLE".into(), ..all_pseudonyms() };
    let error = config.build().err().expect("no secret");
    assert_eq!(error.to_string(), "`pii`: pseudonyms need a secret, and `YUAN_NO_SUCH_VARIABLE` is not set");
    assert!(error.hint().is_some_and(|hint| hint.contains("export YUAN_NO_SUCH_VARIABLE=")));
}

#[test]
fn settings_are_read_and_mistakes_refused() {
    let config: PiiConfig = toml::from_str(
        "action = \"keep\"\nactions = { phone = \"drop\" }\nplaceholders = { email = \"[mail]\" }\nmax_findings = 5",
    )
    .expect("settings");
    assert_eq!(config.action_for(PiiKind::Phone), PiiAction::Drop);
    assert_eq!(config.action_for(PiiKind::Email), PiiAction::Keep);
    for mistake in ["phones = 1", "actions = { fax = \"drop\" }", "action = \"hide\""] {
        assert!(toml::from_str::<PiiConfig>(mistake).is_err(), "{mistake}");
    }
}
