//! The state of the device's health: what is known and believed, and when it is probed next.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::belief::Belief;
use super::facts::{Evidence, Facts, Proof, Uplink, Verdict};
use super::probe::{Findings, Last, Route, Task};
use super::proof::Servers;
use super::signs::Sign;
use super::uplink::Netifd;
use super::verdict::{self, Judgement};
use super::Part;
use crate::collect::kernel::{self, Way};
use crate::collect::{DeviceEvents, Event};
use crate::process::clock::{epoch_seconds, Pace};
use crate::process::facts::publish;

/// Time between two full probes while there is proof of life.
const WITH_PROOF: Duration = Duration::from_secs(15 * 60);

/// Time between two probes while the device is offline or may be; `monitor` if that is shorter.
const OFFLINE: Duration = Duration::from_secs(10);

/// Time between two quick probes, and from the return of a way to a probe.
const SOON: Duration = Duration::from_secs(1);

/// Quick probes after the way was lost.
const QUICK_PROBES: u8 = 2;

/// Knowledge of the way out, with which the part that follows goes on.
#[derive(Debug, Default)]
pub struct Known {
    netifd: Netifd,
    /// The way out there was last, and whether it was one of the kernel's.
    last: Last,
    had_way: bool,
    /// The way out at the last look, and its default route.
    route: Route,
    way: Option<Way>,
    /// When the way was lost, until something of broker or API arrives; and what was lost of it, until a
    /// probe succeeds.
    lost: Option<Instant>,
    lost_words: Option<String>,
    /// Quick probes left.
    quick: u8,
    /// When a probe last found the device offline.
    offline: Option<Instant>,
}

pub(super) struct Health {
    root: PathBuf,
    monitor: Duration,
    pace: Pace,
    facts: watch::Sender<Facts>,
    code: watch::Sender<Option<u8>>,
    events: DeviceEvents,
    /// The device whose link netifd is to tell; each change has it asked.
    device: watch::Sender<Option<String>>,
    belief: Belief,
    proof: Option<Proof>,
    servers: Servers,
    known: Known,
    left: Arc<Mutex<Known>>,
    /// Our own resolver was dead in the last probe.
    own_resolver_dead: bool,
    /// When the next probe begins.
    due: Instant,
}

impl Health {
    pub(super) fn new(part: &Part, device: watch::Sender<Option<String>>) -> Self {
        let mut health = Health {
            root: part.root.clone(),
            monitor: part.settings.monitor,
            pace: part.settings.pace,
            facts: part.facts.clone(),
            code: part.code.clone(),
            events: part.events.clone(),
            device,
            belief: Belief::default(),
            proof: None,
            servers: Servers::default(),
            known: std::mem::take(&mut *part.known.lock().unwrap_or_else(PoisonError::into_inner)),
            left: Arc::clone(&part.known),
            own_resolver_dead: false,
            due: Instant::now(),
        };
        if let Some(words) = health.look() {
            health.loses(words);
        }
        // This part believes what two of its own probes say.
        if health.known.quick > 0 {
            health.known.quick = QUICK_PROBES;
        }
        health
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    pub(super) fn lost(&self) -> Option<Instant> {
        self.known.lost
    }

    pub(super) fn offline(&self) -> Option<Instant> {
        self.known.offline
    }

    pub(super) fn probe_at(&mut self, at: Instant) {
        self.due = at;
    }

    /// The next probe; netifd is asked, too.
    pub(super) fn task(&mut self) -> Task {
        if let Some(words) = self.look() {
            self.loses(words);
        }
        self.device.send_modify(|_| {});
        Task {
            last: self.known.last.clone(),
            quick: self.known.quick > 0,
        }
    }

    /// Takes note of the proof there is, and of broker and API.
    pub(super) fn learn(&mut self, proof: Option<Proof>, servers: Servers, now: Instant) {
        let before = std::mem::replace(&mut self.proof, proof);
        let news = std::mem::replace(&mut self.servers, servers) != self.servers;
        let keep = || self.facts.borrow().evidence.clone();
        let evidence = match (before, proof) {
            (None, Some(_)) => {
                self.due = now + self.pace.of(WITH_PROOF);
                (self.known.lost, self.known.lost_words, self.known.quick) = (None, None, 0);
                Evidence::default()
            }
            (Some(_), None) => {
                self.due = now;
                Evidence::default()
            }
            (before, proof) if before == proof && !news => return,
            // From one proof to the other, or with news of the servers.
            _ => keep(),
        };
        let came = proof.filter(|_| before != proof);
        let believed = came.and_then(|_| self.belief.observe(Judgement::ALIVE));
        self.tell(believed, evidence, false);
    }

    /// Takes a sign; true if the way is lost, and a probe is due at once.
    pub(super) fn hears(&mut self, sign: Sign) -> bool {
        let lost = match sign {
            Sign::Hint => self.look(),
            Sign::Netifd(netifd) => {
                self.known.netifd = netifd;
                self.look()
            }
            Sign::Down(interface) => {
                let is_uplink = |uplink: &Uplink| uplink.interface == interface;
                let is_uplink = self.facts.borrow().uplink.as_ref().is_some_and(is_uplink);
                is_uplink.then(|| format!("interface {interface} is down"))
            }
        };
        let is_lost = lost.is_some();
        if let Some(words) = lost {
            self.loses(words);
        }
        is_lost
    }

    /// The way is lost: proof of life ends, and a probe is due at once.
    fn loses(&mut self, words: String) {
        log::info!("health: {words}; probing");
        let now = Instant::now();
        (self.known.lost, self.known.lost_words) = (Some(now), Some(words));
        (self.known.quick, self.due) = (QUICK_PROBES, now);
        let evidence = self.facts.borrow().evidence.clone();
        self.tell(None, evidence, false);
    }

    /// Looks at the way out, and says what was lost of it since the last look.
    fn look(&mut self) -> Option<String> {
        let ways = kernel::ways(&self.root);
        let mut uplink = self.facts.borrow().uplink.clone();
        let mwan3 = self.known.netifd.mwan3;
        match self.known.netifd.uplink(&ways) {
            Some(owner) => uplink = Some(owner),
            None => {
                // No other way is left that could be disturbed.
                if let Some(uplink) = uplink.as_mut().filter(|_| ways.is_empty()) {
                    uplink.shared = mwan3;
                }
            }
        }
        let of_netifd = self.known.netifd.last(uplink.as_ref());
        match ways.first().and_then(|way| way.device.clone()) {
            Some(device) => {
                self.known.had_way = true;
                self.known.last = match of_netifd.device.as_ref() == Some(&device) {
                    true => of_netifd,
                    false => Last {
                        device: Some(device),
                        ..Last::default()
                    },
                };
            }
            None if uplink.is_some() || !self.known.had_way => self.known.last = of_netifd,
            None => {}
        }
        self.facts.send_if_modified(|facts| {
            let is_new = (&facts.uplink, facts.mwan3) != (&uplink, mwan3);
            (facts.uplink, facts.mwan3) = (uplink, mwan3);
            is_new
        });
        let of_link = self
            .known
            .last
            .base
            .clone()
            .or_else(|| self.known.last.device.clone());
        publish(&self.device, of_link);
        let now = Route::look(&self.root, &self.known.last);
        let before = std::mem::replace(&mut self.known.route, now);
        if self.known.route.is_better_than(&before) && self.proof.is_none() {
            let soon = Instant::now() + self.pace.of(SOON);
            self.due = self.due.min(soon);
        }
        let was = std::mem::replace(&mut self.known.way, ways.first().cloned());
        let is_it = |way: &Way| {
            was.as_ref()
                .is_some_and(|was| (&was.device, was.v6) == (&way.device, way.v6))
        };
        self.known.route.lost(&before, ways.iter().any(is_it))
    }

    /// Takes what a probe found.
    pub(super) fn found(&mut self, found: Findings) {
        let mut evidence = Evidence::default();
        let (mut works, mut believed) = (true, None);
        let own_resolver_dead = verdict::is_own_resolver_dead(&found);
        let own_resolver_was = std::mem::replace(&mut self.own_resolver_dead, own_resolver_dead);
        let wait = match self.proof {
            Some(_) => WITH_PROOF,
            None => {
                let judged = Judgement::of(&found, self.servers.have_failed());
                believed = self.belief.observe(judged);
                evidence.doubt = believed != Some(judged);
                works = judged.verdict == Verdict::Ok;
                self.known.quick = match works {
                    true => 0,
                    false => self.known.quick.saturating_sub(1),
                };
                if judged.is_offline() {
                    self.known.offline = Some(Instant::now());
                } else {
                    self.known.lost_words = None;
                }
                match judged.is_offline() {
                    _ if self.known.quick > 0 => SOON,
                    true => OFFLINE.min(self.monitor),
                    false => self.monitor,
                }
            }
        };
        evidence.degraded = works && verdict::is_degraded(&found);
        evidence.probe = Some(found);
        self.due = Instant::now() + self.pace.of(wait);
        self.tell(believed, evidence, true);
        let dead = own_resolver_dead && own_resolver_was;
        self.facts.send_if_modified(|facts| {
            let dead = dead && facts.verdict == Some(Verdict::DnsDead);
            std::mem::replace(&mut facts.own_resolver_dead, dead) != dead
        });
    }

    /// Publishes; without a judgement the one before stands.
    fn tell(&mut self, believed: Option<Judgement>, mut evidence: Evidence, probed: bool) {
        evidence.proof = self.proof;
        evidence.lost.clone_from(&self.known.lost_words);
        evidence.broker.clone_from(&self.servers.broker);
        evidence.api.clone_from(&self.servers.api);
        evidence.server = match self.proof {
            None => self.servers.words(),
            Some(_) => None,
        };
        let now = epoch_seconds();
        let wait = self.due.saturating_duration_since(Instant::now());
        let mut told = None;
        self.facts.send_modify(|facts| {
            if let Some(Judgement { code, verdict }) = believed {
                if facts.verdict.replace(verdict) != Some(verdict) {
                    facts.since = Some(now);
                    told = Some((code, verdict));
                }
                facts.code = Some(code);
                facts.own_resolver_dead &= verdict == Verdict::DnsDead;
            }
            facts.evidence = evidence;
            facts.next_probe = Some(now + wait.as_secs_f64().ceil() as u64);
            facts.probes = facts.probes.wrapping_add(probed.into());
        });
        let facts = self.facts.borrow();
        if let Some((code, verdict)) = told {
            let why = why(verdict, &facts.evidence);
            match verdict {
                Verdict::Ok => log::info!("health: ok, {why}"),
                _ => log::warn!("health: {why}"),
            }
            self.events.tell(Event {
                at: now,
                kind: "health",
                code: Some(code),
                verdict: Some(verdict.name()),
                why: Some(why),
                ..Event::default()
            });
        }
        let code = facts.code;
        publish(&self.code, code);
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        let known = std::mem::take(&mut self.known);
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

/// The reason of a verdict, in words.
fn why(verdict: Verdict, evidence: &Evidence) -> String {
    let words = match (verdict, evidence.proof) {
        (Verdict::Ok, Some(Proof::Broker)) => "connected to the broker",
        (Verdict::Ok, Some(Proof::Api)) => "the API accepts",
        (Verdict::Ok, None) => "a check succeeded",
        _ => verdict.words(),
    };
    let detail = match verdict {
        Verdict::Ok => None,
        Verdict::ServerUnreachable => evidence.server.as_ref(),
        _ => evidence.lost.as_ref(),
    };
    match detail {
        Some(detail) => format!("{words}: {detail}"),
        None => words.to_owned(),
    }
}
