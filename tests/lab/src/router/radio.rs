//! The radios of the router, as netifd and hostapd treat them, and what is wrong with them on command.
//!
//! netifd's part is that of 24.10: `down` clears `autostart` and `retry_setup_failed`; `up` sets `autostart` and
//! starts a radio that is down and has not failed. `up` of a radio that is up, or has failed, changes nothing.

use ubus::blobmsg::Value;

use super::members::{get_mut, items_mut, remove, set};

/// Time a radio takes to be set up, ms.
const SETUP: u64 = 500;

/// Time for which hostapd listens for radar, ms.
const CAC: u64 = 60_000;

/// The names of the radios in UCI.
pub const RADIOS: [&str; 2] = ["radio0", "radio1"];

/// A fault of a radio. `Fail` and `Silent` end when it is taken down and brought up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RadioFault {
    /// hostapd listens for radar for a minute before it beacons.
    Cac,
    /// netifd has given up setting it up.
    Fail,
    /// hostapd has it, and does not beacon.
    Silent,
}

/// The state of a radio, and its end, ms since the story began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Down,
    Setup(u64),
    Cac(u64),
    Beacon,
    Silent,
}

/// A radio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Radio {
    autostart: bool,
    failed: bool,
    doing: Doing,
    /// The number of times it was taken down, and brought up.
    pub downs: u32,
    pub ups: u32,
}

impl Default for Radio {
    fn default() -> Self {
        Radio {
            autostart: true,
            failed: false,
            doing: Doing::Beacon,
            downs: 0,
            ups: 0,
        }
    }
}

impl Radio {
    /// netifd's `down`.
    pub(super) fn down(&mut self) {
        self.downs += 1;
        self.autostart = false;
        self.failed = false;
        self.doing = Doing::Down;
    }

    /// netifd's `up`.
    pub(super) fn up(&mut self, now: u64) {
        self.ups += 1;
        self.autostart = true;
        if self.doing == Doing::Down && !self.failed {
            self.doing = Doing::Setup(now + SETUP);
        }
    }

    /// Makes it sick; `None` makes it well.
    pub(super) fn suffer(&mut self, fault: Option<RadioFault>, now: u64) {
        self.failed = fault == Some(RadioFault::Fail);
        self.doing = match fault {
            None => {
                self.autostart = true;
                Doing::Beacon
            }
            Some(RadioFault::Cac) => Doing::Cac(now + CAC),
            Some(RadioFault::Fail) => Doing::Down,
            Some(RadioFault::Silent) => Doing::Silent,
        };
    }

    /// Time has passed; true if it does something else now.
    pub(super) fn advance(&mut self, now: u64) -> bool {
        match self.doing {
            Doing::Setup(until) | Doing::Cac(until) if until <= now => {
                self.doing = Doing::Beacon;
                true
            }
            _ => false,
        }
    }

    /// Stations can use it.
    pub fn beacons(&self) -> bool {
        self.doing == Doing::Beacon
    }

    /// netifd has brought it up.
    pub fn is_up(&self) -> bool {
        !matches!(self.doing, Doing::Down | Doing::Setup(_))
    }

    /// hostapd's word about it.
    pub(super) fn word(&self) -> &'static str {
        match self.doing {
            Doing::Cac(_) => "DFS",
            Doing::Silent => "DISABLED",
            Doing::Down | Doing::Setup(_) | Doing::Beacon => "ENABLED",
        }
    }

    /// Seconds until hostapd has listened for radar long enough; 0 if it does not listen.
    pub(super) fn cac_left(&self, now: u64) -> u32 {
        match self.doing {
            Doing::Cac(until) => until.saturating_sub(now).div_ceil(1000) as u32,
            _ => 0,
        }
    }

    /// Brings its table of `network.wireless status` up to date.
    pub(super) fn show(&self, table: &mut Value) {
        set(table, "up", self.is_up());
        set(table, "pending", matches!(self.doing, Doing::Setup(_)));
        set(table, "autostart", self.autostart);
        set(table, "retry_setup_failed", self.failed);
        if self.is_up() {
            return;
        }
        let Some(interfaces) = get_mut(table, "interfaces") else {
            return;
        };
        for interface in items_mut(interfaces) {
            remove(interface, "ifname");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_of_a_radio_that_is_up_or_has_failed_changes_nothing() {
        let mut radio = Radio::default();
        radio.up(0);
        assert!(radio.beacons());
        radio.suffer(Some(RadioFault::Fail), 0);
        radio.up(0);
        assert!(!radio.advance(60_000) && !radio.is_up());
        radio.down();
        radio.up(60_000);
        assert!(!radio.is_up());
        assert!(radio.advance(60_500) && radio.beacons());
    }

    #[test]
    fn down_alone_leaves_it_down() {
        let mut radio = Radio::default();
        radio.down();
        assert!(!radio.advance(1_000_000) && !radio.is_up() && !radio.autostart);
    }

    #[test]
    fn listening_for_radar_ends_by_itself_and_silence_does_not() {
        let mut radio = Radio::default();
        radio.suffer(Some(RadioFault::Cac), 5000);
        assert_eq!((radio.word(), radio.cac_left(6000)), ("DFS", 59));
        assert!(radio.advance(65_000) && radio.beacons());
        radio.suffer(Some(RadioFault::Silent), 65_000);
        assert!(!radio.advance(10_000_000) && !radio.beacons() && radio.is_up());
        radio.suffer(None, 0);
        assert!(radio.beacons());
    }
}
