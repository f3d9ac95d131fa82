//! From looks at the device to what is known of each radio, and for how long. Pure: the time is an argument.

use std::time::Duration;

use super::sight::{Ap, Configured, Mode, Sight, Status};
use super::verdict::{
    judge, Evidence, Hostapd, Judgement, Limits, Netifd, Silence, State, Verdict,
};
use crate::process::clock::Pace;

/// Radios that are followed; no device has more.
const RADIOS_MAX: usize = 16;

/// Network devices of one radio that are remembered.
const IFNAMES_MAX: usize = 64;

/// The radio's driver that OpenWrt's hostapd serves, and says so on the bus.
const SERVED: &str = "mac80211";

/// A radio, and how it has been.
#[derive(Debug, Clone)]
pub struct Radio {
    pub configured: Configured,
    pub verdict: Verdict,
    pub why: &'static str,
    /// Since when the verdict holds, by the tracker's time.
    pub since: Duration,
    /// Since when one fault or another has lasted.
    pub faulty: Option<Duration>,
    /// hostapd's newest word.
    pub status: Option<Status>,
    /// Network devices it has, or had when it was up last.
    ifnames: Vec<String>,
    /// Since when there should be an access point on the bus and is none.
    missing: Option<Duration>,
    says: Option<(State, Duration)>,
    /// When radar was heard last.
    radar: Option<Duration>,
    /// When radar may have been heard last while nobody listened; `None` once it beacons.
    unheard: Option<Duration>,
    /// hostapd has shown an access point of it since the agent started.
    seen: bool,
    judged: bool,
}

/// A verdict that has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub radio: String,
    /// `None` if there was none.
    pub before: Option<Verdict>,
    pub now: Judgement,
}

/// The radios of the device.
#[derive(Debug, Clone)]
pub struct Tracker {
    limits: Limits,
    radios: Vec<Radio>,
    /// netifd has answered once.
    looked: bool,
}

impl Tracker {
    pub fn new(pace: Pace) -> Self {
        Tracker {
            limits: Limits::at(pace),
            radios: Vec::new(),
            looked: false,
        }
    }

    /// Is it known which radios there are?
    pub fn has_looked(&self) -> bool {
        self.looked
    }

    pub fn radios(&self) -> &[Radio] {
        &self.radios
    }

    /// Takes in a look at `now`; the verdicts that have changed by it.
    pub fn look(&mut self, now: Duration, sight: &Sight) -> Vec<Change> {
        if let Some(seen) = &sight.radios {
            self.looked = true;
            self.radios
                .retain(|radio| seen.iter().any(|of| of.name == radio.configured.name));
            for configured in seen {
                self.configure(now, configured);
            }
        }
        let mut changes = Vec::new();
        for radio in &mut self.radios {
            let evidence = radio.evidence(now, sight);
            let judged = judge(&evidence, &self.limits);
            radio.why = judged.why;
            radio.faulty = match judged.verdict.is_fault() {
                true => radio.faulty.or(Some(now)),
                false => None,
            };
            if radio.judged && radio.verdict == judged.verdict {
                continue;
            }
            let before = radio.judged.then_some(radio.verdict);
            radio.judged = true;
            radio.verdict = judged.verdict;
            radio.since = now;
            changes.push(Change {
                radio: radio.configured.name.clone(),
                before,
                now: judged,
            });
        }
        changes
    }

    fn configure(&mut self, now: Duration, configured: &Configured) {
        let known = &mut self.radios;
        let at = known
            .iter()
            .position(|radio| radio.configured.name == configured.name);
        match at {
            Some(at) => known[at].configure(now, configured),
            None if known.len() < RADIOS_MAX => known.push(Radio::new(now, configured)),
            None => {}
        }
    }

    /// hostapd heard radar through the access point `ifname`.
    pub fn radar(&mut self, now: Duration, ifname: &str) {
        for radio in &mut self.radios {
            if radio.ifnames.iter().any(|known| known == ifname) {
                radio.radar = Some(now);
            }
        }
    }

    /// Notifications were lost; radar may have been among them.
    pub fn lost(&mut self, now: Duration) {
        for radio in &mut self.radios {
            if radio.configured.hears_radar() {
                radio.unheard = Some(now);
            }
        }
    }

    /// The radio was taken down, and may have been brought up: from now on it is being set up.
    pub fn restarted(&mut self, now: Duration, name: &str) {
        for radio in &mut self.radios {
            if radio.configured.name == name {
                radio.begin(now);
            }
        }
    }
}

impl Radio {
    fn new(now: Duration, configured: &Configured) -> Self {
        let mut radio = Radio {
            configured: configured.clone(),
            verdict: Verdict::Unknown,
            why: "",
            since: now,
            faulty: None,
            status: None,
            ifnames: Vec::new(),
            missing: Some(now),
            says: None,
            radar: None,
            // Nobody listened before.
            unheard: configured.hears_radar().then_some(now),
            seen: false,
            judged: false,
        };
        radio.remember_ifnames();
        radio
    }

    fn begin(&mut self, now: Duration) {
        self.missing = Some(now);
        self.says = None;
    }

    fn configure(&mut self, now: Duration, configured: &Configured) {
        // Somebody else has taken it down, or its settings are new.
        let went_down = self.configured.up == Some(true) && configured.up == Some(false);
        if went_down || !self.configured.is_set_as(configured) {
            self.begin(now);
        }
        if self.configured != *configured {
            self.configured = configured.clone();
            self.remember_ifnames();
        }
    }

    fn remember_ifnames(&mut self) {
        for vif in &self.configured.vifs {
            if let Some(ifname) = &vif.ifname {
                if self.ifnames.len() < IFNAMES_MAX && !self.ifnames.contains(ifname) {
                    self.ifnames.push(ifname.clone());
                }
            }
        }
    }

    /// netifd's word about it; `None` if that is not enough.
    fn netifd(&self, sight: &Sight) -> Option<Netifd> {
        sight.radios.as_ref()?;
        let radio = &self.configured;
        let is_open = |network: &String| match &sight.closed {
            Some(closed) => !closed.contains(network),
            None => true,
        };
        let counts = |mode| {
            radio
                .of(mode)
                .any(|vif| vif.networks.is_empty() || vif.networks.iter().any(is_open))
        };
        let has_ap = counts(Mode::Ap);
        let has_any = has_ap || counts(Mode::Client) || counts(Mode::Other);
        Some(Netifd {
            off: radio.disabled? || !radio.autostart? || !has_any,
            up: radio.up?,
            failed: radio.failed.unwrap_or(false),
            has_ap,
        })
    }

    fn evidence(&mut self, now: Duration, sight: &Sight) -> Evidence {
        let netifd = self.netifd(sight);
        if netifd.is_some_and(|netifd| netifd.off) {
            // When it is switched on, it starts over.
            self.begin(now);
        }
        let waits_for_client = self.configured.of(Mode::Client).any(|vif| {
            let linked = |ifname: &String| sight.linked.contains(ifname);
            !vif.ifname.as_ref().is_some_and(linked)
        });
        let hostapd = match &sight.aps {
            Some(aps) => self.hostapd(now, aps, sight.serving),
            None => Hostapd::Unknown,
        };
        let age = |at: Duration| now.saturating_sub(at);
        Evidence {
            netifd,
            waits_for_client,
            hostapd,
            radar: self.radar.max(self.unheard).map(age),
            silence: self.configured.silence(),
        }
    }

    /// hostapd's word about its access points. They share one radio, so the best of them stands for all.
    fn hostapd(&mut self, now: Duration, aps: &[Ap], serving: bool) -> Hostapd {
        let mut present = false;
        let mut best: Option<Status> = None;
        for vif in self.configured.of(Mode::Ap) {
            let Some(ifname) = &vif.ifname else {
                continue;
            };
            let Some(ap) = aps.iter().find(|ap| ap.name == *ifname) else {
                continue;
            };
            present = true;
            let is_better = |status: &Status| {
                let enabled = |status: &Status| status.state == Some(State::Enabled);
                best.is_none_or(|best| best.state.is_none() || enabled(status) && !enabled(&best))
            };
            if let Some(status) = ap.status.filter(is_better) {
                best = Some(status);
            }
        }
        self.status = best;
        if !present {
            return self.absent(now, aps, serving);
        }
        self.missing = None;
        self.seen = true;
        let Some(Status {
            state: Some(state), ..
        }) = best
        else {
            return Hostapd::Unknown;
        };
        if state == State::Enabled {
            self.unheard = None;
        }
        let since = match self.says {
            Some((said, since)) if said == state => since,
            _ => now,
        };
        self.says = Some((state, since));
        Hostapd::Says {
            state,
            lasting: now.saturating_sub(since),
            cac_left: best
                .filter(|status| status.cac_active)
                .map_or(0, |status| status.cac_left),
        }
    }

    fn absent(&mut self, now: Duration, aps: &[Ap], serving: bool) -> Hostapd {
        self.says = None;
        let since = *self.missing.get_or_insert(now);
        let is_served = self
            .configured
            .kind
            .as_deref()
            .is_none_or(|kind| kind == SERVED);
        let named = |vif: &super::sight::Vif| vif.ifname.is_some();
        // While netifd does not say how its devices are called, any object may be of it.
        let is_nameless = self.configured.up == Some(true)
            && !aps.is_empty()
            && !self.configured.of(Mode::Ap).any(named);
        match self.seen || (serving && is_served && !is_nameless) {
            true => Hostapd::Absent {
                lasting: now.saturating_sub(since),
                serving,
            },
            // Another program may run this radio, which nobody sees on the bus.
            false => Hostapd::Unknown,
        }
    }
}

impl Configured {
    /// Can radar keep it off its channel?
    pub(super) fn hears_radar(&self) -> bool {
        matches!(self.silence(), Silence::Radar | Silence::Weather)
    }
}
