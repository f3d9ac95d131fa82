//! The calls against the kernel that runs.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{waitid, Pid, WaitId, WaitIdOptions};

use super::spawn::{spawn_in, Memory, MEMORIES};
use super::*;
use crate::process::clock::epoch_seconds;

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
fn the_time_since_the_boot_is_that_of_proc() {
    let uptime = || -> u64 {
        let text = std::fs::read_to_string("/proc/uptime").unwrap();
        text.split('.').next().unwrap().parse().unwrap()
    };
    let before = uptime();
    let boot = since_boot();
    assert!((before..=uptime()).contains(&boot), "{before} {boot}");
}

#[test]
fn the_room_of_a_file_system_is_less_than_it_has() {
    let free = free_bytes(&File::open("/tmp").unwrap()).unwrap();
    // An exbibyte: a field that is read in another place would say more, or nothing.
    assert!((1..1 << 60).contains(&free), "{free}");
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

fn run(memory: Memory, path: &CStr, cgroup: &File) -> Result<(Pid, OwnedFd), SpawnError> {
    let null = File::open("/dev/null").unwrap();
    let arguments = [c"sh", c"-c", c"exit 3"].map(CString::from);
    let program = Program {
        path,
        arguments: &arguments,
        environment: &[],
        streams: [null.as_fd(), null.as_fd(), null.as_fd()],
        cgroup: cgroup.as_fd(),
    };
    spawn_in(memory, &program)
}

#[test]
fn a_process_that_cannot_be_made_in_a_cgroup_is_not_made() {
    // Not a cgroup, or a kernel that does not know how.
    let directory = File::open("/tmp").unwrap();
    for memory in MEMORIES {
        let error = run(*memory, c"/bin/sh", &directory).unwrap_err();
        assert!(matches!(error, SpawnError::Clone(_)), "{error} {memory:?}");
    }
}

#[test]
fn the_reason_why_a_program_does_not_start_comes_back() {
    let Some(root) = std::fs::read_to_string("/proc/self/mountinfo")
        .unwrap()
        .lines()
        .find(|line| line.contains(" - cgroup2 "))
        .and_then(|line| line.split(' ').nth(4).map(str::to_owned))
    else {
        println!("no program begins in a cgroup: no cgroup2 is mounted");
        return;
    };
    let cgroup = File::open(root).unwrap();
    for memory in MEMORIES {
        match run(*memory, c"/nowhere/sh", &cgroup) {
            Err(SpawnError::Exec(error)) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
            // Not root, or an old kernel.
            Err(error @ SpawnError::Clone(_)) => {
                println!("no program begins in a cgroup, memory {memory:?}: {error}");
                return;
            }
            Ok(_) => panic!("it was started"),
        }
        for _ in 0..20 {
            let (_, pidfd) = run(*memory, c"/bin/sh", &cgroup).unwrap();
            let status = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED).unwrap();
            assert_eq!(status.unwrap().exit_status(), Some(3), "{memory:?}");
        }
        println!("20 programs began in a cgroup, memory {memory:?}");
    }
}
