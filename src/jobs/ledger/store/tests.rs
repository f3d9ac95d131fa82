//! Batches on a disk that fails.

use durable::Directory;

use super::*;
use crate::jobs::message::Job;
use crate::jobs::outcome::{End, Outcome};
use crate::jobs::table::{Key, Start};
use crate::jobs::Source;

/// A directory with little room, whose syncs fail for a while.
struct Failing {
    directory: Directory,
    room: usize,
    failing_syncs: u32,
    syncs_names: bool,
}

impl Disk for Failing {
    durable::pass_on!(self => self.directory; list size read create truncate rename remove);

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.room {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.directory.append(name, bytes)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        match self.failing_syncs {
            0 => self.directory.sync(name),
            _ => {
                self.failing_syncs -= 1;
                Err(io::Error::other("does not sync"))
            }
        }
    }

    fn sync_names(&mut self) -> io::Result<()> {
        match self.syncs_names {
            true => self.directory.sync_names(),
            false => Err(io::Error::other("does not sync names")),
        }
    }
}

fn accepted(id: &str, msg: &str) -> Record {
    let payload = serde_json::json!({"id": id, "meta": {"msg": msg}}).to_string();
    let job: Job = message::parse(payload.as_bytes()).unwrap();
    Record::Accepted {
        key: Key::new(Source::Mqtt, id),
        source: Source::Mqtt,
        start: Some(Start {
            at: 7,
            boot: [1; 16],
        }),
        job: Box::new(job),
    }
}

fn finished(id: &str) -> Record {
    let outcome = Outcome::without_command(End::Processed, "", None);
    Record::Finished {
        key: Key::new(Source::Mqtt, id),
        outcome: outcome.into(),
        reported: None,
    }
}

fn batch(records: &[Record]) -> Batch {
    Batch {
        records: records.to_vec(),
        replaces: false,
        uncertain: 0,
        urgent: true,
        page: None,
    }
}

/// The records found after a job that started, and those of a batch that the disk, made to fail by `fail`, did
/// not take.
fn left_of(failing: &Batch, fail: impl FnOnce(&mut Failing)) -> Vec<Record> {
    let tmp = tempfile::tempdir().unwrap();
    let disk = Failing {
        directory: Directory::open(&tmp.path().join("state")).unwrap(),
        room: usize::MAX,
        failing_syncs: 0,
        syncs_names: true,
    };
    let (mut store, _) = Store::open(disk).unwrap();
    store
        .write(&batch(&[accepted("runs", "true")]), true)
        .unwrap();
    fail(&mut store.disk);
    store.write(failing, true).unwrap_err();
    let mut disk = store.into_disk();
    (disk.failing_syncs, disk.syncs_names) = (0, true);
    Store::open(disk).unwrap().1.records
}

#[test]
fn outcomes_are_kept_of_a_batch_that_has_a_job_too_long_for_the_disk() {
    let long = accepted("long", &"x".repeat(100_000));
    for records in [
        [finished("runs"), long.clone()],
        [long.clone(), finished("runs")],
    ] {
        let left = left_of(&batch(&records), |disk| disk.room = 1_000);
        assert_eq!(left, [accepted("runs", "true"), finished("runs")]);
    }
}

#[test]
fn of_a_job_that_is_refused_no_outcome_is_kept_either() {
    // It was cancelled before the disk had it.
    let records = [accepted("new", "true"), finished("new"), finished("runs")];
    let left = left_of(&batch(&records), |disk| disk.failing_syncs = 1);
    assert_eq!(left, [accepted("runs", "true"), finished("runs")]);
}

#[test]
fn nothing_is_left_of_a_job_that_is_refused_while_the_ledger_is_rewritten() {
    let new = Batch {
        replaces: true,
        uncertain: 1,
        ..batch(&[finished("runs"), accepted("new", "true")])
    };
    // The new file is in place, and the medium may have another one.
    let left = left_of(&new, |disk| disk.syncs_names = false);
    assert_eq!(left, [finished("runs")]);
    let left = left_of(&new, |disk| disk.failing_syncs = 1);
    assert_eq!(left, [accepted("runs", "true")]);
}
