//! The kernel's word on a process.

use std::fs;

use super::Failure;

/// CPU time of all threads so far, ms.
pub(super) fn cpu(pid: i32) -> Result<f64, Failure> {
    let mut nanoseconds = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let schedstat = fs::read_to_string(task?.path().join("schedstat"))?;
        nanoseconds += first(&schedstat)?;
    }
    Ok(nanoseconds / 1e6)
}

/// CPU time of this thread so far, ms.
pub(super) fn own_cpu() -> Result<f64, Failure> {
    Ok(first(&fs::read_to_string("/proc/thread-self/schedstat")?)? / 1e6)
}

fn first(words: &str) -> Result<f64, Failure> {
    let first = words
        .split_whitespace()
        .next()
        .ok_or("schedstat is empty")?;
    Ok(first.parse()?)
}

/// A line of /proc/PID/status, MiB.
pub(super) fn memory(pid: i32, key: &str) -> Result<f64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(number(&status, key)? / 1024.0)
}

/// Resident memory as its page tables have it, KiB: the counters of its status are wrong by hundreds.
pub(super) fn resident(pid: i32) -> Result<f64, Failure> {
    number(
        &fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?,
        "Rss:",
    )
}

/// The number of times its threads have gone to sleep so far, and were thus woken.
pub(super) fn sleeps(pid: i32) -> Result<f64, Failure> {
    let mut sleeps = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        sleeps += number(&status, "voluntary_ctxt_switches:")?;
    }
    Ok(sleeps)
}

fn number(lines: &str, key: &str) -> Result<f64, Failure> {
    let line = lines.lines().find_map(|line| line.strip_prefix(key));
    let word = line.and_then(|line| line.split_whitespace().next());
    Ok(word.ok_or_else(|| format!("no line {key}"))?.parse()?)
}
