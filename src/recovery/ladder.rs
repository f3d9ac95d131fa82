//! The ladder: from how long the device is offline, and why, to the next step. Pure: no clock, no I/O.
//!
//! ```text
//!   verdict permits    s offline  30       60       120, 360, 840, then every 600     `reboot`
//!   ─────────────────────────────────────────────────────────────────────────────────────────
//!   all                           renew    down_up  network_restart                   reboot
//!   all, uplink shared            renew
//!   names (dns_dead)              dnsmasq_restart
//!                                          renew                                      reboot *
//!   nothing
//!
//!   * if our own resolver does not answer on loopback
//! ```
//!
//! `recover` `interface` stops before network_restart, `none` before everything. Without a known
//! interface renew and down_up are left out. Each step is given time to have its effect before the next
//! one is due, and the effect waited for is always the same: the device is online again, which ends the
//! outage and brings the ladder back to its foot.
//!
//! The seconds are those in which the ladder may act. Its clock stands still while the verdict permits
//! nothing, a guard is armed or the agent was started too often, and stops for good when the device is
//! online or there is proof of life.

use serde::Serialize;

use crate::config::Recover;

/// A restart of the network is repeated after this long, which doubles …
const RESTART_AFTER: u32 = 120;

/// … up to this, s.
const RESTART_AT_MOST: u32 = 600;

/// A reboot that procd did not take up is asked for again after this long, s.
const ASK_AGAIN: u32 = 600;

/// A rung of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Restarts the resolver of the device.
    DnsmasqRestart,
    /// Asks for a new lease.
    Renew,
    /// Takes the interface down and up again.
    DownUp,
    /// Restarts the network, then the firewall.
    NetworkRestart,
    Reboot,
}

impl Step {
    /// The step's name in status, events and log.
    pub fn name(self) -> &'static str {
        match self {
            Step::DnsmasqRestart => "dnsmasq_restart",
            Step::Renew => "renew",
            Step::DownUp => "down_up",
            Step::NetworkRestart => "network_restart",
            Step::Reboot => "reboot",
        }
    }

    /// Seconds in which it is given the chance to have its effect.
    fn settles(self) -> u32 {
        match self {
            Step::DnsmasqRestart | Step::Renew => 20,
            Step::DownUp => 45,
            Step::NetworkRestart => 90,
            Step::Reboot => ASK_AGAIN,
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The device's reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum World {
    /// Nobody knows yet.
    Unknown,
    Online,
    Offline,
}

/// The steps that a verdict lets the ladder take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permit {
    /// The fault is none that this device can mend.
    Nothing,
    /// The resolver is silent.
    Names {
        /// True if the silent resolver is the device's own.
        own: bool,
    },
    All,
}

/// Everything the ladder looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sight {
    pub world: World,
    pub permit: Permit,
    /// Broker or API prove that the device is reached.
    pub proof: bool,
    /// The interface behind the default route is known.
    pub interface: bool,
    /// Others look after the way out, too.
    pub shared: bool,
    /// A network change is watched and may be undone.
    pub guarded: bool,
    /// The agent was started too often; broker and API wait, and so does the ladder.
    pub held: bool,
    pub recover: Recover,
    /// Reboot after so many seconds; 0 = never.
    pub reboot: u32,
    /// Reboots that the 24 h leave; 0 as well if they cannot be recorded.
    pub reboots_left: u8,
    /// This outage has had its reboot, in an earlier boot.
    pub rebooted: bool,
}

impl Sight {
    fn is_online(&self) -> bool {
        self.world == World::Online || self.proof
    }

    /// Why no step may be taken now.
    pub fn hindrance(&self) -> Option<Hindrance> {
        if self.recover == Recover::Nothing {
            Some(Hindrance::Off)
        } else if self.world == World::Unknown {
            Some(Hindrance::Unknown)
        } else if self.held {
            Some(Hindrance::Held)
        } else if self.guarded {
            Some(Hindrance::Guarded)
        } else if self.permit == Permit::Nothing {
            Some(Hindrance::Verdict)
        } else {
            None
        }
    }

    /// True if the device is not to be rebooted after all. The budget has it by then.
    pub fn forbids_reboot(mut self) -> bool {
        (self.reboots_left, self.rebooted) = (1, false);
        self.is_online() || self.hindrance().is_some() || self.due(Step::Reboot).is_none()
    }

    /// Seconds offline after which `step` is due, as far as it may be taken at all.
    fn due(&self, step: Step) -> Option<u32> {
        let names = matches!(self.permit, Permit::Names { .. });
        let all = self.permit == Permit::All && !self.shared;
        let full = self.recover == Recover::Full;
        match step {
            Step::DnsmasqRestart => (names && !self.shared).then_some(30),
            Step::Renew if names && !self.shared => self.interface.then_some(60),
            Step::Renew => self.interface.then_some(30),
            Step::DownUp => (all && self.interface).then_some(60),
            Step::NetworkRestart => (all && full).then_some(RESTART_AFTER),
            Step::Reboot => {
                let deaf = self.permit == Permit::Names { own: true } && !self.shared;
                let may = self.reboot > 0 && self.reboots_left > 0 && !self.rebooted;
                ((all || deaf) && full && may).then_some(self.reboot)
            }
        }
    }
}

/// The reason why no step is taken though the device is offline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hindrance {
    /// `recover` is `none`.
    Off,
    Unknown,
    Held,
    Guarded,
    /// The verdict permits nothing.
    Verdict,
    /// All steps that are permitted were taken.
    Exhausted,
}

/// The ladder's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Next {
    /// There is no outage.
    Idle,
    /// Nothing to do until something else is seen.
    Wait(Hindrance),
    /// `step` is due in so many seconds if nothing else is seen until then.
    In(u32, Step),
    Take(Step),
}

/// The position on the ladder; none while there is no outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Ladder {
    outage: Option<Outage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Outage {
    /// Seconds offline in which the ladder could act.
    seconds: u32,
    /// The effect of the last step is waited for until then, in the same seconds.
    settled: u32,
    /// Bits of the steps that were taken.
    taken: u8,
    /// Restarts of the network, and when the last one ended.
    restarts: u8,
    restarted: u32,
}

/// A change that is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    Nothing,
    /// An outage begins.
    Began,
    /// The outage is over, after so many seconds in which the ladder could act.
    Over(u32),
}

impl Ladder {
    /// Takes in what is seen, and that it has been so for `passed` seconds.
    pub fn observe(&mut self, sight: &Sight, passed: u32) -> News {
        if sight.is_online() {
            return match self.outage.take() {
                Some(outage) => News::Over(outage.seconds),
                None => News::Nothing,
            };
        }
        let Some(outage) = &mut self.outage else {
            if sight.world == World::Unknown {
                return News::Nothing;
            }
            self.outage = Some(Outage {
                seconds: 0,
                settled: 0,
                taken: 0,
                restarts: 0,
                restarted: 0,
            });
            return News::Began;
        };
        if sight.hindrance().is_none() {
            outage.seconds = outage.seconds.saturating_add(passed);
        }
        News::Nothing
    }

    /// The next step, for what was observed last.
    pub fn next(&self, sight: &Sight) -> Next {
        let Some(outage) = &self.outage else {
            return Next::Idle;
        };
        if sight.is_online() {
            return Next::Idle;
        }
        if let Some(hindrance) = sight.hindrance() {
            return Next::Wait(hindrance);
        }
        let Some((at, step)) = outage.next(sight) else {
            return Next::Wait(Hindrance::Exhausted);
        };
        match at.saturating_sub(outage.seconds) {
            0 => Next::Take(step),
            wait => Next::In(wait, step),
        }
    }

    /// A step has ended `passed` seconds after it began, with any result: its effect is waited
    /// for from now on.
    pub fn took(&mut self, step: Step, passed: u32) {
        let Some(outage) = &mut self.outage else {
            return;
        };
        outage.seconds = outage.seconds.saturating_add(passed);
        outage.settled = outage.seconds.saturating_add(step.settles());
        outage.taken |= step.bit();
        if step == Step::NetworkRestart {
            outage.restarts = outage.restarts.saturating_add(1);
            outage.restarted = outage.seconds;
        }
    }

    /// Seconds offline in which the ladder could act.
    pub fn seconds(&self) -> u32 {
        self.outage.map_or(0, |outage| outage.seconds)
    }

    pub fn is_idle(&self) -> bool {
        self.outage.is_none()
    }
}

impl Outage {
    fn took(&self, step: Step) -> bool {
        self.taken & step.bit() != 0
    }

    /// The next step and when it is due.
    fn next(&self, sight: &Sight) -> Option<(u32, Step)> {
        for step in [Step::DnsmasqRestart, Step::Renew, Step::DownUp] {
            if let Some(due) = sight.due(step).filter(|_| !self.took(step)) {
                return Some((due.max(self.settled), step));
            }
        }
        let restart = sight.due(Step::NetworkRestart).map(|first| {
            let due = match self.restarts {
                0 => first,
                again => {
                    let wait = RESTART_AFTER << again.min(8);
                    self.restarted.saturating_add(wait.min(RESTART_AT_MOST))
                }
            };
            (due.max(self.settled), Step::NetworkRestart)
        });
        // Every other step comes first.
        let has_restarted = restart.is_none() || self.took(Step::NetworkRestart);
        let reboot = sight.due(Step::Reboot).filter(|_| has_restarted);
        let reboot = reboot.map(|due| (due.max(self.settled), Step::Reboot));
        match (restart, reboot) {
            (Some(restart), Some(reboot)) if reboot.0 <= restart.0 => Some(reboot),
            (restart, reboot) => restart.or(reboot),
        }
    }
}

#[cfg(test)]
impl Ladder {
    /// The same position with its numbers made small: beyond the last threshold only distances count.
    pub(super) fn folded(mut self) -> Self {
        const BEYOND: u32 = 1400;
        if let Some(outage) = &mut self.outage {
            let fold = outage.seconds.saturating_sub(BEYOND);
            outage.seconds -= fold;
            outage.settled = outage.settled.saturating_sub(fold);
            outage.restarted = outage.restarted.saturating_sub(fold);
            outage.restarts = outage.restarts.min(4);
        }
        self
    }
}
