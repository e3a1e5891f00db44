//! What is done to whole datasets, with many datasets drawn by a hash: written, cut, joined, taken out of, shuffled, damaged.
#![allow(clippy::unwrap_used, reason = "a test may fail so")]

mod support;

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use support::job;
use xxhash_rust::xxh3::xxh3_64_with_seed;
use yuan_binidx::form::{self, Form, Reading, Target, Tokens};
use yuan_binidx::pack::{Method, Packing, pack};
use yuan_binidx::work::{
    Cut, Expected, Removal, RepairOptions, concat, convert, find, locate, remove, repair, shuffle, split, verify,
};
use yuan_binidx::{About, DType, TokenSet, Vocabulary, Writer, bin_path, documents, idx_path};

const EOD: u32 = 3;

/// A number below `below` drawn by a hash of `seed` and `draw`.
fn draw(seed: u64, draw: u64, below: u64) -> u64 {
    xxh3_64_with_seed(&draw.to_le_bytes(), seed) % below
}

/// What the documents of a set are: tokens, id and language.
type Texts = Vec<(Vec<i64>, Option<String>, Option<String>)>;

/// Writes a set of some documents, some of them empty, some of several sequences.
fn write(prefix: &Path, dtype: DType, seed: u64, known: bool) -> Texts {
    let mut writer = Writer::create(prefix, dtype).unwrap();
    if known {
        let vocabulary = Vocabulary { tokenizer: Some("t".into()), vocab_size: Some(1_000), eod: Some(EOD) };
        writer = writer.with_documents(vocabulary).unwrap();
    }
    let mut texts = Vec::new();
    for number in 0..20 + draw(seed, 1_000, 60) {
        let length = if draw(seed, number, 7) == 0 { 0 } else { draw(seed, number + 100, 40) + 1 };
        let mut tokens: Vec<u32> =
            (0..length).map(|place| 4 + draw(seed, 1_000 * number + place, 900) as u32).collect();
        if let Some(last) = tokens.last_mut() {
            *last = EOD;
        }
        let middle = if draw(seed, number, 3) == 0 { tokens.len() / 2 } else { 0 };
        for sequence in [&tokens[..middle], &tokens[middle..]] {
            if !sequence.is_empty() {
                writer.add_sequence(sequence).unwrap();
            }
        }
        let id = (draw(seed, number, 5) > 0).then(|| format!("id-{seed}-{number}"));
        let language = (draw(seed, number, 2) > 0).then(|| "zh".to_owned());
        let about = About {
            id: id.as_deref(),
            source: "source",
            file: "a/file.jsonl",
            row: number + 1_000 * seed,
            language: language.as_deref(),
            text_bytes: 10 * number,
        };
        writer.end_document_about(&about).unwrap();
        texts.push((tokens.into_iter().map(i64::from).collect(), id, language));
    }
    writer.finish().unwrap();
    texts
}

fn read(prefix: &Path) -> Texts {
    let set = TokenSet::open(prefix).unwrap();
    let mut texts = Vec::new();
    set.for_each(0..set.reader().document_count(), |_, document| {
        let about = &document.about;
        texts.push((document.ids(), about.id.map(str::to_owned), about.language.map(str::to_owned)));
        Ok(())
    })
    .unwrap();
    texts
}

fn assert_sound(prefix: &Path, hashed: bool) {
    let found = verify(prefix, Expected { vocab_size: Some(1_000), eod: Some(EOD) }, &job()).unwrap();
    assert!(found.is_sound(), "{}: {found:?}", prefix.display());
    assert_eq!(found.checked_documents, if hashed { found.documents } else { 0 });
}

/// The bytes of all files of a set.
fn bytes(prefix: &Path) -> Vec<Vec<u8>> {
    [bin_path(prefix), idx_path(prefix), documents::documents_path(prefix)]
        .iter()
        .filter_map(|path| fs::read(path).ok())
        .collect()
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for (seed, dtype) in
        [DType::U16, DType::I16, DType::I32, DType::I64, DType::F32, DType::F64].into_iter().enumerate()
    {
        let prefix = folder.path().join(dtype.to_string());
        let texts = write(&prefix, dtype, seed as u64, true);
        assert_eq!(read(&prefix), texts, "{dtype}");
        assert_sound(&prefix, true);
    }
}

#[test]
fn cut_anywhere_and_joined_it_is_the_same_set() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..6 {
        let known = seed % 2 == 0;
        let prefix = folder.path().join(format!("whole-{seed}"));
        let texts = write(&prefix, DType::U16, seed, known);
        let whole = bytes(&prefix);
        let cuts = [
            Cut::Parts(1),
            Cut::Parts(4),
            Cut::Parts(200),
            Cut::Documents(7),
            Cut::Tokens(50),
            Cut::Weights(vec![98.0, 1.0, 0.0, 1.0]),
        ];
        for (number, cut) in cuts.iter().enumerate() {
            let out = folder.path().join(format!("cut-{seed}-{number}"));
            let parts: Vec<PathBuf> =
                split(&prefix, &out, cut, &job()).unwrap().into_iter().map(|(prefix, _)| prefix).collect();
            let together: Texts = parts.iter().flat_map(|part| read(part)).collect();
            assert_eq!(together.len(), texts.len(), "{cut:?}");
            parts.iter().for_each(|part| assert_sound(part, known));
            let joined = folder.path().join(format!("joined-{seed}-{number}"));
            concat(&parts, &joined, None, &job()).unwrap();
            assert_eq!(bytes(&joined), whole, "{cut:?}");
        }
    }
}

#[test]
fn sets_of_two_types_are_joined_in_a_wider_one_and_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let [narrow, wide, joined] = ["narrow", "wide", "joined"].map(|name| folder.path().join(name));
    let mut texts = write(&narrow, DType::U16, 1, true);
    texts.extend(write(&wide, DType::I32, 2, true));
    let error = concat(&[&narrow, &wide], &joined, None, &job()).unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("`--dtype i32` makes them the same"));
    concat(&[&narrow, &wide], &joined, Some(DType::I32), &job()).unwrap();
    assert_eq!(read(&joined), texts);
    assert_sound(&joined, true);
    let set = TokenSet::open(&joined).unwrap();
    assert_eq!(set.vocabulary().eod, Some(EOD));
}

#[test]
fn what_is_taken_out_is_gone_and_all_else_stays() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("set");
    let texts = write(&prefix, DType::U16, 7, true);
    let ids: HashSet<String> =
        texts.iter().filter_map(|(_, id, _)| id.clone()).step_by(3).chain(["nobody".to_owned()]).collect();
    let numbers = BTreeSet::from([0, texts.len() as u64 - 1]);
    let staying: Texts = texts
        .iter()
        .enumerate()
        .filter(|(number, (_, id, _))| {
            !numbers.contains(&(*number as u64)) && !id.as_ref().is_some_and(|id| ids.contains(id))
        })
        .map(|(_, text)| text.clone())
        .collect();
    let removal = Removal { ids: ids.clone(), documents: numbers.clone() };
    let other = folder.path().join("other");
    let removed = remove(&prefix, Some(&other), &removal, &job()).unwrap();
    assert_eq!((read(&other), read(&prefix)), (staying.clone(), texts.clone()), "the set itself is as it was");
    assert_eq!(removed.documents as usize, texts.len() - staying.len());
    assert_eq!(removed.found.len(), ids.len() - 1, "nobody was found");

    remove(&prefix, None, &removal, &job()).unwrap();
    assert_eq!(bytes(&prefix), bytes(&other), "in its own place it is the same");
    assert_sound(&prefix, true);
    let before = bytes(&prefix);
    let nothing = Removal { ids: ["nobody".to_owned()].into(), ..Removal::default() };
    assert_eq!(remove(&prefix, None, &nothing, &job()).unwrap().written, None);
    assert_eq!(bytes(&prefix), before);
    let beyond = Removal { documents: BTreeSet::from([10_000]), ..Removal::default() };
    assert!(remove(&prefix, None, &beyond, &job()).unwrap_err().to_string().contains("there is no document 10000"));

    let unknown = folder.path().join("unknown");
    write(&unknown, DType::U16, 7, false);
    let error = remove(&unknown, None, &nothing, &job()).unwrap_err();
    assert!(error.to_string().contains("no file of documents"), "{error}");
}

#[test]
fn every_token_leads_to_its_document_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("set");
    let texts = write(&prefix, DType::I32, 11, true);
    let set = TokenSet::open(&prefix).unwrap();
    let mut token = 0;
    for (number, (tokens, id, _)) in texts.iter().enumerate() {
        for offset in 0..tokens.len() as u64 {
            let located = locate(&set, token).unwrap();
            assert_eq!((located.document, token - located.first_token), (number as u64, offset));
            assert_eq!((located.id.as_ref(), located.row), (id.as_ref(), number as u64 + 11_000));
            token += 1;
        }
        if let Some(id) = id {
            let found = find(&set, &HashSet::from([id.clone()])).unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].document, found[0].first_token + found[0].tokens), (number as u64, token));
        }
    }
    assert!(locate(&set, token).unwrap_err().to_string().contains("there is no token"));
}

#[test]
fn a_shuffled_set_has_the_same_documents_in_an_order_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("set");
    let texts = write(&prefix, DType::U16, 5, true);
    let target = Target {
        form: Form::Megatron,
        dtype: DType::U16,
        documents: true,
        marks: true,
        vocabulary: Vocabulary::default(),
        column: String::new(),
    };
    let shuffled = |name: &str, seed: u64, parts: usize| {
        let cut = folder.path().join(format!("{name}-parts"));
        let sets: Vec<Box<dyn Tokens>> = split(&prefix, &cut, &Cut::Parts(parts), &job())
            .unwrap()
            .into_iter()
            .map(|(prefix, _)| Box::new(TokenSet::open(prefix).unwrap()) as Box<dyn Tokens>)
            .collect();
        let out = folder.path().join(name);
        shuffle(&sets, &target, &out, seed, folder.path().join("scratch"), &job()).unwrap();
        assert_sound(&out, true);
        (read(&out), bytes(&out))
    };
    let (one, one_bytes) = shuffled("one", 1, 1);
    assert_ne!(one, texts);
    assert_eq!(shuffled("cut", 1, 9).1, one_bytes, "whatever it was cut into");
    assert_ne!(shuffled("two", 2, 1).0, one);
    let sorted = |mut texts: Texts| {
        texts.sort();
        texts
    };
    assert_eq!(sorted(one), sorted(texts));
}

#[test]
fn sequences_hold_every_token_once_and_say_where_documents_begin() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("set");
    let texts = write(&prefix, DType::U16, 23, true);
    let target = |form| Target {
        form,
        dtype: DType::U16,
        documents: true,
        marks: true,
        vocabulary: Vocabulary::default(),
        column: "input_ids".into(),
    };
    for method in [Method::Concat, Method::NextFit, Method::BestFit] {
        for pad in [None, Some(999)] {
            let packing = Packing { method, length: 16, pad };
            let set = || -> Vec<Box<dyn Tokens>> { vec![Box::new(TokenSet::open(&prefix).unwrap())] };
            let [bare, table] = ["bare", "table"].map(|name| folder.path().join(format!("{name}-{method:?}-{pad:?}")));
            let packed = pack(&set(), &target(Form::Megatron), &bare, packing, &job()).unwrap();
            pack(&set(), &target(Form::Parquet), &table, packing, &job()).unwrap();
            let sequences: Vec<Vec<i64>> = read(&bare).into_iter().map(|(tokens, ..)| tokens).collect();
            let pieces = pieces(&bare.with_extension("pieces.parquet"));
            assert_eq!(pieces, self::pieces(&table.with_extension("parquet")));
            assert_eq!(pieces.len(), sequences.len());
            let mut found = texts.iter().map(|(tokens, ..)| vec![None; tokens.len()]).collect::<Vec<_>>();
            let mut cut = BTreeSet::new();
            for (sequence, pieces) in sequences.iter().zip(&pieces) {
                assert!(sequence.len() == 16 || (pad.is_none() && sequence.len() < 16));
                let mut at = 0;
                for (length, document, offset) in pieces {
                    for place in 0..*length {
                        let token = &mut found[*document][offset + place];
                        assert_eq!(*token, None, "no token is there twice");
                        *token = Some(sequence[at + place]);
                    }
                    if *length < found[*document].len() && found[*document].len() <= 16 {
                        cut.insert(*document);
                    }
                    at += length;
                }
                assert!(sequence[at..].iter().all(|token| Some(*token) == pad.map(i64::from)));
            }
            for (found, (tokens, ..)) in found.iter().zip(&texts) {
                assert_eq!(found.iter().copied().map(Option::unwrap).collect::<Vec<i64>>(), *tokens);
            }
            assert_eq!(packed.cut_documents as usize, cut.len(), "{method:?}");
            assert_eq!(cut.is_empty(), method != Method::Concat);
            assert_eq!(packed.empty_tokens, packed.written.sequences * 16 - packed.tokens);
        }
    }
}

/// Tokens, document and offset of each piece of each sequence.
fn pieces(path: &Path) -> Vec<Vec<(usize, usize, usize)>> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Int32Type, UInt64Type};
    let file = fs::File::open(path).unwrap();
    let batches = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let mut pieces = Vec::new();
    for batch in batches {
        let batch = batch.unwrap();
        let list = |name: &str, row| batch.column_by_name(name).unwrap().as_list::<i32>().value(row);
        for row in 0..batch.num_rows() {
            let lengths = list("seq_lengths", row).as_primitive::<Int32Type>().values().to_vec();
            let [documents, offsets] =
                ["documents", "offsets"].map(|name| list(name, row).as_primitive::<UInt64Type>().values().to_vec());
            let piece =
                |((length, document), offset): ((i32, u64), u64)| (length as usize, document as usize, offset as usize);
            pieces.push(lengths.into_iter().zip(documents).zip(offsets).map(piece).collect());
        }
    }
    pieces
}

#[test]
fn every_form_keeps_the_tokens_and_what_it_can_of_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let reading = Reading { dtype: None, column: "input_ids".into() };
    for (seed, dtype) in [(1, DType::U16), (2, DType::I32)] {
        let prefix = folder.path().join(format!("set-{seed}"));
        let texts = write(&prefix, dtype, seed, true);
        for form in [Form::Datatrove, Form::Olmo, Form::Parquet] {
            let out = folder.path().join(format!("{seed}-{form:?}"));
            let target = Target {
                form,
                dtype,
                documents: true,
                marks: true,
                vocabulary: Vocabulary::default(),
                column: "input_ids".into(),
            };
            let set: Box<dyn Tokens> = Box::new(TokenSet::open(&prefix).unwrap());
            convert(&[set], &target, &out, &job()).unwrap();
            let reading = Reading { dtype: (form == Form::Olmo).then_some(dtype), ..reading.clone() };
            let there = form::open(&out, form, &reading).unwrap();
            let back = folder.path().join(format!("{seed}-{form:?}-back"));
            convert(&[there], &Target { form: Form::Megatron, ..target }, &back, &job()).unwrap();
            let found = read(&back);
            assert_eq!(found.len(), texts.len(), "{form:?}");
            for ((ours, ours_id, _), (theirs, id, _)) in found.iter().zip(&texts) {
                assert_eq!(ours, theirs, "{form:?}");
                assert!(form == Form::Datatrove || ours_id == id, "{form:?}");
            }
            assert_sound(&back, true);
        }
    }
}

#[test]
fn a_tail_that_was_cut_is_given_up_and_all_before_it_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    for known in [false, true] {
        let prefix = folder.path().join(format!("set-{known}"));
        let texts = write(&prefix, DType::U16, 13, known);
        let (bin, idx) = (fs::read(bin_path(&prefix)).unwrap(), fs::read(idx_path(&prefix)).unwrap());
        let out = folder.path().join("out");
        let mut ends = vec![0];
        texts.iter().for_each(|(tokens, ..)| ends.push(ends.last().unwrap() + 2 * tokens.len()));
        for length in (0..bin.len()).step_by(17) {
            fs::write(bin_path(&prefix), &bin[..length]).unwrap();
            let repaired = repair(&prefix, &out, RepairOptions::default(), &job()).unwrap();
            let saved = ends.iter().skip(1).filter(|end| **end <= length).count();
            // Documents without tokens behind the cut are where nothing can be told.
            let first_lost = ends.iter().skip(1).position(|end| *end > length).unwrap();
            assert_eq!(read(&out).len(), first_lost, "{length} bytes, {saved}");
            assert_eq!(read(&out), texts[..first_lost].iter().map(|text| bare(text, known)).collect::<Texts>());
            assert_eq!(repaired.lost_documents as usize, texts.len() - first_lost);
            assert_sound(&out, known);
        }
        fs::write(bin_path(&prefix), &bin).unwrap();
        // Without the end of the index, or all of it: by lengths, by the rows, or by the ends of documents.
        for length in [0, 20, idx.len() / 2, idx.len() - 1] {
            fs::write(idx_path(&prefix), &idx[..length]).unwrap();
            let options = RepairOptions { eod: Some(EOD), dtype: Some(DType::U16) };
            repair(&prefix, &out, options, &job()).unwrap();
            let tokens = |texts: &Texts| texts.iter().flat_map(|(tokens, ..)| tokens.clone()).collect::<Vec<i64>>();
            let saved = read(&out);
            if known || length < 34 || length == idx.len() - 1 {
                assert_eq!(tokens(&saved), tokens(&texts), "index of {length} bytes, {known}");
            } else {
                assert!(tokens(&texts).starts_with(&tokens(&saved)));
            }
            if known {
                assert_eq!(saved.len(), texts.len());
            }
        }
        fs::remove_file(idx_path(&prefix)).unwrap();
        if !known {
            let error = repair(&prefix, &out, RepairOptions::default(), &job()).unwrap_err();
            assert!(error.hint().unwrap().contains("--dtype"), "{error}");
        }
    }
}

/// What is left of a document of which nothing is known.
fn bare(
    (tokens, id, language): &(Vec<i64>, Option<String>, Option<String>),
    known: bool,
) -> (Vec<i64>, Option<String>, Option<String>) {
    (tokens.clone(), id.clone().filter(|_| known), language.clone().filter(|_| known))
}

#[test]
fn a_byte_that_has_changed_is_found_with_its_document() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("set");
    write(&prefix, DType::U16, 17, true);
    let files = [bin_path(&prefix), idx_path(&prefix), documents::documents_path(&prefix)];
    for path in &files {
        let whole = fs::read(path).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            fs::write(path, &damaged).unwrap();
            match verify(&prefix, Expected::default(), &job()) {
                Ok(found) => {
                    // Parquet has room that nobody reads: statistics, names, alignment.
                    let silent = path.extension().is_some_and(|suffix| suffix == "parquet");
                    assert!(!found.is_sound() || silent, "byte {at} of {}", path.display());
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
            // Whatever it is, work on it ends.
            let _ = repair(&prefix, &folder.path().join("out"), RepairOptions::default(), &job());
            let _ = concat(&[&prefix], folder.path().join("out"), None, &job());
            if let Ok(set) = TokenSet::open(&prefix) {
                let _ = locate(&set, 5);
            }
        }
        fs::write(path, &whole).unwrap();
    }
    assert_sound(&prefix, true);
}

#[test]
fn damaged_files_of_other_forms_end_in_errors() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("set");
    write(&prefix, DType::U16, 19, true);
    let reading = Reading { dtype: None, column: "input_ids".into() };
    for form in [Form::Datatrove, Form::Olmo, Form::Parquet] {
        let out = folder.path().join(format!("{form:?}"));
        let target = Target {
            form,
            dtype: DType::U16,
            documents: true,
            marks: true,
            vocabulary: Vocabulary::default(),
            column: "input_ids".into(),
        };
        let set: Box<dyn Tokens> = Box::new(TokenSet::open(&prefix).unwrap());
        convert(&[set], &target, &out, &job()).unwrap();
        let files: Vec<PathBuf> = fs::read_dir(folder.path())
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(&format!("{form:?}.")))
            .collect();
        assert!(!files.is_empty());
        for path in files {
            let whole = fs::read(&path).unwrap();
            let read_all = || {
                if let Ok(set) = form::open(&out, form, &reading) {
                    let _ = set.for_each(&mut |document| {
                        let _ = document.ids();
                        Ok(())
                    });
                }
            };
            for at in (0..whole.len()).step_by(5) {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << (at % 8);
                fs::write(&path, &damaged).unwrap();
                read_all();
                fs::write(&path, &whole[..at]).unwrap();
                read_all();
            }
            fs::write(&path, &whole).unwrap();
        }
    }
}

#[test]
fn a_set_that_was_being_replaced_is_the_old_one_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("new");
    for known in [true, false] {
        let texts = write(&new, DType::U16, 31, known);
        // What a kill leaves behind the point of no return: the first of the renames are done, the others are not.
        for done in 0..5 {
            let prefix = folder.path().join(format!("set-{known}-{done}"));
            write(&prefix, DType::I32, 37, true);
            let temporary = |path: PathBuf| PathBuf::from(format!("{}.tmp", path.display()));
            let place = |path: fn(&Path) -> PathBuf, step: usize| match done >= step {
                true => path(&prefix),
                false => temporary(path(&prefix)),
            };
            if done >= 1 {
                fs::remove_file(idx_path(&prefix)).unwrap();
            }
            if done >= 2 && !known {
                fs::remove_file(documents::documents_path(&prefix)).unwrap();
            }
            fs::copy(bin_path(&new), place(|prefix| bin_path(prefix), 3)).unwrap();
            if known {
                let path = place(|prefix| documents::documents_path(prefix), 4);
                fs::copy(documents::documents_path(&new), path).unwrap();
            }
            fs::copy(idx_path(&new), prefix.with_extension("idx.next")).unwrap();
            assert_eq!(read(&prefix), texts.iter().map(|text| bare(text, known)).collect::<Texts>(), "{known} {done}");
            assert_eq!(bytes(&prefix), bytes(&new));
            assert_sound(&prefix, known);
        }
        // Before it, nothing has happened.
        let prefix = folder.path().join(format!("before-{known}"));
        let old = write(&prefix, DType::I32, 41, true);
        fs::write(prefix.with_extension("idx.tmp"), "half").unwrap();
        fs::write(prefix.with_extension("bin.tmp"), "half").unwrap();
        assert_eq!(read(&prefix), old);
        fs::remove_file(documents::documents_path(&new)).unwrap_or_default();
    }
}
