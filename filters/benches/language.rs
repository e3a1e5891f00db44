//! `language_id` on documents of about 5 kB, beside whatlang.

use divan::Bencher;
use divan::counter::BytesCount;
use yuan_filters::identify;

const ENGLISH: &str =
    "The kernel keeps a list of pages that were read but not changed, so that it can drop them first. ";
const CHINESE: &str =
    "内核维护着一个列表，记录那些被读取但没有修改过的页面，以便在内存不足时首先丢弃它们（page cache）。";
const RUSSIAN: &str = "Ядро хранит список страниц, которые были прочитаны, но не изменены, чтобы удалить их первыми. ";

fn main() {
    for (text, language) in [(ENGLISH, "en"), (CHINESE, "zh-Hans"), (RUSSIAN, "ru")] {
        assert_eq!(identify(&document(text), 4096).language, language);
    }
    divan::main();
}

fn document(sentence: &str) -> String {
    sentence.repeat(5000 / sentence.len())
}

#[divan::bench(args = [ENGLISH, CHINESE, RUSSIAN])]
fn ours(bencher: Bencher, sentence: &str) {
    let text = document(sentence);
    bencher.counter(BytesCount::of_str(&text)).bench(|| identify(divan::black_box(&text), 4096));
}

#[divan::bench(args = [ENGLISH, CHINESE, RUSSIAN])]
fn whatlang(bencher: Bencher, sentence: &str) {
    let text = document(sentence);
    bencher.counter(BytesCount::of_str(&text)).bench(|| whatlang::detect(divan::black_box(&text)));
}
