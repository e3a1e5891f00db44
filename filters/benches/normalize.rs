//! `normalize` on texts that need nothing, and on texts that do.

use divan::Bencher;
use divan::counter::BytesCount;
use yuan_filters::Normalize;

const ENGLISH: &str = "The kernel keeps a list of pages that were read but not changed, so it can drop them first.\n";
const CHINESE: &str = "　　内核维护着一个列表，记录那些被读取但没有修改过的页面，以便在内存不足时首先丢弃它们。\n";
const RUSSIAN: &str = "Ядро хранит список страниц, которые были прочитаны, но не изменены.\n";
const HINDI: &str = "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता प्राप्त है।\n";
const WINDOWS_ENGLISH: &str = "The kernel keeps a list of pages that were read but not changed. \r\n";
const FULLWIDTH_CHINESE: &str = "内核维护着一个列表，记录那些被读取的页面（ＬＲＵ　２０２４）。 \n";
const DECOMPOSED_FRENCH: &str = "Le noyau garde une liste de pages lues mais non modifie\u{301}es.\n";

fn main() {
    for untouched in [ENGLISH, CHINESE, RUSSIAN, HINDI] {
        assert_eq!(Normalize::default().normalize(untouched), untouched);
    }
    divan::main();
}

#[divan::bench(args = [ENGLISH, CHINESE, RUSSIAN, HINDI])]
fn nothing_to_do(bencher: Bencher, line: &str) {
    run(bencher, line);
}

#[divan::bench(args = [WINDOWS_ENGLISH, FULLWIDTH_CHINESE, DECOMPOSED_FRENCH])]
fn rewriting(bencher: Bencher, line: &str) {
    run(bencher, line);
}

fn run(bencher: Bencher, line: &str) {
    let text = line.repeat(100_000 / line.len());
    let normalize = Normalize::default();
    bencher.counter(BytesCount::of_str(&text)).bench(|| normalize.normalize(divan::black_box(&text)).len());
}
