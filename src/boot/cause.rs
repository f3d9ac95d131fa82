//! From what is found after a boot to its cause. Pure.

use serde::Serialize;
use serde_json::Value;

use super::evidence::Evidence;
use super::memory::Memory;
use super::text::{tail, WORDS_MAX};
use super::Why;
use crate::written::one_of;

/// The reason of a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The kernel panicked.
    Panic,
    /// The watchdog reset the device.
    Watchdog,
    /// Another firmware runs than before.
    Upgrade,
    /// The ladder, or the undo of a network job, rebooted it.
    Recovery,
    /// A job of type `reboot`.
    Job,
    /// Somebody had it shut down in order.
    Command,
    /// Nothing else is known: most likely the power was gone.
    Power,
}

impl Cause {
    const ALL: [Cause; 7] = [
        Cause::Panic,
        Cause::Watchdog,
        Cause::Upgrade,
        Cause::Recovery,
        Cause::Job,
        Cause::Command,
        Cause::Power,
    ];

    pub(super) fn read(value: Value) -> Option<Self> {
        one_of(value, &Cause::ALL, Cause::name)
    }

    /// The cause's name in status and events.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Panic => "panic",
            Cause::Watchdog => "watchdog",
            Cause::Upgrade => "upgrade",
            Cause::Recovery => "recovery",
            Cause::Job => "job",
            Cause::Command => "command",
            Cause::Power => "power",
        }
    }
}

/// The cause of a boot, and what there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) cause: Cause,
    /// The reason in words, or the kernel's last ones.
    pub(super) detail: Option<String>,
}

/// The cause of the boot `boot`: the first of them that is known.
pub(super) fn cause(memory: &Memory, evidence: &Evidence, boot: &str) -> Found {
    let words =
        |text: &Option<String>| text.as_deref().map(|text| tail(text, WORDS_MAX).to_owned());
    let told = |hash: &str| memory.panics.iter().any(|known| known == hash);
    let fresh = evidence.panics.iter().filter(|record| !told(&record.hash));
    let fresh = fresh.max_by_key(|record| record.rank);
    let asked = memory.asked.as_ref().filter(|asked| asked.boot != boot);
    let was = memory.release.as_deref();
    let is = evidence.release.as_deref();
    let (cause, detail) = if let Some(record) = fresh {
        (Cause::Panic, words(&record.text))
    } else if evidence.watchdog {
        (Cause::Watchdog, words(&evidence.console))
    } else if let (Some(was), Some(is)) = (was.filter(|was| Some(*was) != is), is) {
        (Cause::Upgrade, Some(format!("from {was} to {is}")))
    } else if let Some(asked) = asked {
        match &asked.why {
            Why::Recovery => (Cause::Recovery, None),
            Why::Guard { job } => (Cause::Recovery, Some(format!("undo of job {job}"))),
            Why::Job { id } => (Cause::Job, Some(id.clone())),
        }
    } else if was_shut_down(memory, evidence, boot) {
        (Cause::Command, None)
    } else {
        (Cause::Power, words(&evidence.console))
    };
    Found { cause, detail }
}

/// The init script noted the boot before this one. If that was not told of, it is any other than this.
fn was_shut_down(memory: &Memory, evidence: &Evidence, boot: &str) -> bool {
    let Some(noted) = evidence.shutdown.as_deref() else {
        return false;
    };
    match &memory.told {
        Some(told) => noted == told.boot,
        None => noted != boot,
    }
}
