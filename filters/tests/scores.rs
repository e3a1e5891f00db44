//! Scores of models against those of the tools that the models come from.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::{LargeStringArray, StringArray};
use arrow_schema::{DataType, Field};
use yuan_fasttext::train::{Lines, TrainOptions, train};
use yuan_filters::{FastTextConfig, KenLmCompat, KenLmConfig, LanguageId, ShortText};
use yuan_pipeline::{Batch, Stage};

fn fixture(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures")).join(path)
}

/// A batch of texts with a language each.
fn batch(rows: &[(String, String)]) -> Batch {
    let texts: Vec<&str> = rows.iter().map(|(_, text)| text.as_str()).collect();
    let languages = LargeStringArray::from_iter_values(rows.iter().map(|(language, _)| language));
    let field = Field::new("language", DataType::LargeUtf8, true);
    Batch::of_texts(&texts).annotate(field, Arc::new(languages)).expect("as many rows")
}

#[test]
fn perplexities_are_those_of_cc_net() {
    let packed = std::fs::File::open(fixture("ccnet/documents.jsonl.zst")).expect("the fixture");
    let lines = String::from_utf8(zstd::decode_all(packed).expect("zstd")).expect("UTF-8");
    let documents: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let text = |value: &serde_json::Value| value.as_str().expect("a string").to_owned();
    let rows: Vec<_> = documents.iter().map(|row| (text(&row["language"]), text(&row["text"]))).collect();
    let config = KenLmConfig { model: fixture("ccnet"), compat: Some(KenLmCompat::CcNet), ..KenLmConfig::default() };
    let batch = config.build().expect("the models").process(batch(&rows)).expect("scored");
    let mut differ = Vec::new();
    for (row, document) in documents.iter().enumerate() {
        let found = batch.document(row).f64("kenlm_perplexity").expect("a score");
        let expected = document["perplexity"].as_f64().expect("a number");
        if (found - expected).abs() > 1e-6 * expected {
            differ.push(format!("{row} ({}): {found}, not {expected}", document["source"]));
        }
    }
    assert!(rows.len() == 200 && differ.is_empty(), "{} of {}: {differ:#?}", differ.len(), rows.len());
}

#[test]
fn a_language_without_a_model_has_no_score_and_stays() {
    let rows = [("zh-Hant", "今天天氣很好"), ("ja", "今日は天気がいい"), ("zh", " \n ")];
    let rows = rows.map(|(language, text)| (language.to_owned(), text.to_owned()));
    let config = KenLmConfig { model: fixture("ccnet"), max_perplexity: 2.0, ..KenLmConfig::default() };
    let batch = config.build().expect("the models").process(batch(&rows)).expect("scored");
    let scores: Vec<_> = (0..3).map(|row| batch.document(row).f64("kenlm_perplexity").is_some()).collect();
    assert_eq!(scores, [true, false, false], "both scripts of Chinese have the model `zh`");
    let reasons: Vec<_> = (0..3).map(|row| batch.reason(row).map(|reason| reason.code)).collect();
    assert_eq!(reasons, [Some("high_perplexity"), None, None]);
    assert!(batch.document(0).f64("kenlm_bits_per_byte").is_some_and(|bits| bits > 0.5));
}

/// A model of labels and texts, in a file.
fn classifier(folder: &Path, lines: &str) -> PathBuf {
    let mut options = TrainOptions::default();
    options.args.dim = 8;
    options.args.epoch = 20;
    options.learning_rate = 0.5;
    options.args.bucket = 2000;
    (options.args.minn, options.args.maxn) = (1, 2);
    let lines = lines.repeat(30);
    let model = train(Lines(lines.as_bytes()), &options, |_| {}, &AtomicBool::new(false)).expect("a model");
    let path = folder.join("model.bin");
    model.write(&path).expect("written");
    path
}

const LANGUAGES: &str = "__label__eng_Latn the cat sat on the mat\n__label__eng_Latn where is it now\n\
    __label__cmn_Hani 猫 坐 在 垫子 上 这 是 事实\n__label__cmn_Hani 今天 天气 很 好\n\
    __label__fra_Latn le chat est sur la table\n__label__fra_Latn où est-il maintenant\n";

#[test]
fn a_fasttext_model_names_languages_in_our_codes() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = Some(classifier(folder.path(), LANGUAGES));
    let config = LanguageId { model, script: true, min_score: 0.0, ..LanguageId::default() };
    let texts = ["the cat is on the mat", "貓坐在墊子上，這是事實", "猫坐在垫子上，这是事实", "le chat est là", "12 %"];
    let batch = config.build().expect("the model").process(Batch::of_texts(&texts)).expect("processed");
    let column = |name: &str, row| batch.document(row).str(name).map(|text| text.into_owned());
    let found: Vec<_> = (0..5).map(|row| column("language", row).expect("a language")).collect();
    assert_eq!(found, ["en", "zh-Hant", "zh-Hans", "fr", "und"]);
    assert_eq!(column("language_script", 0).as_deref(), Some("Latn"));
    let wrong = LanguageId { keep: vec!["de".into()], ..config };
    let error = wrong.build().map(|_| ()).expect_err("the model does not know German");
    assert!(error.to_string().contains("`de` is no language that the model names"), "{error}");
}

#[test]
fn short_texts_and_mixed_documents_have_a_policy() {
    let english = "This is a line of ordinary English prose, long enough.";
    let chinese = "这一行是中文，说的是同一件事情，而且足够长了。";
    let mixed = format!("{english}\n{english}\n{english}\n{chinese}\n");
    let texts = ["Hi there", english, &mixed];
    let config = LanguageId {
        min_letters: 10,
        short_text: ShortText::Drop,
        shares: true,
        script: true,
        min_main_share: 0.9,
        ..LanguageId::default()
    };
    let batch = config.build().expect("sound").process(Batch::of_texts(&texts)).expect("processed");
    let reasons: Vec<_> = (0..3).map(|row| batch.reason(row).map(|reason| reason.code)).collect();
    assert_eq!(reasons, [Some("too_short_to_identify"), None, Some("mixed_languages")]);
    let shares = batch.column("language_shares").expect("the column");
    let entry = arrow_array::cast::AsArray::as_map(shares.as_ref()).value(2);
    let names: Vec<_> =
        entry.column(0).as_any().downcast_ref::<StringArray>().expect("names").iter().flatten().collect();
    assert_eq!(names, ["en", "zh-Hans"]);
    let undetermined = LanguageId { short_text: ShortText::Undetermined, ..config };
    let batch = undetermined.build().expect("sound").process(Batch::of_texts(&texts)).expect("processed");
    assert_eq!((batch.document(0).str("language").as_deref(), batch.reason(0)), (Some("und"), None));
}

#[test]
fn the_label_that_counts_is_named_known_or_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = "__label__hq a fine text about things\n__label__cc buy buy cheap pills now\n";
    let model = classifier(folder.path(), lines);
    let rows = ["a fine text about things", "buy cheap pills", ""].map(|text| ("en".to_owned(), text.to_owned()));
    let config = FastTextConfig { model: model.clone(), min_score: 0.5, ..FastTextConfig::default() };
    let scored = config.clone().build().expect("a model").process(batch(&rows)).expect("scored");
    let score = |row: usize| scored.document(row).f64("quality").expect("a score");
    assert!(score(0) > 0.9 && score(1) < 0.1, "{} {}", score(0), score(1));
    let reasons: Vec<_> = (0..2).map(|row| scored.reason(row).map(|reason| reason.code)).collect();
    assert_eq!(reasons, [None, Some("low_fasttext_score")]);
    let both = FastTextConfig { labels: vec!["hq".into(), "__label__cc".into()], ..config.clone() };
    let sum = both.build().expect("labels").process(batch(&rows)).expect("scored").document(1).f64("quality");
    assert!(sum.is_some_and(|sum| (sum - 1.0).abs() < 1e-3), "{sum:?}");
    let problem = |config: FastTextConfig| config.build().map(|_| ()).expect_err("refused").to_string();
    let unknown = FastTextConfig { labels: vec!["good".into()], ..config.clone() };
    assert!(problem(unknown).contains("the model has no label `good`"));
    let several = classifier(folder.path(), LANGUAGES);
    assert!(problem(FastTextConfig { model: several, ..config.clone() }).contains("not known which label counts"));
    assert!(problem(FastTextConfig { model: folder.path().join("none.bin"), ..config }).contains("none.bin"));
}
