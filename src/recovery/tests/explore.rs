//! Every way a device can go, as far as a million positions reach.
//!
//! A position is the ladder, the counters in RAM and on flash, what the device sees, and, which no agent
//! knows, when the device really was rebooted. From each one everything may happen next: time passes, a
//! verdict changes, proof of life comes and goes, a step succeeds, fails or takes a minute, flash fails,
//! the agent is killed, the power is cut for an unknown time.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use crate::boot::{Counters, DAY};
use crate::config::Recover;
use crate::recovery::ladder::{Ladder, Next, Permit, Sight, Step, World};

/// Positions from which everything was tried.
const POSITIONS: usize = 1_050_000;

/// The device's findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Found {
    NotKnown,
    Online,
    /// Offline, by a fault that is not the device's.
    Elsewhere,
    OwnNames,
    OthersNames,
    Everything,
}

const FOUND: [Found; 6] = [
    Found::NotKnown,
    Found::Online,
    Found::Elsewhere,
    Found::OwnNames,
    Found::OthersNames,
    Found::Everything,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Position {
    ladder: Ladder,
    /// The counters in RAM, and as flash has them.
    counters: Counters,
    flash: Counters,
    found: Found,
    proof: bool,
    guarded: bool,
    held: bool,
    interface: bool,
    shared: bool,
    recover: Recover,
    reboot: u32,
    /// Time since the agent really rebooted the device, s; all from a day on count as a day.
    real: [u32; 3],
    /// We rebooted, and since then nobody has seen it online.
    rebooted: bool,
}

impl Position {
    fn start(recover: Recover, reboot: u32) -> Self {
        Position {
            ladder: Ladder::default(),
            counters: Counters::default(),
            flash: Counters::default(),
            found: Found::NotKnown,
            proof: false,
            guarded: false,
            held: false,
            interface: true,
            shared: false,
            recover,
            reboot,
            real: [DAY; 3],
            rebooted: false,
        }
    }

    fn sight(&self) -> Sight {
        Sight {
            world: match self.found {
                Found::NotKnown => World::Unknown,
                Found::Online => World::Online,
                _ => World::Offline,
            },
            permit: match self.found {
                Found::Everything => Permit::All,
                Found::OwnNames => Permit::Names { own: true },
                Found::OthersNames => Permit::Names { own: false },
                _ => Permit::Nothing,
            },
            proof: self.proof,
            interface: self.interface,
            shared: self.shared,
            guarded: self.guarded,
            held: self.held,
            recover: self.recover,
            reboot: self.reboot,
            reboots_left: (3 - self.counters.used()) as u8,
            rebooted: self.counters.has_rebooted(),
        }
    }

    /// The table of the contract, written down a second time.
    fn may(&self, step: Step) -> bool {
        let offline = !matches!(self.found, Found::NotKnown | Found::Online);
        let allowed = match self.found {
            Found::Everything => !matches!(step, Step::DnsmasqRestart),
            Found::OwnNames => matches!(step, Step::DnsmasqRestart | Step::Renew | Step::Reboot),
            Found::OthersNames => matches!(step, Step::DnsmasqRestart | Step::Renew),
            _ => false,
        };
        let reach = match self.recover {
            Recover::Full => true,
            Recover::Interface => !matches!(step, Step::NetworkRestart | Step::Reboot),
            Recover::Nothing => false,
        };
        let known = self.interface || !matches!(step, Step::Renew | Step::DownUp);
        let alone = !self.shared || step == Step::Renew;
        let quiet = !self.proof && !self.guarded && !self.held;
        offline && allowed && reach && known && alone && quiet
    }

    fn pass(&mut self, seconds: u32) {
        self.counters.pass(seconds);
        self.age(seconds);
    }

    fn age(&mut self, seconds: u32) {
        for age in &mut self.real {
            *age = age.saturating_add(seconds).min(DAY);
        }
    }

    /// The device goes down and comes up with what flash has.
    fn boots(mut self) -> Self {
        self.flash.booted();
        self.counters = self.flash;
        self.ladder = Ladder::default();
        (self.found, self.proof) = (Found::NotKnown, false);
        self
    }

    fn reboots(mut self, by_ladder: bool) -> Self {
        assert!(
            !(by_ladder && self.rebooted),
            "twice in an outage: {self:?}"
        );
        let within = self.real.iter().filter(|age| **age < DAY).count();
        assert!(within < 3, "more than three in 24 h: {self:?}");
        self.real.sort_unstable();
        self.real[2] = 0;
        self.rebooted = true;
        self.boots()
    }

    /// Sights of the agent, and its actions on them.
    fn act(mut self, passed: u32, next: &mut Vec<Position>) {
        let sight = self.sight();
        let is_online = sight.world == World::Online || sight.proof;
        self.ladder.observe(&sight, passed);
        if sight.world == World::Online {
            self.rebooted = false;
            if self.counters.is_in_outage() {
                // Flash may fail; then it is tried again.
                next.push(self.settled());
                self.counters.online();
                self.flash = self.counters;
            }
        }
        let step = match self.ladder.next(&sight) {
            Next::Take(step) => step,
            Next::Idle => {
                assert!(is_online || sight.world == World::Unknown);
                return next.push(self.settled());
            }
            Next::Wait(_) | Next::In(..) => return next.push(self.settled()),
        };
        assert!(self.may(step), "{step:?} {self:?}");
        if step == Step::Reboot {
            return self.asks(next);
        }
        for took in [0, 60] {
            let mut after = self;
            after.pass(took);
            after.ladder.took(step, took);
            next.push(after.settled());
        }
    }

    /// The reboot: recorded or not, taken up or not.
    fn asks(mut self, next: &mut Vec<Position>) {
        let mut waits = self;
        waits.ladder.took(Step::Reboot, 0);
        // Flash does not take the record.
        next.push(waits.settled());
        if self.counters.reboot(true).is_err() {
            panic!("refused though offered: {self:?}");
        }
        self.flash = self.counters;
        next.push(self.reboots(true).settled());
        // procd does not take it up.
        (waits.counters, waits.flash) = (self.counters, self.flash);
        next.push(waits.settled());
        // It does, though we do not hear of it, and not at once.
        waits.pass(30);
        next.push(waits.reboots(true).settled());
    }

    fn settled(mut self) -> Self {
        self.ladder = self.ladder.folded();
        self.real.sort_unstable();
        self
    }

    /// Everything that can happen next.
    fn next(&self, next: &mut Vec<Position>) {
        let with = |change: &dyn Fn(&mut Position)| {
            let mut other = *self;
            change(&mut other);
            other
        };
        // Time: until something is due, half a minute, hours.
        let due = match self.ladder.next(&self.sight()) {
            Next::In(seconds, _) => seconds,
            _ => 600,
        };
        for seconds in [30, due, 8 * 3600] {
            let mut later = *self;
            later.pass(seconds);
            later.act(seconds, next);
        }
        for found in FOUND.into_iter().filter(|found| *found != self.found) {
            with(&|p| p.found = found).act(0, next);
        }
        with(&|p| p.proof = !p.proof).act(0, next);
        with(&|p| p.guarded = !p.guarded).act(0, next);
        with(&|p| p.held = !p.held).act(0, next);
        with(&|p| p.shared = !p.shared).act(0, next);
        with(&|p| p.interface = !p.interface).act(0, next);
        for recover in [Recover::Full, Recover::Interface, Recover::Nothing] {
            with(&|p| p.recover = recover).act(0, next);
        }
        with(&|p| p.flash = p.counters).act(0, next);
        // The agent is killed and starts again: what it counted is on flash or in the age of the boot.
        next.push(with(&|p| p.ladder = Ladder::default()).settled());
        // The power is cut.
        for off in [0, 600, 12 * 3600] {
            let mut later = self.boots();
            later.age(off);
            next.push(later.settled());
        }
        // The undo of a job reboots.
        let mut undo = *self;
        if undo.counters.reboot(false).is_ok() && !self.counters.is_pending() {
            undo.flash = undo.counters;
            next.push(undo.reboots(false).settled());
        }
    }

    /// From here there is a way back, and a way up.
    fn check(&self) {
        let known = self.counters.used();
        let real = self.real.iter().filter(|age| **age < DAY).count();
        assert!(known >= real, "flash has forgotten a reboot: {self:?}");

        let mut back = *self;
        back.found = Found::Online;
        back.ladder.observe(&back.sight(), 0);
        assert!(back.ladder.is_idle() && back.ladder.next(&back.sight()) == Next::Idle);

        let mut up = *self;
        up.found = Found::Everything;
        (up.recover, up.reboot) = (Recover::Full, 600);
        (up.proof, up.guarded, up.held, up.shared) = (false, false, false, false);
        up.ladder.observe(&up.sight(), 0);
        let may = up.counters.used() < 3 && !up.counters.has_rebooted();
        let mut seconds = 0;
        for _ in 0..24 {
            match up.ladder.next(&up.sight()) {
                Next::Take(Step::Reboot) => {
                    assert!(may && seconds <= 1900, "after {seconds} s: {self:?}");
                    return;
                }
                Next::Take(step) => up.ladder.took(step, 0),
                Next::In(wait, _) => {
                    seconds += wait;
                    up.ladder.observe(&up.sight(), wait);
                }
                end => panic!("{end:?}: {self:?}"),
            }
        }
        assert!(!may, "no way up: {self:?}");
    }
}

/// Half of the positions' time would go into a hash that withstands enemies.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.write_u64(n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(n.into());
    }

    fn write_u64(&mut self, n: u64) {
        let mixed = (self.0.rotate_left(23) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }

    fn write_isize(&mut self, n: isize) {
        self.write_u64(n as u64);
    }
}

#[test]
fn no_position_of_a_million_breaks_the_rules_or_is_a_dead_end() {
    let mut seen: HashSet<Position, BuildHasherDefault<Mix>> = HashSet::default();
    let mut queue = VecDeque::new();
    for recover in [Recover::Full, Recover::Interface, Recover::Nothing] {
        for reboot in [0, 300, 600] {
            queue.push_back(Position::start(recover, reboot));
        }
    }
    seen.extend(queue.iter().copied());
    let (mut done, mut deepest, mut next) = (0, 0, Vec::new());
    while let Some(position) = queue.pop_front() {
        position.check();
        position.next(&mut next);
        for position in next.drain(..) {
            deepest = deepest.max(position.counters.used());
            if done + queue.len() < POSITIONS && seen.insert(position) {
                queue.push_back(position);
            }
        }
        done += 1;
    }
    crate::told::line(format_args!(
        "ladder: {done} states, up to {deepest} reboots in 24 h"
    ));
    assert!(done >= 1_000_000, "{done}");
    assert_eq!(deepest, 3);
}
