//! Events that befall a fleet.

use std::time::Duration;

use super::api::Health;

/// When it happens, since the clock began: the fleet has been at work for a while.
const AT: Duration = Duration::from_secs(20 * 60);

/// Time for which the fleet is watched afterwards.
const SHORT: Duration = Duration::from_secs(40 * 60);
const LONG: Duration = Duration::from_secs(2 * 3600);

/// Something that happens to a fleet, and the bounds for what it makes the fleet do.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    pub broker: Fate,
    pub api: Health,
    /// For how long; zero for a power cut, after which all agents start at once.
    pub lasts: Duration,
    /// Time for which the fleet is watched afterwards.
    pub after: Duration,
    /// Share of the fleet that connects to the broker in any second, at most.
    pub connect_share: f64,
}

/// The fate of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Well,
    Away,
    /// It ends every session right after CONNACK.
    Kicks,
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn broker(name: &'static str, lasts: u64, connect_share: f64) -> Scenario {
    Scenario {
        name,
        broker: Fate::Away,
        api: Health::Well,
        lasts: seconds(lasts),
        after: SHORT,
        connect_share,
    }
}

const fn api(name: &'static str, api: Health, lasts: u64) -> Scenario {
    Scenario {
        name,
        broker: Fate::Well,
        api,
        lasts: seconds(lasts),
        after: LONG,
        connect_share: 0.01,
    }
}

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    broker("power-cut", 0, 0.01),
    broker("broker-restart-2s", 2, 0.01),
    broker("broker-restart-30s", 30, 0.01),
    broker("broker-restart-10min", 600, 0.015),
    Scenario {
        broker: Fate::Kicks,
        ..broker("broker-kicks", 3600, 0.015)
    },
    api("api-503", Health::Busy(None), 1800),
    api(
        "api-503-retry-after",
        Health::Busy(Some(seconds(120))),
        1800,
    ),
    api("api-400", Health::Refuses(400), 3600),
    Scenario {
        broker: Fate::Away,
        connect_share: 0.015,
        ..api("outage-10h", Health::Away, 36_000)
    },
];

impl Scenario {
    /// True if every agent starts at the same moment.
    pub fn is_power_cut(&self) -> bool {
        self.lasts.is_zero()
    }

    /// When it happens.
    pub fn from(&self) -> Duration {
        match self.is_power_cut() {
            true => Duration::ZERO,
            false => AT,
        }
    }

    /// When all is well again.
    pub fn to(&self) -> Duration {
        self.from() + self.lasts
    }

    /// The end of it all.
    pub fn end(&self) -> Duration {
        self.to() + self.after
    }

    /// When the broker is unwell.
    pub(super) fn broker_unwell(&self) -> (Duration, Duration) {
        match self.broker {
            // Sessions last, and whoever connects is back.
            Fate::Well => (Duration::MAX, Duration::ZERO),
            Fate::Away | Fate::Kicks => (self.from(), self.to()),
        }
    }
}
