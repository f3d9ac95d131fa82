//! A device that runs jobs: its disk, its table, its processes, and the broker it talks to.

use std::collections::{BTreeMap, BTreeSet};

use socketman::jobs::message::{self, Job};
use socketman::jobs::outcome::{End, Outcome};
use socketman::jobs::table::{Effect, Known, Start};
use socketman::jobs::Source;
use socketman_lab::disk::{Call, Chooser, Error, Fault, SimDisk, When};

use super::agent::Agent;
use super::broker::Broker;

/// Jobs that run at once.
const WORKERS: usize = 2;

pub(super) struct World {
    /// The directory of the ledger.
    pub(super) disk: SimDisk,
    /// The directory that outlives an upgrade.
    pub(super) keep: SimDisk,
    pub(super) agent: Option<Agent>,
    pub(super) boot: u8,
    /// Power cuts so far, and what their outcomes are drawn by.
    pub(super) cuts: u64,
    pub(super) broker: Broker,
    /// Starts of the command of each id.
    pub(super) runs: BTreeMap<String, u32>,
    /// Ids that were refused, and were not sent again since.
    refused: BTreeSet<String>,
    pub(super) context: String,
}

/// The record of one whose id begins so takes three records of the log.
pub(super) const LONG: &str = "long";

fn job(id: &str) -> Job {
    let more = match id.starts_with(LONG) {
        true => "x".repeat(130_000),
        false => String::new(),
    };
    let payload = format!(r#"{{"id":"{id}","meta":{{"msg":"echo {id} {more}"}}}}"#);
    message::parse(payload.as_bytes()).unwrap()
}

impl World {
    pub(super) fn new(context: &str) -> Self {
        let mut world = World {
            disk: SimDisk::new(),
            keep: SimDisk::new(),
            agent: None,
            boot: 0,
            cuts: 0,
            broker: Broker::default(),
            runs: BTreeMap::new(),
            refused: BTreeSet::new(),
            context: context.to_owned(),
        };
        world.start();
        world
    }

    /// Starts the agent, unless the power goes while it does.
    pub(super) fn start(&mut self) {
        self.broker.reconnected();
        self.agent = Agent::start(&self.disk, &self.keep, self.boot, &self.context);
        // As the agent does before it takes anything.
        self.write(false);
    }

    /// The process is gone, its disk stays as it is.
    pub(super) fn kill(&mut self) {
        self.agent = None;
        self.start();
    }

    /// The disk has room for so many bytes more.
    pub(super) fn fills(&mut self, room: u64) {
        let used = ["jobs", "jobs.new"].map(|name| self.disk.content(name));
        let used: usize = used.iter().flatten().map(Vec::len).sum();
        self.disk.set_capacity(Some(used as u64 + room));
    }

    /// From here on all calls succeed, or all of this kind fail.
    pub(super) fn syncs(&mut self, syncs: Result<(), Call>) {
        self.disk.set_fault(syncs.err().map(|call| Fault {
            error: Error::Io,
            when: When::Every(call),
        }));
    }

    /// The process was killed before the call at which the disk is dead.
    pub(super) fn killed_there(&mut self) {
        self.disk = self.disk.fork();
        self.kill();
    }

    pub(super) fn cut_power(&mut self, chooser: &mut Chooser) {
        self.agent = None;
        self.disk = self.disk.crash(chooser);
        // Outcomes of both directories together would be too many to try all of them.
        self.keep = self.keep.crash(&mut Chooser::seeded(self.cuts));
        self.cuts += 1;
        self.boot += 1;
        self.start();
    }

    /// Everything is written but what would go to the register, which fails.
    pub(super) fn write_without_register(&mut self) {
        let from = self.keep.calls();
        self.keep.set_fault(Some(Fault {
            error: Error::NoSpace,
            when: When::From(from),
        }));
        self.write(false);
        self.keep.set_fault(None);
    }

    /// The register is tried again.
    pub(super) fn register_again(&mut self) {
        if let Some(agent) = self.agent.as_mut().filter(|agent| !agent.kept) {
            agent.table.register_again();
        }
        self.write(false);
    }

    pub(super) fn publish(&mut self, id: &str) {
        self.broker.publish(id);
    }

    /// The broker restarts or the connection breaks: what was on its way comes again.
    pub(super) fn reconnect(&mut self) {
        self.broker.reconnected();
    }

    /// The next message reaches the agent.
    pub(super) fn deliver(&mut self) {
        let Some(agent) = &mut self.agent else {
            return;
        };
        let Some(message) = self.broker.queue.pop_front() else {
            return;
        };
        self.broker.unacknowledged.push(message.clone());
        self.refused.remove(&message.id);
        match agent.table.known(Source::Mqtt, &message.id) {
            Some(Known::Finished(_)) => {
                agent.results.push_back(message.id);
                self.broker.acknowledged(message.number);
            }
            Some(Known::Unfinished(number)) => match agent.callers.get_mut(&number) {
                Some(callers) => callers.push(message.number),
                None => drop(self.broker.acknowledged(message.number)),
            },
            None => {
                let free = agent.table.running() < WORKERS && agent.table.ready(true).is_none();
                let start = free.then_some(Start {
                    at: 1,
                    boot: [self.boot; 16],
                });
                let now = agent.now();
                let accepted = agent
                    .table
                    .accept(Source::Mqtt, job(&message.id), true, start, now);
                agent
                    .callers
                    .insert(accepted.unwrap(), vec![message.number]);
            }
        }
    }

    /// Starts the job that waits longest if a worker is free.
    pub(super) fn start_job(&mut self) {
        let boot = [self.boot; 16];
        if let Some(agent) = &mut self.agent {
            let ready = agent.table.ready(true).map(|ready| ready.number);
            if let Some(number) = ready.filter(|_| agent.table.running() < WORKERS) {
                agent.table.start(number, Start { at: 1, boot });
            }
        }
        self.effects();
    }

    /// A process ends by itself.
    pub(super) fn end_job(&mut self, which: usize) {
        if let Some(agent) = &mut self.agent {
            if !agent.running.is_empty() {
                let number = agent.running.remove(which % agent.running.len());
                let mut outcome = Outcome::without_command(End::Processed, "", None);
                outcome.stdout = "x".repeat(100 * usize::from(self.boot % 3));
                let now = agent.now();
                agent.table.finish(number, outcome, now);
            }
        }
        self.effects();
    }

    /// The disk gets what waits for it, or the whole table.
    pub(super) fn write(&mut self, whole: bool) {
        if let Some(agent) = &mut self.agent {
            agent.age += 1;
            let now = agent.now();
            let whole = whole || std::mem::take(&mut agent.whole);
            let batch = match whole || agent.table.is_failing() {
                true => agent.table.take_snapshot(now),
                false => agent.table.take_batch(now),
            };
            if let Some(batch) = batch {
                let written = agent.write(&batch);
                let mut registered = Ok(());
                if let (Ok(()), Some(page)) = (&written, &batch.page) {
                    registered = agent.register.write(page);
                }
                if self.disk.is_dead() || self.keep.is_dead() {
                    self.agent = None;
                    return;
                }
                match written {
                    Ok(()) => agent.table.written(),
                    Err(_) => agent.table.failed(),
                }
                match (registered, &batch.page) {
                    (Err(_), _) => {
                        agent.table.register_failed();
                        agent.kept = false;
                    }
                    (Ok(()), Some(page)) => agent.kept |= page.replaces,
                    (Ok(()), None) => {}
                }
            }
        }
        self.effects();
    }

    /// A result reaches the operator; the agent may not hear of that.
    pub(super) fn send_result(&mut self, acknowledged: bool) {
        let Some(agent) = &mut self.agent else {
            return;
        };
        let Some(id) = agent.results.pop_front() else {
            return;
        };
        let Some(Known::Finished(outcome)) = agent.table.known(Source::Mqtt, &id) else {
            panic!("{}: the outcome of {id} is gone", self.context);
        };
        let told = format!("{:?} {}", outcome.end, outcome.stdout.len());
        self.broker
            .outcomes
            .entry(id.clone())
            .or_default()
            .insert(told);
        match (acknowledged, agent.table.number(Source::Mqtt, &id)) {
            (true, Some(number)) => agent.table.reported(number, agent.now()),
            (true, None) => {}
            (false, _) => agent.results.push_back(id),
        }
    }

    fn effects(&mut self) {
        let Some(agent) = &mut self.agent else {
            return;
        };
        while let Some(effect) = agent.table.poll() {
            match effect {
                Effect::Accepted(number) => {
                    for message in agent.callers.remove(&number).unwrap_or_default() {
                        self.broker.acknowledged(message);
                    }
                }
                Effect::Refused(number) => {
                    // As a rejection: nothing is kept of it, and nothing of it may run.
                    for message in agent.callers.remove(&number).unwrap_or_default() {
                        self.refused.extend(self.broker.acknowledged(message));
                    }
                }
                Effect::Run(number) => {
                    let command = agent.table.take_command(number).unwrap();
                    let id = command.split(' ').nth(1).unwrap().to_owned();
                    let context = &self.context;
                    assert!(!self.refused.contains(&id), "{context}: {id} was refused");
                    *self.runs.entry(id).or_default() += 1;
                    agent.running.push(number);
                }
                Effect::Late(_) | Effect::Adopt(_) | Effect::Judge(_) => {
                    panic!("{}: no such job", self.context)
                }
                Effect::Ended(number) => {
                    let id = agent.table.id(number).unwrap();
                    agent.results.push_back(id.to_string());
                }
            }
        }
    }

    pub(super) fn is_down(&self) -> bool {
        self.agent.is_none()
    }

    /// Everything goes well from now on, until nothing is left to do.
    pub(super) fn settle(&mut self) {
        for _ in 0..1000 {
            self.deliver();
            self.start_job();
            self.write(false);
            self.end_job(0);
            self.send_result(true);
            if self.is_idle() {
                return;
            }
        }
        panic!("{}: it does not come to rest", self.context);
    }

    fn is_idle(&self) -> bool {
        let agent = self.agent.as_ref().unwrap();
        let quiet = agent.results.is_empty() && agent.running.is_empty();
        quiet
            && agent.table.is_settled()
            && agent.table.ready(true).is_none()
            && self.broker.queue.is_empty()
            && self.broker.unacknowledged.is_empty()
    }

    /// Nothing ran twice.
    pub(super) fn check_runs(&self) {
        for (id, runs) in &self.runs {
            assert_eq!(*runs, 1, "{}: {id} ran {runs} times", self.context);
        }
    }

    /// Every job is sent once more and answered, and nothing ran twice.
    pub(super) fn check_again(&mut self) {
        for id in self.broker.ids.clone() {
            self.broker.outcomes.remove(&id);
            self.publish(&id);
        }
        self.settle();
        self.check_runs();
        for id in &self.broker.ids {
            let outcomes = self.broker.outcomes.get(id);
            let count = outcomes.map_or(0, BTreeSet::len);
            assert_eq!(count, 1, "{}: {id} has {outcomes:?}", self.context);
        }
    }

    /// Nothing ran twice, and each id has exactly one outcome.
    pub(super) fn check(&self) {
        self.check_runs();
        for id in &self.broker.ids {
            let outcomes = self.broker.outcomes.get(id);
            let count = outcomes.map_or(0, BTreeSet::len);
            assert_eq!(count, 1, "{}: {id} has {outcomes:?}", self.context);
        }
    }
}
