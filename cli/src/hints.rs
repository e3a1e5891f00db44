//! How errors are said: what happened, then the way out.

use std::io::Write;
use std::process::ExitCode;

/// A mistake in a recipe or on the command line: exit status 2.
#[derive(Debug)]
pub struct Usage {
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl std::fmt::Display for Usage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.problem)
    }
}

impl std::error::Error for Usage {}

/// A [`Usage`] error.
pub fn usage(problem: impl Into<String>, hint: impl Into<Option<String>>) -> anyhow::Error {
    Usage { problem: problem.into(), hint: hint.into() }.into()
}

/// The name among `names` that `wrong` was probably meant to be.
pub fn did_you_mean<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len().max(wrong.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Prints an error on stderr and gives the exit status it stands for.
pub fn report(error: &anyhow::Error) -> ExitCode {
    use yuan_pipeline::Error;
    // A reader that has seen enough (`| head`) is no failure.
    let broken_pipe = error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    });
    if broken_pipe {
        return ExitCode::SUCCESS;
    }
    let engine = error.chain().find_map(|cause| cause.downcast_ref::<Error>());
    if let Some(yuan_binidx::Error::Cancelled) = error.downcast_ref() {
        // Nothing can be done about a closed stderr.
        let _ =
            writeln!(std::io::stderr().lock(), "stopped: what was being written is not there, what stood there stays");
        return ExitCode::from(130);
    }
    if let Some(stopped @ yuan_eval::Error::Stopped) = error.downcast_ref() {
        let hint = stopped.hint().unwrap_or_default();
        // Nothing can be done about a closed stderr.
        let _ = writeln!(std::io::stderr().lock(), "{stopped}: {hint}");
        return ExitCode::from(130);
    }
    let (status, hint) = match (engine, error.downcast_ref::<Usage>()) {
        (Some(Error::Cancelled), _) => {
            let mut err = std::io::stderr().lock();
            // Nothing can be done about a closed stderr.
            let _ = writeln!(err, "stopped: what is finished is kept; the same command goes on from here");
            return ExitCode::from(130);
        }
        (Some(engine @ (Error::NoInput { .. } | Error::Plan { .. } | Error::OtherRun { .. })), _) => (2, engine.hint()),
        (Some(engine), _) => (1, engine.hint()),
        (None, Some(usage)) => (2, usage.hint.clone()),
        (None, None) => {
            let binidx = error.chain().find_map(|cause| cause.downcast_ref::<yuan_binidx::Error>()?.hint());
            (1, binidx.or_else(|| error.chain().find_map(|cause| cause.downcast_ref::<yuan_eval::Error>()?.hint())))
        }
    };
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "error: {error}");
    let mut said = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Most errors say their cause themselves.
        if engine.is_none() && !said.contains(&cause) {
            let _ = writeln!(err, "  because: {cause}");
            said.push_str(&cause);
        }
    }
    if let Some(hint) = hint {
        let _ = writeln!(err, "hint: {hint}");
    }
    ExitCode::from(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_fingers_is_understood_and_another_word_is_not() {
        assert_eq!(did_you_mean("min_word", ["min_words", "max_words"]), Some("min_words"));
        assert_eq!(did_you_mean("gopher_qualty", ["minhash", "gopher_quality"]), Some("gopher_quality"));
        assert_eq!(did_you_mean("banana", ["min_words", "max_words"]), None);
    }
}
