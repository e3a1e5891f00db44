//! Tokenizers that are changed: what stays, what goes, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

mod support;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use support::{small_texts, train};
use yuan_tokenizer::edit::{Assignment, assign_reserved, prune};
use yuan_tokenizer::{HanCharacters, Tokenizer, TrainTokenizerConfig};

fn trained(folder: &Path) -> PathBuf {
    let output = folder.join("tokenizer.json");
    let config = TrainTokenizerConfig {
        vocab_size: 1100,
        reserved: 20,
        han_characters: HanCharacters::None,
        output: output.clone(),
        ..TrainTokenizerConfig::default()
    };
    train(&config, &[&small_texts()], 1, 1 << 30).unwrap();
    output
}

#[test]
fn a_slot_gets_a_name_and_no_id_moves() {
    let folder = tempfile::tempdir().unwrap();
    let path = trained(folder.path());
    let special = r#"{ "additional_special_tokens": ["<|reserved_3|>", "<eod>"] }"#;
    std::fs::write(folder.path().join("special_tokens_map.json"), special).unwrap();
    let before = Tokenizer::load(&path).unwrap();
    let slot = before.token_to_id("<|reserved_3|>").unwrap();
    let changed = assign_reserved(&path, &[Assignment { name: "<|im_start|>".into(), id: slot }]).unwrap();
    assert_eq!(changed.len(), 2, "{changed:?}");
    let after = Tokenizer::load(&path).unwrap();
    assert!(after.is_direct());
    let renamed =
        |(name, id): &(String, u32)| (if *id == slot { "<|im_start|>".to_owned() } else { name.clone() }, *id);
    assert_eq!(after.vocabulary(), before.vocabulary().iter().map(renamed).collect::<Vec<_>>());
    assert_eq!(after.special_tokens(), before.special_tokens().iter().map(renamed).collect::<Vec<_>>());
    for text in small_texts() {
        assert_eq!(after.encode(&text).unwrap(), before.encode(&text).unwrap());
    }
    assert_eq!(after.parsing_special(true).encode("<|im_start|>").unwrap(), [slot]);
    let map = std::fs::read_to_string(folder.path().join("special_tokens_map.json")).unwrap();
    assert!(map.contains("<|im_start|>") && !map.contains("reserved"), "{map}");
}

#[test]
fn what_is_no_slot_or_no_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = trained(folder.path());
    let file = std::fs::read(&path).unwrap();
    let refused = |name: &str, id| {
        let error = assign_reserved(&path, &[Assignment { name: name.into(), id }]).unwrap_err();
        assert!(std::fs::read(&path).unwrap() == file, "nothing is changed");
        (error.to_string(), error.hint().unwrap_or_default())
    };
    let (error, hint) = refused("<a>", 0);
    assert!(error.ends_with("has no reserved slot of id 0"), "{error}");
    assert!(hint.contains("20 slots, the first is `<|reserved_0|>` (18)"), "{hint}");
    assert!(refused("<|sep|>", 99_999).0.contains("no reserved slot"));
    assert!(refused("<eod>", 18).0.contains("has a token `<eod>` already"));
    assert!(refused("·", 18).0.contains("has a token `·` already"), "a byte's symbol");
    assert!(refused("·é", 18).0.contains("symbols of other bytes"));
    let twice = ["<x>", "<y>"].map(|name| Assignment { name: name.into(), id: 19 });
    assert!(assign_reserved(&path, &twice).unwrap_err().to_string().contains("named twice"));
}

#[test]
fn the_least_used_tokens_go_and_every_text_is_still_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = trained(folder.path());
    let before = Tokenizer::load(&path).unwrap();
    let texts = small_texts();
    let mut uses = vec![0; before.vocab_size() as usize];
    for text in &texts[..20] {
        before.encode(text).unwrap().iter().for_each(|id| uses[*id as usize] += 1);
    }
    let smaller = folder.path().join("smaller.json");
    let size = before.vocab_size() as usize - 60;
    let pruned = prune(&path, &smaller, &uses, size).unwrap();
    let after = Tokenizer::load(&smaller).unwrap();
    assert!(after.is_direct());
    assert_eq!((after.vocab_size() as usize, pruned.old_ids.len()), (size, size));
    let (old, new) = (before.vocabulary(), after.vocabulary());
    for ((name, id), old_id) in new.iter().zip(&pruned.old_ids) {
        assert_eq!(new[*id as usize].0, old[*old_id as usize].0, "{name} keeps its name and its order");
    }
    assert_eq!(after.special_tokens().len(), before.special_tokens().len());
    let kept: HashSet<&u32> = pruned.old_ids.iter().collect();
    let lost: u64 = (0..uses.len() as u32).filter(|id| !kept.contains(id)).map(|id| uses[id as usize]).sum();
    assert_eq!(pruned.uses_lost, lost);
    for text in texts.iter().map(String::as_str).chain(["·龜\u{0}é", "<|reserved_3|>"]) {
        let ids = after.encode(text).unwrap();
        assert_eq!(after.decode(&ids).unwrap(), text);
    }
    // Of the five no other token is made: where one was used, its two parts are now.
    let pruned = prune(&path, &smaller, &uses, before.vocab_size() as usize - 5).unwrap();
    let after = Tokenizer::load(&smaller).unwrap();
    let tokens =
        |tokenizer: &Tokenizer| -> usize { texts[..20].iter().map(|text| tokenizer.encode(text).unwrap().len()).sum() };
    assert_eq!(tokens(&after), tokens(&before) + pruned.uses_lost as usize);
    let error = prune(&path, &smaller, &uses, 300).unwrap_err();
    assert!(error.to_string().contains("300 are too few"), "{error}");
}
