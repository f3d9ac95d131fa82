//! A simulated device with two radios, and the agent that watches over them.

mod acts;
mod checks;
mod events;

use std::time::Duration;

use socketman::health::radio::{Sight, Tracker};
use socketman::process::clock::Pace;
use socketman::recovery::radio::{Boot, Ledger, Machine, Scene, Step};

use super::air::{secs, Air, Doing, Time};

/// Longest time between two looks.
const LOOKS: Duration = secs(20);

/// Where the world lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Wire,
    /// The client interface of the first radio.
    Client,
    Unknown,
}

/// The agent, as long as it lives.
struct Agent {
    tracker: Tracker,
    machine: Machine,
    born: Time,
    /// The time of the ledger when it was born.
    base: Duration,
    /// The newest radar it heard of, of each radio.
    radar: [Option<Time>; 2],
    /// When it may have missed one, until the radio beacons.
    unheard: [Option<Time>; 2],
    /// It has seen an access point of each radio.
    seen: [bool; 2],
}

/// The findings of a run.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub(super) looks: u64,
    pub(super) restarts: u64,
    pub(super) faults_told: u64,
    pub(super) kills: u64,
    pub(super) finished_after_kill: u64,
}

pub(super) struct World {
    name: String,
    rng: fastrand::Rng,
    pub(super) now: Time,
    pub(super) airs: [Air; 2],
    pub(super) serving: bool,
    pub(super) armed: bool,
    pub(super) allowed: bool,
    pub(super) way: Way,
    pub(super) calls_fail: bool,
    boot: u32,
    booted: Time,
    disk: Option<Vec<u8>>,
    pub(super) disk_fails: bool,
    agent: Option<Agent>,
    /// The agent is killed at one of its next steps.
    pub(super) doomed: bool,
    /// Nothing happens any more.
    calm: bool,
    restarts: [Vec<Time>; 2],
    pub(super) counts: Counts,
}

impl World {
    pub(super) fn new(name: String, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let client = rng.u8(0..4) == 0;
        let channels = [Some(36), Some(52), Some(100), Some(124), None];
        let channel = channels[rng.usize(..channels.len())];
        let two = [Some(6), None][rng.usize(..2)];
        let mut airs = [
            Air::new("radio0", "5g", channel, client),
            Air::new("radio1", "2g", two, false),
        ];
        let ways = [Way::Wire, Way::Client, Way::Unknown];
        let way = match client {
            true => ways[rng.usize(..3)],
            false => [Way::Wire, Way::Unknown][rng.usize(..2)],
        };
        for air in &mut airs {
            air.shown = rng.bool();
            air.autostart = true;
            air.up(secs(0), &mut rng);
        }
        let mut world = World {
            name,
            rng,
            now: secs(0),
            airs,
            serving: true,
            armed: false,
            allowed: true,
            way,
            calls_fail: false,
            boot: 1,
            booted: secs(0),
            disk: None,
            disk_fails: false,
            agent: None,
            doomed: false,
            calm: false,
            restarts: [Vec::new(), Vec::new()],
            counts: Counts::default(),
        };
        let born = secs(world.rng.u64(0..90));
        world.pass(born);
        world.start_agent();
        world
    }

    /// Time passes for the device alone.
    fn pass(&mut self, until: Time) {
        loop {
            let next = self.airs.iter().enumerate();
            let next = next.filter_map(|(at, air)| Some((air.next()?, at)));
            match next.min() {
                Some((time, at)) if time <= until => {
                    self.now = time;
                    self.airs[at].step(time, self.serving, &mut self.rng);
                }
                _ => break,
            }
        }
        self.now = until;
    }

    fn boot_of(&self) -> (String, u64) {
        let mono = (self.now - self.booted).as_secs();
        (format!("boot {}", self.boot), mono)
    }

    fn start_agent(&mut self) {
        let (id, mono) = self.boot_of();
        let boot = Boot { id: &id, mono };
        let kept = self.disk.as_ref();
        let (ledger, base) = kept
            .map(|bytes| Ledger::decode(bytes, boot).expect("a ledger"))
            .unwrap_or_default();
        self.counts.finished_after_kill += u64::from(ledger.intent().is_some());
        let unheard = [0, 1].map(|at| self.airs[at].hears_radar().then_some(self.now));
        self.agent = Some(Agent {
            tracker: Tracker::new(Pace::REAL),
            machine: Machine::new(ledger, base, Pace::REAL),
            born: self.now,
            base,
            radar: [None; 2],
            unheard,
            seen: [false; 2],
        });
        self.look();
    }

    fn sight(&self) -> Sight {
        let objects = self.airs.iter().filter_map(|air| air.object(self.now));
        let is_linked = |air: &&Air| air.has_client() && air.linked;
        Sight {
            radios: Some(self.airs.iter().map(Air::shown_by_netifd).collect()),
            aps: Some(match self.serving {
                true => objects.collect(),
                false => Vec::new(),
            }),
            serving: self.serving,
            closed: None,
            linked: self
                .airs
                .iter()
                .filter(is_linked)
                .map(|air| format!("{}-sta0", air.name()))
                .collect(),
        }
    }

    /// The agent looks, and does what follows.
    pub(super) fn look(&mut self) {
        if self.agent.is_none() {
            return;
        }
        self.look_only();
        self.act();
    }

    fn look_only(&mut self) {
        let sight = self.sight();
        let now = self.now;
        let serving = self.serving;
        let Some(agent) = &mut self.agent else {
            return;
        };
        self.counts.looks += 1;
        let changes = agent.tracker.look(now - agent.born, &sight);
        let told = changes
            .iter()
            .filter(|change| change.now.verdict.is_fault());
        self.counts.faults_told += told.count() as u64;
        for (at, air) in self.airs.iter().enumerate() {
            agent.seen[at] |= serving && air.object(now).is_some();
            if serving && air.doing == Doing::Beacon {
                agent.unheard[at] = None;
            }
        }
        self.check_verdicts();
    }

    /// Time passes; the agent looks as often as matters.
    pub(super) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        // Within 20 s of what happened, whether it heard of it or not.
        let soon = match self.rng.bool() {
            true => secs(1),
            false => secs(self.rng.u64(1..20)),
        };
        self.look_at((self.now + soon).min(until));
        while self.now < until && self.agent.is_some() {
            let mut times = vec![self.rests_until()];
            for (at, air) in self.airs.iter().enumerate() {
                // Just after what the radio does by itself.
                times.push(air.next().map(|time| time + soon));
                let since = self.fault_since(at);
                times.push(since.map(|since| since + soon));
                times.push(since.map(|since| since + LOOKS * 2 + secs(1)));
            }
            let later = times.into_iter().flatten().filter(|time| *time > self.now);
            let next = later.min().map_or(until, |time| time.min(until));
            self.look_at(next);
        }
        self.pass(until.max(self.now));
    }

    fn look_at(&mut self, time: Time) {
        self.pass(time.max(self.now));
        self.look();
    }

    /// When the machine wants to go on, if the scene stays as it is.
    fn rests_until(&mut self) -> Option<Time> {
        let candidates = self.candidates();
        let allowed = self.allowed && !self.armed;
        let now = self.now;
        let agent = self.agent.as_mut()?;
        let base = agent.base + (now - agent.born);
        let scene = Scene {
            radios: &candidates,
            complete: true,
            allowed,
        };
        match agent.machine.clone().next(base, &scene) {
            Step::Rest(until) => until.map(|until| now + until.saturating_sub(base)),
            _ => Some(now + secs(1)),
        }
    }

    /// Everything works again; after a while nothing is left down.
    pub(super) fn settle(&mut self) {
        self.calm = true;
        self.calls_fail = false;
        self.disk_fails = false;
        self.doomed = false;
        if self.agent.is_none() {
            self.start_agent();
        }
        for _ in 0..8 {
            self.pass(self.now + LOOKS);
            self.look();
        }
        for at in [0, 1] {
            if self.airs[at].taken_down {
                self.fail("left down", at);
            }
        }
        let agent = self.agent.as_ref().expect("it was started");
        assert!(!agent.machine.is_under_way(), "{}", self.name);
    }
}
