//! The agent as a process.

use std::collections::{HashMap, VecDeque};

use socketman::jobs::ledger::{Register, Store};
use socketman::jobs::table::{Batch, Bounds, Now, Number, Table};
use socketman_lab::disk::SimDisk;

/// An agent between its start and the moment it is killed.
pub(super) struct Agent {
    pub(super) table: Table,
    store: Store<SimDisk>,
    pub(super) register: Register<SimDisk>,
    /// Messages to acknowledge when the job is certain.
    pub(super) callers: HashMap<Number, Vec<u64>>,
    pub(super) running: Vec<Number>,
    pub(super) results: VecDeque<String>,
    pub(super) age: u32,
    /// Most of the ledger is out of date, or it lacks what the register knows.
    pub(super) whole: bool,
    /// The register has everything it has to have.
    pub(super) kept: bool,
}

impl Agent {
    /// Starts on these disks; `None` if the power goes while it does.
    pub(super) fn start(disk: &SimDisk, keep: &SimDisk, boot: u8, context: &str) -> Option<Self> {
        let Ok((store, found)) = Store::open(disk.clone()) else {
            assert!(disk.is_dead(), "{context}");
            return None;
        };
        assert_eq!(found.damaged, 0, "{context}");
        let Ok((register, recalled)) = Register::open(keep.clone()) else {
            assert!(keep.is_dead(), "{context}");
            return None;
        };
        let mut table = Table::read(Bounds::default(), found.records);
        let whole = table.recall(&recalled);
        let age = table.began();
        table.go_on([boot; 16], Now { age, floor: 0 }, &|_| false);
        Some(Agent {
            table,
            store,
            register,
            callers: HashMap::new(),
            running: Vec::new(),
            results: VecDeque::new(),
            age,
            whole,
            kept: true,
        })
    }

    pub(super) fn now(&self) -> Now {
        Now {
            age: self.age,
            floor: 0,
        }
    }

    pub(super) fn write(&mut self, batch: &Batch) -> std::io::Result<()> {
        self.store.write(batch, true)
    }
}
