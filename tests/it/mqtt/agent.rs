//! The agent's two parts.

use std::time::Duration;

use socketman::config::{Config, Secret};
use socketman::process::clock::Pace;
use socketman::{jobs, mqtt};
use socketman_lab::within::within;
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::MAC;

pub(crate) fn config(port: u16) -> Config {
    Config::default().with(|config| {
        config.broker.topic = "fleet".into();
        config.broker.key = Secret::new("secret");
        config.broker.host = "127.0.0.1".into();
        config.broker.port = port;
        config.spread = Duration::ZERO;
        config.ping.off = true;
        config.ping.interval = Duration::from_secs(30);
        config.jobs.timeout = Duration::from_secs(60);
        config.jobs.workers = 4;
        config.pace = Pace::faster(50);
    })
}

/// The agent's two parts.
pub(crate) struct Agent {
    pub(crate) facts: watch::Receiver<mqtt::Facts>,
    pub(crate) jobs: jobs::Handle,
    stop_link: oneshot::Sender<()>,
    stop_jobs: oneshot::Sender<()>,
    link: JoinHandle<mqtt::Supply>,
    worker: JoinHandle<()>,
    _state: TempDir,
    _options: watch::Sender<jobs::Settings>,
}

pub(crate) async fn asked(receiver: oneshot::Receiver<()>) {
    let _ = receiver.await;
}

impl Agent {
    pub(crate) fn start(mut config: Config) -> Self {
        let dir = TempDir::new().unwrap();
        config.state_dir = dir.path().join("state");
        let (sender, options) = watch::channel((&config).into());
        let (part, jobs, outlets) = jobs::new(options, watch::channel(MAC.parse().unwrap()).1);
        let (stop_jobs, stopped) = oneshot::channel();
        let worker = tokio::spawn(part.run(asked(stopped), Duration::from_secs(2)));
        let (facts_sender, facts) = watch::channel(mqtt::Facts::default());
        let (stop_link, stopped) = oneshot::channel();
        let link = tokio::spawn(mqtt::run(
            (&config).into(),
            MAC.parse().unwrap(),
            jobs.clone(),
            mqtt::Supply::new(outlets.broker, outlets.live),
            facts_sender,
            asked(stopped),
        ));
        Agent {
            facts,
            jobs,
            stop_link,
            stop_jobs,
            link,
            worker,
            _state: dir,
            _options: sender,
        }
    }

    pub(crate) async fn online(port: u16) -> Self {
        let mut agent = Agent::start(config(port));
        agent.connected(true).await;
        agent
    }

    pub(crate) async fn connected(&mut self, connected: bool) {
        let facts = self.facts.wait_for(|facts| facts.connected == connected);
        within("agent's connection", facts).await.unwrap();
    }

    /// Why it is not connected.
    pub(crate) async fn error(&mut self) -> String {
        let seen = self.facts.wait_for(|facts| facts.last_error.is_some());
        within("error", seen)
            .await
            .unwrap()
            .last_error
            .clone()
            .unwrap()
    }

    /// The orderly end: jobs first, so that their results can still be sent.
    pub(crate) async fn stop(self) {
        self.stop_jobs.send(()).unwrap();
        within("jobs end", self.worker).await.unwrap();
        let began = Instant::now();
        self.stop_link.send(()).unwrap();
        within("link ends", self.link).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    /// The end without a word.
    pub(crate) async fn die(self) {
        self.link.abort();
        self.worker.abort();
        assert!(self.link.await.unwrap_err().is_cancelled());
    }
}
