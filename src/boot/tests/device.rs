//! A device that boots and boots again, with agents that live as long as they are let.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::sync::watch;

use crate::boot::{log_size, run, Change, Facts, Part, Records, SystemLog, Why};
use crate::collect::{DeviceEvents, Event};
use crate::config::{self, Config};
use crate::process::clock::Pace;
use crate::process::shutdown::shutdown;

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

    /// An agent of this boot, which lives until the report is kept, or dies before.
    pub(super) async fn agent(&self, lives: bool) -> Told {
        let records = self.records();
        let events = DeviceEvents::default();
        let (facts, known) = watch::channel(Facts::default());
        let (ready, mut is_ready) = watch::channel(false);
        let (keep, kept) = watch::channel(false);
        let (end, ends) = shutdown();
        let part = Part {
            log: self.log(&records, &Config::default().spool),
            pace: Pace::REAL,
            code: watch::channel(None).1,
            events: events.clone(),
            facts,
            ready,
            kept,
        };
        // Its end would end the part, as that of health does.
        let (_code, code) = watch::channel(None);
        let part = Part { code, ..part };
        let agent = tokio::spawn(run(part, ends));
        is_ready.wait_for(|ready| *ready).await.unwrap();
        let (told, lost) = events.take_all();
        assert!(told.len() <= 1 && lost == 0, "{told:?}");
        let cause = known.borrow().now().cause.map_or("", |cause| cause.name());
        if lives {
            keep.send_replace(true);
            // The agent's own thread: a second one would write over what it writes.
            let mut looks = 0;
            while told.len() == 1 && !is_told(&records, &self.boot()).await {
                looks += 1;
                assert!(looks < 1000, "it does not remember");
                tokio::task::yield_now().await;
            }
        }
        end.fire();
        agent.await.unwrap();
        Told {
            cause,
            event: told.into_iter().next(),
        }
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
