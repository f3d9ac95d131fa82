//! The part with an API, a jobs part and what else it needs.

use std::time::Duration;

use serde_json::{json, Value};
use socketman::config::{Config, Secret};
use socketman::health::{self, Verdict};
use socketman::http::{Dates, Facts};
use socketman::jobs::{self, Decision, Source};
use socketman::lookup::Resolver;
use socketman::process::clock::Pace;
use socketman::rest;
use socketman_lab::collector::{Collector, Request};
use socketman_lab::within::{within, DEADLINE};
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::MAC;

/// The agent's two parts, and the API.
pub(super) struct Site {
    pub(super) api: Collector,
    pub(super) jobs: jobs::Handle,
    pub(super) broker: jobs::Replies,
    pub(super) facts: watch::Receiver<Option<Facts>>,
    pub(super) health: watch::Sender<health::Facts>,
    pub(super) config: Config,
    pub(super) options: watch::Sender<jobs::Settings>,
    pub(super) stop_jobs: oneshot::Sender<()>,
    pub(super) stop_rest: oneshot::Sender<()>,
    pub(super) worker: JoinHandle<()>,
    pub(super) rest: JoinHandle<jobs::Replies>,
    pub(super) _dir: TempDir,
}

pub(super) async fn asked(receiver: oneshot::Receiver<()>) {
    // Sent or dropped, it is the end.
    let _ = receiver.await;
}

impl Site {
    pub(super) async fn new(change: impl FnOnce(&mut Config)) -> Self {
        let dir = TempDir::new().unwrap();
        let any = ([127, 0, 0, 1], 0).into();
        let api = Collector::start(any, dir.path()).await.unwrap();
        let mut config = Config::default().with(|config| {
            config.rest.enabled = true;
            config.rest.url = api.url("/api/v1/").into();
            config.api.token = Secret::new("hush");
            config.spread = Duration::ZERO;
            config.ping.off = true;
            config.jobs.workers = 4;
            config.state_dir = dir.path().join("state");
            config.pace = Pace::faster(50);
        });
        change(&mut config);
        let (sender, options) = watch::channel((&config).into());
        let (part, jobs, outlets) = jobs::new(options, watch::channel(MAC.parse().unwrap()).1);
        let (stop_jobs, stopped) = oneshot::channel();
        let worker = tokio::spawn(part.run(asked(stopped), Duration::from_secs(2)));
        let (facts_sender, facts) = watch::channel(None);
        let (health, health_known) = watch::channel(health::Facts::default());
        let (stop_rest, stopped) = oneshot::channel();
        let part = rest::Part {
            settings: (&config).into(),
            mac: MAC.parse().unwrap(),
            resolver: Resolver::system("lookup"),
            replies: outlets.api,
            dates: Dates::default(),
            commands: Default::default(),
            facts: facts_sender,
            health: health_known,
        };
        Site {
            api,
            jobs,
            broker: outlets.broker,
            facts,
            health,
            config,
            options: sender,
            stop_jobs,
            stop_rest,
            worker,
            rest: tokio::spawn(rest::run(part, asked(stopped))),
            _dir: dir,
        }
    }

    pub(super) async fn submit(&self, job: Value) -> Decision {
        let payload = job.to_string().into_bytes().into();
        self.jobs.submit(payload, Source::Mqtt).unwrap().await
    }

    pub(super) async fn job(&self, id: &str, msg: &str) {
        let decision = self.submit(json!({"id": id, "meta": {"msg": msg}})).await;
        assert_eq!(decision, Decision::Accepted { id: id.into() });
    }

    /// Has the health task say this.
    pub(super) fn is_found(&self, code: u8, verdict: Verdict) {
        self.health.send_modify(|facts| {
            (facts.code, facts.verdict) = (Some(code), Some(verdict));
        });
    }

    /// The first request of which this holds, as soon as there is one.
    pub(super) async fn request(&self, what: impl Fn(&Request) -> bool) -> Request {
        self.api.request(DEADLINE, what).await.unwrap()
    }

    /// The result of this path that the API took.
    pub(super) async fn accepted(&self, path: &str) -> Value {
        let took = |request: &Request| request.path == path && request.status == Some(200);
        self.request(took).await.json.unwrap()
    }

    pub(super) async fn facts(&self, what: impl Fn(&Facts) -> bool) -> Facts {
        let mut facts = self.facts.clone();
        let found = facts.wait_for(|facts| facts.as_ref().is_some_and(&what));
        let found = within("facts", found).await.unwrap().clone();
        found.unwrap()
    }

    /// The paths of what the API took, in order.
    pub(super) fn taken(&self) -> Vec<String> {
        let requests = self.api.record().requests.into_iter();
        requests
            .filter(|request| request.status == Some(200))
            .map(|request| request.path)
            .collect()
    }

    pub(super) async fn stop(self) {
        drop(self.broker);
        self.stop_jobs.send(()).unwrap();
        within("jobs end", self.worker).await.unwrap();
        self.stop_rest.send(()).unwrap();
        within("rest ends", self.rest).await.unwrap();
    }
}
