//! Health: does the device reach the world, and if not, why?
//!
//! ```text
//!  mqtt, upload ─facts─► proof of life ──────────────┐
//!  route, name look-up, connection, web ─► findings ─┴► verdict ─► belief ─► Facts
//! ```
//!
//! * `proof`: a session with the broker, or an accepted delivery, is proof enough; then only a probe
//!   every 15 min completes the evidence
//! * `probe`: what is tried otherwise, every `monitor`, each with its deadline
//! * `verdict`: findings to a code and a verdict
//! * `belief`: two probes have to agree before a bad verdict is believed
//! * [`facts`](Facts): what comes of it

mod belief;
mod facts;
mod probe;
mod proof;
#[cfg(test)]
mod tests;
mod verdict;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep_until, Instant};

use crate::clock::{epoch_seconds, Pace};
use crate::config::Config;
use crate::reload::{self, Asker, Asks};
use crate::shutdown::Shutdown;
use crate::{http, lookup, mqtt};
use belief::Belief;
use probe::Prober;
use verdict::Judgement;

pub use facts::{Evidence, Facts, Proof, Uplink, Verdict};
pub use probe::{Connect, Findings, Lookup, Resolved, Route, Web, WebResult, LONGEST};

/// How often a full probe is made while there is proof of life.
const WITH_PROOF: Duration = Duration::from_secs(15 * 60);

/// How often it is probed while the device is offline or may be; `monitor` if that is shorter.
const OFFLINE: Duration = Duration::from_secs(10);

/// The options watching over health is made from.
pub const OPTIONS: &[&str] = &[
    "health_url",
    "health_port",
    "web_url",
    "web_body",
    "monitor",
    "heartbeat",
    "stats_url",
];

/// What the health task owns.
#[derive(Debug, Clone)]
pub struct Part {
    pub config: Arc<Config>,
    /// Prefix of /proc and /sys.
    pub root: PathBuf,
    /// Shared with all parts but the broker link.
    pub resolver: lookup::Resolver,
    pub mqtt: watch::Receiver<mqtt::Facts>,
    pub api: watch::Receiver<http::Facts>,
    pub facts: watch::Sender<Facts>,
    /// The code of the facts, for the reports.
    pub code: watch::Sender<Option<u8>>,
    /// From [`asks`].
    pub asks: Asks,
}

/// Asks the health task for a probe.
#[derive(Debug, Clone)]
pub struct Handle(Asker<Facts>);

/// A handle and what the task that sends `facts` needs to hear it.
pub fn asks(facts: watch::Receiver<Facts>) -> (Handle, Asks) {
    let (asker, asks) = reload::asks(facts);
    (Handle(asker), asks)
}

impl Handle {
    /// Has a full probe made now, or joins the one under way, and returns the facts after it; within
    /// [`LONGEST`]. `None` if the task has ended.
    pub async fn probe(&self) -> Option<Facts> {
        self.0.ask(|facts| facts.probes).await
    }

    /// The newest facts, and all that follow.
    pub fn facts(&self) -> watch::Receiver<Facts> {
        self.0.facts()
    }
}

/// Watches over the health of the device until `shutdown`.
pub async fn run(part: Part, mut shutdown: Shutdown) {
    let resolver = part.resolver.clone();
    let prober = Arc::new(Prober::new(&part.config, part.root.clone(), resolver));
    part.asks.take_over();
    let probe = move |last: Option<String>| -> Probe {
        let prober = Arc::clone(&prober);
        Box::pin(async move { prober.probe(last.as_deref()).await })
    };
    tokio::select! {
        () = part.watch(Box::new(probe)) => {}
        () = shutdown.requested() => {}
    }
}

/// A probe under way.
type Probe = Pin<Box<dyn Future<Output = Findings> + Send>>;

/// Begins a probe; takes the device that had the default route last.
type Begin = Box<dyn FnMut(Option<String>) -> Probe + Send>;

impl Part {
    async fn watch(self, mut begin: Begin) {
        let Part {
            config,
            mut mqtt,
            mut api,
            asks,
            ..
        } = self;
        let heartbeat = config.pace.of(config.heartbeat);
        let mut health = Health {
            has_api: !config.stats_url.is_empty(),
            monitor: config.monitor,
            pace: config.pace,
            facts: self.facts,
            code: self.code,
            belief: Belief::default(),
            proof: None,
            uplink: None,
            offline: None,
            due: Instant::now(),
        };
        let mut under_way: Option<Probe> = None;
        loop {
            let now = Instant::now();
            let proof = proof::proof(
                &mqtt.borrow_and_update(),
                &api.borrow_and_update(),
                heartbeat,
                now,
            );
            health.set_proof(proof.map(|(proof, _)| proof), now);
            if health.due <= now && under_way.is_none() {
                under_way = Some(begin(health.uplink.clone()));
            }
            let expires = proof.and_then(|(_, until)| until);
            tokio::select! {
                found = end(&mut under_way) => {
                    let failure = {
                        let api = api.borrow();
                        let api = health.has_api.then_some(&*api);
                        proof::failure(&mqtt.borrow(), api, health.offline)
                    };
                    health.found(found, failure);
                }
                // An ask during a probe is answered by that one.
                () = asks.asked() => if under_way.is_none() {
                    health.due = Instant::now();
                },
                () = changed(&mut mqtt) => {}
                () = changed(&mut api) => {}
                () = sleep_until(health.due), if under_way.is_none() => {}
                () = sleep_until(expires.unwrap_or(now)), if expires.is_some() => {}
            }
        }
    }
}

/// Waits for the end of the probe under way, for ever if there is none.
async fn end(under_way: &mut Option<Probe>) -> Findings {
    match under_way {
        Some(probe) => {
            let found = probe.await;
            *under_way = None;
            found
        }
        None => std::future::pending().await,
    }
}

/// Waits for a change; for ever if the other part has ended.
async fn changed<T>(facts: &mut watch::Receiver<T>) {
    if facts.changed().await.is_err() {
        std::future::pending().await
    }
}

/// What is known and believed.
struct Health {
    /// Whether there is an API to deliver to.
    has_api: bool,
    monitor: Duration,
    pace: Pace,
    facts: watch::Sender<Facts>,
    code: watch::Sender<Option<u8>>,
    belief: Belief,
    proof: Option<Proof>,
    /// The device that had the default route last.
    uplink: Option<String>,
    /// When a probe last found the device offline.
    offline: Option<Instant>,
    /// When the next probe begins.
    due: Instant,
}

impl Health {
    /// Takes note of the proof there is.
    fn set_proof(&mut self, proof: Option<Proof>, now: Instant) {
        let before = std::mem::replace(&mut self.proof, proof);
        let mut evidence = match (before, proof) {
            (before, proof) if before == proof => return,
            (None, Some(_)) => {
                self.due = now + self.pace.of(WITH_PROOF);
                Evidence::default()
            }
            // From one proof to the other.
            (Some(_), Some(_)) => self.facts.borrow().evidence.clone(),
            (Some(_), None) => {
                self.due = now;
                Evidence::default()
            }
            (None, None) => return,
        };
        evidence.proof = proof;
        let believed = proof.and_then(|_| self.belief.observe(Judgement::ALIVE));
        self.tell(believed, evidence, false);
    }

    /// Takes what a probe found; `failure` says why broker or API cannot be reached.
    fn found(&mut self, found: Findings, failure: Option<String>) {
        if found.route.found {
            self.uplink.clone_from(&found.route.device);
        }
        let mut evidence = Evidence {
            proof: self.proof,
            ..Evidence::default()
        };
        let mut works = true;
        let mut believed = None;
        let wait = match self.proof {
            Some(_) => WITH_PROOF,
            None => {
                let judged = Judgement::of(&found, failure.is_some());
                believed = self.belief.observe(judged);
                evidence.doubt = believed != Some(judged);
                evidence.server = failure;
                works = judged.verdict == Verdict::Ok;
                if judged.is_offline() {
                    self.offline = Some(Instant::now());
                }
                match judged.is_offline() {
                    true => OFFLINE.min(self.monitor),
                    false => self.monitor,
                }
            }
        };
        evidence.degraded = works && verdict::is_degraded(&found);
        evidence.probe = Some(found);
        self.due = Instant::now() + self.pace.of(wait);
        self.tell(believed, evidence, true);
    }

    /// Publishes; without a judgement the one before stands.
    fn tell(&mut self, believed: Option<Judgement>, evidence: Evidence, probed: bool) {
        let now = epoch_seconds();
        let wait = self.due.saturating_duration_since(Instant::now());
        let mut told = None;
        self.facts.send_modify(|facts| {
            if let Some(Judgement { code, verdict }) = believed {
                if facts.verdict.replace(verdict) != Some(verdict) {
                    facts.since = Some(now);
                    told = Some(verdict);
                }
                facts.code = Some(code);
            }
            facts.evidence = evidence;
            facts.next_probe = Some(now + wait.as_secs_f64().ceil() as u64);
            facts.probes = facts.probes.wrapping_add(probed.into());
        });
        let facts = self.facts.borrow();
        match told {
            Some(Verdict::Ok) => log::info!("health: ok"),
            Some(verdict) => log::warn!("health: {}", verdict.words()),
            None => {}
        }
        let code = facts.code;
        self.code
            .send_if_modified(|known| std::mem::replace(known, code) != code);
    }
}
