//! Labelled texts between scan and training: one compressed file for each work unit.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use yuan_pipeline::{Error, Result};

/// A text with what is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Example {
    pub label: String,
    pub language: String,
    /// Of what must not be parted: the group that the text belongs to, else the text.
    pub group: u64,
    /// Of the document: by it the sample is chosen.
    pub rank: u64,
    /// Tokens with a space between them, no line breaks.
    pub text: String,
}

/// Writes examples to a file.
pub(super) struct Writer {
    path: PathBuf,
    out: zstd::Encoder<'static, BufWriter<File>>,
}

impl Writer {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let open = || zstd::Encoder::new(BufWriter::new(File::create(path)?), 1);
        Ok(Self { path: path.into(), out: open().map_err(Error::io("create", path))? })
    }

    pub(super) fn write(&mut self, example: &Example) -> Result<()> {
        let Self { path, out } = self;
        let mut write = || {
            for text in [&example.label, &example.language, &example.text] {
                out.write_all(&(text.len() as u32).to_le_bytes())?;
                out.write_all(text.as_bytes())?;
            }
            out.write_all(&example.group.to_le_bytes())?;
            out.write_all(&example.rank.to_le_bytes())
        };
        write().map_err(Error::io("write", path))
    }

    pub(super) fn finish(self) -> Result<()> {
        let Self { path, out } = self;
        out.finish().and_then(|mut file| file.flush()).map_err(Error::io("write", path))
    }
}

/// A file of examples could not be read.
pub(super) struct Unread {
    path: PathBuf,
    source: std::io::Error,
}

impl From<Unread> for Error {
    fn from(unread: Unread) -> Self {
        Self::Io { action: "read", path: unread.path, source: unread.source }
    }
}

impl From<Unread> for yuan_fasttext::Error {
    fn from(unread: Unread) -> Self {
        Self::Io { action: "read", path: unread.path, source: unread.source }
    }
}

/// Calls `seen` with every example of the files, in order.
pub(super) fn for_each<E: From<Unread>>(
    partials: &[PathBuf],
    mut seen: impl FnMut(&Example) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let mut example = Example::default();
    for path in partials {
        let failed = |source| Unread { path: path.clone(), source };
        let file = File::open(path).map_err(failed)?;
        let mut file = BufReader::with_capacity(1 << 18, zstd::Decoder::new(file).map_err(failed)?);
        while read(&mut file, &mut example).map_err(failed)? {
            seen(&example)?;
        }
    }
    Ok(())
}

/// Whether there was another example.
fn read(file: &mut impl Read, example: &mut Example) -> std::io::Result<bool> {
    let mut word = [0; 4];
    for (at, text) in [&mut example.label, &mut example.language, &mut example.text].into_iter().enumerate() {
        match file.read_exact(&mut word) {
            Err(error) if at == 0 && error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        text.clear();
        file.take(u64::from(u32::from_le_bytes(word))).read_to_string(text)?;
    }
    for number in [&mut example.group, &mut example.rank] {
        let mut bytes = [0; 8];
        file.read_exact(&mut bytes)?;
        *number = u64::from_le_bytes(bytes);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_come_back_as_they_were_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let example = |label: &str, text: &str| Example {
            label: label.into(),
            language: "zh-Hans".into(),
            group: u64::MAX,
            rank: 7,
            text: text.into(),
        };
        let examples = [example("good", "你 好"), example("bad", ""), example("good", &"长 ".repeat(100_000))];
        let paths = [folder.path().join("a"), folder.path().join("b")];
        for (path, examples) in paths.iter().zip([&examples[..2], &examples[2..]]) {
            let mut writer = Writer::create(path).expect("created");
            examples.iter().for_each(|example| writer.write(example).expect("written"));
            writer.finish().expect("finished");
        }
        let mut read = Vec::new();
        for_each(&paths, |example| {
            read.push(example.clone());
            Ok::<(), Error>(())
        })
        .expect("read");
        assert_eq!(read, examples);
    }
}
