use super::*;
use crate::initial;
use serde_json::json;

fn tiny() -> Config {
    Config::named("yuan-moe-tiny").unwrap()
}

fn yuan() -> Yuan {
    let Config::Yuan(yuan) = tiny() else { panic!("a Yuan") };
    yuan
}

fn state() -> State {
    let mut state = initial(&tiny(), 1, crate::DEVIATION);
    state.step = 7;
    for tensor in &mut state.tensors {
        tensor.first_moment = tensor.values.iter().map(|value| value / 3.0).collect();
        tensor.second_moment = tensor.values.iter().map(|value| value * value).collect();
    }
    state
}

fn progress(step: u64) -> Progress {
    Progress { step, settings: Map::from_iter([("seed".to_owned(), json!(1))]), ..Progress::default() }
}

fn write(folder: &Folder, step: u64, dtype: DType) -> PathBuf {
    let (config, state) = (yuan(), state());
    let companions = [Companion { name: "tokenizer.json".into(), bytes: b"{}".to_vec() }];
    folder.write(progress(step), Saved { config: &config, state: &state, dtype, companions: &companions }).unwrap()
}

#[test]
fn a_checkpoint_is_a_model_and_comes_back_to_the_bit() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::new(home.path().join("checkpoints"));
    for dtype in [DType::F32, DType::BF16] {
        let path = write(&folder, 7, dtype);
        let weights = yuan_model::weights::Weights::open(&path).unwrap();
        weights.check(&tiny()).unwrap();
        assert_eq!(weights.dtype(), Some(dtype));
        assert_eq!(Config::read(&path).unwrap(), tiny());
        assert_eq!(fs::read(path.join("tokenizer.json")).unwrap(), b"{}");
        let progress = folder.progress(7).unwrap();
        assert_eq!(folder.state(&progress, &tiny()).unwrap(), state());
    }
    assert_eq!(names(&home.path().join("checkpoints")).unwrap(), ["step-00000007"], "nothing is left lying about");
}

#[test]
fn the_last_ones_are_kept() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::new(home.path().join("c"));
    assert!(folder.steps().unwrap().is_empty());
    for step in [2, 10, 100_000_000] {
        write(&folder, step, DType::F32);
    }
    assert_eq!(folder.steps().unwrap(), [2, 10, 100_000_000]);
    folder.prune(2).unwrap();
    assert_eq!(folder.steps().unwrap(), [10, 100_000_000]);
}

/// A kill while something is written or removed leaves what is made here; the next save or the next model takes it away.
#[test]
fn what_a_kill_leaves_is_removed() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::new(home.path().join("c"));
    write(&folder, 2, DType::F32);
    write(&folder, 4, DType::F32);
    let left = |name: &str| {
        fs::create_dir_all(home.path().join(name)).unwrap();
        fs::write(home.path().join(name).join("model.safetensors"), b"half").unwrap();
    };
    // One of a step that is not saved again, one on its way out.
    left("c/.step-00000003.tmp");
    left("c/.step-00000001.old");
    assert_eq!(folder.steps().unwrap(), [2, 4]);
    folder.prune(1).unwrap();
    assert_eq!(names(&home.path().join("c")).unwrap(), ["step-00000004"]);
    assert!(folder.state(&folder.progress(4).unwrap(), &tiny()).unwrap().tensors == state().tensors);
    // A model half written; one between the names of the old and of the new; one whose old one was not removed.
    let model = home.path().join("model");
    let (config, state) = (yuan(), state());
    for (lost, leftovers) in
        [(false, [".model.tmp"].as_slice()), (true, &[".model.tmp", ".model.old"]), (false, &[".model.old"])]
    {
        leftovers.iter().for_each(|name| left(name));
        if lost {
            fs::remove_dir_all(&model).unwrap();
        }
        let saved = Saved { config: &config, state: &state, dtype: DType::F32, companions: &[] };
        Folder::write_model(&model, saved).unwrap();
        yuan_model::weights::Weights::open(&model).unwrap().check(&tiny()).unwrap();
        assert_eq!(names(home.path()).unwrap(), ["c", "model"]);
    }
}

#[test]
fn what_cannot_be_written_leaves_what_was_there() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::new(home.path().join("c"));
    let path = write(&folder, 2, DType::F32);
    let before = fs::read(path.join("progress.json")).unwrap();
    let (config, state) = (yuan(), state());
    // A name that no file can have.
    let companions = [Companion { name: "no/such/folder".into(), bytes: Vec::new() }];
    let saved = Saved { config: &config, state: &state, dtype: DType::F32, companions: &companions };
    assert!(matches!(folder.write(progress(2), saved), Err(Error::Io { .. })));
    assert_eq!(fs::read(path.join("progress.json")).unwrap(), before);
    assert_eq!(names(&home.path().join("c")).unwrap(), ["step-00000002"]);
}

#[test]
fn damage_is_told_by_file() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::new(home.path().join("c"));
    write(&folder, 2, DType::F32);
    let path = write(&folder, 7, DType::F32);
    let progress = folder.progress(7).unwrap();
    for name in ["model.safetensors", "optimizer.safetensors", "config.json", "tokenizer.json"] {
        let file = path.join(name);
        let sound = fs::read(&file).unwrap();
        let mut bytes = sound.clone();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&file, &bytes).unwrap();
        let error = folder.state(&progress, &tiny()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("its XXH3 is"), "{error}");
        assert!(error.contains("to go on from step 2"), "{error}");
        fs::write(&file, &sound[1..]).unwrap();
        let error = folder.state(&progress, &tiny()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("bytes, and had"), "{error}");
        fs::remove_file(&file).unwrap();
        assert!(matches!(folder.state(&progress, &tiny()), Err(Error::Io { .. })), "{name}");
        fs::write(&file, sound).unwrap();
    }
    fs::write(path.join("progress.json"), "{").unwrap();
    let error = folder.progress(7).unwrap_err().to_string();
    assert!(error.contains("progress.json` is damaged"), "{error}");
}

#[test]
fn a_changed_setting_is_named() {
    let was = progress(1);
    let now = |settings: Value| settings.as_object().unwrap().clone();
    assert_eq!(was.difference(&now(json!({ "seed": 1 }))), None);
    assert_eq!(was.difference(&now(json!({ "seed": 2 }))), Some(("seed", &json!(1), &json!(2))));
    assert_eq!(was.difference(&now(json!({}))), Some(("seed", &json!(1), &Value::Null)));
    assert_eq!(was.difference(&now(json!({ "seed": 1, "x": 3 }))), Some(("x", &Value::Null, &json!(3))));
}
