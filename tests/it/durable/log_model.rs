//! A model of the log: its allowed states after any calls and any faults of its disk.

use durable::{Log, HEAD};
use socketman_lab::disk::{Chooser, SimDisk};

use super::log_content::{open, Content, Record, NAME};

/// A call to the log.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A record of so many bytes.
    Append(usize),
    /// A record that has whole records of another log inside, those that would come next; or one like
    /// any other, if the file may still lose its beginning.
    AppendHostile,
    Sync,
    /// So many records in the place of all.
    Replace(usize),
    /// A kill and a start: the log is opened again.
    Reopen,
}

/// More than 200 operations of every kind, in every order that matters.
pub(crate) fn scenario() -> Vec<Step> {
    let mut steps = Vec::new();
    for round in 0..14 {
        for n in 0..4 {
            steps.extend([Step::Append(1 + (round + n) % 5), Step::Append(3)]);
            if n % 2 == round % 2 {
                steps.push(Step::AppendHostile);
            }
            if (n + round) % 5 == 4 {
                steps.push(Step::Reopen);
            }
            steps.push(Step::Sync);
        }
        match round % 3 {
            0 => steps.push(Step::Replace(round % 4)),
            1 => steps.extend([Step::Append(2), Step::Replace(2)]),
            _ => steps.push(Step::Reopen),
        }
    }
    assert!(steps.len() >= 200, "{} operations", steps.len());
    steps
}

/// Steps by chance.
pub(crate) fn random_steps(chooser: &mut Chooser, count: usize) -> Vec<Step> {
    let mut step = || match chooser.choose(12) {
        0..5 => Step::Append(1 + chooser.choose(60)),
        5 => Step::AppendHostile,
        6..9 => Step::Sync,
        9 => Step::Replace(chooser.choose(5)),
        _ => Step::Reopen,
    };
    (0..count).map(|_| step()).collect()
}

/// A log on a simulated disk, and what there has to be in it.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) disk: SimDisk,
    log: Option<Log>,
    now: Content,
    /// Older contents that a power cut may bring back, with their bytes.
    before: Vec<(Content, Vec<u8>)>,
}

impl Subject {
    /// A log that never was.
    pub(crate) fn new() -> Self {
        Subject {
            disk: SimDisk::new(),
            log: None,
            now: Content {
                records: Vec::new(),
                ends: Vec::new(),
                certain: 0,
                base: 1,
                is_certain: false,
                holes: (0, 0),
            },
            before: Vec::new(),
        }
    }

    /// Does `steps` until the power is cut; returns those not begun. A step that fails otherwise is
    /// left out.
    pub(crate) fn run<'a>(&mut self, steps: &'a [Step]) -> &'a [Step] {
        for (n, step) in steps.iter().enumerate() {
            if self.disk.is_dead() {
                return &steps[n..];
            }
            self.step(step);
        }
        &[]
    }

    fn step(&mut self, step: &Step) {
        // A sync that failed is known to the log only: a kill before it is made good loses that.
        if matches!(step, Step::Reopen) && !self.disk.is_doubtful() {
            self.log = None;
        }
        let Some(mut log) = self.log.take().or_else(|| self.reopen()) else {
            return;
        };
        let next = self.now.next();
        match step {
            Step::Append(len) => self.append(&mut log, vec![next as u8; *len]),
            Step::AppendHostile if self.now.is_certain => {
                self.append(&mut log, [record(next), record(next + 1)].concat())
            }
            Step::AppendHostile => self.append(&mut log, vec![next as u8; 2]),
            Step::Sync => {
                if log.sync(&mut self.disk).is_ok() {
                    self.now.certain = self.now.records.len();
                    self.now.is_certain |= self.now.next() > 1;
                    self.before.clear();
                }
            }
            Step::Replace(count) => self.replace(&mut log, *count),
            Step::Reopen => {}
        }
        if !self.disk.is_dead() {
            assert_eq!(log.next_sequence(), self.now.next());
        }
        self.log = Some(log);
    }

    fn append(&mut self, log: &mut Log, payload: Vec<u8>) {
        if let Ok(sequence) = log.append(&mut self.disk, &payload) {
            assert_eq!(sequence, self.now.next());
            self.now.records.push((sequence, payload));
            self.now.ends.push(log.size());
        }
    }

    fn replace(&mut self, log: &mut Log, count: usize) {
        let base = self.now.next();
        let payloads = (0..count).map(|n| vec![n as u8 + 100; n % 3 + 1]);
        let records: Vec<Record> = (base..).zip(payloads.clone()).collect();
        let mut end = HEAD;
        let ends = payloads.clone().map(|payload| {
            end += HEAD + payload.len();
            end as u64
        });
        let new = Content {
            certain: records.len(),
            ends: ends.collect(),
            records,
            base,
            is_certain: true,
            holes: (0, 0),
        };
        let image = self.image();
        let replaced = log.replace(&mut self.disk, &mut payloads.into_iter());
        let took_place = (log.next_sequence(), log.size()) == (new.next(), new.bytes());
        assert!(took_place || replaced.is_err());
        if replaced.is_ok() {
            self.before.clear();
            self.now = new;
        } else if took_place {
            let before = std::mem::replace(&mut self.now, new);
            self.before.push((before, image));
        }
    }

    /// The bytes of the log as a reader sees them.
    fn image(&self) -> Vec<u8> {
        self.disk.content(NAME).unwrap_or_default()
    }

    /// Opens the log as after a kill: nothing may be missing.
    fn reopen(&mut self) -> Option<Log> {
        let found = open(&mut self.disk.clone()).ok()?;
        assert_eq!(found.records, self.now.records, "a kill loses nothing");
        assert_eq!(found.holes(), self.now.holes);
        Some(found.log)
    }

    /// Lets the disk work again: nothing that was taken may be missing, and the log has to go on.
    pub(crate) fn recover(&mut self) {
        self.disk.set_fault(None);
        self.disk.set_capacity(None);
        let kept = self.now.records.len();
        self.run(&[Step::Append(4), Step::Sync, Step::Reopen]);
        assert_eq!(self.now.records.len(), kept + 1);
        assert_eq!(self.now.certain, kept + 1);
        assert!(self.before.is_empty() && self.log.is_some());
    }

    /// Checks one outcome of a power cut at this moment: it opens, has what it must and nothing that it must
    /// not, and goes on.
    pub(crate) fn crash(&self, chooser: &mut Chooser) -> Subject {
        let mut disk = self.disk.crash(chooser);
        let left = disk.content(NAME).unwrap_or_default();
        let found = open(&mut disk).expect("it opens without help");
        let image = self.image();
        let before = self.before.iter().map(|(content, image)| (content, image));
        let mut known = std::iter::once((&self.now, &image)).chain(before);
        let explained = known.find(|(content, image)| content.explains(&found, &left, image));
        let Some((content, image)) = explained else {
            panic!("{found:?} left of {self:?}");
        };
        let again = open(&mut disk).unwrap();
        assert_eq!(again.records, found.records);
        assert_eq!(again.opened.cut, 0, "the end was repaired");
        let next = found.log.next_sequence();
        let now = Content {
            ends: content.whole_in(&left, image).1,
            base: match found.records.is_empty() {
                true => next,
                false => content.base,
            },
            certain: found.records.len(),
            is_certain: next > 1,
            holes: found.holes(),
            records: found.records,
        };
        Subject {
            disk,
            log: None,
            now,
            before: Vec::new(),
        }
    }
}

/// The bytes of a record of one byte, in another log.
pub(crate) fn record(sequence: u64) -> Vec<u8> {
    use std::cell::RefCell;
    thread_local! {
        static BYTES: RefCell<(SimDisk, Option<Log>)> = RefCell::new((SimDisk::new(), None));
    }
    // Made by a log that came that far.
    BYTES.with_borrow_mut(|(disk, log)| {
        let log = log.get_or_insert_with(|| open(disk).unwrap().log);
        while log.next_sequence() <= sequence {
            log.append(disk, b"!").unwrap();
        }
        let at = HEAD + (sequence as usize - 1) * (HEAD + 1);
        disk.content(NAME).unwrap()[at..at + HEAD + 1].to_vec()
    })
}
