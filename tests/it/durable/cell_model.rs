//! A model of the cell: its allowed states after any calls and any faults of its disk.

use durable::Cell;
use socketman_lab::disk::{Chooser, SimDisk};

/// A cell on a simulated disk, and which value it has to have.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) disk: SimDisk,
    /// The value that survives, and those written since without that certainty.
    certain: Option<Vec<u8>>,
    attempts: Vec<Vec<u8>>,
    /// Values written so far.
    writes: usize,
}

fn cell() -> Cell {
    Cell::new("floor")
}

impl Subject {
    /// A cell that never was.
    pub(crate) fn new() -> Self {
        Subject {
            disk: SimDisk::new(),
            certain: None,
            attempts: Vec::new(),
            writes: 0,
        }
    }

    /// Writes values of their own until there were `count` or the power is cut.
    pub(crate) fn run(&mut self, count: usize) {
        while self.writes < count && !self.disk.is_dead() {
            self.write();
        }
    }

    fn write(&mut self) {
        self.writes += 1;
        let value = vec![self.writes as u8; 1 + self.writes % 90];
        if cell().write(&mut self.disk, &value).is_ok() {
            self.certain = Some(value);
            self.attempts.clear();
        } else {
            self.attempts.push(value);
        }
    }

    /// True if there may be this value, after a kill or a power cut.
    fn may_have(&self, value: &Option<Vec<u8>>) -> bool {
        let attempted = |value| self.attempts.contains(value);
        *value == self.certain || value.as_ref().is_some_and(attempted)
    }

    /// Lets the disk work again: the cell has a value it may have, and takes a new one.
    pub(crate) fn recover(&mut self) {
        self.disk.set_fault(None);
        self.disk.set_capacity(None);
        let value = cell().read(&mut self.disk).expect("a value, or none");
        assert!(self.may_have(&value), "{value:?} in {self:?}");
        self.write();
        assert!(self.attempts.is_empty(), "a disk that works is enough");
        assert_eq!(cell().read(&mut self.disk).unwrap(), self.certain);
    }

    /// Checks one outcome of a power cut at this moment.
    pub(crate) fn crash(&self, chooser: &mut Chooser) -> Subject {
        let mut disk = self.disk.crash(chooser);
        let value = cell().read(&mut disk).expect("it is whole");
        assert!(self.may_have(&value), "{value:?} left of {self:?}");
        Subject {
            disk,
            certain: value,
            attempts: Vec::new(),
            writes: self.writes,
        }
    }
}
