//! The model that is part of the program.

use std::path::Path;

use yuan_model::weights::Weights;
use yuan_model::weights::quantised::round::Packing;
use yuan_model::{Batch, Description, Model, Options, bundled, convert, tokenizer_of};

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/bundled/yuan-moe-tiny"))
}

#[test]
fn it_is_the_folder_in_the_repository() {
    let path = Path::new(bundled::NAME);
    assert_eq!(tokenizer_of(path).as_deref(), Some(Path::new("bundled/tokenizer.json")));
    assert_eq!(Description::read(path).unwrap().config, Description::read(folder()).unwrap().config);
    for (name, bytes) in bundled::FILES {
        assert_eq!(bytes, std::fs::read(folder().join(name)).unwrap(), "{name}");
    }
    let whole: usize = bundled::FILES.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(whole <= 26 << 20, "{whole} bytes");
    let ids: Vec<u32> = (0..60).map(|place| 300 + place * 97 % 16_000).collect();
    let batch = Batch::of(&ids);
    let logits = |path: &Path| {
        let model = Model::open(path, Options::default(), &mut |_, _| {}).unwrap();
        assert!(model.unexpected().is_empty());
        model.engine().logits(&batch, &[0, 30, 59]).unwrap()
    };
    assert_eq!(logits(path), logits(folder()));
}

#[test]
fn a_path_below_it_is_none_of_the_file_system() {
    assert!(bundled::is_bundled(Path::new("bundled")) && !bundled::is_bundled(Path::new("./bundled")));
    assert!(bundled::file(Path::new("bundled/config.json")).is_some());
    for path in ["bundled", "bundled/nothing", "./bundled/config.json", "config.json"] {
        assert!(bundled::file(Path::new(path)).is_none(), "{path}");
    }
}

#[test]
fn it_is_converted_with_its_tokenizer() {
    let out = tempfile::tempdir().unwrap();
    let packing = Some(Packing { bits: 4, group_size: 64 });
    let options = convert::Options { packing, ..convert::Options::default() };
    let report = convert::weights(Path::new(bundled::NAME), None, out.path(), options).unwrap();
    assert!(report.unexpected.is_empty());
    Weights::open(out.path()).unwrap().check(&report.config).unwrap();
    let tokenizer = std::fs::read(out.path().join("tokenizer.json")).unwrap();
    assert_eq!(Some(&tokenizer[..]), bundled::file(Path::new("bundled/tokenizer.json")));
}
