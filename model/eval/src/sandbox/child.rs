//! What a process does between fork and exec to be held back. All of it is system calls: nothing is allocated, no lock taken.

use std::ffi::{CString, c_int, c_ulong};
use std::io::{Error as IoError, Result as IoResult};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::ptr::null;

use super::{Isolation, Limits, filter, landlock};
use crate::{Error, Result};

/// Makes a command hold its process back: `folder` is all that it may write to.
pub(super) fn hold_back(command: &mut Command, folder: &Path, limits: &Limits, isolation: Isolation) -> Result<()> {
    let path = CString::new(folder.as_os_str().as_bytes()).map_err(|_| Error::Sandbox {
        problem: format!("`{}` is no path", folder.display()),
        hint: Some("set `TMPDIR` to another folder".to_owned()),
    })?;
    let rules = filter::rules(isolation != Isolation::Namespaces);
    let limits = [
        (libc::RLIMIT_CPU, limits.seconds.saturating_add(1)),
        (libc::RLIMIT_AS, limits.memory_bytes),
        (libc::RLIMIT_FSIZE, limits.file_bytes),
        (libc::RLIMIT_CORE, 0),
        (libc::RLIMIT_NOFILE, 64),
        (libc::RLIMIT_NPROC, 1),
    ];
    let enter = move || {
        // SAFETY: no pointer is passed.
        checked(unsafe { libc::setsid() })?;
        match isolation {
            Isolation::Namespaces => read_only_but(&path)?,
            Isolation::Landlock => {
                without_privileges()?;
                landlock::writes_below(&path)?;
            }
            Isolation::Filter => without_privileges()?,
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

/// Gives up what root may do beyond others, for good: a namespace of users does so by itself.
fn without_privileges() -> IoResult<()> {
    /// `__user_cap_header_struct` of the third version, for the process itself, and the sets of two halves.
    #[repr(C)]
    struct Capabilities {
        version: u32,
        process: c_int,
    }
    let (yes, none): (c_ulong, c_ulong) = (1, 0);
    let header = Capabilities { version: 0x2008_0522, process: 0 };
    let sets = [0_u32; 6];
    // SAFETY: header and sets live through the call, and are of the sizes that the version has.
    unsafe {
        checked(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, yes, none, none, none))?;
        checked(libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) as c_int)
    }
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
    // Devices are written to on a file system that is read-only as well.
    mount_attributes(root, libc::AT_RECURSIVE as c_int, READ_ONLY | libc::MOUNT_ATTR_NODEV, 0)?;
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
