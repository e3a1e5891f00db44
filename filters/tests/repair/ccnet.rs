//! Is `ccnet_text` cc_net's own `normalize`, document by document?
//!
//! `tests/oracle/repair_ccnet.py` asked it; agreement is in `tests/fixtures/repair/CONFORMANCE.md`.

use xxhash_rust::xxh64::xxh64;
use yuan_filters::{CcNetPunctuation, CcNetText};

#[test]
fn the_sample_is_normalised_as_cc_net_does() {
    let path = crate::support::root().join("tests/fixtures/repair/ccnet_sample.jsonl");
    let sample = crate::support::records(&std::fs::read_to_string(path).expect("the sample"));
    assert!(sample.len() > 50);
    let exact = CcNetText::default();
    let configs = [
        ("normal", exact.clone()),
        ("removed", CcNetText { punctuation: CcNetPunctuation::Remove, ..exact.clone() }),
        (
            "case_kept",
            CcNetText { lower_case: false, zero_digits: false, punctuation: CcNetPunctuation::Keep, ..exact.clone() },
        ),
        ("accents_kept", CcNetText { strip_accents: false, zero_digits: false, ..exact }),
    ];
    for record in &sample {
        let text = record["text"].as_str().expect("a text");
        for (field, config) in &configs {
            assert_eq!(config.normalize(text), record[*field].as_str().expect("a text"), "{field} {text:?}");
        }
    }
}

#[test]
fn shared_documents_are_normalised_as_cc_net_does() {
    let Some(corpora) = crate::support::corpora() else {
        println!("skipped: no shared corpora here");
        return;
    };
    let ccnet = CcNetText::default();
    let (mut documents, mut different) = (0, Vec::new());
    for line in include_str!("../../../tests/fixtures/repair/ccnet_hashes.tsv").lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [name, most, count, hashes] = cells[..] else { panic!("four cells") };
        let texts = crate::support::texts(&corpora.join(format!("{name}.jsonl.zst")));
        let step = texts.len().div_ceil(most.parse().expect("a number")).max(1);
        let taken: Vec<&String> = texts.iter().step_by(step).collect();
        assert_eq!(taken.len().to_string(), count, "{name}");
        for (index, text) in taken.iter().enumerate() {
            let hash = format!("{:016x}", xxh64(ccnet.normalize(text).as_bytes(), 0));
            if hash[..8] != hashes[index * 8..][..8] {
                different.push(format!("{name} {index}"));
            }
        }
        documents += taken.len();
    }
    println!("{documents} documents, {} different: {different:?}", different.len());
    assert!(documents > 10_000 && different.is_empty());
}
