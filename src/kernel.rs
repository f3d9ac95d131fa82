//! The calls that no crate in the tree wraps, and so the one module with `unsafe`: what the kernel says of
//! the system clock, a process that begins its life in a cgroup ([`spawn()`]), descriptors that end with
//! an exec, and the time since the boot and the room of a file system, in which rustix is wrong on 32-bit MIPS.
#![allow(unsafe_code)]

mod spawn;

use std::ffi::{c_int, c_long};
use std::fs::File;
use std::io;
use std::mem::{offset_of, size_of, zeroed};
use std::os::fd::AsRawFd;
use std::ptr;

pub(crate) use spawn::{spawn, Program, SpawnError};

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

// As the kernel's header has them, on every processor.
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

/// Seconds since the boot, those in which the device slept included.
pub(crate) fn since_boot() -> u64 {
    // SAFETY: the C library's own call with its own type, which it fills or leaves as it is; it is made of integers, for
    // which every bit pattern is a value.
    let now = unsafe {
        let mut now: libc::timespec = zeroed();
        // Every kernel has this clock.
        libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut now);
        now
    };
    u64::try_from(now.tv_sec).unwrap_or(0)
}

/// Bytes that a file system has left for everybody.
pub(crate) fn free_bytes(directory: &File) -> io::Result<u64> {
    // SAFETY: the C library's own call with its own type, which it fills or leaves as it is; it is made of integers, for
    // which every bit pattern is a value, and the descriptor is open for as long as `directory` is borrowed.
    let stat = unsafe {
        let mut stat: libc::statvfs = zeroed();
        if libc::fstatvfs(directory.as_raw_fd(), &raw mut stat) != 0 {
            return Err(io::Error::last_os_error());
        }
        stat
    };
    // Their widths differ between processors.
    let (blocks, size) = (stat.f_bavail as u64, stat.f_frsize as u64);
    Ok(blocks.saturating_mul(size))
}

#[cfg(test)]
mod tests;
