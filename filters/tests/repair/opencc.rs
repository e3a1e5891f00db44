//! Are the conversions of `chinese_variant` OpenCC's own, document by document?
//!
//! `tests/oracle/repair_opencc.py` asked it; agreement is in `tests/fixtures/repair/CONFORMANCE.md`.

use xxhash_rust::xxh64::xxh64;
use yuan_filters::{ChineseVariant, Variant};

/// The stage whose conversion is OpenCC's of this name, and the language that makes it so.
fn stage(configuration: &str) -> (ChineseVariant, &'static str) {
    let (to, regional_words, language) = match configuration {
        "t2s" => (Variant::Simplified, false, "zh-Hant"),
        "tw2sp" => (Variant::Simplified, true, "zh-Hant"),
        "s2t" => (Variant::Traditional, false, "zh-Hans"),
        "s2tw" => (Variant::Taiwan, false, "zh-Hans"),
        "s2twp" => (Variant::Taiwan, true, "zh-Hans"),
        "s2hk" => (Variant::Hongkong, false, "zh-Hans"),
        "s2hkp" => (Variant::Hongkong, true, "zh-Hans"),
        "t2tw" => (Variant::Taiwan, false, "zh-Hant"),
        "t2hk" => (Variant::Hongkong, false, "zh-Hant"),
        other => panic!("no configuration `{other}`"),
    };
    (ChineseVariant { to, regional_words, ..ChineseVariant::default() }, language)
}

#[test]
fn the_sample_is_converted_as_opencc_does() {
    let path = crate::support::root().join("tests/fixtures/repair/opencc_sample.jsonl");
    let sample = crate::support::records(&std::fs::read_to_string(path).expect("the sample"));
    assert!(sample.len() > 30);
    for record in &sample {
        let text = record["text"].as_str().expect("a text");
        for (configuration, expected) in record.as_object().expect("a record").iter().filter(|(key, _)| *key != "text")
        {
            let (stage, language) = stage(configuration);
            assert_eq!(stage.convert(text, Some(language)), expected.as_str().expect("a text"), "{configuration}");
        }
    }
}

#[test]
fn shared_documents_are_converted_as_opencc_does() {
    let Some(corpora) = crate::support::corpora() else {
        println!("skipped: no shared corpora here");
        return;
    };
    let (mut conversions, mut different) = (0, Vec::new());
    let mut documents: (String, Vec<String>) = Default::default();
    for line in include_str!("../../../tests/fixtures/repair/opencc_hashes.tsv").lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [corpus, count, configuration, hashes] = cells[..] else { panic!("four cells") };
        if documents.0 != corpus {
            let rows = crate::support::records(&crate::support::unpack(&corpora.join(format!("{corpus}.jsonl.zst"))));
            let chinese = rows.iter().filter(|row| {
                row.get("lang").and_then(|lang| lang.as_str()).unwrap_or("zh").to_lowercase().starts_with("zh")
            });
            let texts: Vec<&str> = chinese.map(|row| row["text"].as_str().expect("a text")).collect();
            let step = texts.len().div_ceil(120).max(1);
            let texts = texts.iter().step_by(step).map(|text| text.chars().take(4_000).collect());
            documents = (corpus.to_owned(), texts.collect());
        }
        assert_eq!(documents.1.len().to_string(), count, "{corpus}");
        let (stage, language) = stage(configuration);
        for (index, text) in documents.1.iter().enumerate() {
            let hash = format!("{:016x}", xxh64(stage.convert(text, Some(language)).as_bytes(), 0));
            if hash[..8] != hashes[index * 8..][..8] {
                different.push(format!("{corpus} {index} {configuration}"));
            }
            conversions += 1;
        }
    }
    println!("{conversions} conversions, {} different: {different:?}", different.len());
    assert!(conversions > 10_000 && different.is_empty());
}
