//! Lists that users bring: how files are read, and what is said of those that cannot be.

use yuan_filters::{BadWordsConfig, ToxicityConfig, UrlFilterConfig};
use yuan_pipeline::{Batch, Stage};

#[test]
fn lists_in_files_are_read_and_what_is_wrong_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let list = folder.path().join("mine.txt");
    std::fs::write(&list, "水果\t3\n苹果手机\t0\n").expect("written");
    let files = |category: &str| format!("{{\"files\": {{\"{category}\": [{:?}]}}}}", list.display().to_string());
    let toxicity = |category: &str| serde_json::from_str::<ToxicityConfig>(&files(category)).expect("settings").build();
    let batch = toxicity("other").expect("built").process(Batch::of_texts(&["卖水果", "苹果手机"])).expect("judged");
    assert_eq!(batch.reason(0).map(|reason| reason.code), Some("sensitive_words"));
    assert_eq!(batch.reason(1), None);
    let problem = toxicity("politics").err().expect("no such category").to_string();
    assert!(problem.contains("there is no category `politics`"), "{problem}");
    let bad_words = |language: &str| {
        serde_json::from_str::<BadWordsConfig>(&files(language)).expect("settings").build().map(|_| ())
    };
    assert!(bad_words("zh").is_ok());
    assert!(bad_words("中文").is_err_and(|error| error.to_string().contains("is no language")));
    std::fs::write(&list, "水果\tviel\n").expect("written");
    assert!(bad_words("zh").is_err_and(|error| error.to_string().contains("line 1: the weight `viel`")));
    let nothing = UrlFilterConfig::default().build().err().expect("nothing listed");
    assert!(nothing.to_string().contains("hold nothing") && nothing.hint().is_some());
}
