//! Writing 16 Mi tokens in documents of 1,000, and reading them back.
//!
//! `cargo bench -p yuan-binidx`

use divan::Bencher;
use divan::counter::BytesCount;
use yuan_binidx::{DType, Reader, Writer};

const DOCUMENT_TOKENS: usize = 1_000;
const DOCUMENTS: usize = 16 * 1024 * 1024 / DOCUMENT_TOKENS;

fn main() {
    divan::main();
}

fn tokens() -> Vec<u32> {
    (0..DOCUMENT_TOKENS as u32).map(|token| token.wrapping_mul(2_654_435_761) >> 16).collect()
}

#[divan::bench(args = [DType::U16, DType::I32])]
fn write(bencher: Bencher, dtype: DType) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tokens = tokens();
    let bytes = DOCUMENTS * DOCUMENT_TOKENS * dtype.bytes();
    bencher.counter(BytesCount::new(bytes)).bench(|| {
        let mut writer = Writer::create(folder.path().join("bench"), dtype).expect("created");
        for _ in 0..DOCUMENTS {
            writer.add_sequence(&tokens).expect("added");
            writer.end_document().expect("ended");
        }
        writer.finish().expect("finished")
    });
}

#[divan::bench(args = [DType::U16, DType::I32])]
fn read(bencher: Bencher, dtype: DType) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let prefix = folder.path().join("bench");
    let tokens = tokens();
    let mut writer = Writer::create(&prefix, dtype).expect("created");
    for _ in 0..DOCUMENTS {
        writer.add_sequence(&tokens).expect("added");
        writer.end_document().expect("ended");
    }
    writer.finish().expect("finished");
    let reader = Reader::open(&prefix).expect("opened");
    let bytes = DOCUMENTS * DOCUMENT_TOKENS * dtype.bytes();
    bencher.counter(BytesCount::new(bytes)).bench(|| {
        let mut sum = 0;
        for document in reader.documents() {
            for sequence in document.expect("within the file") {
                sum += sequence.ids().sum::<i64>();
            }
        }
        sum
    });
}
