//! Landlock: a process and what it becomes may write below one folder and nowhere else. It takes no rights.

use std::ffi::{CString, c_int, c_ulong};
use std::io::{Error as IoError, Result as IoResult};
use std::ptr::null;

/// Rights to write, as the kernel numbers them: write and cut files, make and remove entries of every kind, move them elsewhere.
const WRITES: u64 = 1 << 1 | 0b1_1111_1111 << 4 | 1 << 13 | 1 << 14;
/// The first version that knows all of them, that of Linux 6.2.
const VERSION: i64 = 3;

/// `landlock_ruleset_attr`, as long as the first versions have it.
#[repr(C)]
struct Ruleset {
    handled: u64,
}

/// `landlock_path_beneath_attr`.
#[repr(C, packed)]
struct Beneath {
    allowed: u64,
    folder: c_int,
}

/// Whether this system knows it.
pub(super) fn is_known() -> bool {
    const VERSION_ASKED: c_ulong = 1;
    // SAFETY: with this flag the call takes no memory.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, null::<Ruleset>(), 0 as c_ulong, VERSION_ASKED) };
    version >= VERSION
}

/// Lets the process write below a folder only, for good. It must have said that it wants no new privileges.
pub(super) fn writes_below(folder: &CString) -> IoResult<()> {
    let rules = Ruleset { handled: WRITES };
    let (size, none): (c_ulong, c_ulong) = (size_of::<Ruleset>() as c_ulong, 0);
    const BENEATH: c_ulong = 1;
    // SAFETY: the rules and the path live through the calls, and sizes are theirs.
    unsafe {
        let set = checked(libc::syscall(libc::SYS_landlock_create_ruleset, &raw const rules, size, none))? as c_int;
        let below = checked(libc::open(folder.as_ptr(), libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC).into())?;
        let beneath = Beneath { allowed: WRITES, folder: below as c_int };
        checked(libc::syscall(libc::SYS_landlock_add_rule, set, BENEATH, &raw const beneath, none))?;
        checked(libc::syscall(libc::SYS_landlock_restrict_self, set, none))?;
        libc::close(below as c_int);
        libc::close(set);
    }
    Ok(())
}

fn checked(done: i64) -> IoResult<i64> {
    if done == -1 { Err(IoError::last_os_error()) } else { Ok(done) }
}
