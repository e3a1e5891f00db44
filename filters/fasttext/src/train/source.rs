//! Where examples come from: fastText's own files, memory, or anything that can be walked more than once.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// An example to learn from.
#[derive(Clone, Copy, Debug)]
pub enum Example<'a> {
    /// A line of fastText's format: tokens in any order, of which those with the label prefix are labels. The line feed belongs to the
    /// line; without it, the line has no `</s>`.
    Line(&'a [u8]),
    /// A text and its labels apart. Tokens of the text that look like labels are left out, line feeds are spaces.
    Labelled {
        /// The labels, with or without the prefix.
        labels: &'a [&'a str],
        /// The text, whose tokens stand between white space.
        text: &'a str,
        /// What the learning rate is multiplied with for this example; 1 for all is fastText's way.
        weight: f32,
    },
}

/// A series of examples that can be walked several times: once to count the words, once to encode the texts.
pub trait ExampleSource {
    /// Gives all examples to `visit`, from the first on, in the same order every time.
    ///
    /// # Errors
    /// An error of reading, and whatever `visit` gives: the walk ends there.
    fn visit(&mut self, visit: &mut dyn FnMut(Example<'_>) -> Result<()>) -> Result<()>;
}

impl<S: ExampleSource + ?Sized> ExampleSource for &mut S {
    fn visit(&mut self, visit: &mut dyn FnMut(Example<'_>) -> Result<()>) -> Result<()> {
        (**self).visit(visit)
    }
}

/// Lines in fastText's format that lie in memory.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a>(pub &'a [u8]);

impl ExampleSource for Lines<'_> {
    fn visit(&mut self, visit: &mut dyn FnMut(Example<'_>) -> Result<()>) -> Result<()> {
        self.0.split_inclusive(|&byte| byte == b'\n').try_for_each(|line| visit(Example::Line(line)))
    }
}

/// A file of lines in fastText's format (`__label__en this is a text`), read anew for every walk.
#[derive(Clone, Debug)]
pub struct LineFile {
    path: PathBuf,
}

impl LineFile {
    /// The file at `path`, which is opened when it is walked.
    pub fn new(path: impl AsRef<Path>) -> Self {
        LineFile { path: path.as_ref().to_owned() }
    }
}

impl ExampleSource for LineFile {
    fn visit(&mut self, visit: &mut dyn FnMut(Example<'_>) -> Result<()>) -> Result<()> {
        let failed = |action, source| Error::Io { action, path: self.path.clone(), source };
        let file = File::open(&self.path).map_err(|source| failed("open", source))?;
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let mut line = Vec::new();
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line).map_err(|source| failed("read", source))? == 0 {
                return Ok(());
            }
            visit(Example::Line(&line))?;
        }
    }
}

/// An example that owns its text.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledText {
    /// The labels, with or without the prefix.
    pub labels: Vec<String>,
    /// The text.
    pub text: String,
    /// What the learning rate is multiplied with for this example.
    pub weight: f32,
}

impl ExampleSource for &[LabelledText] {
    fn visit(&mut self, visit: &mut dyn FnMut(Example<'_>) -> Result<()>) -> Result<()> {
        let mut labels: Vec<&str> = Vec::new();
        for example in *self {
            labels.clear();
            labels.extend(example.labels.iter().map(String::as_str));
            visit(Example::Labelled { labels: &labels, text: &example.text, weight: example.weight })?;
        }
        Ok(())
    }
}

/// Examples from a function that walks them.
///
/// ```
/// use yuan_fasttext::train::{Example, ExampleSource, Walk};
///
/// let texts = ["good text", "bad text"];
/// let mut source = Walk(|visit: &mut dyn FnMut(Example<'_>) -> yuan_fasttext::Result<()>| {
///     texts.iter().try_for_each(|text| visit(Example::Labelled { labels: &[&text[..3]], text, weight: 1.0 }))
/// });
/// let mut count = 0;
/// source.visit(&mut |_| {
///     count += 1;
///     Ok(())
/// })?;
/// assert_eq!(count, 2);
/// # Ok::<(), yuan_fasttext::Error>(())
/// ```
pub struct Walk<F>(pub F);

impl<F> ExampleSource for Walk<F>
where
    F: FnMut(&mut dyn FnMut(Example<'_>) -> Result<()>) -> Result<()>,
{
    fn visit(&mut self, visit: &mut dyn FnMut(Example<'_>) -> Result<()>) -> Result<()> {
        (self.0)(visit)
    }
}
