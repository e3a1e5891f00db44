//! Programs that a model wrote, run by Python with as little as they need.
//!
//! On Linux, and only there: a process of its own session that can start no other, open no socket and signal nobody (a filter of system
//! calls), sees all files read-only but its own temporary folder and has no network (namespaces, where the system allows them), and is
//! limited in time, memory, files and output. What of it holds here is found out by running an empty program, and told by
//! [`Sandbox::isolation`]. It keeps mistakes and mischief from doing harm; it is no wall against an attacker who knows a hole in
//! the kernel, and what this user can read, the program can read.

#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod filter;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// What a program may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Time, and CPU time.
    pub seconds: u64,
    /// Address space.
    pub memory_bytes: u64,
    /// A file it writes.
    pub file_bytes: u64,
    /// What it prints, on each of both ways.
    pub output_bytes: u64,
}

impl Default for Limits {
    /// 5 seconds, 1 GiB, files of 16 MiB, 256 KiB of output.
    fn default() -> Self {
        Self { seconds: 5, memory_bytes: 1 << 30, file_bytes: 16 << 20, output_bytes: 256 << 10 }
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

/// How much holds programs back, most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Isolation {
    Namespaces,
    Filter,
}

/// A Python that runs programs.
#[derive(Clone, Debug)]
pub struct Sandbox {
    python: PathBuf,
    limits: Limits,
    isolation: Isolation,
}

impl Sandbox {
    /// Finds out what can be isolated here.
    ///
    /// # Errors
    /// If there is no such Python, if it cannot be held back at all, or on another system than Linux.
    pub fn new(python: &Path, limits: Limits) -> Result<Self> {
        if cfg!(not(target_os = "linux")) {
            let problem = "they are held back by means of Linux".to_owned();
            return Err(Error::Sandbox { problem, hint: Some("evaluate HumanEval on Linux".to_owned()) });
        }
        let python = interpreter(python)?;
        let mut reason = String::new();
        for isolation in [Isolation::Namespaces, Isolation::Filter] {
            let sandbox = Self { python: python.clone(), limits, isolation };
            match sandbox.run("") {
                Ok(Ran { outcome: Outcome::Passed, .. }) => return Ok(sandbox),
                Ok(ran) => reason = ran.complaint,
                Err(error) => reason = error.to_string(),
            }
        }
        let last = reason.lines().last().unwrap_or("it says nothing").to_owned();
        let problem = format!("an empty program fails under `{}`: {last}", python.display());
        Err(Error::Sandbox { problem, hint: Some("name another Python with `--python PATH`".to_owned()) })
    }

    /// What holds programs back here.
    pub fn isolation(&self) -> &'static str {
        match self.isolation {
            Isolation::Namespaces => {
                "no processes, sockets or signals; no network; files outside the temporary folder are read-only"
            }
            Isolation::Filter => {
                "no processes, sockets or signals; this system allows no namespaces, so files are as writable as they are to you"
            }
        }
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
        let mut command = Command::new(&self.python);
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
        child::hold_back(&mut command, folder.path(), &self.limits, self.isolation == Isolation::Namespaces)?;
        let mut child = command.spawn().map_err(failed)?;
        let token = token();
        if let Some(mut input) = child.stdin.take() {
            // A program that has gone already did not reach its end.
            let _ = input.write_all(token.as_bytes());
        }
        let output = keep(child.stdout.take(), self.limits.output_bytes);
        let complaint = keep(child.stderr.take(), self.limits.output_bytes);
        let status = self.wait(&mut child).map_err(failed)?;
        let [output, complaint] = [output, complaint].map(|text| text.join().unwrap_or_default());
        let outcome = match status {
            None => Outcome::TimedOut,
            Some(true) if output.contains(&token) => Outcome::Passed,
            Some(_) => Outcome::Failed,
        };
        // What Python holds back comes behind it.
        let output = output.replacen(&token, "", 1);
        Ok(Ran { outcome, output, complaint })
    }

    /// Waits for the end, or makes it; `None` if the time was up, else whether it ended well.
    fn wait(&self, child: &mut Child) -> std::io::Result<Option<bool>> {
        let deadline = Instant::now() + Duration::from_secs(self.limits.seconds);
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status.success()));
            }
            if Instant::now() >= deadline {
                // It may have ended meanwhile.
                let _ = child.kill();
                child.wait()?;
                return Ok(None);
            }
            sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

/// The interpreter itself, where what was named is a script that starts it.
fn interpreter(python: &Path) -> Result<PathBuf> {
    let wrong =
        |problem: String| Error::Sandbox { problem, hint: Some("name a Python 3 with `--python PATH`".to_owned()) };
    let name = python.display();
    let output = Command::new(python)
        .args(["-I", "-c", "import sys; print(sys.executable) if sys.version_info[0] == 3 else sys.exit(1)"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| wrong(format!("`{name}` cannot be started: {error}")))?;
    let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || path.is_empty() {
        return Err(wrong(format!("`{name}` is no Python 3")));
    }
    Ok(PathBuf::from(path))
}

/// A word that no program knows.
fn token() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let time = std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos());
    let hash = blake3::hash(format!("{} {time} {count}", std::process::id()).as_bytes());
    hash.to_hex()[..32].to_owned()
}

/// Reads what comes, so much of it; a pipe that is full of more is closed.
fn keep(pipe: Option<impl Read + Send + 'static>, most: u64) -> JoinHandle<String> {
    spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // A pipe that breaks has given all it will.
            let _ = pipe.take(most).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
