//! The agent acts: the disk, netifd, and what gets in between.

use socketman::actions::Action;
use socketman::health::Uplink;
use socketman::recovery::radio::{bears, Below, Boot, Candidate, Scene, Step};

use super::super::air::Ailment;
use super::{Way, World};

impl World {
    /// The agent does what its machine says, until that says rest.
    pub(super) fn act(&mut self) {
        loop {
            let candidates = self.candidates();
            let base = match &self.agent {
                Some(agent) => agent.base + (self.now - agent.born),
                None => return,
            };
            let scene = Scene {
                radios: &candidates,
                complete: true,
                allowed: self.allowed && !self.armed,
            };
            let Some(agent) = &mut self.agent else {
                return;
            };
            let step = agent.machine.next(base, &scene);
            if matches!(step, Step::Rest(_)) {
                return;
            }
            let killed_before = self.doomed && self.rng.u8(0..3) == 0;
            if killed_before {
                return self.kill();
            }
            let ok = self.perform(step);
            if self.doomed && self.rng.bool() {
                return self.kill();
            }
            if let Some(agent) = &mut self.agent {
                agent.machine.done(base, ok);
            }
        }
    }

    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let Some(agent) = &self.agent else {
            return Vec::new();
        };
        let uplink = |interface: &str, device: &str| Uplink {
            interface: interface.to_owned(),
            device: Some(device.to_owned()),
            ..Uplink::default()
        };
        let (uplink, device) = match self.way {
            Way::Wire => (Some(uplink("wan", "eth0")), "eth0"),
            Way::Client => (Some(uplink("wwan", "radio0-sta0")), "radio0-sta0"),
            Way::Unknown => (None, ""),
        };
        let below = Below {
            devices: vec![device.to_owned()],
            hardware: true,
        };
        let now = self.now - agent.born;
        let radios = agent.tracker.radios().iter();
        let candidates = radios.map(|radio| Candidate {
            name: radio.configured.name.clone(),
            faulty: radio.faulty.map(|since| now - since),
            bears: radio.faulty.is_some()
                && bears(
                    &radio.configured.vifs,
                    uplink.as_ref(),
                    uplink.as_ref().map(|_| &below),
                ),
        });
        candidates.collect()
    }

    fn perform(&mut self, step: Step) -> bool {
        match step {
            Step::Rest(_) => true,
            Step::Look => {
                // What is looked at may have changed meanwhile.
                if !self.calm && self.rng.u8(0..8) == 0 {
                    self.event();
                }
                self.look_only();
                true
            }
            Step::Save => {
                if self.disk_fails {
                    return false;
                }
                let (id, mono) = self.boot_of();
                let agent = self.agent.as_ref().expect("it is alive");
                let ran = agent.base + (self.now - agent.born);
                self.disk = Some(agent.machine.ledger().encode(Boot { id: &id, mono }, ran));
                true
            }
            Step::Perform(Action::RadioDown(radio)) => self.take_down(&radio),
            Step::Perform(Action::RadioUp(radio)) => self.bring_up(&radio),
            Step::Perform(action) => panic!("{}: {action}", self.name),
        }
    }

    fn at(&self, radio: &str) -> usize {
        let found = self.airs.iter().position(|air| air.name() == radio);
        found.expect("it is one of them")
    }

    fn take_down(&mut self, radio: &str) -> bool {
        let at = self.at(radio);
        let air = &self.airs[at];
        if air.is_off() || air.is_waiting() {
            self.fail("restarted though it is off or waits", at);
        }
        if air.has_client() && self.way != Way::Wire {
            self.fail("restarted though it may carry the uplink", at);
        }
        if self.armed || !self.allowed {
            self.fail("restarted though that is not allowed", at);
        }
        let kept = self.disk.as_ref().expect("the intent was noted");
        let kept = String::from_utf8_lossy(kept);
        if !kept.contains(&format!("\"intent\":\"{radio}\"")) {
            self.fail("restarted without a note of it", at);
        }
        self.check_budget(at);
        self.restarts[at].push(self.now);
        self.counts.restarts += 1;
        // An answer may be lost with its effect made or not.
        let lost = self.calls_fail;
        if !lost || self.rng.bool() {
            self.airs[at].down(self.now);
            self.airs[at].taken_down = true;
        }
        !lost
    }

    fn bring_up(&mut self, radio: &str) -> bool {
        if self.calls_fail {
            return false;
        }
        let at = self.at(radio);
        let air = &mut self.airs[at];
        if air.curable {
            air.ailment = Ailment::None;
        }
        air.up(self.now, &mut self.rng);
        // If `down` got lost it was up all the time, and the agent cannot know.
        air.brought_up = self.now;
        if let Some(agent) = &mut self.agent {
            agent.tracker.restarted(self.now - agent.born, radio);
        }
        true
    }
}
