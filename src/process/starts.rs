//! Counts starts that follow an unclean exit, and holds off broker and API after several.
//!
//! An agent that dies again and again must not beat on broker and API with every start. The count is a
//! line in a file in RAM, written at a start and removed by an orderly end:
//!
//! ```text
//! BOOT_ID COUNT AT      AT = uptime of the device at this start, s
//! ```
//!
//! A file that is there at a start was left by an agent that ended without SIGTERM. It counts on if that
//! agent had been started less than 10 min before; so do 10 min of running clear it, and so does a reboot.

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::time::Duration;

use durable::{read_whole, replace, Directory, Disk};
use serde::Serialize;
use tokio::time::Instant;

use crate::process::clock::{epoch_seconds, Pace};
use crate::process::shutdown::Shutdown;

/// Where the count is kept, below the root; in RAM, so that a crash loop wears no flash.
pub const DIR: &str = "/var/run/socketman";

const FILE: &str = "starts";

/// A start counts on if the one before was less than this ago.
const MEMORY: Duration = Duration::from_secs(600);

/// From this count on broker and API wait.
const FIRST_TO_WAIT: u32 = 4;

/// Longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Longest file that is read, bytes.
const FILE_MAX: u64 = 256;

/// The facts about this start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Starts in a row, this one included, that followed an end without SIGTERM; 0 after 10 min.
    pub count: u32,
    /// Until when broker and API wait because of that, seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_until: Option<u64>,
    /// Why starts are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// This start of the agent.
#[derive(Debug)]
pub struct Starts {
    dir: Option<Directory>,
    count: u32,
    error: Option<String>,
    pace: Pace,
    at: Instant,
    epoch: u64,
}

/// Holds broker and API back after too many starts.
#[derive(Debug, Clone, Copy)]
pub struct Hold {
    until: Option<Instant>,
}

impl Starts {
    /// Counts this start in `dir`. `uptime` is the device's.
    pub fn count(dir: io::Result<Directory>, boot_id: &str, uptime: Duration, pace: Pace) -> Self {
        let counted = dir.and_then(|mut dir| {
            let count = next_count(&read(&mut dir)?, boot_id, uptime, pace);
            let (seconds, nanos) = (uptime.as_secs(), uptime.subsec_nanos());
            let line = format!("{boot_id} {count} {seconds}.{nanos:09}\n");
            replace(&mut dir, FILE, line.as_bytes())?;
            Ok((dir, count))
        });
        let (dir, count, error) = match counted {
            Ok((dir, count)) => (Some(dir), count, None),
            Err(error) => {
                log::warn!("{DIR}/{FILE}: {error}; starts are not counted");
                (None, 0, Some(format!("{DIR}/{FILE}: {error}")))
            }
        };
        let starts = Starts {
            dir,
            count,
            error,
            pace,
            at: Instant::now(),
            epoch: epoch_seconds(),
        };
        if starts.count > 0 {
            let count = starts.count;
            match starts.wait().as_secs() {
                0 => log::warn!("unclean exit, {count} in a row"),
                wait => log::warn!(
                    "unclean exit, {count} in a row; holding off broker and API for {wait} s"
                ),
            }
        }
        starts
    }

    /// Time for which broker and API wait from the start on.
    fn wait(&self) -> Duration {
        if self.count < FIRST_TO_WAIT {
            return Duration::ZERO;
        }
        let doubled = Duration::from_secs(1 << self.count.min(9));
        self.pace.of(doubled.min(LONGEST_WAIT))
    }

    /// A gate that opens when the start-up hold ends.
    pub fn hold(&self) -> Hold {
        let wait = self.wait();
        Hold {
            until: (wait > Duration::ZERO).then(|| self.at + wait),
        }
    }

    /// The facts as of now.
    pub fn facts(&self) -> Facts {
        let running = self.at.elapsed();
        let wait = self.wait();
        Facts {
            count: match running < self.pace.of(MEMORY) {
                true => self.count,
                false => 0,
            },
            held_until: (running < wait).then(|| self.epoch + wait.as_secs_f64().ceil() as u64),
            error: self.error.clone(),
        }
    }

    /// The agent ends on request: the next start does not count.
    pub fn ended(&self) {
        let Some(mut dir) = self.dir.clone() else {
            return;
        };
        match dir.remove(FILE) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                log::warn!("{DIR}/{FILE}: {error}");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

impl Hold {
    /// A hold that holds nobody back.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Hold { until: None }
    }

    /// True while broker and API, and with them recovery, wait.
    pub fn is_held(self) -> bool {
        self.until.is_some_and(|until| until > Instant::now())
    }

    /// When the wait ends, if there is one.
    pub fn until(self) -> Option<Instant> {
        self.until
    }

    /// Waits until broker and API may be reached; false if the agent ends before.
    pub async fn over(self, ends: &mut Shutdown) -> bool {
        let Some(until) = self.until else {
            return true;
        };
        tokio::select! {
            () = ends.requested() => false,
            () = tokio::time::sleep_until(until) => true,
        }
    }
}

fn read(dir: &mut Directory) -> io::Result<String> {
    match read_whole(dir, FILE, FILE_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => Ok(String::from_utf8_lossy(&read?).into_owned()),
    }
}

/// The new count, from the one the last agent left behind.
fn next_count(left: &str, boot_id: &str, uptime: Duration, pace: Pace) -> u32 {
    if left.is_empty() {
        return 0;
    }
    // The line proves an end without SIGTERM, with any content.
    let words: Vec<&str> = left.split_ascii_whitespace().collect();
    let before = match words[..] {
        [boot, count, at] if boot == boot_id => count.parse().ok().zip(seconds(at)),
        [_, _, _] => return 0,
        _ => None,
    };
    let Some((count, at)) = before else {
        return 1;
    };
    let since = uptime.checked_sub(at);
    let recent = since.is_some_and(|since| since < pace.of(MEMORY));
    1 + if recent { u32::min(count, 1 << 16) } else { 0 }
}

/// Seconds with up to nine decimals. The standard library's floating point numbers would bring tables of 10 KB
/// with them.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = u32::try_from(decimals.len()).ok()?;
    let nanos = decimals.parse::<u32>().ok()?;
    let unit = 10u32.checked_pow(9u32.checked_sub(digits)?)?;
    Duration::from_secs(whole.parse().ok()?).checked_add(Duration::from_nanos(
        u64::from(nanos).checked_mul(unit.into())?,
    ))
}

/// The directory of the count, below `root`.
pub fn directory(root: &Path) -> io::Result<Directory> {
    Directory::open(&crate::process::file::under(root, Path::new(DIR)))
}
