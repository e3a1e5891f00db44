//! A model: its settings, its dictionary and its two matrices.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::bytes::Bytes;
use crate::output::OutputLayer;
use crate::{Args, Dictionary, Error, Matrix, ModelKind, Result, format};

/// A fastText model, read from a file or put together.
///
/// Predictions are in `predict.rs`, vectors of words and texts in `vectors.rs`.
#[derive(Clone, Debug)]
pub struct Model {
    parts: Parts,
    output_layer: OutputLayer,
}

/// What a model file stores.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub args: Args,
    pub dictionary: Dictionary,
    pub input: Matrix,
    pub output: Matrix,
    /// `qout` as the file has it: a dense model may carry it without meaning.
    pub quantised_output: bool,
}

impl Model {
    /// Opens a `.bin` or `.ftz` file.
    ///
    /// The file is mapped: the dictionary is read, the matrices are fetched by the operating system as predictions touch
    /// them and are shared between processes. The file must not be changed while it is open; replacing it by renaming
    /// another over it is fine.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::File`] with the reason why it is no model that can be used.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |action| move |source| Error::Io { action, path: path.to_owned(), source };
        let file = File::open(path).map_err(failed("open"))?;
        let length = file.metadata().map_err(failed("read"))?.len();
        let bytes = match length {
            0 => Bytes::from(Vec::new()),
            // SAFETY: the map is only read, as bytes of any value; that nobody shortens the file meanwhile is in the
            // contract of this function.
            _ => Bytes::from_map(unsafe { memmap2::Mmap::map(&file) }.map_err(failed("map"))?),
        };
        Self::from_bytes(bytes).map_err(|error| error.in_file(path))
    }

    /// Opens a model and [takes it into memory](Self::into_memory).
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and [`Error::Io`] when there is not enough memory.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let model = Self::open(path)?;
        model.into_memory().map_err(|source| Error::Io { action: "load", path: path.to_owned(), source })
    }

    /// Copies the matrices of a mapped model into memory, aligned and on huge pages where the system has them.
    ///
    /// Costs the reading of the whole file and as much memory that is not shared; predictions then run up to twice as fast
    /// with a large model, so it pays from some megabytes of text on.
    ///
    /// # Errors
    /// When there is not enough memory.
    pub fn into_memory(mut self) -> std::io::Result<Self> {
        self.parts.input = self.parts.input.into_memory()?;
        self.parts.output = self.parts.output.into_memory()?;
        Ok(self)
    }

    /// Reads a model from memory, such as one that is built into a program: `Model::from_bytes(include_bytes!(…))`.
    ///
    /// # Errors
    /// What is wrong with the bytes: [`Error::NotAModel`], [`Error::Version`], [`Error::Truncated`],
    /// [`Error::Malformed`], [`Error::Mismatch`].
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Self> {
        Self::new(format::read(bytes.into())?)
    }

    /// Puts a model together.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when a matrix has rows of another length than `dim`, the input has no row for each word and
    /// bucket, the output has no row for each label, or the output is quantised and the input is not.
    pub fn from_parts(args: Args, dictionary: Dictionary, input: Matrix, output: Matrix) -> Result<Self> {
        let quantised_output = matches!(output, Matrix::Quantised(_));
        if quantised_output && !matches!(input, Matrix::Quantised(_)) {
            return Err(Error::mismatch("the output is quantised and the input is not"));
        }
        args.validate()?;
        Self::new(Parts { args, dictionary, input, output, quantised_output })
    }

    fn new(parts: Parts) -> Result<Self> {
        let Parts { args, dictionary, input, output, .. } = &parts;
        for (name, matrix) in [("input", input), ("output", output)] {
            if matrix.columns() != args.dim as usize {
                let problem = format!("the {name} has {} columns, `dim` is {}", matrix.columns(), args.dim);
                return Err(Error::mismatch(problem));
            }
        }
        let needed = dictionary.rows_needed(args);
        if needed > input.rows() as u64 || needed > u64::from(u32::MAX) {
            let problem = format!("the input has {} rows, words and n-grams need {needed}", input.rows());
            return Err(Error::mismatch(problem));
        }
        if args.model == ModelKind::Supervised && output.rows() < dictionary.label_count() {
            let problem = format!("the output has {} rows for {} labels", output.rows(), dictionary.label_count());
            return Err(Error::mismatch(problem));
        }
        let output_layer = OutputLayer::new(args, dictionary)?;
        Ok(Self { parts, output_layer })
    }

    /// Writes the model as the C++ library does, in version 12, byte by byte.
    ///
    /// # Errors
    /// [`Error::Write`] with the writer's reason.
    pub fn write_to(&self, mut out: impl Write) -> Result<()> {
        format::write(&self.parts, &mut out)?;
        out.flush()?;
        Ok(())
    }

    /// Writes the model into a file, see [`write_to`](Self::write_to). The file must not be the one that this model was
    /// opened from.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let failed = |source| Error::Io { action: "write", path: path.to_owned(), source };
        let file = File::create(path).map_err(failed)?;
        self.write_to(BufWriter::new(file)).map_err(|error| match error {
            Error::Write { source } => failed(source),
            other => other,
        })
    }

    /// The settings.
    pub fn args(&self) -> &Args {
        &self.parts.args
    }

    /// The words and labels.
    pub fn dictionary(&self) -> &Dictionary {
        &self.parts.dictionary
    }

    /// A row for each word and bucket.
    pub fn input(&self) -> &Matrix {
        &self.parts.input
    }

    /// A row for each label, of a supervised model, or word.
    pub fn output(&self) -> &Matrix {
        &self.parts.output
    }

    /// The parts, to change them and put them [together](Self::from_parts) again.
    pub fn into_parts(self) -> (Args, Dictionary, Matrix, Matrix) {
        let Parts { args, dictionary, input, output, .. } = self.parts;
        (args, dictionary, input, output)
    }

    /// Whether the input matrix is quantised (`.ftz`).
    pub fn is_quantised(&self) -> bool {
        matches!(self.parts.input, Matrix::Quantised(_))
    }

    pub(crate) fn output_layer(&self) -> &OutputLayer {
        &self.output_layer
    }
}
