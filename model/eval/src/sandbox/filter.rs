//! A filter of system calls: what would start a process, open a socket or signal another is refused.

use std::ffi::{c_long, c_ulong};
use std::io::{Error as IoError, Result as IoResult};

/// What is refused.
const REFUSED: &[c_long] = &[
    libc::SYS_clone,
    libc::SYS_clone3,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_io_uring_setup,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_setpriority,
    libc::SYS_sched_setaffinity,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_fsmount,
    libc::SYS_open_tree,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
];

/// The number of the architecture in `seccomp_data`.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_003e);
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_00b7);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURE: Option<u32> = None;

/// Bytes of `seccomp_data` before the number of the call, and of the architecture.
const CALL_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
/// Numbers from here on are calls of another convention (x32).
const OTHER_CONVENTION: u32 = 0x4000_0000;

/// The program of the filter; `None` on an architecture whose numbers are not known here.
pub(super) fn rules() -> Option<Vec<libc::sock_filter>> {
    let architecture = ARCHITECTURE?;
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let at_least = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    let answer = (libc::BPF_RET | libc::BPF_K) as u16;
    let rule = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let mut rules = vec![
        rule(load, 0, 0, ARCHITECTURE_AT),
        rule(equal, 1, 0, architecture),
        rule(answer, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        rule(load, 0, 0, CALL_AT),
        rule(at_least, 0, 1, OTHER_CONVENTION),
        rule(answer, 0, 0, refuse),
    ];
    for call in REFUSED {
        rules.push(rule(equal, 0, 1, *call as u32));
        rules.push(rule(answer, 0, 0, refuse));
    }
    rules.push(rule(answer, 0, 0, libc::SECCOMP_RET_ALLOW));
    Some(rules)
}

/// Puts the filter in place, for good.
pub(super) fn install(rules: &Option<Vec<libc::sock_filter>>) -> IoResult<()> {
    let Some(rules) = rules else { return Err(IoError::from_raw_os_error(libc::ENOSYS)) };
    // The kernel does not write to it.
    let program = libc::sock_fprog { len: rules.len() as u16, filter: rules.as_ptr().cast_mut() };
    let (yes, none): (c_ulong, c_ulong) = (1, 0);
    // SAFETY: the program and its rules live through the calls, and its length is theirs.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, yes, none, none, none) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER as c_ulong, &raw const program) == 0
    };
    if done { Ok(()) } else { Err(IoError::last_os_error()) }
}
