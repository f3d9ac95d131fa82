//! The reason of a boot: noted before the device reboots, found after it.
//!
//! ```text
//!  ladder, guard, job ─Why─► reboot ─► memory on flash ─► procd
//!  init script ─► state_dir/shutdown          │
//!  kernel, firmware ─► pstore, bootstatus,    │ the next boot
//!                      openwrt_release ──► evidence ─► cause ─► event `boot`, status.boot
//! ```
//!
//! * `memory`: the boots that were reported, the reboots that were requested
//! * `counters`: the rules for reboots: one in an outage, three in 24 h
//! * `book`, `records`: the memory in `state_dir`/keep/boot, and the thread that keeps it there
//! * `evidence`, `pstore`, `system_log`: traces that the boot before left
//! * `cause`: traces and memory to a cause
//! * `reboot`: the one way to reboot the device
//!
//! The event is in the first report of a boot. It counts as reported when the spool has that
//! report: an agent that starts again in the same boot does not repeat it, one that follows an agent
//! which died before does.

mod book;
mod cause;
mod counters;
mod evidence;
mod memory;
mod pstore;
mod reboot;
mod records;
mod system_log;
#[cfg(test)]
mod tests;
mod text;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{sleep_until, Instant};

use crate::collect::{DeviceEvents, Event};
use crate::process::clock::{self, epoch_seconds, Pace};
use crate::process::facts::changed;
use crate::process::shutdown::Shutdown;
use crate::written::{text, Fields};
use cause::Found;
use records::Start;

pub use book::{Book, ChangeError};
pub use cause::Cause;
pub use counters::{Counters, Refusal, DAY, REBOOTS};
pub use evidence::release;
pub use memory::{Change, Memory, Now};
pub use reboot::reboot;
pub use records::{Budget, Records};
pub use system_log::{size as log_size, SystemLog, SHARE as LOG_SHARE};

/// Why the agent reboots the device. It is on flash before the reboot is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The last step of the ladder.
    Recovery,
    /// The undo of a network job did not bring the device back.
    Guard { job: String },
    /// A job of type `reboot`.
    Job { id: String },
}

impl Why {
    fn read(value: Value) -> Option<Self> {
        let mut fields = match value {
            Value::String(word) => return (word == "recovery").then_some(Why::Recovery),
            value => Fields::of(value)?,
        };
        let job = fields.maybe("guard", |guard| Fields::of(guard)?.required("job", text))?;
        match job {
            Some(job) => Some(Why::Guard { job }),
            None => {
                let id = fields.required("job", |job| Fields::of(job)?.required("id", text))?;
                Some(Why::Job { id })
            }
        }
    }

    /// Counts in the budget of three a day.
    pub fn counts(&self) -> bool {
        !matches!(self, Why::Job { .. })
    }
}

/// Notes why, and has procd reboot the device; an error in words if it does not. `Recovery` and `Guard`
/// count in the budget of three a day.
pub type Reboot = Box<dyn Fn(Why) -> Asked + Send + Sync>;

/// Why the device is not rebooted after all; `None` if it is.
pub type LastLook = Arc<dyn Fn() -> Option<&'static str> + Send + Sync>;

/// A reboot that was asked for.
pub type Asked = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

impl Facts {
    /// The facts by the system clock as it is now, which may have been wrong at the boot.
    pub fn now(&self) -> Self {
        Facts {
            cause: self.cause,
            at: self.cause.map(|_| booted_at()),
        }
    }
}

/// procd's line on the console, and so in the system log, after a reset by the watchdog.
const WATCHDOG_LINE: &str = "Watchdog has previously reset the system";

/// Time between two writes of the clock while reboots count.
const HOUR: Duration = Duration::from_secs(3600);

/// Longest time from a reboot that is noted until this agent ends; the services that stop before it take seconds.
const COMES_WITHIN: Duration = Duration::from_secs(300);

/// This boot, for `status.boot`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// `None` until it is known.
    pub cause: Option<Cause>,
    /// When the device booted, seconds since the epoch.
    pub at: Option<u64>,
}

/// The belongings of the part.
#[derive(Debug)]
pub struct Part {
    pub log: SystemLog,
    pub pace: Pace,
    /// The health code, once it is known.
    pub code: watch::Receiver<Option<u8>>,
    pub events: DeviceEvents,
    pub facts: watch::Sender<Facts>,
    /// Set when the event is ready for the first report, or will not come.
    pub ready: watch::Sender<bool>,
    /// True when the spool has the report with the event.
    pub kept: watch::Receiver<bool>,
}

/// Finds out why the device booted and tells it, then keeps the memory up to date until `shutdown`.
pub async fn run(part: Part, shutdown: Shutdown) {
    shutdown.cut_short(vec![Box::pin(part.work())]).await;
}

impl Part {
    async fn work(self) {
        let telling = self.begin().await;
        self.ready.send_replace(true);
        self.keep(telling).await;
    }

    /// Finds the cause; what is to be remembered when it has been told, unless it has.
    async fn begin(&self) -> Option<Change> {
        let records = &self.log.records;
        let start = match records.look().await {
            Ok(start) => start,
            Err(error) => {
                log::warn!("the reason of this boot is not known: {error}");
                return None;
            }
        };
        if start.memory.is_ending() {
            not_come(records).await;
        }
        let told = start.memory.told.as_ref();
        if let Some(told) = told.filter(|told| told.boot == records.boot()) {
            self.show(told.cause);
            return None;
        }
        let found = self.find(&start).await;
        self.show(found.cause);
        let cause = found.cause.name();
        match &found.detail {
            Some(detail) => {
                let line = detail.lines().last().unwrap_or_default();
                log::info!("booted: {cause}: {}", crate::terminal::safe(line));
            }
            None => log::info!("booted: {cause}"),
        }
        self.events.tell(Event {
            at: booted_at(),
            kind: "boot",
            cause: Some(cause),
            detail: detail(found.detail, &start, records.boot()),
            ..Event::default()
        });
        let panics = start.evidence.panics.into_iter();
        Some(Change::Told {
            cause: found.cause,
            release: start.evidence.release,
            panics: panics.map(|record| record.hash).collect(),
        })
    }

    async fn find(&self, start: &Start) -> Found {
        let boot = self.log.records.boot();
        let found = cause::cause(&start.memory, &start.evidence, boot);
        if matches!(found.cause, Cause::Panic | Cause::Watchdog) {
            return found;
        }
        // Not every driver has a bootstatus.
        let lines = self.log.lines().await.unwrap_or_default();
        if !lines.iter().any(|line| line.contains(WATCHDOG_LINE)) {
            return found;
        }
        let mut evidence = start.evidence.clone();
        evidence.watchdog = true;
        cause::cause(&start.memory, &evidence, boot)
    }

    fn show(&self, cause: Cause) {
        self.facts.send_replace(Facts {
            cause: Some(cause),
            at: None,
        });
    }

    /// Remembers that the cause was reported when the spool has the report (until then whoever ends the
    /// agent has it told again), keeps the clock while reboots count, and the system log when the device
    /// goes offline, and forgets a reboot that does not come.
    async fn keep(self, mut telling: Option<Change>) {
        let Part {
            log,
            pace,
            mut code,
            mut kept,
            ..
        } = self;
        let mut hours = pace.interval(HOUR);
        let mut was_offline = false;
        let mut ending = log.records.ending();
        // It may be noted still, as far as the start could tell.
        ending.mark_changed();
        let mut comes_by = None;
        loop {
            tokio::select! {
                changed = code.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let is_offline = code.borrow_and_update().is_some_and(|code| code <= 1);
                    if is_offline && !was_offline {
                        log.went_offline().await;
                    }
                    was_offline = is_offline;
                }
                is_kept = came_true(&mut kept), if telling.is_some() => {
                    if let Some(told) = telling.take().filter(|_| is_kept) {
                        if let Err(error) = log.records.change(told).await {
                            log::warn!("the reason of this boot may be reported again: {error}");
                        }
                    }
                }
                () = changed(&mut ending) => {
                    let is_ending = *ending.borrow_and_update();
                    comes_by = is_ending.then(|| Instant::now() + pace.of(COMES_WITHIN));
                }
                () = sleep_until(comes_by.unwrap_or_else(Instant::now)), if comes_by.is_some() => {
                    // For a disk that does not take it; else this is taken back.
                    comes_by = Some(Instant::now() + pace.of(HOUR));
                    not_come(&log.records).await;
                }
                _ = hours.tick() => hour(&log.records).await,
            }
        }
    }
}

/// Waits until `fact` is true; false if nobody can make it so any more.
async fn came_true(fact: &mut watch::Receiver<bool>) -> bool {
    fact.wait_for(|is_true| *is_true).await.is_ok()
}

/// A reboot that was noted in this boot explains no later one.
async fn not_come(records: &Records) {
    if let Err(error) = records.change(Change::NotCome).await {
        log::warn!("a reboot that did not come is still noted: {error}");
    }
}

/// Has the clock written while reboots count, and the memory read if it could not be before.
async fn hour(records: &Records) {
    let budget = *records.budget().borrow();
    let done = if budget.used == 0 && budget.left == 0 {
        records.look().await.map(drop)
    } else if budget.used > 0 {
        records.change(Change::Hour).await.map(drop)
    } else {
        return;
    };
    if let Err(error) = done {
        log::debug!("boot: {error}");
    }
}

/// When the device booted, by the system clock as it is now.
fn booted_at() -> u64 {
    epoch_seconds().saturating_sub(clock::since_boot())
}

/// The detail with the system log of the boot before, if that was kept.
fn detail(found: Option<String>, start: &Start, boot: &str) -> Option<String> {
    let told = start.memory.told.as_ref();
    let is_of_before = |of: &str| of != boot && told.is_none_or(|told| told.boot == of);
    let kept = start.log.as_ref().filter(|(of, _)| is_of_before(of));
    let kept = kept.map(|(_, text)| text::tail(text, system_log::KEPT_MAX));
    let kept = kept.filter(|text| !text.is_empty());
    match (found, kept) {
        (Some(words), Some(log)) => Some(format!("{words}\n\n{log}")),
        (words, log) => words.or(log.map(str::to_owned)),
    }
}
