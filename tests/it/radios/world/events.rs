//! Events that happen to the device and to the agent.

use super::super::air::{secs, Ailment, Doing};
use super::World;

impl World {
    /// kill -9, and a start a while later.
    pub(super) fn kill(&mut self) {
        self.doomed = false;
        self.agent = None;
        self.counts.kills += 1;
        let gone = secs(self.rng.u64(5..40));
        self.pass(self.now + gone);
        self.start_agent();
    }

    /// The power goes, and comes back after a while.
    fn cut_power(&mut self) {
        self.agent = None;
        self.doomed = false;
        self.now += secs(self.rng.u64(10..100_000));
        self.boot += 1;
        self.booted = self.now;
        self.serving = true;
        self.armed = false;
        for air in &mut self.airs {
            air.autostart = true;
            air.failed = false;
            air.taken_down = false;
            air.reload(self.now, &mut self.rng);
        }
        let up = secs(self.rng.u64(15..60));
        self.pass(self.now + up);
        self.start_agent();
    }

    /// Hears that a radio was taken down.
    fn heard_down(&mut self, at: usize) {
        let name = self.airs[at].name().to_owned();
        if let Some(agent) = &mut self.agent {
            agent.tracker.restarted(self.now - agent.born, &name);
        }
    }

    fn radar(&mut self, at: usize) {
        let now = self.now;
        if !self.airs[at].hears_radar() {
            return;
        }
        let is_on_the_bus = self.airs[at].object(now).is_some() && self.serving;
        match self.airs[at].doing {
            Doing::Beacon => {
                if self.rng.u8(0..3) > 0 {
                    self.airs[at].keep_off(now);
                }
            }
            Doing::Cac { .. } if is_on_the_bus => self.airs[at].keep_off(now),
            _ => return,
        }
        let ifname = format!("{}-ap0", self.airs[at].name());
        let is_lost = self.rng.u8(0..8) == 0;
        if let Some(agent) = &mut self.agent {
            let heard = now - agent.born;
            match is_lost {
                true => {
                    agent.tracker.lost(heard);
                    for at in [0, 1] {
                        if self.airs[at].hears_radar() {
                            agent.unheard[at] = Some(now);
                        }
                    }
                }
                false => {
                    agent.tracker.radar(heard, &ifname);
                    agent.radar[at] = Some(now);
                }
            }
        }
    }

    /// Something happens.
    pub(in crate::radios) fn event(&mut self) {
        let at = self.rng.usize(..2);
        let now = self.now;
        let curable = self.rng.u8(0..3) > 0;
        match self.rng.u8(0..20) {
            0 => self.radar(at),
            1 => self.airs[at].fall_ill(now, Ailment::Stuck, curable),
            2 => self.airs[at].fall_ill(now, Ailment::Dead, curable),
            3 => {
                self.airs[at].fall_ill(now, Ailment::Broken, curable);
                self.airs[at].reload(now, &mut self.rng);
                self.heard_down(at);
            }
            4 => self.airs[at].recover(now),
            5 => self.hostapd_dies(),
            6 => self.serving = true,
            7 => {
                // `wifi down`.
                self.airs[at].down(now);
                self.airs[at].taken_down = false;
                self.heard_down(at);
            }
            // `wifi up`.
            8 if !self.airs[at].autostart => self.airs[at].up(now, &mut self.rng),
            9 => {
                let air = &mut self.airs[at];
                air.disabled = !air.disabled;
                air.reload(now, &mut self.rng);
                self.heard_down(at);
            }
            10 => {
                let air = &mut self.airs[at];
                air.linked = !air.linked;
                air.since = match air.linked {
                    true => now,
                    false => air.since,
                };
            }
            11 => self.armed = !self.armed,
            12 => self.allowed = self.rng.u8(0..4) > 0,
            13 => self.doomed = true,
            14 => self.disk_fails = self.rng.u8(0..3) == 0,
            15 => self.calls_fail = self.rng.u8(0..3) == 0,
            16 if self.airs[at].doing == Doing::Beacon => {
                let until = now + secs(self.rng.u64(10..900));
                self.airs[at].doing = Doing::NoIr { until };
            }
            17 => {
                self.airs[at].reload(now, &mut self.rng);
                self.heard_down(at);
            }
            18 if self.rng.u8(0..3) == 0 => self.cut_power(),
            19 if self.rng.bool() && self.agent.is_some() => self.kill(),
            _ => {}
        }
    }

    /// Its objects vanish with it; netifd notices, or does not.
    fn hostapd_dies(&mut self) {
        if !self.serving {
            return;
        }
        self.serving = false;
        let now = self.now;
        let is_noticed = self.rng.bool();
        for air in &mut self.airs {
            match (is_noticed, air.doing) {
                (_, Doing::Down | Doing::Setup { .. }) => {}
                (true, _) => air.reload(now, &mut self.rng),
                (false, _) => {
                    // Nobody will put it on the bus again.
                    air.doing = Doing::Dead;
                    air.since = now;
                    air.orphaned = true;
                }
            }
        }
    }
}
