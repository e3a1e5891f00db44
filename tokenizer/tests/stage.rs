//! `tokenize` as the engine runs it.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

mod support;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use support::{small_texts, train};
use yuan_pipeline::{Batch, Stage, Verdict};
use yuan_tokenizer::{TokenizeConfig, TrainTokenizerConfig};

#[test]
fn each_document_has_its_tokens_and_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let training = TrainTokenizerConfig {
        vocab_size: 800,
        han_characters: yuan_tokenizer::HanCharacters::None,
        output: folder.path().join("tokenizer.json"),
        ..TrainTokenizerConfig::default()
    };
    train(&training, &[&small_texts()], 1, 1 << 30).unwrap();
    for append_eod in [true, false] {
        let config = TokenizeConfig { tokenizer: training.output.clone(), append_eod, ..TokenizeConfig::default() };
        let stage = config.build().unwrap();
        let texts = ["今天，好", "dropped", "", "it's <eod>"];
        let batch = Batch::of_texts(&texts).judge(|document| match document.text() {
            "dropped" => Verdict::drop("test", 1.0, 0.0),
            _ => Verdict::Keep,
        });
        let batch = stage.process(batch.unwrap()).unwrap();
        let field = batch.field("tokens").unwrap();
        let (name, data_type) = stage.columns().adds[0].clone();
        assert_eq!((field.name().as_str(), field.data_type()), (name.as_ref(), &data_type));
        assert_eq!(field.metadata()["vocab_size"], "800");
        assert_eq!(field.metadata().get("eod").map(String::as_str), append_eod.then_some("0"));
        assert_eq!(field.metadata()["tokenizer"], stage.tokenizer().fingerprint());
        let column = batch.column("tokens").unwrap().as_list::<i64>();
        for (row, text) in texts.into_iter().enumerate() {
            let tokens = column.value(row);
            let mut expected = stage.tokenizer().encode(text).unwrap();
            if text == "dropped" {
                expected.clear();
            } else if append_eod && !text.is_empty() {
                expected.push(0);
            }
            assert_eq!(tokens.as_primitive::<UInt32Type>().values(), &expected[..], "{text}");
        }
        assert_eq!(column.value(2).len(), 0, "no text, no tokens, no end");
    }
}
