//! The table of jobs: nothing starts twice, and no outcome is lost.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use socketman::jobs::ledger::{Growth, Register, Store};
use socketman::jobs::message::{self, Job};
use socketman::jobs::outcome::{End, Outcome};
use socketman::jobs::table::{Bounds, Effect, Known, Now, Number, Start, Table};
use socketman::jobs::Source;

use super::ensure;
use super::medium::Medium;

/// Jobs that run at once.
const WORKERS: usize = 2;

/// The newest jobs, which are asked for.
const ASKED: usize = 60;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Said {
    /// The broker has its acknowledgement.
    Accepted(String),
    /// The command has started.
    Ran(String),
    /// The outcome has left the device.
    Ended(String, String),
    /// The operator has it, and the table may shorten it.
    Reported(String),
}

/// The state of a job after a start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    Unknown,
    /// It would start.
    Waits,
    /// With this outcome.
    Ended(String),
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Found {
    pub fates: BTreeMap<String, Fate>,
    /// Records of the table that cannot be read.
    pub damaged: u64,
}

/// The jobs part in the machine, without its processes.
pub struct Jobs {
    table: Table,
    store: Store<Medium>,
    register: Register<Medium>,
    running: Vec<Number>,
    /// Outcomes that the operator does not have yet.
    results: VecDeque<Number>,
    boot: u32,
    made: u64,
    age: u32,
    is_whole: bool,
}

fn failed(error: impl std::fmt::Display) -> String {
    format!("jobs: {error}")
}

fn job(id: &str) -> Result<Job, String> {
    let pad = "x".repeat(id.len() * 97 % 700);
    let payload = format!(r#"{{"id":"{id}","meta":{{"msg":"echo {id} {pad}"}}}}"#);
    message::parse(payload.as_bytes()).map_err(|_| failed("an invalid payload"))
}

fn told(outcome: &Outcome) -> String {
    format!("{:?} {}", outcome.end, outcome.stdout.len())
}

impl Jobs {
    /// Opens ledger and register as the agent does, and tells what became of `asked`.
    ///
    /// # Errors
    ///
    /// They do not open, or do not take what the start writes.
    pub fn open(
        state: Medium,
        keep: Medium,
        boot: u32,
        asked: &[String],
    ) -> Result<(Self, Found), String> {
        let (store, read) = Store::open(state).map_err(failed)?;
        let (register, recalled) = Register::open(keep).map_err(failed)?;
        let damaged = read.damaged;
        let mut table = Table::read(Bounds::default(), read.records);
        let is_whole = table.recall(&recalled);
        let age = table.began();
        let mut this = [0; 16];
        this[..4].copy_from_slice(&boot.to_le_bytes());
        table.go_on(this, Now { age, floor: 0 }, &|_| false);
        let mut jobs = Jobs {
            table,
            store,
            register,
            running: Vec::new(),
            results: VecDeque::new(),
            boot,
            made: 0,
            age,
            is_whole,
        };
        jobs.write(false, &mut |_| {});
        let fates = asked.iter().map(|id| (id.clone(), jobs.fate(id)));
        let fates = fates.collect();
        Ok((jobs, Found { fates, damaged }))
    }

    fn fate(&self, id: &str) -> Fate {
        match self.table.known(Source::Mqtt, id) {
            None => Fate::Unknown,
            Some(Known::Finished(outcome)) => Fate::Ended(told(&outcome)),
            // On a full disk the end of one that had started is not written yet.
            Some(Known::Unfinished(number)) => match self.table.outcome(number) {
                Some(outcome) => Fate::Ended(told(outcome)),
                None => Fate::Waits,
            },
        }
    }

    /// # Errors
    ///
    /// The part contradicts itself.
    pub fn act(
        &mut self,
        rng: &mut fastrand::Rng,
        say: &mut dyn FnMut(Said),
    ) -> Result<(), String> {
        match rng.u8(..16) {
            0..5 => self.deliver()?,
            5..7 => self.start(),
            7..11 if !self.running.is_empty() => {
                let number = self.running.remove(rng.usize(..self.running.len()));
                let mut outcome = Outcome::without_command(End::Processed, "", None);
                outcome.stdout = "x".repeat(rng.usize(..3000));
                self.table.finish(number, outcome, self.now());
            }
            11..14 => {
                if let Some(number) = self.results.pop_front() {
                    if let Some(id) = self.table.id(number) {
                        say(Said::Reported(id.to_string()));
                    }
                    self.table.reported(number, self.now());
                }
            }
            _ => {}
        }
        let whole = rng.u8(..40) == 0;
        self.write(whole, say);
        Ok(())
    }

    fn now(&self) -> Now {
        Now {
            age: self.age,
            floor: 0,
        }
    }

    fn begin(&self) -> Start {
        let mut boot = [0; 16];
        boot[..4].copy_from_slice(&self.boot.to_le_bytes());
        Start { at: 1, boot }
    }

    fn deliver(&mut self) -> Result<(), String> {
        self.made += 1;
        let id = format!("{}-{}", self.boot, self.made);
        let free = self.table.running() < WORKERS && self.table.ready(true).is_none();
        let start = free.then(|| self.begin());
        // Refused for want of room: the sender gets an answer.
        let _ = self
            .table
            .accept(Source::Mqtt, job(&id)?, true, start, self.now());
        Ok(())
    }

    fn start(&mut self) {
        let ready = self.table.ready(true).map(|ready| ready.number);
        if let Some(number) = ready.filter(|_| self.table.running() < WORKERS) {
            self.table.start(number, self.begin());
        }
    }

    /// The disk gets what waits for it, or the whole table.
    fn write(&mut self, whole: bool, say: &mut dyn FnMut(Said)) {
        self.age += 1;
        let whole =
            whole || std::mem::take(&mut self.is_whole) || self.store.growth() != Growth::Little;
        let batch = match whole || self.table.is_failing() {
            true => self.table.take_snapshot(self.now()),
            false => self.table.take_batch(self.now()),
        };
        if let Some(batch) = batch {
            let written = self.store.write(&batch, true);
            match &written {
                Ok(()) => self.table.written(),
                Err(_) => self.table.failed(),
            }
            if let (Ok(()), Some(page)) = (&written, &batch.page) {
                if self.register.write(page).is_err() {
                    self.table.register_failed();
                }
            }
        }
        self.effects(say);
    }

    fn effects(&mut self, say: &mut dyn FnMut(Said)) {
        while let Some(effect) = self.table.poll() {
            let name = |jobs: &Jobs, number| jobs.table.id(number).map(ToString::to_string);
            match effect {
                Effect::Accepted(number) => {
                    name(self, number)
                        .into_iter()
                        .for_each(|id| say(Said::Accepted(id)));
                }
                Effect::Run(number) => {
                    let _ = self.table.take_command(number);
                    name(self, number)
                        .into_iter()
                        .for_each(|id| say(Said::Ran(id)));
                    self.running.push(number);
                }
                Effect::Ended(number) => {
                    let outcome = self.table.outcome(number).map(|outcome| told(outcome));
                    // While the disk fails it is published, but not certain.
                    let outcome = outcome.filter(|_| !self.table.is_failing());
                    if let (Some(id), Some(outcome)) = (name(self, number), outcome) {
                        say(Said::Ended(id, outcome));
                    }
                    self.results.push_back(number);
                }
                Effect::Late(_) | Effect::Refused(_) | Effect::Adopt(_) | Effect::Judge(_) => {}
            }
        }
    }
}

/// A job as the host knows it.
#[derive(Debug, Clone, Default)]
struct Course {
    ran: bool,
    ended: Option<String>,
    reported: bool,
}

/// The jobs as the host knows them.
#[derive(Debug, Clone, Default)]
pub struct Account {
    jobs: BTreeMap<String, Course>,
    /// In the order of their acceptance.
    order: Vec<String>,
}

impl Account {
    /// # Errors
    ///
    /// A job starts twice, or ends twice in different ways.
    pub fn hear(&mut self, said: &Said) -> Result<(), String> {
        match said {
            Said::Accepted(id) => {
                self.jobs.entry(id.clone()).or_default();
                self.order.push(id.clone());
            }
            Said::Ran(id) => {
                let job = self.jobs.entry(id.clone()).or_default();
                let ran = std::mem::replace(&mut job.ran, true);
                ensure(!ran, || format!("jobs: {id} runs twice"))?;
            }
            Said::Ended(id, outcome) => {
                let job = self.jobs.entry(id.clone()).or_default();
                let before = job.ended.replace(outcome.clone());
                ensure(before.is_none_or(|before| before == *outcome), || {
                    format!("jobs: {id} has two outcomes")
                })?;
            }
            Said::Reported(id) => self.jobs.entry(id.clone()).or_default().reported = true,
        }
        Ok(())
    }

    /// The jobs to ask for.
    pub fn asked(&self) -> Vec<String> {
        self.order.iter().rev().take(ASKED).cloned().collect()
    }

    /// # Errors
    ///
    /// A job is gone, would start again, or has lost its outcome.
    pub fn judge(&self, found: &Found) -> Result<(), String> {
        ensure(found.damaged == 0, || {
            format!("jobs: {} damaged records", found.damaged)
        })?;
        for id in self.asked() {
            let (Some(job), Some(fate)) = (self.jobs.get(&id), found.fates.get(&id)) else {
                return Err(format!("jobs: nothing is said of {id}"));
            };
            let holds = match (fate, &job.ended) {
                (Fate::Unknown, _) => false,
                (Fate::Waits, ended) => !job.ran && ended.is_none(),
                (Fate::Ended(fate), Some(ended)) if !job.reported => fate == ended,
                (Fate::Ended(_), _) => true,
            };
            ensure(holds, || format!("jobs: {id} was {job:?} and is {fate:?}"))?;
        }
        Ok(())
    }

    /// Goes on from a start whose findings were right.
    pub fn go_on(&mut self, found: &Found) {
        for (id, fate) in &found.fates {
            if let (Fate::Ended(outcome), Some(job)) = (fate, self.jobs.get_mut(id)) {
                job.ended.get_or_insert_with(|| outcome.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(said: &[Said], fate: &Fate) -> bool {
        let mut account = Account::default();
        for said in said {
            account.hear(said).unwrap();
        }
        let found = Found {
            fates: [("a".to_owned(), fate.clone())].into(),
            damaged: 0,
        };
        account.judge(&found).is_ok()
    }

    #[test]
    fn a_job_that_was_accepted_is_known_and_starts_once_and_keeps_its_outcome() {
        let (id, ended) = ("a".to_owned(), "Processed 7".to_owned());
        let interrupted = Fate::Ended("Interrupted 0".to_owned());
        let accepted = [Said::Accepted(id.clone())];
        assert!(judge(&accepted, &Fate::Waits) && judge(&accepted, &interrupted));
        assert!(!judge(&accepted, &Fate::Unknown));
        let ran = [&accepted[..], &[Said::Ran(id.clone())]].concat();
        assert!(judge(&ran, &interrupted) && !judge(&ran, &Fate::Waits));
        let out = [&ran[..], &[Said::Ended(id.clone(), ended.clone())]].concat();
        assert!(judge(&out, &Fate::Ended(ended)) && !judge(&out, &interrupted));
        let mut account = Account::default();
        account.hear(&Said::Ran(id.clone())).unwrap();
        assert!(account.hear(&Said::Ran(id)).is_err());
    }
}
