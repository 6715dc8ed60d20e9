//! Runs a program as an ordinary user, and without the features of the kernel that other sandboxes
//! are made of: namespaces, ptrace, Landlock, mounts, and whatever else confines or watches.
//!
//! `without-kernel-features PROGRAM [ARG]...`
//!
//! What is promised must hold where all of these are refused, as in most containers.
#![expect(clippy::disallowed_methods, reason = "this program is there to start another one")]

use anyhow::{Context as _, bail};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use std::{
    collections::BTreeMap,
    env,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

/// The user and group that nobody is.
const NOBODY: u32 = 65534;

/// Calls that fail with `EPERM`, whatever their arguments.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_fanotify_init,
    libc::SYS_io_uring_setup,
    libc::SYS_seccomp,
    libc::SYS_keyctl,
];

/// Flags of `clone` that make a namespace.
const NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

fn main() -> anyhow::Result<ExitCode> {
    let mut args = env::args_os().skip(1);
    let Some(program) = args.next() else { bail!("no program was named") };
    let mut command = Command::new(&program);
    command.args(args);
    if rustix::process::getuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    // The pointer of `clone3` cannot be looked at: without it, C libraries use `clone`.
    apply(&[(libc::SYS_clone3, vec![])].into(), libc::ENOSYS)?;
    apply(&rules()?, libc::EPERM)?;
    let error = command.exec();
    Err(error).with_context(|| format!("failed to run `{}`", program.display()))
}

fn rules() -> anyhow::Result<BTreeMap<i64, Vec<SeccompRule>>> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|call| (*call, vec![])).collect();
    for flag in NAMESPACES {
        let flag = u64::from(flag.cast_unsigned());
        let has_flag = SeccompCmpOp::MaskedEq(flag);
        let condition = SeccompCondition::new(0, SeccompCmpArgLen::Qword, has_flag, flag)?;
        let rule = SeccompRule::new(vec![condition])?;
        rules.entry(libc::SYS_clone).or_default().push(rule);
    }
    Ok(rules)
}

fn apply(rules: &BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> anyhow::Result<()> {
    let refuse = SeccompAction::Errno(errno.cast_unsigned());
    let machine = env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(rules.clone(), SeccompAction::Allow, refuse, machine)?;
    let program: BpfProgram = filter.try_into()?;
    seccompiler::apply_filter(&program).context("failed to install a seccomp filter")
}
