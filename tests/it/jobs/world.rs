//! A device that runs jobs: its disk, its table, its processes, and the broker it talks to.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use socketman::jobs::ledger::Store;
use socketman::jobs::message::{self, Job};
use socketman::jobs::outcome::{End, Outcome};
use socketman::jobs::table::{Batch, Bounds, Effect, Known, Now, Number, Start, Table};
use socketman::jobs::Source;
use socketman_lab::disk::{Chooser, SimDisk};

/// Jobs that run at once.
const WORKERS: usize = 2;

/// A message that the broker keeps until it is acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    number: u64,
    id: String,
}

/// The operator's side.
#[derive(Debug, Default)]
pub(super) struct Broker {
    published: u64,
    /// Not delivered in this session yet.
    queue: VecDeque<Message>,
    unacknowledged: Vec<Message>,
    /// The different outcomes of each id that arrived.
    pub(super) outcomes: BTreeMap<String, BTreeSet<String>>,
    pub(super) ids: BTreeSet<String>,
}

impl Broker {
    fn publish(&mut self, id: &str) {
        self.published += 1;
        self.ids.insert(id.to_owned());
        self.queue.push_back(Message {
            number: self.published,
            id: id.to_owned(),
        });
    }

    fn acknowledged(&mut self, number: u64) {
        self.unacknowledged
            .retain(|message| message.number != number);
    }

    /// A new session: what was not acknowledged comes again, in order.
    fn reconnected(&mut self) {
        for message in std::mem::take(&mut self.unacknowledged).into_iter().rev() {
            self.queue.push_front(message);
        }
    }
}

/// The agent as a process.
struct Agent {
    table: Table,
    store: Store<SimDisk>,
    /// Messages to acknowledge when the job is certain.
    callers: HashMap<Number, Vec<u64>>,
    running: Vec<Number>,
    results: VecDeque<String>,
    age: u32,
}

pub(super) struct World {
    pub(super) disk: SimDisk,
    agent: Option<Agent>,
    boot: u8,
    pub(super) broker: Broker,
    /// How often the command of each id was started.
    pub(super) runs: BTreeMap<String, u32>,
    pub(super) context: String,
}

fn job(id: &str) -> Job {
    let payload = format!(r#"{{"id":"{id}","meta":{{"msg":"echo {id}"}}}}"#);
    message::parse(payload.as_bytes()).unwrap()
}

impl World {
    pub(super) fn new(context: &str) -> Self {
        let mut world = World {
            disk: SimDisk::new(),
            agent: None,
            boot: 0,
            broker: Broker::default(),
            runs: BTreeMap::new(),
            context: context.to_owned(),
        };
        world.start();
        world
    }

    /// Starts the agent, unless the power goes while it does.
    fn start(&mut self) {
        self.broker.reconnected();
        let Ok((store, found)) = Store::open(self.disk.clone()) else {
            assert!(self.disk.is_dead(), "{}", self.context);
            return;
        };
        assert_eq!(found.damaged, 0, "{}", self.context);
        let mut table = Table::read(Bounds::default(), found.records);
        let age = table.began();
        table.go_on([self.boot; 16], Now { age, floor: 0 }, &|_| false);
        self.agent = Some(Agent {
            table,
            store,
            callers: HashMap::new(),
            running: Vec::new(),
            results: VecDeque::new(),
            age,
        });
        self.effects();
    }

    /// The process is gone, its disk stays as it is.
    pub(super) fn kill(&mut self) {
        self.agent = None;
        self.start();
    }

    pub(super) fn cut_power(&mut self, chooser: &mut Chooser) {
        self.agent = None;
        self.disk = self.disk.crash(chooser);
        self.boot += 1;
        self.start();
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
        match agent.table.known(Source::Mqtt, &message.id) {
            Some(Known::Finished(_)) => {
                agent.results.push_back(message.id);
                self.broker.acknowledged(message.number);
            }
            Some(Known::Unfinished(number)) => match agent.callers.get_mut(&number) {
                Some(callers) => callers.push(message.number),
                None => self.broker.acknowledged(message.number),
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
            let batch = match whole || agent.table.is_failing() {
                true => agent.table.take_snapshot(now),
                false => agent.table.take_batch(now),
            };
            if let Some(batch) = batch {
                let written = agent.write(&batch);
                if self.disk.is_dead() {
                    self.agent = None;
                    return;
                }
                match written {
                    Ok(()) => agent.table.written(),
                    Err(_) => agent.table.failed(),
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
                        self.broker.acknowledged(message);
                    }
                }
                Effect::Run(number) => {
                    let command = agent.table.take_command(number).unwrap();
                    let id = command.strip_prefix("echo ").unwrap().to_owned();
                    *self.runs.entry(id).or_default() += 1;
                    agent.running.push(number);
                }
                Effect::Adopt(_) | Effect::Judge(_) => panic!("{}: no such job", self.context),
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

    /// Nothing ran twice, and each id has exactly one outcome.
    pub(super) fn check(&self) {
        for (id, runs) in &self.runs {
            assert_eq!(*runs, 1, "{}: {id} ran {runs} times", self.context);
        }
        for id in &self.broker.ids {
            let outcomes = self.broker.outcomes.get(id);
            let count = outcomes.map_or(0, BTreeSet::len);
            assert_eq!(count, 1, "{}: {id} has {outcomes:?}", self.context);
        }
    }
}

impl Agent {
    fn now(&self) -> Now {
        Now {
            age: self.age,
            floor: 0,
        }
    }

    fn write(&mut self, batch: &Batch) -> std::io::Result<()> {
        self.store.write(batch)?;
        self.store.sync()
    }
}
