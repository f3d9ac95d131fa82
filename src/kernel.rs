//! The calls that no crate in the tree wraps, and so the one file with `unsafe`: what the kernel says of
//! the system clock, a process that begins its life in a cgroup, and descriptors that end with an exec.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_long, CStr, CString};
use std::io::{self, Read};
use std::mem::{offset_of, size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use rustix::process::{waitid, Pid, WaitId, WaitIdOptions};

/// Nobody keeps the clock, or its error may be 16 s by now.
const STA_UNSYNC: i32 = 0x0040;

/// A time daemon steers the clock.
const STA_PLL: i32 = 0x0001;

const CLOCK_REALTIME: c_long = 0;

/// The variant of the call that takes a [`Timex`]. 64-bit processors have one alone.
#[cfg(target_pointer_width = "64")]
const CLOCK_ADJTIME: c_long = libc::SYS_clock_adjtime;

/// `clock_adjtime64`, since Linux 5.1. Numbers from 403 on are those of every processor; 32-bit MIPS
/// counts from 4000.
#[cfg(not(target_pointer_width = "64"))]
const CLOCK_ADJTIME: c_long = match cfg!(any(target_arch = "mips", target_arch = "mips32r6")) {
    true => 4405,
    false => 405,
};

/// `struct __kernel_timex` of linux/timex.h. Its fields have the same width on every processor, and its
/// gaps are fields themselves; that of C libraries, `struct timex`, has neither.
#[repr(C)]
#[derive(Debug, Default)]
struct Timex {
    /// Nothing to change.
    modes: u32,
    gap: u32,
    offset_to_esterror: [i64; 4],
    status: i32,
    gap_after_status: u32,
    constant_to_tolerance: [i64; 3],
    seconds: i64,
    microseconds: i64,
    /// Length of a tick, µs: 10000 if nobody stretches it.
    tick: i64,
    ppsfreq_to_jitter: [i64; 2],
    shift: i32,
    gap_after_shift: u32,
    stabil_to_stbcnt: [i64; 5],
    tai: i32,
    reserved: [u32; 11],
}

// As the kernel's header has them, whatever this is built for.
const _: () = assert!(size_of::<Timex>() == 208);
const _: () = assert!(offset_of!(Timex, status) == 40);
const _: () = assert!(offset_of!(Timex, seconds) == 72);
const _: () = assert!(offset_of!(Timex, tick) == 88);
const _: () = assert!(offset_of!(Timex, tai) == 160);

/// True if the kernel says that somebody keeps the system clock right. False as well from a kernel that
/// does not have the call.
pub(crate) fn is_synced() -> bool {
    read().is_some_and(|timex| is_kept(timex.status))
}

/// busybox' ntpd never tells the kernel how small the error is, which sets `STA_UNSYNC` again after
/// hours while the clock is steered all the time.
fn is_kept(status: i32) -> bool {
    status & STA_UNSYNC == 0 || status & STA_PLL != 0
}

fn read() -> Option<Timex> {
    let mut timex = Timex::default();
    // SAFETY: the kernel writes one `struct __kernel_timex`, 208 bytes on every processor, into
    // `timex`, which is as large (asserted above), ours alone during the call, and made of integers,
    // for which every bit pattern is a value; with `modes` 0 it changes nothing, and a kernel without
    // the call fails with ENOSYS and writes nothing.
    let state = unsafe { libc::syscall(CLOCK_ADJTIME, CLOCK_REALTIME, &raw mut timex) };
    (state >= 0).then_some(timex)
}

/// `struct clone_args` of linux/sched.h as kernels since 5.7 know it; every field has 64 bits everywhere.
#[repr(C)]
#[derive(Debug, Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid_to_parent_tid: [u64; 2],
    exit_signal: u64,
    stack_to_set_tid_size: [u64; 5],
    cgroup: u64,
}

const _: () = assert!(size_of::<CloneArgs>() == 88);
const _: () = assert!(offset_of!(CloneArgs, exit_signal) == 32);
const _: () = assert!(offset_of!(CloneArgs, cgroup) == 80);

const CLONE_PIDFD: u64 = 0x1000;
/// The parent goes on when the child has called exec: until then both would copy each other's pages.
const CLONE_VFORK: u64 = 0x4000;
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// A program to start in a session and a cgroup of its own, in `/`, with umask 077 and the signals as
/// after a boot.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) path: &'a CStr,
    /// The name of the program first.
    pub(crate) arguments: &'a [CString],
    /// `NAME=value`, all there are.
    pub(crate) environment: &'a [CString],
    /// Standard input, output and error, none of them below 3.
    pub(crate) streams: [BorrowedFd<'a>; 3],
    /// The directory of the cgroup.
    pub(crate) cgroup: BorrowedFd<'a>,
}

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    /// This kernel, or this cgroup, does not do it.
    #[error("a process cannot be made in a cgroup: {0}")]
    Clone(io::Error),
    #[error(transparent)]
    Exec(io::Error),
}

/// Starts `program`, which has called exec when this returns; its pidfd tells its end.
///
/// The process is born in its cgroup (Linux 5.7): to move it there would stop every fork on the device
/// for a grace period, 15 ms and more.
pub(crate) fn spawn(program: &Program<'_>) -> Result<(Pid, OwnedFd), SpawnError> {
    let streams = program.streams.map(|stream| stream.as_raw_fd());
    if streams.iter().any(|stream| *stream < 3) {
        return Err(SpawnError::Exec(io::ErrorKind::InvalidInput.into()));
    }
    let arguments = pointers(program.arguments);
    let environment = pointers(program.environment);
    let (mut failure, report) = io::pipe().map_err(SpawnError::Exec)?;
    let mut pidfd: c_int = -1;
    let mut args = CloneArgs {
        flags: CLONE_PIDFD | CLONE_VFORK | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP,
        pidfd: (&raw mut pidfd).expose_provenance() as u64,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: program.cgroup.as_raw_fd() as u64,
        ..CloneArgs::default()
    };
    // SAFETY: the kernel reads 88 bytes of `args`, which is as large (asserted above) and ours alone,
    // and writes one descriptor to `pidfd`, which outlives the call. Without CLONE_VM, CLONE_FILES and
    // a stack it is a fork: the child has a copy of our memory, in which this thread alone goes on.
    // Other threads may have held locks in it, so the child calls nothing but `become_program`, which
    // takes none, and never returns.
    let pid = unsafe {
        match libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<CloneArgs>()) {
            0 => become_program(
                program.path,
                &arguments,
                &environment,
                streams,
                report.as_raw_fd(),
            ),
            pid => pid,
        }
    };
    drop(report);
    if pid < 0 {
        return Err(SpawnError::Clone(io::Error::last_os_error()));
    }
    // SAFETY: with CLONE_PIDFD a clone that succeeds has stored a new descriptor, which nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let mut errno = [0; size_of::<c_int>()];
    let ended = match failure.read_exact(&mut errno) {
        // Closed by the exec.
        Err(_) => None,
        Ok(()) => Some(io::Error::from_raw_os_error(c_int::from_be_bytes(errno))),
    };
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    match (ended, pid) {
        (None, Some(pid)) => Ok((pid, pidfd)),
        (ended, _) => {
            // It has ended or is about to; an error says that somebody else has waited for it.
            let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
            let error = ended.unwrap_or_else(|| io::ErrorKind::InvalidData.into());
            Err(SpawnError::Exec(error))
        }
    }
}

/// The strings as exec wants them.
fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    let pointers = strings.iter().map(|string| string.as_ptr());
    pointers.chain([ptr::null()]).collect()
}

/// The child's part of [`spawn`]: ends with exec, or tells `report` why not.
///
/// # Safety
///
/// The caller is the only thread of a new process, whose descriptors 0 to 2 it replaces. Both lists hold
/// pointers to C strings and end with a null pointer.
unsafe fn become_program(
    path: &CStr,
    arguments: &[*const c_char],
    environment: &[*const c_char],
    streams: [c_int; 3],
    report: c_int,
) -> ! {
    // SAFETY: these are system calls and nothing else (async-signal-safe, all of them): they take no
    // lock, allocate nothing and cannot panic. The pointers are the caller's, who answers for them.
    unsafe {
        libc::setsid();
        libc::umask(0o077);
        reset_signals();
        let [input, output, errors] = streams;
        let ready = libc::chdir(c"/".as_ptr()) == 0
            && libc::dup2(input, 0) == 0
            && libc::dup2(output, 1) == 1
            && libc::dup2(errors, 2) == 2;
        if ready {
            libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr());
        }
        let errno: c_int = io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(0)
            .to_be();
        libc::write(report, (&raw const errno).cast(), size_of::<c_int>());
        libc::_exit(127)
    }
}

/// Every signal there is; the C library refuses those it does not know, or keeps for itself.
const SIGNALS: std::ops::RangeInclusive<c_int> = 1..=127;

/// Gives every signal its default effect, and blocks none.
fn reset_signals() {
    // SAFETY: `action` and `mask` are plain data: zeros are SIG_DFL without flags, by which no code of
    // ours runs, and an empty set. Null pointers are where old values are not wanted.
    unsafe {
        let action: libc::sigaction = zeroed();
        for signal in SIGNALS {
            libc::sigaction(signal, &raw const action, ptr::null_mut());
        }
        let mask: libc::sigset_t = zeroed();
        libc::sigprocmask(libc::SIG_SETMASK, &raw const mask, ptr::null_mut());
    }
}

/// Has this process outlive every signal but SIGKILL and those of its own faults; programs that it
/// starts begin with the signals as after a boot.
pub(crate) fn outlive_signals() {
    extern "C" fn do_nothing(_signal: c_int) {}
    reset_signals();
    let faults = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGILL,
        libc::SIGFPE,
        libc::SIGABRT,
    ];
    let deadly = |signal: &c_int| *signal != libc::SIGCHLD && !faults.contains(signal);
    for signal in SIGNALS.filter(deadly) {
        // SAFETY: the handler has the type that is right without SA_SIGINFO and does nothing, so it may
        // come at any moment; an exec makes the default of it. Zeros elsewhere are an empty set.
        unsafe {
            let mut action: libc::sigaction = zeroed();
            action.sa_sigaction = do_nothing as extern "C" fn(c_int) as libc::sighandler_t;
            action.sa_flags = libc::SA_RESTART;
            libc::sigaction(signal, &raw const action, ptr::null_mut());
        }
    }
}

/// Marks every inherited descriptor above 2 close-on-exec.
pub(crate) fn keep_descriptors() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(fd) = name.to_str().and_then(|name| name.parse::<c_int>().ok()) else {
            continue;
        };
        if fd > 2 {
            // SAFETY: it changes one flag, of a descriptor that is open or, if it was that of this
            // listing, fails with EBADF; nobody in this program relies on passing one on.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
