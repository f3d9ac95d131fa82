//! The part of the agent that delivers, and the server it delivers to.

#[path = "../../../crates/spool/src/tests/line.rs"]
mod line;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use socketman::config::{Config, Secret};
use socketman::health;
use socketman::lookup::Resolver;
use socketman::process::ask::asks;
use socketman::process::clock::{Clock, Pace};
use socketman::process::shutdown::{shutdown, Trigger};
use socketman::upload;
use socketman_lab::collector::{Collector, Mode};
use spool::Stamp;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) use line::line;

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
pub(crate) const MAC: &str = "0A:1B:2C:3D:4E:5F";
pub(crate) const TOKEN: &str = "t0p&secret=?#";
pub(crate) const BOOT: &str = "6f1c0d2e-aaaa-4bbb-8ccc-1234567890ab";

pub(crate) fn config(stats_url: String) -> Config {
    Config::default().with(|config| {
        config.upload.url = stats_url.into();
        config.api.token = Secret::new(TOKEN);

        // A heartbeat lasts 200 ms.
        config.pace = Pace::faster(300);
    })
}

/// A collector that behaves so, and an agent that has some reports for it.
pub(crate) async fn facing(mode: Mode, reports: u64) -> (TempDir, Collector, Agent) {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    collector.set(mode).await.unwrap();
    let agent = Agent::start(tmp.path(), config(collector.url("/")));
    agent.append(reports).await;
    (tmp, collector, agent)
}

/// A spool and an uploader, as the agent has them.
pub(crate) struct Agent {
    pub(crate) spool: spool::Handle,
    pub(crate) facts: watch::Receiver<upload::Facts>,
    pub(crate) deliveries: upload::Handle,
    pub(crate) health: watch::Sender<health::Facts>,
    pub(crate) stop: Trigger,
    pub(crate) spool_task: JoinHandle<()>,
    pub(crate) upload_task: JoinHandle<()>,
}

impl Agent {
    pub(crate) fn start(dir: &Path, config: Config) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        let file = dir.join("clock");
        set_clock(&file, 0, true);
        Self::start_by(dir, config, Clock::new(Some(file)))
    }

    pub(crate) fn start_by(dir: &Path, config: Config, clock: Clock) -> Self {
        let settings = spool::Settings {
            boot_id: BOOT.to_owned(),
            crashes: Arc::new(()),
            clock: Box::new(clock),
            place: spool::Place {
                dir: dir.join("spool"),
                max: config.spool.max,
                flash: None,
                left: Vec::new(),
            },
        };
        let (spool, inbox) = spool::Handle::new();
        let spool_task = tokio::spawn(spool::run(settings, inbox));
        let (sender, facts) = watch::channel(upload::Facts::default());
        let (stop, stopped) = shutdown();
        let (deliveries, asks) = asks(facts.clone());
        let (health, health_known) = watch::channel(health::Facts::default());
        let part = upload::Part {
            settings: (&config).into(),
            mac: MAC.parse().unwrap(),
            spool: spool.clone(),
            resolver: Resolver::system("lookup"),
            health: health_known,
            dates: Default::default(),
            commands: Default::default(),
            facts: sender,
            asks,
        };
        let upload_task = tokio::spawn(upload::run(part, stopped));
        Agent {
            spool,
            facts,
            deliveries,
            health,
            stop,
            spool_task,
            upload_task,
        }
    }

    pub(crate) async fn append(&self, count: u64) {
        for _ in 0..count {
            self.spool
                .append(|stamp| line(stamp, 0))
                .await
                .unwrap()
                .unwrap();
        }
    }

    /// Waits until the uploader says something of the kind.
    pub(crate) async fn facts(&self, what: impl FnMut(&upload::Facts) -> bool) -> upload::Facts {
        let mut facts = self.facts.clone();
        let wait = tokio::time::timeout(DEADLINE, facts.wait_for(what));
        let newest = wait.await.expect("in time").unwrap().clone();
        newest
    }

    /// Waits until an attempt has failed, and returns why.
    pub(crate) async fn failure(&self) -> String {
        self.facts(|facts| facts.last_error.is_some())
            .await
            .last_error
            .unwrap()
    }

    /// Waits until the spool has dropped so many reports.
    pub(crate) async fn dropped(&self, count: u64) {
        let mut facts = self.spool.facts();
        let wait = tokio::time::timeout(DEADLINE, facts.wait_for(|f| f.dropped == count));
        wait.await.expect("in time").unwrap();
    }

    pub(crate) async fn reports_left(&self, count: u64) {
        let mut facts = self.spool.facts();
        let wait = tokio::time::timeout(DEADLINE, facts.wait_for(|f| f.reports == count));
        wait.await.expect("in time").unwrap();
    }

    pub(crate) async fn stop(self) {
        self.stop.fire();
        self.upload_task.await.unwrap();
        drop(self.spool);
        self.spool_task.await.unwrap();
    }

    /// Ends both tasks, as a kill does.
    pub(crate) async fn kill(self) {
        self.upload_task.abort();
        self.spool_task.abort();
        assert!(self.upload_task.await.unwrap_err().is_cancelled());
        assert!(self.spool_task.await.unwrap_err().is_cancelled());
    }
}

/// Has the clock in `file` wrong by `offset` seconds; `synced` is what the kernel says of it.
pub(crate) fn set_clock(file: &Path, offset: i64, synced: bool) {
    std::fs::write(file, format!("{offset} {}\n", u8::from(synced))).unwrap();
}

pub(crate) async fn collector(dir: &Path) -> Collector {
    Collector::start(([127, 0, 0, 1], 0).into(), dir)
        .await
        .unwrap()
}

pub(crate) fn seqs(collector: &Collector) -> Vec<u64> {
    collector.reports().iter().map(|id| id.seq).collect()
}
