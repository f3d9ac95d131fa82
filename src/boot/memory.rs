//! The memory from boot to boot. Pure.
//!
//! ```json
//! {"told":{"boot":"…","cause":"power"}, "release":"24.10.1 r28739", "panics":["…"],
//!  "asked":{"boot":"…","why":"recovery"}, "counters":{"ages":[3600,null,null],"outage":true,"pending":false},
//!  "logged":null, "boot":"…", "uptime":3990}
//! ```
//!
//! Times in the memory are ages, seconds that have passed while an agent ran as far as flash knows. A power cut takes
//! those since they were written last, and the time without power is not in them: a day by these ages is a
//! day or longer, never shorter.

use serde::Serialize;
use serde_json::Value;

use super::cause::Cause;
use super::counters::{Counters, Refusal};
use super::Why;
use crate::written::{number, text, texts, Fields};

/// Hashes of panics that are remembered.
const PANICS: usize = 64;

/// The boot and its age, read at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// The kernel's id of this boot.
    pub boot: &'a str,
    /// Seconds since it began.
    pub uptime: u64,
}

/// A boot that a report has told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    pub boot: String,
    pub cause: Cause,
}

/// A reboot that was to end the boot `boot`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AskedFor {
    pub boot: String,
    pub why: Why,
}

/// Everything that is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Memory {
    pub told: Option<Told>,
    /// The firmware of the newest boot that was reported.
    pub release: Option<String>,
    /// Hashes of the pstore records that were reported, newest first.
    pub panics: Vec<String>,
    pub asked: Option<AskedFor>,
    pub counters: Counters,
    /// Age of the system log that was kept because the device was offline, s.
    pub logged: Option<u32>,
    boot: String,
    uptime: u64,
}

/// A change that has to survive.
#[derive(Debug, Clone)]
pub enum Change {
    /// The report that tells of this boot is kept.
    Told {
        cause: Cause,
        release: Option<String>,
        panics: Vec<String>,
    },
    /// The device is about to be rebooted.
    Reboot(Why),
    /// The reboot for this job was refused.
    Refused,
    /// The reboot for recovery or guard that was recorded, or may have been, does not come: it counts, and is not the
    /// reason of the next boot.
    GivenUp,
    /// A reboot that was noted in this boot has not come: another agent begins in it, or minutes have passed.
    NotCome,
    /// The device is online: the outage is over.
    Online,
    /// Time has passed.
    Hour,
    /// The system log is kept because the device is offline.
    Logged,
}

impl Told {
    fn read(value: Value) -> Option<Self> {
        let mut fields = Fields::of(value)?;
        Some(Told {
            boot: fields.required("boot", text)?,
            cause: fields.required("cause", Cause::read)?,
        })
    }
}

impl AskedFor {
    fn read(value: Value) -> Option<Self> {
        let mut fields = Fields::of(value)?;
        Some(AskedFor {
            boot: fields.required("boot", text)?,
            why: fields.required("why", Why::read)?,
        })
    }
}

impl AskedFor {
    /// True if it is that of recovery or guard, to end the boot `boot`.
    fn is_ours(&self, boot: &str) -> bool {
        self.boot == boot && self.why.counts()
    }
}

impl Memory {
    /// From the cell; `None` if no agent has written it.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::parse(bytes)?;
        Some(Memory {
            told: fields.maybe("told", Told::read)?,
            release: fields.maybe("release", text)?,
            panics: fields.maybe("panics", texts)?.unwrap_or_default(),
            asked: fields.maybe("asked", AskedFor::read)?,
            counters: fields
                .maybe("counters", Counters::read)?
                .unwrap_or_default(),
            logged: fields.maybe("logged", number)?,
            boot: fields.maybe("boot", text)?.unwrap_or_default(),
            uptime: fields.maybe("uptime", number)?.unwrap_or_default(),
        })
    }

    /// The memory of a device whose own cannot be read: as if all reboots were used up just now.
    pub fn lost() -> Self {
        Memory {
            counters: Counters::used_up(),
            ..Memory::default()
        }
    }

    /// Moves the ages on to `now`.
    pub fn advance(&mut self, now: Now<'_>) {
        if self.boot == now.boot {
            let passed = now.uptime.saturating_sub(self.uptime);
            let passed = u32::try_from(passed).unwrap_or(u32::MAX);
            self.counters.pass(passed);
            self.logged = self.logged.map(|age| age.saturating_add(passed));
        } else {
            self.boot = now.boot.to_owned();
            self.counters.booted();
        }
        self.uptime = now.uptime;
    }

    /// Applies a change.
    ///
    /// # Errors
    ///
    /// A reboot that may not be: nothing but the ages has changed.
    pub fn apply(&mut self, change: Change, now: Now<'_>) -> Result<(), Refusal> {
        self.advance(now);
        match change {
            Change::Told {
                cause,
                release,
                panics,
            } => self.told(cause, release, panics, now.boot),
            Change::Reboot(why) => self.reboot(why, now.boot)?,
            Change::Refused => {
                self.asked.take_if(|asked| !asked.why.counts());
            }
            Change::Online => {
                self.counters.online();
                // The reboot was asked for and did not come.
                self.forget_ours(now.boot);
            }
            Change::GivenUp => self.forget_ours(now.boot),
            Change::NotCome => {
                self.asked.take_if(|asked| asked.boot == now.boot);
            }
            Change::Hour => {}
            Change::Logged => self.logged = Some(0),
        }
        Ok(())
    }

    /// A reboot is to end the boot that the ages are of.
    pub(super) fn is_ending(&self) -> bool {
        let asked = self.asked.as_ref();
        asked.is_some_and(|asked| asked.boot == self.boot)
    }

    fn forget_ours(&mut self, boot: &str) {
        self.asked.take_if(|asked| asked.is_ours(boot));
    }

    fn told(&mut self, cause: Cause, release: Option<String>, panics: Vec<String>, boot: &str) {
        let boot = boot.to_owned();
        // A reboot that was asked for in this boot explains the next.
        self.asked.take_if(|asked| asked.boot != boot);
        self.told = Some(Told { boot, cause });
        self.release = release.or(self.release.take());
        let old = std::mem::replace(&mut self.panics, panics);
        for hash in old {
            if !self.panics.contains(&hash) {
                self.panics.push(hash);
            }
        }
        self.panics.truncate(PANICS);
    }

    fn reboot(&mut self, why: Why, boot: &str) -> Result<(), Refusal> {
        match &why {
            Why::Recovery => self.counters.reboot(true)?,
            Why::Guard { .. } => self.counters.reboot(false)?,
            // It is not the reason if recovery's reboot is on its way.
            Why::Job { .. } if self.asked.as_ref().is_some_and(|of| of.is_ours(boot)) => {
                return Ok(());
            }
            Why::Job { .. } => {}
        }
        let boot = boot.to_owned();
        self.asked = Some(AskedFor { boot, why });
        Ok(())
    }
}
