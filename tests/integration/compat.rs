//! Published MinHash pipelines: the same files and the same documents kept as their own packages give
//! (`tests/oracle/dedup_compat.py`, `tests/fixtures/dedup/compat.toml`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use yuan_dedup::{MinhashDataJuicer, MinhashTextDedup, TextDedupHash, Tokenization};

use crate::support::{Dir, files};

/// What a peer made of a corpus.
#[derive(Deserialize)]
struct Golden {
    corpus: String,
    peer: String,
    #[serde(default)]
    settings: BTreeMap<String, String>,
    kept: usize,
    documents: usize,
    digests: BTreeMap<String, String>,
}

fn goldens(peer: &str) -> Vec<Golden> {
    #[derive(Deserialize)]
    struct Table {
        golden: Vec<Golden>,
    }
    let table: Table = toml::from_str(include_str!("../fixtures/dedup/compat.toml")).expect("goldens");
    table.golden.into_iter().filter(|golden| golden.peer == peer).collect()
}

/// The texts of a corpus, in files; `None` if it is not there.
fn corpus(name: &str) -> Option<Vec<Vec<String>>> {
    let lines = |bytes: &[u8]| -> Vec<serde_json::Value> {
        let mut text = String::new();
        let mut decoder = zstd::Decoder::new(bytes).expect("zstd");
        decoder.window_log_max(31).expect("a window");
        std::io::Read::read_to_string(&mut decoder, &mut text).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let text = |row: &serde_json::Value| row["text"].as_str().expect("a text").to_owned();
    if name == "demo" {
        let rows = lines(include_bytes!("../../cli/demo/corpus.jsonl.zst"));
        let texts: Vec<String> = rows.iter().map(text).collect();
        return Some(texts.chunks(1500).map(<[String]>::to_vec).collect());
    }
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpora/neardup"));
    if !folder.exists() {
        return None;
    }
    let languages: &[&str] = if name == "neardup" { &["en", "zh"] } else { &[&name["neardup-".len()..]] };
    let mut parts = Vec::new();
    for language in languages {
        for file in ["revisions", "versions"] {
            let rows = lines(&std::fs::read(folder.join(format!("{file}.jsonl.zst"))).expect("read"));
            let of_language = rows.iter().filter(|row| row["lang"] == *language).map(text);
            // The longer ones take the peers hours.
            parts.push(of_language.filter(|text| text.chars().count() <= 8000).collect());
        }
    }
    Some(parts)
}

/// The corpus as input files in a folder.
fn inputs(dir: &Dir, name: &str) -> Option<()> {
    for (number, texts) in corpus(name)?.iter().enumerate() {
        let lines: String = texts
            .iter()
            .enumerate()
            .map(|(id, text)| serde_json::json!({ "id": id, "text": text }).to_string() + "\n")
            .collect();
        dir.file(&format!("in/{number:05}.jsonl"), lines);
    }
    Some(())
}

/// SHA-256 of all files of each kind, name and bytes in order of path.
fn digests(folder: &Path) -> BTreeMap<String, String> {
    let mut kinds: BTreeMap<String, Sha256> = BTreeMap::new();
    for (path, bytes) in files(folder) {
        let path = PathBuf::from(path);
        let kind = path.extension().expect("a kind").to_string_lossy().into_owned();
        let digest = kinds.entry(kind).or_default();
        digest.update(path.file_name().expect("a name").to_string_lossy().as_bytes());
        digest.update(b"\n");
        digest.update(&bytes);
    }
    kinds.into_iter().map(|(kind, digest)| (kind, format!("{:x}", digest.finalize()))).collect()
}

#[test]
fn datatroves_files_and_documents_are_the_same() {
    for golden in goldens("datatrove") {
        let dir = Dir::new();
        if inputs(&dir, &golden.corpus).is_none() {
            eprintln!("skipped: no ../shared/corpora/neardup");
            continue;
        }
        let setting = |name: &str| golden.settings[name].as_str();
        let (language, hash, precision) = (setting("language"), setting("hash"), setting("precision"));
        let settings =
            format!("language = \"{language}\", hash = \"{hash}\", precision = {precision}, folder = \"files\"");
        dir.file(
            "r.toml",
            format!(
                "[input]\npaths = [\"in\"]\nunit_bytes = 1000000\n[[stage]]\nminhash_datatrove = {{ {settings} }}\n"
            ),
        );
        dir.ok(&["run", "r.toml", "-o", "run", "--quiet"]);
        let name = format!("{} {:?}", golden.corpus, golden.settings);
        assert_eq!(digests(&dir.path("run/files")), golden.digests, "{name}");
        let kept = dir.documents("run/out");
        assert_eq!(kept.len(), golden.kept, "{name}");

        // Step by step, from file to file.
        if hash == "sha1" || golden.corpus != "demo" {
            continue;
        }
        let described = ["--precision", precision];
        let sign =
            ["datatrove-minhash", "sign", "in", "-o", "steps/signatures", "--language", language, "--hash", hash];
        dir.ok(&[&sign[..], &described, &["--quiet"]].concat());
        assert!(!dir.path("steps/signatures.run").exists());
        let matching = ["datatrove-minhash", "match", "steps/signatures", "-o", "steps/duplicates", "--quiet"];
        dir.ok(&[&matching[..], &described].concat());
        dir.ok(&["datatrove-minhash", "cluster", "steps/duplicates", "-o", "steps/remove", "--clusters", "--sizes"]);
        assert_eq!(digests(&dir.path("steps")), golden.digests, "{name}");
        dir.ok(&["datatrove-minhash", "filter", "in", "-o", "filtered", "--remove", "steps/remove", "--quiet"]);
        assert_eq!(dir.documents("filtered/out"), kept, "{name}");
    }
}

#[test]
fn pairs_are_dealt_out_to_workers_as_datatrove_does() {
    let dir = Dir::new();
    inputs(&dir, "demo").expect("it is bundled");
    dir.ok(&["datatrove-minhash", "sign", "in", "-o", "signatures", "--quiet"]);
    for (workers, digest) in WORKERS {
        let out = format!("pairs-{workers}");
        dir.ok(&["datatrove-minhash", "match", "signatures", "-o", &out, "--workers", workers, "--quiet"]);
        assert_eq!(digests(&dir.path(&out))["dups"], digest, "{workers}");
    }
}

/// `WORKERS=n python tests/oracle/dedup_compat.py datatrove en xxhash 64` on the same three files.
const WORKERS: [(&str, &str); 2] = [
    ("1", "df32be0b1d68579dcef1410250ee20af57927cb7382ce6355d5f07412cfaa400"),
    ("3", "23b6df24f6205db6b01e0161abc38a49d810fe61d93ef1e9b243ce352143d45c"),
];

#[test]
fn datatroves_result_depends_on_neither_units_nor_threads_nor_memory() {
    let dir = Dir::new();
    inputs(&dir, "demo").expect("it is bundled");
    let run = |name: &str, unit: &str, more: &[&str]| {
        let stage = "minhash_datatrove = { ranks = 2, folder = \"files\" }";
        let recipe = format!("[input]\npaths = [\"in\"]\nunit_bytes = {unit}\n[[stage]]\n{stage}\n");
        dir.file("r.toml", recipe);
        dir.ok(&[&["run", "r.toml", "-o", name, "--quiet"], more].concat());
        (digests(&dir.path(&format!("{name}/files"))), dir.documents(&format!("{name}/out")))
    };
    let expected = run("one", "100000000", &["--threads", "1"]);
    assert!(expected.1.len() < 3956);
    assert!(expected == run("many", "65536", &["--threads", "4", "--memory", "64MiB"]));
}

#[test]
fn text_dedups_bands_and_documents_are_the_same() {
    for golden in goldens("text-dedup") {
        let Some(parts) = corpus(&golden.corpus) else { continue };
        let setting = |name: &str| golden.settings[name].as_str();
        let hash = if setting("hash") == "xxh3" { TextDedupHash::Xxh3 } else { TextDedupHash::Sha1 };
        let hash_bits = setting("hash_bits").parse().expect("a number");
        let pass = MinhashTextDedup { hash, hash_bits, ..MinhashTextDedup::default() }.build().expect("settings");
        let mut signer = pass.signer();
        let mut digest = Sha256::new();
        for text in parts.iter().flatten() {
            signer.bands(text, |bytes| digest.update(bytes));
        }
        let name = format!("{} {:?}", golden.corpus, golden.settings);
        assert_eq!(format!("{:x}", digest.finalize()), golden.digests["bands"], "{name}");
        let settings = format!("hash = \"{}\", hash_bits = {hash_bits}", setting("hash"));
        same_documents(&golden, "minhash_text_dedup", &settings);
    }
}

#[test]
fn data_juicers_bands_and_documents_are_the_same() {
    for golden in goldens("data-juicer") {
        let Some(parts) = corpus(&golden.corpus) else { continue };
        let tokenization = match golden.settings["tokenization"].as_str() {
            "space" => Tokenization::Space,
            "character" => Tokenization::Character,
            _ => Tokenization::Punctuation,
        };
        let pass = MinhashDataJuicer { tokenization, ..MinhashDataJuicer::default() }.build().expect("settings");
        let mut signer = pass.signer();
        let mut digest = Sha256::new();
        for text in parts.iter().flatten() {
            signer.bands(text, |bytes| digest.update(bytes));
        }
        let name = format!("{} {:?}", golden.corpus, golden.settings);
        assert_eq!(format!("{:x}", digest.finalize()), golden.digests["bands"], "{name}");
        let settings = format!("tokenization = \"{}\"", golden.settings["tokenization"]);
        same_documents(&golden, "minhash_data_juicer", &settings);
    }
}

/// Runs a stage and compares which documents are kept, by their numbers.
fn same_documents(golden: &Golden, stage: &str, settings: &str) {
    let parts = corpus(&golden.corpus).expect("it was there");
    let dir = Dir::new();
    let mut number = 0_u32;
    for (file, texts) in parts.iter().enumerate() {
        let mut lines = String::new();
        for text in texts {
            lines += &(serde_json::json!({ "id": number, "text": text }).to_string() + "\n");
            number += 1;
        }
        dir.file(&format!("in/{file:05}.jsonl"), lines);
    }
    dir.file(
        "r.toml",
        format!("[input]\npaths = [\"in\"]\nunit_bytes = 1000000\n[[stage]]\n{stage} = {{ {settings} }}\n"),
    );
    dir.ok(&["run", "r.toml", "-o", "run", "--quiet"]);
    let kept = dir.documents("run/out");
    let mut digest = Sha256::new();
    kept.iter().for_each(|row| digest.update((row["id"].as_u64().expect("a number") as u32).to_le_bytes()));
    assert_eq!((kept.len(), number as usize), (golden.kept, golden.documents), "{} {settings}", golden.corpus);
    assert_eq!(format!("{:x}", digest.finalize()), golden.digests["numbers"], "{} {settings}", golden.corpus);
}

#[test]
fn options_of_peers_are_checked() {
    let dir = Dir::new();
    dir.file("a.jsonl", "{\"text\": \"a b c d e f g\"}\n{\"text\": \"a b c d e f g\"}\n");
    for peer in ["datatrove", "text-dedup", "data-juicer"] {
        dir.ok(&["dedup", "a.jsonl", "-o", peer, "--compat", peer, "--quiet"]);
        assert_eq!(dir.documents(&format!("{peer}/out")).len(), 1, "{peer}");
    }
    dir.ok(&["dedup", "a.jsonl", "-o", "zh", "--compat", "datatrove", "--language", "zh", "--quiet"]);
    dir.run(&["dedup", "a.jsonl", "-o", "x", "--compat", "datatrove", "--threshold", "0.8"])
        .fails(2, &["--compat", "--threshold"]);
    dir.run(&["dedup", "a.jsonl", "-o", "x", "--compat", "data-juicer", "--language", "zh"])
        .fails(2, &["`--language` is not for `--compat data-juicer`"]);
    dir.run(&["datatrove-minhash", "match", "nowhere", "-o", "x"]).fails(1, &["nowhere"]);
    dir.run(&["datatrove-minhash", "match", ".", "-o", "x", "--precision", "16"]).fails(2, &["`precision` is 16"]);
    dir.file("bad/bucket_000/00000.minhash.sig", [1; 67]);
    dir.run(&["datatrove-minhash", "match", "bad", "-o", "x", "--bands", "1"])
        .fails(1, &["00000.minhash.sig` has 67 bytes, which are no records of 68", "rows_per_band"]);
    dir.file("bad/000.dups", [1; 15]);
    dir.run(&["datatrove-minhash", "cluster", "bad", "-o", "x"]).fails(1, &["15 bytes are no records of 16"]);
    dir.file("other/000000.remove", 7_u32.to_le_bytes());
    dir.run(&["datatrove-minhash", "filter", "a.jsonl", "-o", "y", "--remove", "other"])
        .fails(1, &["rank 0 has no document 7", "in the same files and order"]);
}
