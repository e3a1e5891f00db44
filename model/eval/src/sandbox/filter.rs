//! A filter of system calls: what would start a process, open a socket, or signal, slow down or look into another is refused.

use std::ffi::{c_long, c_ulong};
use std::io::{Error as IoError, Result as IoResult};

/// What is refused.
const REFUSED: &[c_long] = &[
    // Other processes.
    libc::SYS_clone,
    libc::SYS_clone3,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_kcmp,
    libc::SYS_setpriority,
    libc::SYS_ioprio_set,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setattr,
    // The network, and ways around this filter.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_io_uring_setup,
    // Memory that outlives the process, or that no limit counts.
    libc::SYS_shmget,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    // The kernel's own.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_open_tree,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
];

/// What changes a file without opening it, which Landlock lets pass: refused where no namespace makes files read-only.
const CHANGES_OF_FILES: &[c_long] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    SYS_SETXATTRAT,
    SYS_REMOVEXATTRAT,
    SYS_FILE_SETATTR,
];

/// Numbers that all architectures share.
const SYS_SETXATTRAT: c_long = 463;
const SYS_REMOVEXATTRAT: c_long = 466;
const SYS_FILE_SETATTR: c_long = 469;

/// Commands of `fcntl` by which a file's signals go to a process, or are other ones.
const SIGNALS_OF_FILES: [u32; 3] = [F_SETOWN, F_SETSIG, F_SETOWN_EX];
const F_SETOWN: u32 = 8;
const F_SETSIG: u32 = 10;
const F_SETOWN_EX: u32 = 15;

/// The number of the architecture in `seccomp_data`.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_003e);
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: Option<u32> = Some(0xc000_00b7);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURE: Option<u32> = None;

/// Bytes of `seccomp_data` before the number of the call, the architecture, and the halves of the first two arguments.
const CALL_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
const FIRST_AT: [u32; 2] = [16, 20];
const SECOND_AT: u32 = 24;
/// Numbers from here on are calls of another convention (x32).
const OTHER_CONVENTION: u32 = 0x4000_0000;

/// The program of the filter; `None` on an architecture whose numbers are not known here.
pub(super) fn rules(refuses_changes: bool) -> Option<Vec<libc::sock_filter>> {
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
    let more = if refuses_changes { CHANGES_OF_FILES } else { &[] };
    for call in REFUSED.iter().chain(more) {
        rules.push(rule(equal, 0, 1, *call as u32));
        rules.push(rule(answer, 0, 0, refuse));
    }
    let allow = libc::SECCOMP_RET_ALLOW;
    let [low, high] = FIRST_AT;
    let last = SIGNALS_OF_FILES.len() as u8;
    // Limits are the process's own: 0, in both halves.
    rules.extend([
        rule(equal, 0, 6, libc::SYS_prlimit64 as u32),
        rule(load, 0, 0, low),
        rule(equal, 0, 2, 0),
        rule(load, 0, 0, high),
        rule(equal, 1, 0, 0),
        rule(answer, 0, 0, refuse),
        rule(answer, 0, 0, allow),
    ]);
    rules.push(rule(equal, 0, last + 1, libc::SYS_fcntl as u32));
    rules.push(rule(load, 0, 0, SECOND_AT));
    rules.extend((0..).zip(SIGNALS_OF_FILES).map(|(place, command)| rule(equal, last - place, 0, command)));
    rules.push(rule(answer, 0, 0, allow));
    rules.push(rule(answer, 0, 0, refuse));
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
