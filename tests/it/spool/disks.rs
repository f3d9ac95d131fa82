//! The two disks of a spool, which die or fail at a call that is counted over both.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use durable::Disk;
use socketman_lab::disk::{Error, Fault, SimDisk, When};

/// The fault to come, and the number of calls so far.
#[derive(Debug, Default)]
struct Plan {
    calls: u64,
    end: Option<u64>,
    fault: Option<(u64, u64, Error)>,
    /// A fault has hit, or the end has come.
    happened: bool,
    /// The append that the end came before, and its file.
    cut_off: Option<(String, Vec<u8>)>,
}

impl Plan {
    /// The end comes before the next call.
    fn is_last_call(&self) -> bool {
        self.end == Some(self.calls)
    }
}

/// Events that befall both disks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fate(Rc<RefCell<Plan>>);

impl Fate {
    pub(crate) fn calls(&self) -> u64 {
        self.0.borrow().calls
    }

    /// The process ends before the call of this number does anything.
    pub(crate) fn end(&self, at: u64) {
        self.0.borrow_mut().end = Some(at);
    }

    /// The file, and what was to be appended to it when the end came.
    pub(crate) fn cut_off(&self) -> Option<(String, Vec<u8>)> {
        self.0.borrow().cut_off.clone()
    }

    /// Has `count` calls fail from call `from` on.
    pub(crate) fn fail(&self, from: u64, count: u64, error: Error) {
        self.0.borrow_mut().fault = Some((from, count, error));
    }

    /// All calls that had to fail have.
    pub(crate) fn is_past_the_fault(&self) -> bool {
        let plan = self.0.borrow();
        let past = |(from, count, _): (u64, u64, Error)| plan.calls >= from + count;
        plan.fault.is_none_or(past)
    }

    pub(crate) fn heal(&self) {
        self.0.borrow_mut().fault = None;
    }

    pub(crate) fn has_ended(&self) -> bool {
        let plan = self.0.borrow();
        plan.happened && plan.end.is_some()
    }

    pub(crate) fn has_happened(&self) -> bool {
        self.0.borrow().happened
    }
}

/// A disk with a fate.
#[derive(Debug, Clone)]
pub(crate) struct Fated {
    pub(crate) disk: SimDisk,
    pub(crate) fate: Fate,
}

impl Fated {
    /// The disk for one more call.
    fn call(&self) -> io::Result<SimDisk> {
        let mut plan = self.fate.0.borrow_mut();
        let call = plan.calls;
        plan.calls += 1;
        if plan.end.is_some_and(|end| call >= end) {
            plan.happened = true;
            return Err(io::Error::other("dead"));
        }
        let hit = |(from, count, _): &(u64, u64, Error)| (*from..from + count).contains(&call);
        if let Some((_, _, error)) = plan.fault.filter(hit) {
            plan.happened = true;
            self.disk.set_fault(Some(Fault {
                error,
                when: When::At(self.disk.calls()),
            }));
        }
        Ok(self.disk.clone())
    }
}

impl Disk for Fated {
    durable::pass_on!(self => self.call()?; list size read create truncate rename remove sync sync_names);

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
        let is_last = self.fate.0.borrow().is_last_call();
        let called = self.call();
        if is_last {
            let cut_off = Some((name.to_owned(), bytes.to_vec()));
            self.fate.0.borrow_mut().cut_off = cut_off;
        }
        called?.append(name, bytes)
    }
}
