//! The list of system calls a runner or compile child may still make.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter_all_threads,
};

use super::{ConfineError, Ruleset};

/// Both kinds of child: memory, threads' waiting, clocks, randomness, what is open already.
const ALLOWED: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_write,
    libc::SYS_writev,
];

/// A runner's alone: its sockets, and the memory files that hold components' first contents.
const RUNNER_ALLOWED: &[c_long] = &[
    libc::SYS_ftruncate,
    libc::SYS_memfd_create,
    libc::SYS_process_madvise,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_shutdown,
];

/// The C library tries these of its own accord, e.g. for the number of processors. They fail
/// rather than kill.
const REFUSED: &[c_long] =
    &[libc::SYS_openat, libc::SYS_openat2, libc::SYS_readlinkat, libc::SYS_statx, libc::SYS_newfstatat];

#[cfg(target_arch = "x86_64")]
const REFUSED_OLD: &[c_long] = &[libc::SYS_open, libc::SYS_readlink, libc::SYS_stat, libc::SYS_access];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_OLD: &[c_long] = &[];

/// Puts the filter on every thread. False where this processor has none.
pub(super) fn apply(rules: Ruleset) -> Result<bool, ConfineError> {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else { return Ok(false) };
    // The kernel takes the strictest answer of all filters, so the one that refuses goes beside
    // the one that kills.
    for filter in [refusing(arch)?, allowing(rules, arch)?] {
        apply_filter_all_threads(&filter).map_err(failed)?;
    }
    Ok(true)
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> ConfineError {
    ConfineError::Seccomp(Box::new(error))
}

fn refusing(arch: TargetArch) -> Result<BpfProgram, ConfineError> {
    let calls = REFUSED.iter().chain(REFUSED_OLD).map(|call| (*call, Vec::new())).collect();
    let refuse = SeccompAction::Errno(libc::EACCES as u32);
    let filter = SeccompFilter::new(calls, SeccompAction::Allow, refuse, arch).map_err(failed)?;
    filter.try_into().map_err(failed)
}

fn allowing(rules: Ruleset, arch: TargetArch) -> Result<BpfProgram, ConfineError> {
    let runner: &[c_long] = if rules == Ruleset::Compile { &[] } else { RUNNER_ALLOWED };
    let lists = ALLOWED.iter().chain(runner).chain(REFUSED).chain(REFUSED_OLD);
    let mut calls: BTreeMap<c_long, Vec<SeccompRule>> = lists.map(|call| (*call, Vec::new())).collect();
    // `abort` signals its own process; nobody else is ever signalled.
    let own = u64::from(std::process::id());
    calls.insert(libc::SYS_tgkill, vec![rule(0, own)?]);
    calls.insert(libc::SYS_kill, vec![rule(0, own)?]);
    // Naming a mapping (the allocator does it) and a thread (each does at its start, which may be
    // after the filter came over it) is all `prctl` is good for from here on.
    calls
        .insert(libc::SYS_prctl, vec![rule(0, libc::PR_SET_VMA as u64)?, rule(0, libc::PR_SET_NAME as u64)?]);
    let filter =
        SeccompFilter::new(calls, SeccompAction::KillProcess, SeccompAction::Allow, arch).map_err(failed)?;
    filter.try_into().map_err(failed)
}

/// Matches a call whose argument at `place` is `value`.
fn rule(place: u8, value: u64) -> Result<SeccompRule, ConfineError> {
    let condition =
        SeccompCondition::new(place, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value).map_err(failed)?;
    SeccompRule::new(vec![condition]).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_reaches_out_of_the_process_is_allowed() {
        let dangerous = [
            libc::SYS_accept4,
            libc::SYS_bind,
            libc::SYS_bpf,
            libc::SYS_clone,
            libc::SYS_clone3,
            libc::SYS_connect,
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_io_uring_setup,
            libc::SYS_ioctl,
            libc::SYS_kcmp,
            libc::SYS_keyctl,
            libc::SYS_listen,
            libc::SYS_mount,
            libc::SYS_open_by_handle_at,
            libc::SYS_perf_event_open,
            libc::SYS_pidfd_getfd,
            libc::SYS_pidfd_open,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_ptrace,
            libc::SYS_seccomp,
            libc::SYS_setns,
            libc::SYS_setuid,
            libc::SYS_socket,
            libc::SYS_socketpair,
            libc::SYS_unlinkat,
            libc::SYS_unshare,
            libc::SYS_userfaultfd,
        ];
        for list in [ALLOWED, RUNNER_ALLOWED, REFUSED, REFUSED_OLD] {
            assert!(list.iter().all(|call| !dangerous.contains(call)));
        }
    }
}
