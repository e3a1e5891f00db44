//! Programs that mean no good, and some that do.
#![cfg(target_os = "linux")]

mod python;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use python::python;
use yuan_eval::sandbox::{Isolation, Limits, Outcome, Ran, Sandbox};

fn run(python: &Path, program: &str) -> Ran {
    let limits = Limits { seconds: 3, memory_bytes: 512 << 20, file_bytes: 1 << 20, ..Limits::default() };
    let sandbox = Sandbox::new(python, limits).expect("programs can be run");
    let started = Instant::now();
    let ran = sandbox.run(program).expect("it starts");
    assert!(started.elapsed() < Duration::from_secs(10), "{program}");
    ran
}

#[test]
fn a_program_passes_if_its_end_is_reached() {
    let Some(python) = python() else { return };
    let run = |program: &str| run(&python, program);
    let passed = run("import math, typing, collections, re\nassert math.sqrt(16) == 4\nprint('done')");
    assert_eq!((passed.outcome, passed.output.as_str()), (Outcome::Passed, "done\n"), "{}", passed.complaint);
    let failed = run("assert 1 == 2");
    assert!(failed.outcome == Outcome::Failed && failed.complaint.contains("AssertionError"));
    for program in ["def f(:", "import sys; sys.exit(0)", "import os; os._exit(0)", "raise KeyboardInterrupt", "\0"] {
        assert_eq!(run(program).outcome, Outcome::Failed, "{program}");
    }
    assert_eq!(run("open('own.txt', 'w').write('x')\nassert open('own.txt').read() == 'x'").outcome, Outcome::Passed);
}

#[test]
fn time_and_memory_end() {
    let Some(python) = python() else { return };
    let run = |program: &str| run(&python, program);
    assert_eq!(run("while True: pass").outcome, Outcome::TimedOut);
    assert_eq!(run("import time\ntime.sleep(60)").outcome, Outcome::TimedOut);
    assert_eq!(
        run("try:\n    while True: pass\nexcept BaseException:\n    while True: pass").outcome,
        Outcome::TimedOut
    );
    let hog = run("a = []\nwhile True: a.append('x' * 10_000_000)");
    assert!(hog.outcome == Outcome::Failed && hog.complaint.contains("MemoryError"), "{}", hog.complaint);
    let deep = run("def f(n): return f(n + 1)\nf(0)");
    assert!(deep.outcome == Outcome::Failed && deep.complaint.contains("RecursionError"), "{}", deep.complaint);
}

#[test]
fn output_is_kept_as_far_as_it_is_small() {
    let Some(python) = python() else { return };
    let run = |program: &str| run(&python, program);
    let flood = run("import sys\nwhile True: sys.stdout.write('x' * 1_000_000)");
    assert!(flood.outcome == Outcome::TimedOut && flood.output.len() <= 512 << 10, "{}", flood.output.len());
    let long = run("print('x' * 3_000_000)\nprint('end')");
    assert!(long.outcome == Outcome::Passed && long.output.ends_with("end\n"), "{}", long.complaint);
    let complaint = run("import sys\nwhile True: sys.stderr.write('x' * 1_000_000)");
    assert!(complaint.outcome != Outcome::Passed && complaint.complaint.len() <= 512 << 10);
    let file = run("f = open('big', 'wb')\nwhile True: f.write(b'x' * 100_000)");
    assert_eq!(file.outcome, Outcome::Failed, "a file of more than a megabyte");
    let many = run("for n in range(10**6):\n    with open(str(n), 'wb') as f: f.write(b'x' * 1_000_000)");
    assert!(many.outcome == Outcome::Failed && many.complaint.contains("more files than it may"), "{}", many.complaint);
    assert_eq!(run("raise SystemExit('é\\udcff')").outcome, Outcome::Failed);
}

#[test]
fn no_process_is_started_and_none_is_reached() {
    let Some(python) = python() else { return };
    let run = |program: &str| run(&python, program);
    for program in [
        "import os\nwhile True: os.fork()",
        "import os\nif os.fork() == 0:\n    os.setsid()\n    os.fork()\n    while True: pass",
        "import subprocess\nsubprocess.run(['true'], check=True)",
        "import os\nassert os.system('true') == 0",
        "import threading\nthreading.Thread(target=print).start()",
        "import multiprocessing\nmultiprocessing.Process(target=print).start()",
    ] {
        let ran = run(program);
        assert_eq!(ran.outcome, Outcome::Failed, "{program}: {}", ran.complaint);
    }
    let own = std::process::id();
    for program in [
        format!("import os\nos.kill({own}, 9)"),
        "import os\nos.kill(-1, 9)".into(),
        format!("import os\nos.kill({own}, 0)"),
        format!("import resource\nresource.prlimit({own}, resource.RLIMIT_CPU, (1, 1))"),
        format!("import fcntl\nf = open('f', 'w')\nfcntl.fcntl(f, 8, {own})"),
        "import fcntl\nf = open('f', 'w')\nfcntl.fcntl(f, 10, 9)".into(),
        format!(
            "import ctypes\nl = ctypes.CDLL(None, use_errno=True)\ninfo = ctypes.create_string_buffer(128)\n\
             assert l.syscall(297, {own}, {own}, 9, info) == -1 and ctypes.get_errno() == 1\nraise PermissionError"
        ),
        format!("open('/proc/{own}/environ', 'rb').read()"),
        "import ctypes\nl = ctypes.CDLL(None, use_errno=True)\nassert l.memfd_create(b'm', 0) == -1 and ctypes.get_errno() == 1\nraise PermissionError".into(),
    ] {
        let ran = run(&program);
        assert!(ran.complaint.contains("PermissionError"), "{program}: {}", ran.complaint);
    }
}

#[test]
fn there_is_no_network() {
    let Some(python) = python() else { return };
    let run = |program: &str| run(&python, program);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    for program in [
        format!("import socket\nsocket.create_connection(('127.0.0.1', {port}), timeout=2)"),
        "import socket\nsocket.socket(socket.AF_UNIX).connect('/run/docker.sock')".into(),
        "import urllib.request\nurllib.request.urlopen('http://example.org', timeout=2)".into(),
    ] {
        assert_eq!(run(&program).outcome, Outcome::Failed, "{program}");
    }
    listener.set_nonblocking(true).expect("set");
    assert!(listener.accept().is_err(), "nobody came");
}

#[test]
fn nothing_outside_is_written() {
    let Some(python) = python() else { return };
    let mut tried = 0;
    for isolation in [Isolation::Namespaces, Isolation::Landlock] {
        let limits = Limits { seconds: 3, ..Limits::default() };
        if let Ok(sandbox) = Sandbox::with(&python, limits, isolation) {
            nothing_is_written_from(&sandbox);
            tried += 1;
        }
    }
    assert!(tried > 0, "this system has neither");
}

fn nothing_is_written_from(sandbox: &Sandbox) {
    let own =
        sandbox.run("import os\nos.mkdir('d')\nopen('d/f', 'w').write('x')\nos.rename('d/f', 'g')\nos.remove('g')");
    assert_eq!(own.expect("it starts").outcome, Outcome::Passed, "its own folder");
    let folder = tempfile::tempdir().expect("a folder");
    let outside: PathBuf = folder.path().join("outside.txt");
    std::fs::write(&outside, "mine").expect("written");
    let path = outside.display();
    for program in [
        format!("open('{path}', 'w').write('x')"),
        format!("import os\nos.remove('{path}')"),
        format!("import os\nos.rename('{path}', '{path}.gone')"),
        format!("import os\nos.chmod('{path}', 0o777)"),
        format!("import os\nos.truncate('{path}', 0)"),
        format!("import os\nos.open('{path}', os.O_RDONLY | os.O_TRUNC)"),
        format!("import os\nos.utime('{path}', (0, 0))"),
        format!("import os\nos.link('{path}', 'mine')\nopen('mine', 'w').write('x')"),
        format!("open('/proc/{}/environ', 'rb').read()", std::process::id()),
        format!("import shutil\nshutil.rmtree('{}')", folder.path().display()),
        "import os\nos.chroot('.')".into(),
        "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000) == 0".into(),
    ] {
        let ran = sandbox.run(&program).expect("it starts");
        assert_eq!(ran.outcome, Outcome::Failed, "{program}: {}", ran.complaint);
        assert_eq!(std::fs::read_to_string(&outside).expect("still there"), "mine", "{program}");
    }
}

#[test]
fn what_is_no_python_is_told() {
    let wrong = |path: &str| Sandbox::new(Path::new(path), Limits::default()).expect_err("no Python");
    let missing = wrong("/no/such/python");
    assert!(missing.to_string().contains("`/no/such/python` cannot be started"), "{missing}");
    assert!(missing.hint().is_some_and(|hint| hint.contains("--python")));
    assert!(wrong("/bin/true").to_string().contains("`/bin/true` is no Python 3"));
}
