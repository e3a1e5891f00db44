//! What a process does between fork and exec to be held back. All of it is system calls: nothing is allocated, no lock taken.

use std::ffi::{CString, c_int, c_ulong};
use std::io::{Error as IoError, Result as IoResult};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::ptr::null;

use super::{Limits, filter};
use crate::{Error, Result};

/// Makes a command hold its process back: `folder` is all that it may write to.
pub(super) fn hold_back(command: &mut Command, folder: &Path, limits: &Limits, with_namespaces: bool) -> Result<()> {
    let path = CString::new(folder.as_os_str().as_bytes()).map_err(|_| Error::Sandbox {
        problem: format!("`{}` is no path", folder.display()),
        hint: Some("set `TMPDIR` to another folder".to_owned()),
    })?;
    let rules = filter::rules();
    let limits = [
        (libc::RLIMIT_CPU, limits.seconds + 1),
        (libc::RLIMIT_AS, limits.memory_bytes),
        (libc::RLIMIT_FSIZE, limits.file_bytes),
        (libc::RLIMIT_CORE, 0),
        (libc::RLIMIT_NOFILE, 64),
        (libc::RLIMIT_NPROC, 1),
    ];
    let enter = move || {
        // SAFETY: no pointer is passed.
        checked(unsafe { libc::setsid() })?;
        if with_namespaces {
            read_only_but(&path)?;
        }
        for (kind, limit) in limits {
            let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
            // SAFETY: the limit lives through the call.
            checked(unsafe { libc::setrlimit(kind, &raw const limit) })?;
        }
        filter::install(&rules)
    };
    // SAFETY: the closure makes system calls on what it owns, and may run between fork and exec.
    unsafe { command.pre_exec(enter) };
    Ok(())
}

/// A user, mounts and a network of its own: no network, and all files read-only but those of a folder.
fn read_only_but(folder: &CString) -> IoResult<()> {
    let own = libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWIPC;
    let root = c"/";
    // SAFETY: every pointer is to a C string that lives through the call, or null where mount(2) admits it.
    unsafe {
        checked(libc::unshare(own))?;
        let no_data = null();
        checked(libc::mount(null(), root.as_ptr(), null(), libc::MS_REC | libc::MS_PRIVATE, no_data))?;
        checked(libc::mount(folder.as_ptr(), folder.as_ptr(), null(), libc::MS_BIND, no_data))?;
    }
    const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
    mount_attributes(root, libc::AT_RECURSIVE as c_int, READ_ONLY, 0)?;
    mount_attributes(folder, 0, 0, READ_ONLY)?;
    // The folder that the process is in is still the read-only one.
    // SAFETY: the string lives through the call.
    checked(unsafe { libc::chdir(folder.as_ptr()) })
}

/// Sets and clears attributes of a mount.
fn mount_attributes(path: &std::ffi::CStr, flags: c_int, set: u64, clear: u64) -> IoResult<()> {
    let attributes = libc::mount_attr { attr_set: set, attr_clr: clear, propagation: 0, userns_fd: 0 };
    // SAFETY: path and attributes live through the call, and the size is that of the attributes.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>() as c_ulong,
        )
    };
    if done == 0 { Ok(()) } else { Err(IoError::last_os_error()) }
}

fn checked(done: c_int) -> IoResult<()> {
    if done == -1 { Err(IoError::last_os_error()) } else { Ok(()) }
}
