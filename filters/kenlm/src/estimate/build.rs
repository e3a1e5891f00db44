//! From an estimated model to one that answers, without an ARPA file on the disk.

use std::io::{BufWriter, ErrorKind, Read};
use std::path::Path;

use super::model::Estimate;
use crate::build::{BuildOptions, BuildReport, build_binary_from};
use crate::error::{Error, Result};
use crate::model::Model;

/// What errors call the text between the two.
const NAME: &str = "estimated model";

impl Estimate {
    /// Writes the model as a binary file, with the bytes that [`build_binary`](crate::build_binary) gives for the ARPA
    /// file. One thread more than [`EstimateOptions::threads`](super::EstimateOptions::threads) works.
    ///
    /// # Errors
    /// As [`build_binary`](crate::build_binary) and [`Estimate::write_arpa`].
    pub fn build_binary(&self, output: &Path, options: &BuildOptions) -> Result<BuildReport> {
        self.piped(|source| build_binary_from(source, Path::new(NAME), output, options))
    }

    /// The model in memory, ready to answer.
    ///
    /// # Errors
    /// As [`Model::from_arpa`].
    pub fn to_model(&self, options: &BuildOptions) -> Result<Model> {
        self.piped(|source| Model::from_arpa_source(source, Path::new(NAME), options))
    }

    /// Calls `build` with the text of the ARPA file, which another thread writes.
    fn piped<R>(&self, build: impl FnOnce(Box<dyn Read>) -> Result<R>) -> Result<R> {
        let name = Path::new(NAME);
        let (reader, writer) = std::io::pipe().map_err(Error::io("open a pipe for", name))?;
        std::thread::scope(|scope| {
            let written = scope.spawn(|| self.write_arpa_to(BufWriter::with_capacity(1 << 16, writer), name));
            let built = build(Box::new(reader));
            let written = match written.join() {
                Ok(written) => written,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            match written {
                // The builder gave up first; its error says why.
                Err(Error::Io { source, .. }) if built.is_err() && source.kind() == ErrorKind::BrokenPipe => built,
                Err(error) => Err(error),
                Ok(()) => built,
            }
        })
    }
}
