//! Programs that a model wrote, run by Python with as little as they need.
//!
//! On Linux, and only there: a process of its own session that can start no other, open no socket, and neither signal, slow down nor look
//! into another (a filter of system calls), limited in time, memory, files and output. It may write to its own temporary folder alone:
//! all else is read-only in namespaces of its own, which have no network either, or where the system allows none by Landlock. What of it
//! holds here is found out by running an empty program, and told by [`Sandbox::isolation`]; where nothing keeps files, nothing is run
//! unless that is asked for. It keeps mistakes and mischief from doing harm; it is no wall against an attacker who knows a hole in the
//! kernel, and what this user can read, the program can read, but for what belongs to this process: it is made undumpable.
//!
//! A program has passed if what stands behind it was run. That is no wall either: one that looks for the way to say so can, as under
//! every harness that runs program and test in one process.

#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(unix)]
mod folder;
#[cfg(target_os = "linux")]
mod landlock;
mod output;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// Pause between two looks at what a program has written.
const LOOKS: Duration = Duration::from_millis(50);

/// What a program may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Time, and CPU time.
    pub seconds: u64,
    /// Address space.
    pub memory_bytes: u64,
    /// A file it writes.
    pub file_bytes: u64,
    /// All files of its folder together. Twice as much may be there for a moment, and what it has deleted but holds open does not count.
    pub folder_bytes: u64,
    /// What is kept of what it prints, on each of both ways: so much of the beginning and of the end.
    pub output_bytes: u64,
}

impl Default for Limits {
    /// 5 seconds, 1 GiB, files of 16 MiB, 64 MiB of them, 256 KiB of output from either end.
    fn default() -> Self {
        Self {
            seconds: 5,
            memory_bytes: 1 << 30,
            file_bytes: 16 << 20,
            folder_bytes: 64 << 20,
            output_bytes: 256 << 10,
        }
    }
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ran to its end.
    Passed,
    /// It raised, or ended before its end.
    Failed,
    /// Its time was up.
    TimedOut,
}

/// A program that ran.
#[derive(Clone, Debug)]
pub struct Ran {
    /// How it ended.
    pub outcome: Outcome,
    /// What it printed, as far as it is kept.
    pub output: String,
    /// What it complained of, as far as it is kept.
    pub complaint: String,
}

/// What keeps a program from writing files, beside what all have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Namespaces: files are read-only, and there is no network.
    Namespaces,
    /// Landlock: only below its folder may it write.
    Landlock,
    /// Nothing: what this user can write, it can write.
    Filter,
}

/// A Python that runs programs.
#[derive(Clone, Debug)]
pub struct Sandbox {
    python: Python,
    limits: Limits,
    isolation: Isolation,
}

/// An interpreter.
#[derive(Clone, Debug)]
struct Python {
    path: PathBuf,
    version: String,
}

impl Sandbox {
    /// Finds out what can be isolated here.
    ///
    /// # Errors
    /// If there is no such Python, if nothing here keeps it from writing files, or on another system than Linux.
    pub fn new(python: &Path, limits: Limits) -> Result<Self> {
        match Self::first(python, limits, &[Isolation::Namespaces, Isolation::Landlock])? {
            Ok(sandbox) => Ok(sandbox),
            // It is not Python's fault if it runs without.
            Err(problem) if Self::first(python, limits, &[Isolation::Filter])?.is_err() => Err(failed(problem)),
            Err(_) => Err(Error::Sandbox {
                problem: "this system has neither namespaces nor Landlock (Linux 6.2) to keep them from writing your files"
                    .to_owned(),
                hint: Some(
                    "evaluate HumanEval in a container or a virtual machine; `--allow-code-to-write` lets programs write whatever you can"
                        .to_owned(),
                ),
            }),
        }
    }

    /// As [`new`](Self::new), and with nothing that keeps files where there is neither namespaces nor Landlock.
    ///
    /// # Errors
    /// If there is no such Python, if it cannot be held back at all, or on another system than Linux.
    pub fn or_writing(python: &Path, limits: Limits) -> Result<Self> {
        Self::first(python, limits, &[Isolation::Namespaces, Isolation::Landlock, Isolation::Filter])?.map_err(failed)
    }

    /// With this isolation and no other.
    ///
    /// # Errors
    /// If it is not to be had here, and as for [`or_writing`](Self::or_writing).
    pub fn with(python: &Path, limits: Limits, isolation: Isolation) -> Result<Self> {
        Self::first(python, limits, &[isolation])?.map_err(failed)
    }

    /// With the first isolation under which an empty program passes, or why it does under none.
    fn first(python: &Path, limits: Limits, isolations: &[Isolation]) -> Result<Result<Self, String>> {
        if cfg!(not(target_os = "linux")) {
            let problem = "they are held back by means of Linux".to_owned();
            return Err(Error::Sandbox { problem, hint: Some("evaluate HumanEval on Linux".to_owned()) });
        }
        let python = interpreter(python)?;
        keep_to_oneself()?;
        let mut reason = String::new();
        for isolation in isolations {
            let sandbox = Self { python: python.clone(), limits, isolation: *isolation };
            #[cfg(target_os = "linux")]
            if *isolation == Isolation::Landlock && !landlock::is_known() {
                "there is no Landlock".clone_into(&mut reason);
                continue;
            }
            match sandbox.run("") {
                Ok(Ran { outcome: Outcome::Passed, .. }) => return Ok(Ok(sandbox)),
                Ok(ran) => reason = ran.complaint,
                Err(error) => reason = error.to_string(),
            }
        }
        let last = reason.lines().last().unwrap_or("it says nothing");
        Ok(Err(format!("an empty program fails under `{}`: {last}", python.path.display())))
    }

    /// What holds programs back here.
    pub fn isolation(&self) -> &'static str {
        match self.isolation {
            Isolation::Namespaces => {
                "no processes, sockets or signals; no network; files outside the temporary folder are read-only"
            }
            Isolation::Landlock => {
                "no processes, sockets or signals; files outside the temporary folder are read-only, by Landlock"
            }
            Isolation::Filter => {
                "no processes, sockets or signals; nothing here keeps files, which are as writable as they are to you"
            }
        }
    }

    /// What verdicts depend on: the interpreter, what programs may use, what holds them back.
    pub fn identity(&self) -> String {
        let Self { python, limits, isolation } = self;
        let Limits { seconds, memory_bytes, file_bytes, folder_bytes, output_bytes } = limits;
        let (path, version) = (python.path.display(), &python.version);
        format!("{path} {version} {seconds} {memory_bytes} {file_bytes} {folder_bytes} {output_bytes} {isolation:?}")
    }

    /// Runs a program. It has passed if its last line was reached.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn run(&self, program: &str) -> Result<Ran> {
        let failed = |error: std::io::Error| Error::Sandbox { problem: error.to_string(), hint: None };
        let folder = tempfile::tempdir().map_err(failed)?;
        let file = folder.path().join("program.py");
        // What is read from standard input behind the program and printed shows that its end was reached.
        let program = format!("{program}\n\n__import__('os').write(1, __import__('os').read(0, 64))\n");
        std::fs::write(&file, program).map_err(failed)?;
        let mut command = Command::new(&self.python.path);
        command
            .args(["-I", "-B"])
            .arg(&file)
            .current_dir(folder.path())
            .env_clear()
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            .env("LANG", "C.UTF-8")
            .env("PYTHONHASHSEED", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        #[cfg(target_os = "linux")]
        child::hold_back(&mut command, folder.path(), &self.limits, self.isolation)?;
        let mut child = command.spawn().map_err(failed)?;
        let token = token();
        if let Some(mut input) = child.stdin.take() {
            // A program that has gone already did not reach its end.
            let _ = input.write_all(token.as_bytes());
        }
        let output = output::keep(child.stdout.take(), self.limits.output_bytes);
        let complaint = output::keep(child.stderr.take(), self.limits.output_bytes);
        let status = self.wait(&mut child, folder.path()).map_err(failed)?;
        let [output, mut complaint] = [output, complaint].map(|text| text.join().unwrap_or_default());
        #[cfg(unix)]
        folder::remove(folder);
        let outcome = match status {
            End::TimeUp => Outcome::TimedOut,
            End::Full => {
                complaint.push_str("killed: it wrote more files than it may\n");
                Outcome::Failed
            }
            End::Own(true) if output.contains(&token) => Outcome::Passed,
            End::Own(_) => Outcome::Failed,
        };
        // What Python holds back comes behind it.
        let output = output.replacen(&token, "", 1);
        Ok(Ran { outcome, output, complaint })
    }

    /// Waits for the end, or makes it.
    fn wait(&self, child: &mut Child, folder: &Path) -> std::io::Result<End> {
        let began = Instant::now();
        let (mut pause, mut look) = (Duration::from_millis(1), LOOKS);
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(End::Own(status.success()));
            }
            let is_full = began.elapsed() >= look && self.is_full(folder);
            if is_full || began.elapsed() >= Duration::from_secs(self.limits.seconds) {
                // It may have ended meanwhile.
                let _ = child.kill();
                child.wait()?;
                return Ok(if is_full { End::Full } else { End::TimeUp });
            }
            if began.elapsed() >= look {
                look = began.elapsed() + LOOKS;
            }
            sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    fn is_full(&self, folder: &Path) -> bool {
        #[cfg(unix)]
        return folder::bytes(folder).is_none_or(|bytes| bytes > self.limits.folder_bytes);
        #[cfg(not(unix))]
        return !folder.exists();
    }
}

/// How a process ended.
enum End {
    /// By itself, well or not.
    Own(bool),
    TimeUp,
    Full,
}

fn failed(problem: String) -> Error {
    Error::Sandbox { problem, hint: Some("name another Python with `--python PATH`".to_owned()) }
}

/// Keeps other processes of this user, programs among them, from reading this one's memory and environment, where keys are; there will
/// be no core dump of it.
#[cfg(target_os = "linux")]
fn keep_to_oneself() -> Result<()> {
    let none: std::ffi::c_ulong = 0;
    // SAFETY: no pointer is passed.
    match unsafe { libc::prctl(libc::PR_SET_DUMPABLE, none, none, none, none) } {
        0 => Ok(()),
        _ => Err(Error::Sandbox { problem: std::io::Error::last_os_error().to_string(), hint: None }),
    }
}

#[cfg(not(target_os = "linux"))]
fn keep_to_oneself() -> Result<()> {
    Ok(())
}

/// The interpreter itself, where what was named is a script that starts it.
fn interpreter(python: &Path) -> Result<Python> {
    let wrong =
        |problem: String| Error::Sandbox { problem, hint: Some("name a Python 3 with `--python PATH`".to_owned()) };
    let name = python.display();
    const WHICH: &str = "import sys; print(sys.executable, sys.version.split()[0], sep='\\n') if sys.version_info[0] == 3 else sys.exit(1)";
    let output = Command::new(python)
        .args(["-I", "-c", WHICH])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| wrong(format!("`{name}` cannot be started: {error}")))?;
    let told = String::from_utf8_lossy(&output.stdout);
    match told.trim().split_once('\n') {
        Some((path, version)) if output.status.success() => {
            Ok(Python { path: PathBuf::from(path.trim()), version: version.to_owned() })
        }
        _ => Err(wrong(format!("`{name}` is no Python 3"))),
    }
}

/// A word that no text has by chance.
fn token() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let time = std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos());
    let hash = blake3::hash(format!("{} {time} {count}", std::process::id()).as_bytes());
    hash.to_hex()[..32].to_owned()
}
