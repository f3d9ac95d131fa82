//! A ledger of jobs and its register: jobs in every state, one of them longer than a record of the log.

use std::path::Path;
use std::time::Duration;

use durable::Directory;
use serde_json::json;
use socketman::jobs::ledger::{Register, Store};
use socketman::jobs::message::{self, Job, Kind};
use socketman::jobs::table::{Bounds, Known, Now, Number, Start, Table};
use socketman::jobs::{End, Outcome, Source, State};

use super::{assert_same, lay};

/// A ledger, its jobs that were done before it was written as a whole, and the length of a command: one that the log
/// takes in two records.
const FEW: (&str, usize, usize) = ("ledger", 3, 62_000);
/// Of most of these jobs only the ids are left.
const MANY: (&str, usize, usize) = ("ledger-of-many", 200, 100);

const START: Start = Start {
    at: 1_780_000_000,
    boot: *b"the-boot-before-",
};

/// A job as a broker brings it.
fn job(id: &str, msg: &str) -> Job {
    let payload = json!({"id": id, "meta": {"msg": msg}});
    message::parse(payload.to_string().as_bytes()).unwrap()
}

fn printed(text: &str) -> Outcome {
    Outcome {
        exit_code: Some(0),
        duration: Some(Duration::from_millis(1_234)),
        stdout: text.into(),
        ..Outcome::without_command(End::Processed, "", None)
    }
}

struct Agent {
    table: Table,
    store: Store<Directory>,
    register: Register<Directory>,
    now: Now,
}

impl Agent {
    /// The agent that finds what is below `dir`.
    fn open(dir: &Path) -> Self {
        let state = Directory::open(&dir.join("state")).unwrap();
        let keep = Directory::open(&dir.join("keep")).unwrap();
        let (store, found) = Store::open(state).unwrap();
        assert_eq!(found.damaged, 0);
        let (register, recalled) = Register::open(keep).unwrap();
        assert_eq!(recalled.damaged, 0);
        let mut table = Table::read(Bounds::default(), found.records);
        table.recall(&recalled);
        let now = Now {
            age: table.began(),
            floor: table.floor(),
        };
        Agent {
            table,
            store,
            register,
            now,
        }
    }

    fn write(&mut self, whole: bool) {
        let batch = match whole {
            true => self.table.take_snapshot(self.now),
            false => self.table.take_batch(self.now),
        };
        if let Some(batch) = batch {
            self.store.write(&batch, true).unwrap();
            if let Some(page) = &batch.page {
                self.register.write(page).unwrap();
            }
            self.table.written();
        }
        while self.table.poll().is_some() {}
    }

    fn accept(&mut self, source: Source, job: Job, start: Option<Start>) -> Number {
        let number = self.table.accept(source, job, true, start, self.now);
        self.write(false);
        number.unwrap()
    }

    fn run(&mut self, source: Source, job: Job, outcome: Outcome) {
        let number = self.accept(source, job, Some(START));
        self.now.age += 7;
        self.table.finish(number, outcome, self.now);
        self.write(false);
        self.table.reported(number, self.now);
        self.write(false);
    }
}

/// A command of `len` bytes.
fn long(len: usize) -> String {
    let mut command: String = (0..)
        .map_while(|n| (n * 8 < len).then(|| format!("echo {n}; ")))
        .collect();
    command.truncate(len);
    command
}

/// Writes a ledger as a whole when `done` jobs have run, and goes on after it, with a command of `len` bytes among
/// others.
fn live(dir: &Path, done: usize, len: usize) {
    let mut agent = Agent::open(dir);
    for n in 0..done {
        agent.run(
            Source::Mqtt,
            job(&format!("op-{n}"), "uptime"),
            printed("up 3 days\n"),
        );
    }
    let undone = Outcome {
        rolled_back: true,
        success: false,
        reason: Some("the way out was not back within 120 s; undone".into()),
        ..printed("")
    };
    agent.run(Source::Ubus, job("network", "uci commit network"), undone);
    agent.now.floor = 1_780_000_100;
    agent.table.time(agent.now);
    agent.write(true);

    let signed = Job {
        type_name: "audit".into(),
        timeout: Some(Duration::from_secs(90)),
        timestamp: Some(1_780_000_000),
        expires: Some(1_790_000_000),
        device: Some("94:83:c4:a1:b2:10".into()),
        live: true,
        sig: Some("c2lnbmF0dXJl".into()),
        ..job("signed", "logread")
    };
    agent.run(Source::Mqtt, signed, printed("é: not ASCII\n"));
    let number = agent.accept(Source::Mqtt, job("unreported", "logread"), None);
    agent.table.start(number, START);
    agent.write(false);
    agent.table.finish(number, printed("a lot\n"), agent.now);
    agent.write(false);
    let killed = Outcome {
        exit_code: None,
        signal: Some(9),
        success: false,
        truncated: true,
        stderr: "what it said\n".into(),
        reason: Some("timed out after 90 s".into()),
        ..printed("")
    };
    agent.run(Source::Mqtt, job("killed", "sleep 1000"), killed);
    let number = agent.accept(Source::Mqtt, job("expired", "date"), None);
    let expired = Outcome::without_command(End::Rejected, "", Some("expired".into()));
    agent.table.finish(number, expired, agent.now);
    agent.write(false);
    let detached = Job {
        detach: true,
        ..job("detached", "iperf3 -s")
    };
    agent.accept(Source::Mqtt, detached, Some(START));
    let reboot = Job {
        kind: Kind::Reboot,
        type_name: "reboot".into(),
        msg: String::new(),
        ..job("reboot", "-")
    };
    agent.accept(Source::Mqtt, reboot, Some(START));
    let upgrade = Job {
        kind: Kind::Upgrade,
        type_name: "upgrade".into(),
        ..job("upgrade", r#"{"kind":"package"}"#)
    };
    agent.accept(Source::Mqtt, upgrade, None);
    agent.accept(Source::Mqtt, job("waiting", &long(len)), None);
    agent.now.age += 100;
    agent.table.time(agent.now);
    agent.write(false);
}

/// Every state of the table after [`live`].
fn assert_known(dir: &Path, done: usize, len: usize) {
    let agent = Agent::open(dir);
    let table = &agent.table;
    let outcome = |source, id: &str| match table.known(source, id) {
        Some(Known::Finished(outcome)) => outcome,
        other => panic!("{id}: {other:?}"),
    };
    for n in 0..done {
        assert!(outcome(Source::Mqtt, &format!("op-{n}")).success, "{n}");
    }
    let network = outcome(Source::Ubus, "network");
    assert!(network.rolled_back && !network.success);
    assert_eq!(outcome(Source::Mqtt, "signed").stdout, "é: not ASCII\n");
    assert_eq!(outcome(Source::Mqtt, "unreported").stdout, "a lot\n");
    let killed = outcome(Source::Mqtt, "killed");
    assert_eq!(killed.reason.as_deref(), Some("timed out after 90 s"));
    assert_eq!((killed.signal, killed.truncated), (Some(9), true));
    assert_eq!(killed.duration, Some(Duration::from_millis(1_234)));
    assert_eq!(outcome(Source::Mqtt, "expired").end, End::Rejected);

    let number = |id| table.number(Source::Mqtt, id).unwrap();
    let started: Vec<Number> = table.started().collect();
    assert_eq!(started, [number("detached"), number("reboot")]);
    let long = long(len);
    for (id, command, kind) in [
        ("upgrade", r#"{"kind":"package"}"#, Kind::Upgrade),
        ("waiting", &long, Kind::Shell),
    ] {
        assert_eq!(table.state(number(id)), Some(State::Queued), "{id}");
        let job = table.job(number(id)).unwrap();
        assert_eq!((job.msg.as_str(), job.kind), (command, kind));
    }
    assert!(table.job(number("detached")).unwrap().detach);
    assert_eq!(table.ids(Source::Mqtt), done + 8);
    assert_eq!(table.ids(Source::Ubus), 1);
    assert_eq!(table.floor(), 1_780_000_100);
    assert_eq!(u64::from(table.began()), 7 * (done as u64 + 3) + 100);
    assert!(table.known(Source::Mqtt, "never").is_none());
}

#[test]
fn a_ledger_of_the_version_before_is_known_job_by_job() {
    for (name, done, len) in [FEW, MANY] {
        let tmp = tempfile::tempdir().unwrap();
        lay(name, tmp.path());
        assert_known(tmp.path(), done, len);
        // The register alone still tells which ids may not run again.
        std::fs::remove_dir_all(tmp.path().join("state")).unwrap();
        let agent = Agent::open(tmp.path());
        for id in [
            "op-0",
            "signed",
            "unreported",
            "killed",
            "detached",
            "reboot",
        ] {
            let known = agent.table.known(Source::Mqtt, id);
            assert!(matches!(known, Some(Known::Finished(_))), "{id}: {known:?}");
        }
        assert!(agent.table.known(Source::Mqtt, "waiting").is_none());
    }
}

#[test]
fn a_ledger_is_written_as_the_version_before_wrote_it() {
    let (name, done, len) = FEW;
    let tmp = tempfile::tempdir().unwrap();
    live(tmp.path(), done, len);
    assert_same(tmp.path(), name);

    // Of many ids the register has shorter records since then; the ledger is the same.
    let (name, done, len) = MANY;
    let tmp = tempfile::tempdir().unwrap();
    live(tmp.path(), done, len);
    assert_same(&tmp.path().join("state"), &format!("{name}/state"));
    assert_known(tmp.path(), done, len);
}
