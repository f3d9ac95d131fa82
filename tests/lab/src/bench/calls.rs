//! System calls of a process, counted by strace.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{kill_process, Pid, Signal};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::Failure;

/// Time strace has to end.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// The calls of one name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Calls {
    pub(super) name: String,
    pub(super) count: u32,
}

/// Counts what all threads of a process call within `during`, the most frequent first.
pub(super) async fn count(pid: i32, during: Duration) -> Result<Vec<Calls>, Failure> {
    let summary = tempfile::NamedTempFile::new()?;
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-S", "calls", "-U", "calls,name", "-o"]);
    strace.arg(summary.path()).args(["-p", &pid.to_string()]);
    strace.stderr(Stdio::null()).kill_on_drop(true);
    let started = strace.spawn();
    let mut strace = started.map_err(|error| format!("strace (Debian has it): {error}"))?;
    sleep(during).await;
    let tracer = strace
        .id()
        .and_then(|id| Pid::from_raw(id.try_into().ok()?));
    kill_process(tracer.ok_or("strace has ended")?, Signal::INT)?;
    timeout(ENDS_WITHIN, strace.wait()).await??;
    Ok(read(&fs::read_to_string(summary.path())?))
}

/// `    13 epoll_wait`, without head and sum.
fn read(summary: &str) -> Vec<Calls> {
    let calls = summary.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let count = words.next()?.parse().ok()?;
        let name = words.next()?.to_owned();
        Some(Calls { name, count })
    });
    calls.filter(|calls| calls.name != "total").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_of_strace_is_read() {
        let summary =
            "    calls syscall\n--------- ----------------\n      206 epoll_wait\n       \
                       153 recvfrom\n--------- ----------------\n      359 total\n";
        let calls = read(summary);
        assert_eq!(
            calls[1],
            Calls {
                name: "recvfrom".to_owned(),
                count: 153
            }
        );
        assert_eq!(calls.len(), 2);
    }
}
