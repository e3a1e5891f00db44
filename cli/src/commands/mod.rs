//! The commands.

pub mod ablate;
pub mod binidx;
pub mod compression;
pub mod count;
pub mod datatrove;
pub mod demo;
pub mod eval;
pub mod explain;
pub mod index;
pub mod learn;
pub mod look;
pub mod mix;
pub mod model;
pub mod plan;
pub mod retune;
pub mod run;
pub mod samples;
pub mod tokenizer;
pub mod tokens;
pub mod train_model;
pub mod yuan;

use std::path::Path;

use yuan_pipeline::Error;

/// What the sizes of a run come to by default.
pub fn threads(global: &crate::args::Global) -> usize {
    global.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1)
}

/// The memory budget: what was asked for, else half of what the machine has.
pub fn memory(global: &crate::args::Global) -> u64 {
    global.memory.unwrap_or_else(|| machine_memory().map_or(2 << 30, |bytes| bytes / 2)).max(64 << 20)
}

/// The machine's memory, or the container's if that is less.
fn machine_memory() -> Option<u64> {
    let information = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = information.lines().find(|line| line.starts_with("MemTotal:"))?;
    let machine = line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10;
    let limit =
        std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|limit| limit.trim().parse::<u64>().ok());
    Some(limit.map_or(machine, |limit| limit.min(machine)))
}

/// Prints text on stdout; a reader that left early is no failure.
pub fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Exit status 3, with a word, if records were passed over.
pub fn done_but(passed_over: u64, global: &crate::args::Global) -> crate::Done {
    if passed_over == 0 {
        return crate::Done::All;
    }
    say(global, &format!("{passed_over} records are no documents and were passed over"));
    crate::Done::SetAside
}

/// Says something to the person at the terminal.
#[expect(clippy::print_stderr, reason = "this is where people are spoken to")]
pub fn say(global: &crate::args::Global, text: &str) {
    if !global.quiet {
        eprintln!("{}", text.trim_end());
    }
}

/// Characters of the column that names of steps stand in.
pub fn name_width<'n>(names: impl Iterator<Item = &'n str>) -> usize {
    names.map(str::len).max().unwrap_or(0).max(18)
}

/// Writes a file whole or not at all.
pub fn write_whole(path: &Path, contents: impl AsRef<[u8]>) -> yuan_pipeline::Result<()> {
    let temporary = beside(path, ".tmp");
    std::fs::write(&temporary, contents).map_err(Error::io("write", &temporary))?;
    std::fs::rename(&temporary, path).map_err(Error::io("rename", &temporary))
}

/// A path with something behind its name: `tokens` and `.run` make `tokens.run`.
pub fn beside(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
