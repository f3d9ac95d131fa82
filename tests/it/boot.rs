//! The memory of reboots on a disk that loses its power or fails at any moment.

use socketman::boot::{Book, Change, ChangeError, Now, Why, REBOOTS};
use socketman_lab::disk::{Call, Chooser, Error, Fault, SimDisk, When};
use socketman_lab::schedules::{seeds, Schedules};

/// Boots of the scenario.
const BOOTS: usize = 6;

/// A device that reboots in every boot as often as it may.
#[derive(Debug)]
struct Life {
    disk: SimDisk,
    /// Reboots that were asked for: each was recorded before.
    asked: usize,
    boot: usize,
}

impl Life {
    fn new() -> Self {
        Life {
            disk: SimDisk::new(),
            asked: 0,
            boot: 0,
        }
    }

    /// Lives through boots until the power is gone. No time passes that would count.
    fn run(&mut self, boots: usize) {
        while self.boot < boots && !self.disk.is_dead() {
            self.boot += 1;
            let boot = format!("boot-{}", self.boot);
            let now = Now {
                boot: &boot,
                uptime: 60,
            };
            let Ok(mut book) = Book::open(self.disk.clone(), now) else {
                continue;
            };
            // An end of the outage that is not recorded keeps the next one from its reboot.
            let _ = book.change(Change::Online, now);
            match book.change(Change::Reboot(Why::Recovery), now) {
                Ok(()) => self.asked += 1,
                Err(ChangeError::Refused(_) | ChangeError::Cell(_) | ChangeError::Disk(_)) => {}
            }
            assert!(self.asked <= REBOOTS, "{self:?}");
        }
    }

    /// The state after the power is back: no reboot is forgotten, and no further one happens.
    fn check(mut self, disk: SimDisk) {
        self.disk = disk;
        let now = Now {
            boot: "after",
            uptime: 60,
        };
        let book = Book::open(self.disk.clone(), now).expect("a disk that works is enough");
        let known = book.memory().counters.used();
        assert!(known >= self.asked, "{known} are known: {self:?}");
        // One that was recorded and not asked for may be known, too.
        assert!(known <= REBOOTS);
        self.run(self.boot + 4);
    }
}

fn calls() -> u64 {
    let mut life = Life::new();
    life.run(BOOTS);
    assert_eq!(life.asked, REBOOTS);
    life.disk.calls()
}

#[test]
fn a_power_cut_at_any_call_with_any_outcome_forgets_no_reboot() {
    let mut schedules = 0;
    for call in 0..calls() {
        schedules += Chooser::all(|chooser| {
            let mut life = Life::new();
            life.disk.cut_power_at(call);
            life.run(BOOTS);
            assert!(life.disk.is_dead());
            let disk = life.disk.crash(chooser);
            life.check(disk);
        });
    }
    println!("reboots, one power cut: all {schedules} outcomes");
    assert!(schedules > 5000);
}

#[test]
fn a_disk_that_fails_at_any_call_makes_no_reboot_more() {
    let mut schedules = 0;
    for error in [Error::NoSpace, Error::Io] {
        let at = (0..calls()).flat_map(|call| [When::At(call), When::From(call)]);
        let kinds = [Call::Create, Call::Append, Call::Rename, Call::SyncNames];
        for when in at.chain(kinds.map(When::Every)) {
            let mut life = Life::new();
            life.disk.set_fault(Some(Fault { error, when }));
            life.run(BOOTS);
            life.disk.set_fault(None);
            for seed in 0..5 {
                let disk = life.disk.crash(&mut Chooser::seeded(seed));
                let (asked, boot) = (life.asked, life.boot);
                let life = Life {
                    disk: disk.fork(),
                    asked,
                    boot,
                };
                life.check(disk);
                schedules += 1;
            }
        }
    }
    println!("reboots, failing calls: {schedules} schedules");
    assert!(schedules > 1000);
}

#[test]
fn faults_and_power_cuts_by_chance_forget_no_reboot() {
    let mut schedules = Schedules::of("reboots, by chance");
    for seed in seeds() {
        let mut chooser = Chooser::seeded(seed);
        let mut life = Life::new();
        for round in 1..=3 {
            let from = life.disk.calls();
            let call = from + chooser.choose(20) as u64;
            let when = [When::At(call), When::From(call)][chooser.choose(2)];
            let error = [Error::NoSpace, Error::Io][chooser.choose(2)];
            life.disk.set_fault(Some(Fault { error, when }));
            life.disk.cut_power_at(from + chooser.choose(30) as u64);
            life.run(round * 3);
            life.disk = life.disk.crash(&mut chooser);
        }
        let disk = life.disk.fork();
        life.check(disk);
        schedules.add(1);
    }
    schedules.report();
}
