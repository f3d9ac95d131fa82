//! A device that boots and boots again, with agents that live as long as they are let.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use durable::AskError;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep, timeout};

use crate::boot::{log_size, run, Change, Facts, Part, Records, SystemLog, Why};
use crate::collect::{DeviceEvents, Event};
use crate::config::{self, Config};
use crate::process::clock::Pace;
use crate::process::shutdown::{shutdown, Trigger};

/// The cause a boot was reported with.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Told {
    /// Of `status.boot`.
    pub(super) cause: &'static str,
    /// The event in the report, if there was one.
    pub(super) event: Option<Event>,
}

impl Told {
    pub(super) fn detail(&self) -> Option<&str> {
        self.event.as_ref()?.detail.as_deref()
    }
}

/// An agent, and the other ends of what it has.
struct Agent {
    task: JoinHandle<()>,
    records: Records,
    events: DeviceEvents,
    known: watch::Receiver<Facts>,
    is_ready: watch::Receiver<bool>,
    keep: watch::Sender<bool>,
    _code: watch::Sender<Option<u8>>,
    end: Trigger,
}

impl Agent {
    async fn is_ready(&mut self) {
        self.is_ready.wait_for(|ready| *ready).await.unwrap();
    }

    async fn ends(self) {
        self.end.fire();
        self.task.await.unwrap();
    }
}

pub(super) struct Device {
    root: TempDir,
    boots: u32,
}

impl Device {
    pub(super) fn new() -> Self {
        let device = Device {
            root: TempDir::new().unwrap(),
            boots: 1,
        };
        device.release("24.10.1");
        device
    }

    /// A path below its root, with everything above it.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        let path = self.root.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    pub(super) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(super) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(path), bytes).unwrap();
    }

    pub(super) fn release(&self, release: &str) {
        let text =
            format!("DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='{release}'\nDISTRIB_REVISION='r1'\n");
        self.write("/etc/openwrt_release", text);
    }

    /// The kernel's id of this boot.
    pub(super) fn boot(&self) -> String {
        format!("boot-{}", self.boots)
    }

    pub(super) fn reboots(&mut self) {
        self.boots += 1;
    }

    /// The init script's shutdown().
    pub(super) fn shuts_down(&mut self) {
        let state = self.path("/state/keep");
        fs::create_dir_all(&state).unwrap();
        let file = self.path("/state/shutdown");
        fs::write(&file, format!("{}\n", self.boot())).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(
            self.path("/state/x").parent().unwrap(),
            fs::Permissions::from_mode(0o700),
        )
        .unwrap();
        fs::set_permissions(state, fs::Permissions::from_mode(0o700)).unwrap();
        self.reboots();
    }

    pub(super) fn records(&self) -> Records {
        let state = self.root.path().join("state");
        Records::new(&state, self.root(), &self.boot(), Pace::REAL)
    }

    pub(super) fn log(&self, records: &Records, spool: &config::Spool) -> SystemLog {
        let (client, _connection) = ubus::connect(&self.root.path().join("ubus.sock"));
        SystemLog {
            client,
            size: watch::channel(log_size(spool)).1,
            records: records.clone(),
        }
    }

    /// Notes a reboot of ours, which comes.
    pub(super) async fn reboots_for(&mut self, why: Why) {
        self.records().change(Change::Reboot(why)).await.unwrap();
        self.reboots();
    }

    /// An agent of this boot.
    fn starts(&self) -> Agent {
        let records = self.records();
        let events = DeviceEvents::default();
        let (facts, known) = watch::channel(Facts::default());
        let (ready, is_ready) = watch::channel(false);
        let (keep, kept) = watch::channel(false);
        // Its end would end the part, as that of health does.
        let (code, judged) = watch::channel(None);
        let (end, ends) = shutdown();
        let part = Part {
            log: self.log(&records, &Config::default().spool),
            pace: Pace::REAL,
            code: judged,
            events: events.clone(),
            facts,
            ready,
            kept,
        };
        Agent {
            task: tokio::spawn(run(part, ends)),
            records,
            events,
            known,
            is_ready,
            keep,
            _code: code,
            end,
        }
    }

    /// An agent of this boot, which lives until the report is kept, or dies before.
    pub(super) async fn agent(&self, lives: bool) -> Told {
        let mut agent = self.starts();
        agent.is_ready().await;
        let (told, lost) = agent.events.take_all();
        assert!(told.len() <= 1 && lost == 0, "{told:?}");
        let cause = agent.known.borrow().now().cause;
        if lives {
            agent.keep.send_replace(true);
            // The agent's own thread: a second one would write over what it writes.
            let mut looks = 0;
            while told.len() == 1 && !is_told(&agent.records, &self.boot()).await {
                looks += 1;
                assert!(looks < 1000, "it does not remember");
                tokio::task::yield_now().await;
            }
        }
        agent.ends().await;
        Told {
            cause: cause.map_or("", |cause| cause.name()),
            event: told.into_iter().next(),
        }
    }

    /// Does an agent of this boot, which lives on, forget a reboot for `why` within `time`?
    pub(super) async fn forgets(&self, why: Why, time: Duration) -> bool {
        let mut agent = self.starts();
        agent.is_ready().await;
        let noted = agent.records.change(Change::Reboot(why)).await.unwrap();
        assert!(noted.is_ending());
        let mut ending = agent.records.ending();
        let forgets = timeout(time, ending.wait_for(|is_ending| !is_ending)).await;
        agent.ends().await;
        forgets.is_ok()
    }

    /// Does an agent of this boot, which lives on, forget a reboot for `why` within `time` that its disk notes late, or when
    /// nobody waits any more?
    pub(super) async fn forgets_late(&self, why: Why, time: Duration, is_cancelled: bool) -> bool {
        let mut agent = self.starts();
        agent.is_ready().await;
        let hangs = agent.records.hang().await;
        let noted = agent.records.change(Change::Reboot(why));
        if is_cancelled {
            let soon = advance(Duration::from_secs(1));
            let (noted, ()) = tokio::join!(timeout(Duration::from_secs(1), noted), soon);
            assert!(noted.is_err(), "the disk does not hang");
        } else {
            let (noted, ()) = tokio::join!(noted, advance(Duration::from_secs(61)));
            let late = AskError::Late.to_string();
            assert_eq!(noted.map(drop), Err(late));
        }
        drop(hangs);
        sleep(time).await;
        let memory = agent.records.change(Change::Hour).await.unwrap();
        agent.ends().await;
        memory.asked.is_none()
    }

    /// The next boot, as its first agent tells it.
    pub(super) async fn tells(&self) -> Told {
        let told = self.agent(true).await;
        let event = told.event.as_ref().expect("an event");
        assert_eq!((event.kind, event.cause), ("boot", Some(told.cause)));
        let again = self.agent(true).await;
        assert_eq!(again.event, None, "told twice in one boot");
        assert_eq!(again.cause, told.cause);
        told
    }
}

async fn is_told(records: &Records, boot: &str) -> bool {
    let memory = records.change(Change::Hour).await.unwrap();
    memory.told.is_some_and(|told| told.boot == boot)
}
