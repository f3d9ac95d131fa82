//! The system log: logd's ring buffer in RAM, which a reboot takes away.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use ubus::Client;

use super::memory::Change;
use super::records::Records;
use super::text::tail;
use crate::config;

/// Longest wait for logd.
const WITHIN: Duration = Duration::from_secs(5);

/// Longest wait for the bus, which an agent that has just started does not have yet.
const CONNECTED_WITHIN: Duration = Duration::from_secs(2);

/// Lines that are asked for; their text is cut to what may be kept.
const LINES: i32 = 200;

/// Most bytes that are kept.
pub(super) const KEPT_MAX: usize = 16 << 10;

/// The log is kept for an outage if that was not done this long, s. With three reboots a day it is
/// written at most eight times.
const EVERY: u32 = 5 * 3600;

/// The share of `archive_daily` that is taken for logs, and that reports have to do without.
pub const SHARE: u64 = 8;

/// Most bytes of one log, so that eight of them are within the share; `None` if no log is kept.
pub fn size(spool: &config::Spool) -> Option<usize> {
    if !spool.boot_log || spool.archive_dir.is_none() {
        return None;
    }
    let size = spool.archive_daily / SHARE / 8;
    Some(usize::try_from(size).map_or(KEPT_MAX, |size| size.min(KEPT_MAX)))
}

#[derive(Serialize)]
struct Ask {
    lines: i32,
    stream: bool,
    oneshot: bool,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    log: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    msg: String,
    /// ms since the epoch.
    #[serde(default)]
    time: u64,
}

/// Reads the system log, and keeps its end where option `boot_log` says so.
#[derive(Debug, Clone)]
pub struct SystemLog {
    pub client: Client,
    /// See [`size`].
    pub size: watch::Receiver<Option<usize>>,
    pub records: Records,
}

impl SystemLog {
    /// The newest lines, oldest first, each with its time; `None` without logd.
    pub(super) async fn lines(&self) -> Option<Vec<String>> {
        let ask = Ask {
            lines: LINES,
            stream: false,
            oneshot: true,
        };
        let asked = async {
            self.client.connected(CONNECTED_WITHIN).await?;
            self.client.call("log", "read", &ask, WITHIN).await
        };
        let answer = asked.await;
        let answer: Answer = answer
            .map_err(|error| log::debug!("ubus call log read: {error}"))
            .ok()?;
        let line = |line: Line| format!("{} {}", line.time / 1000, line.msg.trim_end());
        Some(answer.log.into_iter().map(line).collect())
    }

    /// The device is believed to be offline: keeps the log, unless that was done not long ago.
    pub(super) async fn went_offline(&self) {
        if self.is_wanted() && self.is_due().await {
            self.keep().await;
        }
    }

    /// The device is about to be rebooted, for the sake of recovery or guard if it `counts`.
    pub(super) async fn reboots(&self, counts: bool) {
        if self.is_wanted() && (counts || self.is_due().await) {
            self.keep().await;
        }
    }

    fn is_wanted(&self) -> bool {
        self.size.borrow().is_some()
    }

    /// Notes that it is due no more, if it is.
    async fn is_due(&self) -> bool {
        let memory = match self.records.change(Change::Hour).await {
            Ok(memory) => memory,
            Err(error) => {
                log::warn!("the system log is not kept: {error}");
                return false;
            }
        };
        if memory.logged.is_some_and(|age| age < EVERY) {
            return false;
        }
        let noted = self.records.change(Change::Logged).await;
        noted
            .map_err(|error| log::warn!("the system log is not kept: {error}"))
            .is_ok()
    }

    async fn keep(&self) {
        let Some(lines) = self.lines().await else {
            return;
        };
        let Some(max) = *self.size.borrow() else {
            return;
        };
        let text = lines.join("\n");
        if let Err(error) = self.records.keep_log(tail(&text, max).to_owned()).await {
            log::warn!("the system log is not kept: {error}");
        }
    }
}
