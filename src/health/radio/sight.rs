//! The radios as one look at the device shows them.

use super::verdict::{Silence, State};

/// The mode of a radio's interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Ap,
    /// Of a network, or of a mesh: somebody else's beacon decides whether it has a link.
    Client,
    /// Only listens, or is unknown to this agent.
    Other,
}

impl Mode {
    /// `mode` of `network.wireless status`.
    pub fn read(word: &str) -> Self {
        match word {
            "ap" => Mode::Ap,
            "sta" | "mesh" | "adhoc" => Mode::Client,
            _ => Mode::Other,
        }
    }
}

/// An enabled interface of a radio, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vif {
    pub mode: Mode,
    /// Network device; `None` until it is set up.
    pub ifname: Option<String>,
    /// Networks in UCI.
    pub networks: Vec<String>,
}

/// A radio as `network.wireless status` shows it.
///
/// A flag that is missing, or no flag, is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Configured {
    pub name: String,
    /// The driver's script; told from 25.12 on.
    pub kind: Option<String>,
    /// `2g`, `5g`, `6g` or `60g`.
    pub band: Option<String>,
    /// `None` for "auto".
    pub channel: Option<u32>,
    /// True if the channel is 160 MHz wide or more.
    pub wide: bool,
    pub up: Option<bool>,
    pub autostart: Option<bool>,
    pub disabled: Option<bool>,
    pub failed: Option<bool>,
    pub vifs: Vec<Vif>,
}

impl Configured {
    /// The interfaces of one mode.
    pub fn of(&self, mode: Mode) -> impl Iterator<Item = &Vif> {
        self.vifs.iter().filter(move |vif| vif.mode == mode)
    }

    /// Has it the same settings? Network devices come and go with each start and are not compared.
    pub(super) fn is_set_as(&self, other: &Configured) -> bool {
        let same = |(a, b): (&Vif, &Vif)| a.mode == b.mode && a.networks == b.networks;
        self.channel == other.channel
            && self.wide == other.wide
            && self.vifs.len() == other.vifs.len()
            && self.vifs.iter().zip(&other.vifs).all(same)
    }

    /// The time for which its channel may keep it silent.
    pub fn silence(&self) -> Silence {
        let five = match (self.band.as_deref(), self.channel) {
            (Some(band), _) => band == "5g",
            (None, channel) => channel.is_none_or(|channel| channel > 14),
        };
        match (five, self.channel) {
            (true, Some(36..=64)) if self.wide => Silence::Radar,
            (true, Some(36..=48 | 149..=177)) => Silence::Short,
            (true, Some(52..=64)) => Silence::Radar,
            (true, _) => Silence::Weather,
            // Its rules for who may beacon are not ours to know.
            (false, _) if self.band.as_deref() == Some("6g") => Silence::Radar,
            (false, Some(_)) => Silence::Short,
            (false, None) => Silence::Scan,
        }
    }
}

/// hostapd's word about an access point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// `None` for a word that this agent does not know.
    pub state: Option<State>,
    pub channel: Option<u32>,
    /// True while the radio listens for radar.
    pub cac_active: bool,
    /// Seconds until the radio has listened long enough.
    pub cac_left: u32,
}

/// An object `hostapd.NAME` on the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ap {
    pub name: String,
    /// `None` if it did not answer.
    pub status: Option<Status>,
}

/// A look at all radios.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sight {
    /// `None` if netifd did not answer, or not so that it was understood.
    pub radios: Option<Vec<Configured>>,
    /// `None` if nobody could say which there are.
    pub aps: Option<Vec<Ap>>,
    /// hostapd itself is on the bus.
    pub serving: bool,
    /// Networks that somebody took down, which take their access points with them; `None` if netifd did
    /// not say.
    pub closed: Option<Vec<String>>,
    /// Network devices of clients that have a link.
    pub linked: Vec<String>,
}
