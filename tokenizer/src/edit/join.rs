//! SentencePiece models put together: the pieces of the first, then of each other those that are not there yet.
//!
//! Source: how Yuan 2.0 (arXiv:2311.15786) joins its Chinese pieces and those of arXiv and StarCoder to LLaMA's model. Scores stay what
//! they are, whatever they mean: in a BPE model the best-scored neighbours are joined first, so that pieces with logarithms of
//! probabilities (above −20) go before all but the first ranks of the first model, as in Yuan's.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use yuan_pipeline::{Error, Result};
use yuan_sentencepiece::{FilePiece, Model, ModelFile, ModelKind, PieceKind, Scratch};

use crate::layout::reserved_name;
use crate::train::write_whole;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Pieces in all.
    pub vocab_size: usize,
    /// Of each file the pieces that were added.
    pub added: Vec<usize>,
    /// Pieces of text that their own text does not become: in a BPE model those that no two pieces make.
    pub unreachable: usize,
}

/// Writes the models `from`, put together, to `to`, with as many slots at the end as make the number of pieces a multiple of
/// `vocab_multiple`.
///
/// # Errors
/// If a file is no model, or what comes of it is none.
pub fn join_models(from: &[PathBuf], to: &Path, vocab_multiple: u32) -> Result<Joined> {
    let files = from.iter().map(|path| open(path)).collect::<Result<Vec<_>>>()?;
    let mut sizes = vec![0];
    for count in 1..=files.len() {
        sizes.push(join(&files[..count], 1).pieces.len());
    }
    let joined = join(&files, vocab_multiple);
    let bytes = joined.to_bytes();
    let model = Model::from_bytes(&bytes)
        .map_err(|problem| Error::stage("tokenizer", format!("no model comes of these: {problem}")))?;
    write_whole(to, &bytes)?;
    write_whole(&to.with_extension("vocab"), joined.vocab_lines().as_bytes())?;
    Ok(Joined {
        vocab_size: joined.pieces.len(),
        added: sizes.windows(2).map(|two| two[1] - two[0]).collect(),
        unreachable: unreachable(&model, &joined),
    })
}

/// A model file.
pub(crate) fn open(path: &Path) -> Result<ModelFile> {
    ModelFile::open(path).map_err(|problem| Error::Stage {
        stage: "tokenizer".into(),
        problem: problem.to_string(),
        hint: Some("name SentencePiece `.model` files".into()),
    })
}

/// The files put together; there is at least one.
pub(crate) fn join(files: &[ModelFile], vocab_multiple: u32) -> ModelFile {
    let mut joined = files[0].clone();
    let mut known: HashSet<String> = joined.pieces.iter().map(|piece| piece.text.clone()).collect();
    let bytes = files.iter().any(|file| file.trainer.byte_fallback);
    for piece in files[1..].iter().flat_map(|file| &file.pieces) {
        let is_wanted = match piece.kind {
            PieceKind::Normal | PieceKind::UserDefined | PieceKind::Control => true,
            // All of them or none: a model without falls back to those of the others.
            PieceKind::Byte => !files[0].trainer.byte_fallback,
            PieceKind::Unknown | PieceKind::Unused => false,
        };
        if is_wanted && known.insert(piece.text.clone()) {
            joined.pieces.push(piece.clone());
        }
    }
    joined.trainer.byte_fallback = bytes;
    let mut slot = 0;
    while !joined.pieces.len().is_multiple_of(vocab_multiple.max(1) as usize) {
        let text = reserved_name(slot);
        slot += 1;
        if known.insert(text.clone()) {
            joined.pieces.push(FilePiece { text, score: 0.0, kind: PieceKind::Control });
        }
    }
    joined
}

/// Pieces that nothing becomes, of those that text may become.
fn unreachable(model: &Model, file: &ModelFile) -> usize {
    // Without what is put in front of a text, and with its spaces.
    let mut plain = file.clone();
    plain.normalizer.add_dummy_prefix = false;
    plain.normalizer.remove_extra_whitespaces = false;
    let plain = Model::from_bytes(&plain.to_bytes());
    let model = plain.as_ref().unwrap_or(model);
    let mut scratch = Scratch::default();
    let mut ids = Vec::new();
    let normal = (0_u32..).zip(&file.pieces).filter(|(_, piece)| piece.kind == PieceKind::Normal);
    let is_lost = |(id, piece): &(u32, &FilePiece)| {
        ids.clear();
        model.encode_ids(&piece.text, &mut scratch, &mut ids);
        ids[..] != [*id]
    };
    if file.trainer.kind == ModelKind::Word { 0 } else { normal.filter(is_lost).count() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(kind: ModelKind, pieces: &[(&str, f32, PieceKind)]) -> ModelFile {
        let mut file = ModelFile::default();
        file.trainer.kind = kind;
        file.pieces = pieces
            .iter()
            .map(|(text, score, kind)| FilePiece { text: (*text).into(), score: *score, kind: *kind })
            .collect();
        file
    }

    #[test]
    fn the_first_keeps_its_ids_and_the_others_what_is_new() {
        use PieceKind::{Control, Normal, Unknown};
        let first = file(
            ModelKind::Bpe,
            &[
                ("<unk>", 0.0, Unknown),
                ("ab", 0.0, Normal),
                ("a", -1.0, Normal),
                ("b", -2.0, Normal),
                ("▁", -3.0, Normal),
            ],
        );
        let mut second = file(
            ModelKind::Unigram,
            &[
                ("<unk>", 0.0, Unknown),
                ("<eod>", 0.0, Control),
                ("中", -6.5, Normal),
                ("b", -7.0, Normal),
                ("中文字", -8.0, Normal),
            ],
        );
        second.push_bytes();
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a.model", "b.model"].map(|name| folder.path().join(name));
        for (path, file) in paths.iter().zip([&first, &second]) {
            std::fs::write(path, file.to_bytes()).unwrap();
        }
        let out = folder.path().join("out.model");
        let joined = join_models(&paths, &out, 128).unwrap();
        // 5, then <eod>, 中, 中文字 and the bytes, then slots up to 384.
        assert_eq!(joined, Joined { vocab_size: 384, added: vec![5, 259], unreachable: 1 });
        let model = Model::open(&out).unwrap();
        for (id, piece) in (0..).zip(["<unk>", "ab", "a", "b", "▁", "<eod>", "中", "中文字", "<0x00>"]) {
            assert_eq!(model.piece(id), Some(piece));
        }
        assert_eq!((model.score(3), model.score(6), model.kind()), (Some(-2.0), Some(-6.5), ModelKind::Bpe));
        assert_eq!(model.piece(383), Some("<|reserved_119|>"));
        assert_eq!(model.encode("ab中"), [4, 1, 6]);
        std::fs::write(&out, b"\x0a\x05").unwrap();
        assert!(join_models(&[out], &paths[0], 1).unwrap_err().to_string().contains("out.model"));
    }
}
