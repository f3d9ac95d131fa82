//! A device that collects, keeps and delivers.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout, Instant};

use super::super::*;
use super::server::Server;
use crate::config::UploadFormat;
use crate::process::ask::asks;
use crate::process::clock::Clock;

/// A device: it collects, keeps and delivers.
pub(super) struct Device {
    pub(super) dir: TempDir,
    pub(super) server: Server,
    pub(super) monitor: Duration,
    pub(super) pad: usize,
    pub(super) spread: Duration,
    pub(super) collected: u64,
    pub(super) spool: spool::Handle,
    pub(super) deliveries: Handle,
    pub(super) facts: watch::Receiver<Facts>,
    pub(super) tasks: Vec<JoinHandle<()>>,
}

impl Device {
    pub(super) fn start(server: &Server, monitor: Duration, pad: usize) -> Self {
        Device::with_spread(server, monitor, pad, Config::default().spread)
    }

    pub(super) fn with_spread(
        server: &Server,
        monitor: Duration,
        pad: usize,
        spread: Duration,
    ) -> Self {
        let (spool, _) = spool::Handle::new();
        let facts = watch::channel(Facts::default()).1;
        let mut device = Device {
            dir: tempfile::tempdir().unwrap(),
            server: server.clone(),
            monitor,
            pad,
            spread,
            collected: 0,
            spool,
            deliveries: asks(facts.clone()).0,
            facts,
            tasks: Vec::new(),
        };
        device.begin();
        device
    }

    pub(super) fn begin(&mut self) {
        let (spool, inbox) = spool::Handle::new();
        let settings = spool::Settings {
            boot_id: "boot".to_owned(),
            crashes: Arc::new(()),
            clock: Box::new(Clock::right()),
            place: spool::Place {
                dir: self.dir.path().join("spool"),
                max: 16 << 20,
                flash: None,
                left: Vec::new(),
            },
        };
        let (sender, facts) = watch::channel(Facts::default());
        let (deliveries, asks) = asks(facts.clone());
        let part = Part {
            settings: (&Config::default().with(|config| {
                config.upload.format = UploadFormat::Ndjson;
                config.spread = self.spread;
            }))
                .into(),
            mac: "0A:1B:2C:3D:4E:5F".parse().unwrap(),
            spool: spool.clone(),
            resolver: lookup::Resolver::system("lookup"),
            health: watch::channel(health::Facts::default()).1,
            dates: Default::default(),
            commands: Default::default(),
            facts: sender,
            asks,
        };
        let server = self.server.clone();
        self.tasks = vec![
            tokio::spawn(spool::run(settings, inbox)),
            tokio::spawn(async move {
                Rounds::new(server, part.spool.clone(), part.setting())
                    .run()
                    .await
            }),
        ];
        (self.spool, self.facts, self.deliveries) = (spool, facts, deliveries);
    }

    /// Kills the agent and starts it again.
    pub(super) async fn restart(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
            let _ = task.await;
        }
        self.begin();
    }

    pub(super) async fn collect(&mut self) {
        let pad = self.pad;
        let build = move |stamp: &spool::Stamp<'_>| {
            let mut rng = fastrand::Rng::with_seed(stamp.seq);
            let pad: String = (0..pad).map(|_| rng.alphanumeric()).collect();
            let report = json!({"seq": stamp.seq, "gaps": stamp.gaps, "pad": pad});
            serde_json::to_vec(&report).unwrap()
        };
        self.spool.append(build).await.unwrap().unwrap();
        self.collected += 1;
    }

    /// Lives for `time`.
    pub(super) async fn live(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.collect().await;
            sleep(self.monitor).await;
        }
    }

    pub(super) fn waits(&self) -> u64 {
        self.spool.facts().borrow().reports
    }

    /// Everything collected was accepted, and nothing is declared missing.
    pub(super) fn lost_nothing(&self, context: &str) {
        let all: Vec<u64> = (1..=self.collected).collect();
        assert_eq!(self.server.accepted(), all, "{context}");
        assert_eq!(self.server.declared(), BTreeMap::new(), "{context}");
        assert_eq!(self.waits(), 0, "{context}");
    }

    /// Waits until nothing is left to deliver.
    pub(super) async fn empty(&self, within: Duration) {
        let mut facts = self.spool.facts();
        let empty = facts.wait_for(|facts| facts.reports == 0);
        if timeout(within, empty).await.is_err() {
            let (spool, upload) = (self.spool.facts(), self.facts.borrow());
            panic!(
                "not delivered within {within:?}: {:?}, {upload:?}",
                spool.borrow()
            );
        }
    }
}
