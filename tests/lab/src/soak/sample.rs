//! The needs of the agent at rest: its live heap as its allocator counts it, and the kernel's word.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout, Instant};

use super::Failure;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(40);

/// An answer to how much is in use.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The needs of an agent, the least of what was seen while it was watched: what it uses for a moment for a report, a
/// delivery or an answer comes and goes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sample {
    /// Bytes in use of its heap.
    pub(super) heap: u64,
    /// Anonymous memory, KiB.
    pub(super) anonymous: u64,
    pub(super) descriptors: u64,
    pub(super) threads: u64,
}

/// Watches the agent of this process id, below this root, for so long.
pub(super) async fn watch(pid: i32, root: &Path, lasts: Duration) -> Result<Sample, Failure> {
    let until = Instant::now() + lasts;
    let mut least = look(pid, root).await?;
    while Instant::now() < until {
        sleep(EVERY).await;
        let seen = look(pid, root).await?;
        least = Sample {
            heap: least.heap.min(seen.heap),
            anonymous: least.anonymous.min(seen.anonymous),
            descriptors: least.descriptors.min(seen.descriptors),
            threads: least.threads.min(seen.threads),
        };
    }
    Ok(least)
}

async fn look(pid: i32, root: &Path) -> Result<Sample, Failure> {
    let heap = timeout(ANSWER_WITHIN, heap(root)).await??;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(Sample {
        heap,
        anonymous: number(&status, "RssAnon:")?,
        descriptors: fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64,
        threads: number(&status, "Threads:")?,
    })
}

async fn heap(root: &Path) -> Result<u64, Failure> {
    let mut socket = UnixStream::connect(root.join("heap.sock")).await?;
    let mut text = String::new();
    socket.read_to_string(&mut text).await?;
    Ok(text.parse()?)
}

fn number(lines: &str, key: &str) -> Result<u64, Failure> {
    let line = lines.lines().find_map(|line| line.strip_prefix(key));
    let word = line.and_then(|line| line.split_whitespace().next());
    Ok(word.ok_or_else(|| format!("no line {key}"))?.parse()?)
}
