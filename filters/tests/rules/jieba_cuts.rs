//! Are Chinese words those of Python jieba, over whole corpora? Hashes by `tests/oracle/jieba_cuts.py`.

use xxhash_rust::xxh64::Xxh64;
use yuan_filters::{Language, Words};

use crate::support::{corpora, root, texts};

#[test]
fn whole_corpora_are_cut_as_python_jieba_cuts_them() {
    let Some(corpora) = corpora() else {
        println!("skipped: no shared corpora here");
        return;
    };
    let expected = root().join("tests/fixtures/gopher/jieba_cuts.tsv");
    for line in std::fs::read_to_string(expected).expect("the hashes are there").lines() {
        let [file, documents, _, words, hash] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("five fields: {line}");
        };
        let (mut digest, mut count) = (Xxh64::new(0), 0);
        for text in texts(&corpora.join(file)).iter().take(documents.parse().expect("a number")) {
            for word in Words::of_text(text, Language::CHINESE).iter(text) {
                digest.update(word.as_bytes());
                digest.update(b"\n");
                count += 1;
            }
        }
        assert_eq!((count.to_string(), format!("{:016x}", digest.digest())), (words.into(), hash.into()), "{line}");
    }
}
