//! Processes as /proc shows them.

use std::collections::HashSet;
use std::fs;
use std::io;

use rustix::process::{kill_process, Pid, Signal};

/// The part of /proc/PID/stat we need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    alive: bool,
    parent: i32,
    group: i32,
    session: i32,
}

impl Stat {
    fn read(pid: i32) -> Option<Self> {
        // A process that ends while we look has no files any more. Its name may be any bytes.
        let line = fs::read(format!("/proc/{pid}/stat")).ok()?;
        Stat::parse(&String::from_utf8_lossy(&line))
    }

    /// `pid (name) state ppid pgrp session …`; the name may contain anything.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.get(line.rfind(')')? + 1..)?.split_ascii_whitespace();
        let state = fields.next()?;
        let mut number = || fields.next()?.parse().ok();
        Some(Stat {
            alive: !matches!(state, "Z" | "X" | "x"),
            parent: number()?,
            group: number()?,
            session: number()?,
        })
    }
}

/// Signals the living descendants of `leader` and the members of its session and process group; itself
/// only if `and_itself`. Returns their number. Parents get it before their children, lest a shell go on with
/// its next command.
///
/// A process that forks and ends all the time has another number a moment later, and on a slow router a look at
/// all processes takes longer than such a one lives. So the newest, which the kernel lists last, are looked at
/// first, and a process that is to be killed is stopped as soon as it is found.
///
/// # Errors
///
/// /proc cannot be read.
pub(super) fn signal_all(leader: Pid, and_itself: bool, signal: Signal) -> io::Result<usize> {
    let leader = leader.as_raw_nonzero().get();
    let mut members = HashSet::from([leader]);
    let mut found = Vec::new();
    let mut rest = Vec::new();
    let mut find = |pid: i32, stat: &Stat| {
        if stat.alive {
            found.push(pid);
            if signal == Signal::KILL {
                send(pid, Signal::STOP);
            }
        }
    };
    for pid in numbers()?.into_iter().rev() {
        let Some(stat) = Stat::read(pid) else {
            continue;
        };
        if pid == leader {
            if and_itself {
                find(pid, &stat);
            }
        } else if [stat.group, stat.session].contains(&leader) || members.contains(&stat.parent) {
            members.insert(pid);
            find(pid, &stat);
        } else {
            rest.push((pid, stat));
        }
    }
    // A parent has a lower number than its children, unless the numbers have wrapped.
    loop {
        let before = rest.len();
        rest.retain(|(pid, stat)| {
            let member = members.contains(&stat.parent);
            if member {
                members.insert(*pid);
                find(*pid, stat);
            }
            !member
        });
        if rest.len() == before {
            break;
        }
    }
    found.sort_unstable();
    for pid in &found {
        send(*pid, signal);
    }
    Ok(found.len())
}

/// The numbers of all processes, in the kernel's order.
fn numbers() -> io::Result<Vec<i32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(numbers)
}

fn send(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // An error means that it has ended meanwhile or is not ours to signal; the next look tells.
        let _ = kill_process(pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_brackets_does_not_shift_the_fields() {
        let stat = Stat::parse("7 (a) S (b) Z 5 6 6 0 -1").unwrap();
        let expected = Stat {
            alive: false,
            parent: 5,
            group: 6,
            session: 6,
        };
        assert_eq!(stat, expected);
        assert!(Stat::parse("7 (a").is_none());
        assert!(Stat::parse("7 (a) R 1 x").is_none());
        let own = Stat::read(std::process::id().cast_signed()).unwrap();
        assert!(own.alive);
    }
}
