//! Operator, attacker and device, in the hands of chance.

use std::collections::{HashMap, HashSet};

use base64::prelude::{Engine, BASE64_STANDARD};
use fastrand::Rng;
use ring::signature::Ed25519KeyPair;
use socketman::config::PublicKey;

use super::attack::change;
use super::device::{Answer, Device, Setting};
use super::order::{Order, Spelling};
use super::tally::Tally;
use super::{BUILT, CASES_OF_A_WORLD, DAY, HOUR, KEYS, MAC, YEAR};

/// A job that an operator has signed.
#[derive(Debug, Clone)]
struct Signed {
    order: Order,
    key: usize,
}

/// The floor, from the contract once more.
#[derive(Debug)]
struct Expected {
    kept: u64,
    heard: u64,
}

pub(super) struct World<'a> {
    random: Rng,
    pairs: &'a [Ed25519KeyPair],
    publics: &'a [PublicKey],
    device: Device,
    /// The time by the sun.
    time: u64,
    /// The device's clock is ahead of it by this much, s.
    ahead: i64,
    signed: Vec<Signed>,
    /// Which key made which signature over which fields.
    made: HashMap<(String, String), usize>,
    floor: Expected,
    accepted: HashSet<String>,
    started: HashSet<String>,
    tally: Tally,
}

impl<'a> World<'a> {
    pub(super) fn new(seed: u64, pairs: &'a [Ed25519KeyPair], publics: &'a [PublicKey]) -> Self {
        let mut random = Rng::with_seed(seed);
        let device = Device::new(MAC, publics[0], BUILT);
        let mut world = World {
            time: BUILT + random.u64(..200 * DAY),
            random,
            pairs,
            publics,
            device,
            ahead: 0,
            signed: Vec::new(),
            made: HashMap::new(),
            floor: Expected {
                kept: BUILT,
                heard: 0,
            },
            accepted: HashSet::new(),
            started: HashSet::new(),
            tally: Tally::default(),
        };
        world.device.reading.synced = world.random.bool();
        for _ in 0..4 {
            world.operator_signs();
        }
        world.read_clock();
        world
    }

    pub(super) fn run(mut self) -> Tally {
        while self.tally.cases < CASES_OF_A_WORLD {
            match self.random.u8(..100) {
                0..=3 => self.operator_signs(),
                4..=6 => self.time_passes(),
                7..=8 => self.clock_is_set(),
                9..=10 => self.server_answers(),
                11 => self.power_is_cut(),
                12 => self.keys_change(),
                13..=15 => self.start_one(),
                _ => self.deliver(),
            }
            self.read_clock();
        }
        self.tally.forgotten = self.device.forgotten;
        self.tally
    }

    fn read_clock(&mut self) {
        self.device.reading.epoch = self.time.saturating_add_signed(self.ahead);
    }

    fn operator_signs(&mut self) {
        let random = &mut self.random;
        let pick = |random: &mut Rng, from: &[&str]| from[random.usize(..from.len())].to_owned();
        let life = match random.u8(..8) {
            0 => 7 * DAY,
            1 => 60,
            // A mistake that no device may follow.
            2 => 7 * DAY + 1 + random.u64(..YEAR),
            _ => random.u64(60..3 * DAY),
        };
        let key = match random.u8(..8) {
            0..=4 => 0,
            _ => random.usize(..KEYS),
        };
        let mut order = Order {
            id: Some(format!("job-{}", self.signed.len())),
            device: match random.u8(..8) {
                0 => None,
                1 => Some("*".to_owned()),
                2 => Some("94-83-C4-A1-B2-01".to_owned()),
                3 => Some("9483c4a1b200".to_owned()),
                _ => Some(MAC.to_owned()),
            },
            timestamp: Some(self.time),
            expires: (random.u8(..20) > 0).then_some(self.time + life),
            kind: match random.u8(..3) {
                0 => None,
                _ => Some(pick(
                    random,
                    &["", "network", "ping", "cancel", "ü\u{1f680}", "a\tb"],
                )),
            },
            timeout: random.bool().then(|| random.u64(1..600)),
            detach: [None, Some(false), Some(true)][random.usize(..3)],
            live: None,
            msg: Some(pick(
                random,
                &[
                    "uptime",
                    "echo 1\n",
                    "1:\n0:\n",
                    "job-1",
                    "Grüße",
                    "reboot; reboot",
                ],
            )),
            sig: None,
        };
        let meaning = order.meaning();
        let sig = BASE64_STANDARD.encode(self.pairs[key].sign(meaning.as_bytes()));
        order.sig = Some(sig.clone());
        self.made.insert((meaning, sig), key);
        self.signed.push(Signed { order, key });
    }

    fn time_passes(&mut self) {
        let by = match self.random.u8(..4) {
            0 => self.random.u64(..3 * DAY),
            1 => self.random.u64(..HOUR),
            _ => self.random.u64(..60),
        };
        self.time += by;
        self.device.reading.mono += by;
    }

    fn clock_is_set(&mut self) {
        let years = i64::try_from(10 * YEAR).unwrap();
        self.ahead = match self.random.u8(..6) {
            0 => self.random.i64(-years..=years),
            1 => -years,
            2 => years,
            3 => self.random.i64(-100_000..100_000),
            _ => 0,
        };
        // The attacker answers for the time server, so any clock can be called right.
        self.device.reading.synced = self.random.u8(..4) > 0;
    }

    fn server_answers(&mut self) {
        let random = &mut self.random;
        let date = match random.u8(..8) {
            0 => 0,
            1 if random.u8(..20) == 0 => u64::MAX,
            2 if random.u8(..5) == 0 => self.time + random.u64(..10 * YEAR),
            3 => self.time - random.u64(..10 * YEAR),
            4 => self
                .device
                .reading
                .epoch
                .saturating_add(random.u64(..2 * DAY)),
            5 => self
                .device
                .reading
                .epoch
                .saturating_sub(random.u64(..2 * DAY)),
            _ => self.time,
        };
        self.device.server_says(date);
        let reading = self.device.reading;
        match reading.synced {
            false => self.floor.heard = self.floor.heard.max(date),
            true if date.abs_diff(reading.epoch) <= DAY => {
                self.floor.kept = self.floor.kept.max(date);
            }
            true => {}
        }
    }

    fn power_is_cut(&mut self) {
        // Another version, or the one before, may be what starts.
        let built = [BUILT, BUILT, BUILT + 30 * DAY][self.random.usize(..3)];
        self.device.reboot(built);
        self.floor = Expected {
            kept: built.max(self.device.on_flash),
            heard: 0,
        };
        self.device.reading.synced &= self.random.bool();
    }

    fn keys_change(&mut self) {
        let random = &mut self.random;
        // Each further key costs another verification of what is refused.
        self.device.keys = match random.u8(..10) {
            0 => Setting::Unusable,
            1 => Setting::Set(self.publics[..3].to_vec()),
            2 => Setting::Set(vec![self.publics[0], self.publics[random.usize(..3)]]),
            3 | 4 => Setting::Set(vec![self.publics[1]]),
            _ => Setting::Set(vec![self.publics[0]]),
        };
    }

    /// True if a job with these fields may run now, apart from its id.
    fn may_run(&self, order: &Order, now: u64) -> bool {
        let is_here = match order.device.as_deref() {
            None | Some("*") => true,
            Some(device) => device.replace([':', '-'], "").to_lowercase() == "9483c4a1b200",
        };
        let short = [&order.id, &order.device, &order.kind];
        let is_plain = |text: &String| text.len() <= 256 && !text.contains(char::is_control);
        let lives = match (order.timestamp, order.expires) {
            (Some(timestamp), Some(expires)) => {
                let life = expires.checked_sub(timestamp);
                life.is_some_and(|life| life <= 7 * DAY) && expires > now
            }
            _ => false,
        };
        is_here && lives && short.into_iter().flatten().all(is_plain) && self.is_signed(order)
    }

    /// True if one of the keys in force has signed these fields.
    fn is_signed(&self, order: &Order) -> bool {
        let (Setting::Set(keys), Some(sig)) = (&self.device.keys, &order.sig) else {
            return false;
        };
        let by = self.made.get(&(order.meaning(), sig.clone()));
        by.is_some_and(|by| keys.contains(&self.publics[*by]))
    }

    fn now(&self) -> u64 {
        let floor = self.floor.kept.max(self.floor.heard);
        match self.device.reading.synced {
            true => floor.max(self.device.reading.epoch),
            false => floor,
        }
    }

    fn deliver(&mut self) {
        let any = |random: &mut Rng, count: usize| match random.bool() {
            // A job that was signed lately may still run.
            true => count - 1 - random.usize(..count.min(6)),
            false => random.usize(..count),
        };
        let count = self.signed.len();
        let mut order = self.signed[any(&mut self.random, count)].order.clone();
        let mut spelling = Spelling::Plain;
        if self.random.u8(..4) > 0 {
            let other = any(&mut self.random, count);
            let other = &self.signed[other].order;
            for _ in 0..self.random.u8(1..=2) {
                change(&mut order, other, &mut self.random);
            }
            spelling = Spelling::any(&mut self.random);
        }
        self.tally.cases += 1;

        let now = self.now();
        let id = order.id.clone().unwrap_or_default();
        let is_bad = matches!(spelling, Spelling::Bad(_));
        let knows = self.device.knows(&id);
        let may_run = !is_bad && !knows && self.may_run(&order, now);
        let answer = self.device.take(&order.payload(spelling));
        match &answer {
            Answer::Accepted(job) => {
                assert!(may_run, "{order:?} at {now}");
                assert!(self.accepted.insert(id.clone()), "twice: {order:?}");
                assert_eq!(job.id, id);
                self.tally.accepted += 1;
                self.floor.kept = self.floor.kept.max(order.timestamp.unwrap());
            }
            Answer::Full => {
                assert!(may_run && !self.device.has_room());
                self.tally.full += 1;
            }
            Answer::Known => {
                assert!(knows && self.is_signed(&order));
                self.tally.known += 1;
            }
            Answer::Refused(refusal) => {
                assert!(!may_run, "{refusal}: {order:?} at {now}");
                self.tally.refused(refusal);
                let again = self.accepted.contains(&id) && !knows && self.is_signed(&order);
                self.tally.after_forgotten += u64::from(again);
            }
            Answer::Unreadable => {
                assert!(!may_run, "unreadable: {order:?}");
                *self.tally.refused.entry("unreadable").or_default() += 1;
            }
        }
        if let Answer::Accepted(job) = answer {
            self.device.queue.push_back(*job);
            if self.random.u8(..4) > 0 {
                self.start_one();
            }
        }
    }

    /// A worker is free: the job that waits longest is judged again.
    fn start_one(&mut self) {
        let Some(job) = self.device.queue.pop_front() else {
            return;
        };
        let is_it = |signed: &&Signed| signed.order.id.as_ref() == Some(&job.id);
        let signed = self.signed.iter().find(is_it).expect("it was signed");
        let is_key_there = match &self.device.keys {
            Setting::Set(keys) => keys.contains(&self.publics[signed.key]),
            Setting::Unusable => false,
        };
        let may_start = is_key_there && job.expires.unwrap() > self.now();
        let again = self.device.again(&job);
        assert_eq!(again.is_ok(), may_start, "{again:?}: {job:?}");
        match again {
            Ok(()) => {
                assert!(self.started.insert(job.id.clone()), "twice: {job:?}");
                self.tally.started += 1;
            }
            Err(_) => self.tally.refused_at_start += 1,
        }
        self.device.reported(&job.id);
    }
}
