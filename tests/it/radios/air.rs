//! A simulated radio: UCI, netifd and hostapd as they treat it, and its true state.

use std::time::Duration;

use socketman::health::radio::{Ap, Configured, Mode, Silence, State, Status, Vif};

/// A moment of the simulation.
pub(super) type Time = Duration;

pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Time for which a channel stays empty after radar.
pub(super) const NON_OCCUPANCY: Duration = secs(1800);

/// The fault that keeps it from beaconing once it is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ailment {
    None,
    /// hostapd has it and says DISABLED.
    Stuck,
    /// hostapd never puts it on the bus.
    Dead,
    /// netifd cannot set it up.
    Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Down,
    Setup { until: Time, attempt: u32 },
    Acs { until: Time },
    Cac { until: Time },
    NonOccupancy { until: Time },
    NoIr { until: Time },
    Beacon,
    Stuck,
    Dead,
}

/// A radio of the device.
#[derive(Debug, Clone)]
pub(super) struct Air {
    pub(super) configured: Configured,
    pub(super) disabled: bool,
    pub(super) autostart: bool,
    pub(super) failed: bool,
    pub(super) ailment: Ailment,
    /// A restart ends the ailment.
    pub(super) curable: bool,
    pub(super) doing: Doing,
    /// Its objects stay on the bus while it looks for a channel or listens.
    pub(super) shown: bool,
    /// Its client interface has a link; without one it is down.
    pub(super) linked: bool,
    /// Since when what is true of it has been so.
    pub(super) since: Time,
    /// hostapd has died without netifd noticing.
    pub(super) orphaned: bool,
    /// When the agent last called `up`.
    pub(super) brought_up: Time,
    /// The agent took it down and has not brought it up.
    pub(super) taken_down: bool,
}

impl Air {
    pub(super) fn new(name: &str, band: &str, channel: Option<u32>, client: bool) -> Self {
        let vif = |mode, ifname: String, network: &str| Vif {
            mode,
            ifname: Some(ifname),
            networks: vec![network.to_owned()],
        };
        let mut vifs = vec![vif(Mode::Ap, format!("{name}-ap0"), "lan")];
        if client {
            vifs.push(vif(Mode::Client, format!("{name}-sta0"), "wwan"));
        }
        let configured = Configured {
            name: name.to_owned(),
            band: Some(band.to_owned()),
            channel,
            vifs,
            ..Configured::default()
        };
        Air {
            configured,
            disabled: false,
            autostart: true,
            failed: false,
            ailment: Ailment::None,
            curable: true,
            doing: Doing::Down,
            shown: false,
            linked: true,
            since: secs(0),
            orphaned: false,
            brought_up: secs(0),
            taken_down: false,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.configured.name
    }

    pub(super) fn has_client(&self) -> bool {
        self.configured.vifs.len() > 1
    }

    pub(super) fn hears_radar(&self) -> bool {
        matches!(self.configured.silence(), Silence::Radar | Silence::Weather)
    }

    fn listens_for(&self) -> Option<Duration> {
        match self.configured.silence() {
            Silence::Radar => Some(secs(60)),
            Silence::Weather => Some(secs(600)),
            Silence::Short | Silence::Scan => None,
        }
    }

    fn become_(&mut self, now: Time, doing: Doing) {
        self.doing = doing;
        self.since = now;
    }

    /// netifd's `up`.
    pub(super) fn up(&mut self, now: Time, rng: &mut fastrand::Rng) {
        self.autostart = true;
        self.taken_down = false;
        self.start(now, 1, rng);
    }

    /// netifd's `down`.
    pub(super) fn down(&mut self, now: Time) {
        self.autostart = false;
        self.failed = false;
        self.orphaned = false;
        self.become_(now, Doing::Down);
    }

    fn start(&mut self, now: Time, attempt: u32, rng: &mut fastrand::Rng) {
        let is_down = matches!(self.doing, Doing::Down);
        if is_down && self.autostart && !self.disabled && !self.failed {
            let until = now + secs(rng.u64(2..15));
            self.become_(now, Doing::Setup { until, attempt });
        }
    }

    /// Takes it down and brings it up, as a reload of its settings or a dying hostapd does.
    pub(super) fn reload(&mut self, now: Time, rng: &mut fastrand::Rng) {
        self.failed = false;
        self.orphaned = false;
        self.become_(now, Doing::Down);
        self.start(now, 1, rng);
    }

    /// When it does something else by itself.
    pub(super) fn next(&self) -> Option<Time> {
        match self.doing {
            Doing::Setup { until, .. }
            | Doing::Acs { until }
            | Doing::Cac { until }
            | Doing::NonOccupancy { until }
            | Doing::NoIr { until } => Some(until),
            Doing::Down | Doing::Beacon | Doing::Stuck | Doing::Dead => None,
        }
    }

    /// It does it.
    pub(super) fn step(&mut self, now: Time, serving: bool, rng: &mut fastrand::Rng) {
        match self.doing {
            Doing::Setup { attempt, .. } => {
                if serving && self.ailment != Ailment::Broken {
                    match self.configured.channel {
                        None => {
                            let until = now + secs(rng.u64(5..120));
                            self.become_(now, Doing::Acs { until });
                        }
                        Some(_) => self.listen(now),
                    }
                } else {
                    self.become_(now, Doing::Down);
                    match attempt {
                        4.. => self.failed = true,
                        _ => self.start(now, attempt + 1, rng),
                    }
                }
            }
            Doing::Acs { .. } => self.listen(now),
            Doing::Cac { .. } | Doing::NoIr { .. } => self.beacon(now),
            Doing::NonOccupancy { .. } => self.listen(now),
            Doing::Down | Doing::Beacon | Doing::Stuck | Doing::Dead => {}
        }
    }

    fn listen(&mut self, now: Time) {
        match self.listens_for() {
            Some(time) => self.become_(now, Doing::Cac { until: now + time }),
            None => self.beacon(now),
        }
    }

    fn beacon(&mut self, now: Time) {
        let doing = match self.ailment {
            Ailment::None | Ailment::Broken => Doing::Beacon,
            Ailment::Stuck => Doing::Stuck,
            Ailment::Dead => Doing::Dead,
        };
        self.become_(now, doing);
    }

    /// An ailment strikes.
    pub(super) fn fall_ill(&mut self, now: Time, ailment: Ailment, curable: bool) {
        self.ailment = ailment;
        self.curable = curable;
        if self.doing == Doing::Beacon {
            self.beacon(now);
        }
    }

    pub(super) fn recover(&mut self, now: Time) {
        self.ailment = Ailment::None;
        if matches!(self.doing, Doing::Stuck | Doing::Dead) && !self.orphaned {
            self.beacon(now);
        }
    }

    /// Its channel has to stay empty.
    pub(super) fn keep_off(&mut self, now: Time) {
        let until = now + NON_OCCUPANCY;
        self.become_(now, Doing::NonOccupancy { until });
    }

    pub(super) fn is_off(&self) -> bool {
        self.disabled || (!self.autostart && !self.taken_down)
    }

    /// It has a reason to be silent that passes.
    pub(super) fn is_waiting(&self) -> bool {
        let waits = matches!(
            self.doing,
            Doing::Acs { .. } | Doing::Cac { .. } | Doing::NonOccupancy { .. } | Doing::NoIr { .. }
        );
        !self.failed && (waits || (self.has_client() && !self.linked))
    }

    /// As netifd shows it.
    pub(super) fn shown_by_netifd(&self) -> Configured {
        Configured {
            up: Some(!matches!(self.doing, Doing::Down | Doing::Setup { .. })),
            autostart: Some(self.autostart),
            disabled: Some(self.disabled),
            failed: Some(self.failed),
            ..self.configured.clone()
        }
    }

    /// Its object, if it is on the bus.
    pub(super) fn object(&self, now: Time) -> Option<Ap> {
        let state = match self.doing {
            Doing::Beacon => State::Enabled,
            Doing::Stuck => State::Disabled,
            Doing::NoIr { .. } => State::NoIr,
            Doing::Acs { .. } if self.shown => State::Acs,
            // hostapd disables a radio that has no other channel.
            Doing::NonOccupancy { until } if self.shown && until.as_secs() % 2 == 0 => {
                State::Disabled
            }
            Doing::Cac { .. } | Doing::NonOccupancy { .. } if self.shown => State::Dfs,
            _ => return None,
        };
        let left = match self.doing {
            Doing::Cac { until } => until.saturating_sub(now).as_secs() as u32 + 1,
            _ => 0,
        };
        let status = Status {
            state: Some(state),
            channel: self.configured.channel,
            cac_active: left > 0,
            cac_left: left,
        };
        Some(Ap {
            name: format!("{}-ap0", self.name()),
            status: Some(status),
        })
    }
}
