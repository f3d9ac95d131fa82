//! The kernel's word on the system clock, by `clock_adjtime`: the one call of the agent that no crate
//! in the tree wraps, and so its one file with `unsafe`.
#![allow(unsafe_code)]

use std::ffi::c_long;
use std::mem::{offset_of, size_of};

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
pub(super) fn is_synced() -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::epoch_seconds;

    #[test]
    fn the_kernel_fills_in_what_we_read_where_we_read_it() {
        let before = epoch_seconds();
        let timex = read().expect("every kernel since 5.1 has the call");
        let after = epoch_seconds();
        let seconds = u64::try_from(timex.seconds).unwrap();
        assert!((before..=after).contains(&seconds), "{timex:?}");
        assert!((0..1_000_000_000).contains(&timex.microseconds));
        assert!((9_000..=11_000).contains(&timex.tick), "{timex:?}");
        assert_eq!((timex.gap, timex.gap_after_status), (0, 0));
        assert_eq!(timex.reserved, [0; 11]);
        assert_eq!(is_synced(), is_kept(timex.status));
    }

    #[test]
    fn a_clock_is_kept_without_unsync_or_while_somebody_steers_it() {
        const STA_NANO: i32 = 0x2000;
        for (status, kept) in [
            // After the boot.
            (STA_UNSYNC, false),
            (STA_UNSYNC | STA_NANO, false),
            // chrony and ntpd.
            (0, true),
            (STA_PLL | STA_NANO, true),
            // busybox' ntpd, at first and after hours.
            (STA_PLL, true),
            (STA_PLL | STA_UNSYNC, true),
        ] {
            assert_eq!(is_kept(status), kept, "{status:#x}");
        }
    }
}
