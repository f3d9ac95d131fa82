//! From what is known of a radio, and for how long, to its verdict. Pure.

use std::time::Duration;

use serde::Serialize;

use crate::process::clock::Pace;

/// Longest time from the order to come up until hostapd shows an access point.
const SETUP: Duration = Duration::from_secs(60);

/// Longest time hostapd looks for a channel, or for neighbours on it.
const SCAN: Duration = Duration::from_secs(5 * 60);

/// A channel on which radar was heard stays empty for so long (ETSI EN 301 893, FCC part 15).
const NON_OCCUPANCY: Duration = Duration::from_secs(30 * 60);

/// Non-occupancy, then a minute of listening, and some time to begin both.
const RADAR_SILENCE: Duration = Duration::from_secs(35 * 60);

/// The same where listening takes ten minutes (5600-5650 MHz): before and after the non-occupancy.
const WEATHER_SILENCE: Duration = Duration::from_secs(60 * 60);

/// Is a radio on the air?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Beacons, or has no access point to beacon for.
    Ok,
    /// Switched off: in UCI, by `wifi down`, or by its networks being down.
    Off,
    /// Has a reason to be silent that passes by itself.
    Waiting,
    /// netifd or hostapd did not bring it up.
    SetupFailed,
    /// hostapd has it and does not let it beacon.
    NotBeaconing,
    /// A source is missing, or says what the agent does not understand.
    Unknown,
}

impl Verdict {
    /// The word of status, reports and events.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Off => "off",
            Verdict::Waiting => "waiting",
            Verdict::SetupFailed => "setup_failed",
            Verdict::NotBeaconing => "not_beaconing",
            Verdict::Unknown => "unknown",
        }
    }

    /// True if a restart may help.
    pub fn is_fault(self) -> bool {
        matches!(self, Verdict::SetupFailed | Verdict::NotBeaconing)
    }
}

/// A verdict and the reason for it, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    pub verdict: Verdict,
    pub why: &'static str,
}

/// `status` of hostapd's `get_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Enabled,
    Disabled,
    Uninitialized,
    CountryUpdate,
    Acs,
    HtScan,
    Dfs,
    NoIr,
}

impl State {
    /// `None` for a word that this agent does not know.
    pub fn read(word: &str) -> Option<Self> {
        Some(match word {
            "ENABLED" => State::Enabled,
            "DISABLED" => State::Disabled,
            "UNINITIALIZED" => State::Uninitialized,
            "COUNTRY_UPDATE" => State::CountryUpdate,
            "ACS" => State::Acs,
            "HT_SCAN" => State::HtScan,
            "DFS" => State::Dfs,
            "NO_IR" => State::NoIr,
            _ => return None,
        })
    }
}

/// The time for which hostapd may keep a radio silent, by its channel.
///
/// hostapd puts an access point on the bus when it starts to beacon, and takes it off when it stops: while
/// it looks for a channel, listens for radar, or keeps a channel empty, there is no object to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// A fixed channel without radar.
    Short,
    /// hostapd looks for a channel first.
    Scan,
    /// Radar may keep it off the channel.
    Radar,
    /// Radar may, and listening for it takes ten minutes.
    Weather,
}

/// netifd's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Netifd {
    /// Disabled in UCI, taken down, or without anything to bring up.
    pub off: bool,
    pub up: bool,
    /// `retry_setup_failed`: it has given up.
    pub failed: bool,
    /// An enabled access point is among its interfaces.
    pub has_ap: bool,
}

/// hostapd's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hostapd {
    /// Could not be asked, or not understood.
    Unknown,
    /// No access point of the radio has been on the bus for so long, while there should have been one.
    Absent {
        lasting: Duration,
        /// hostapd itself is on the bus.
        serving: bool,
    },
    Says {
        state: State,
        /// The time since it began to say so.
        lasting: Duration,
        /// Seconds until it has listened long enough for radar; 0 if it does not listen.
        cac_left: u32,
    },
}

/// All that is known of a radio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// `None` if netifd could not be asked, or not understood.
    pub netifd: Option<Netifd>,
    /// True if the access points wait for a client or mesh interface of the same radio, which has no link.
    pub waits_for_client: bool,
    pub hostapd: Hostapd,
    /// Time since radar was heard, or may have been heard unnoticed.
    pub radar: Option<Duration>,
    pub silence: Silence,
}

/// The limits of waiting, at the pace of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    setup: Duration,
    scan: Duration,
    non_occupancy: Duration,
    radar_silence: Duration,
    weather_silence: Duration,
}

impl Limits {
    pub fn at(pace: Pace) -> Self {
        Limits {
            setup: pace.of(SETUP),
            scan: pace.of(SCAN),
            non_occupancy: pace.of(NON_OCCUPANCY),
            radar_silence: pace.of(RADAR_SILENCE),
            weather_silence: pace.of(WEATHER_SILENCE),
        }
    }

    fn of(&self, silence: Silence) -> Duration {
        match silence {
            Silence::Short => self.setup,
            Silence::Scan => self.scan,
            Silence::Radar => self.radar_silence,
            Silence::Weather => self.weather_silence,
        }
    }
}

/// The verdict on a radio.
pub fn judge(known: &Evidence, limits: &Limits) -> Judgement {
    let (verdict, why) = decide(known, limits);
    Judgement { verdict, why }
}

fn decide(known: &Evidence, limits: &Limits) -> (Verdict, &'static str) {
    let Some(netifd) = known.netifd else {
        return (Verdict::Unknown, "netifd does not say how it is");
    };
    if netifd.off {
        return (Verdict::Off, "it is switched off");
    }
    if !netifd.has_ap {
        return match netifd.up {
            true => (Verdict::Ok, "it is up and has no access point"),
            false => (Verdict::Unknown, "it is not up and has no access point"),
        };
    }
    if netifd.failed {
        return (Verdict::SetupFailed, "netifd has given up setting it up");
    }
    if known.waits_for_client {
        let why = "its access points wait for its client interface";
        return (Verdict::Waiting, why);
    }
    let heard_radar = known.radar.is_some_and(|age| age <= limits.non_occupancy);
    match known.hostapd {
        Hostapd::Unknown => (Verdict::Unknown, "hostapd does not say how it is"),
        Hostapd::Says {
            state,
            lasting,
            cac_left,
        } => match state {
            State::Enabled => (Verdict::Ok, "it beacons"),
            State::NoIr => (Verdict::Waiting, "its channel may not be used yet"),
            State::Dfs if cac_left > 0 => (Verdict::Waiting, "it listens for radar"),
            _ if heard_radar => (Verdict::Waiting, "radar keeps it off its channel"),
            State::Dfs if lasting <= limits.of(known.silence) => {
                (Verdict::Waiting, "radar may keep it off its channel")
            }
            State::Acs | State::HtScan | State::CountryUpdate if lasting <= limits.scan => {
                (Verdict::Waiting, "it looks for a channel")
            }
            _ => (Verdict::NotBeaconing, "hostapd does not let it beacon"),
        },
        Hostapd::Absent { lasting, serving } => {
            if lasting < limits.setup {
                (Verdict::Waiting, "it is being set up")
            } else if heard_radar {
                (Verdict::Waiting, "radar keeps it off its channel")
            } else if netifd.up && serving && lasting < limits.of(known.silence) {
                let why = "hostapd looks for a channel or listens for radar";
                (Verdict::Waiting, why)
            } else {
                (Verdict::SetupFailed, "hostapd has no access point of it")
            }
        }
    }
}
