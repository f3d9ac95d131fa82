//! kill -9 of agent and broker while jobs flow: each job runs once at most, and has one outcome.
//!
//! The broker forgets what it had taken since it last saved its state, sessions included, so the operator sends
//! a job again until he has its outcome: that is what an operator does, and what must not make a job run twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use rumqttc::{PublishOptions, QoS};
use serde_json::{json, Value};
use socketman_lab::within::within;
use tokio::time::{interval, sleep, Instant};

use super::World;
use crate::mqtt::operator::Operator;
use crate::mqtt::BASE;

const JOBS: usize = 300;

/// Between two new jobs.
const PAUSE: Duration = Duration::from_millis(25);

/// After this long without an outcome a job is sent again.
const AGAIN: Duration = Duration::from_secs(3);

/// For all of it, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(400);

/// The programs to kill.
#[derive(Clone, Copy)]
struct Victims {
    agent: bool,
    broker: bool,
}

/// The reason of an outcome whose output is not kept any more: it says that of itself, and is the same in all
/// else.
const BRIEF: &str = "this job ended some time ago; its output is not kept any more";

/// The outcomes of the jobs.
#[derive(Default)]
struct Outcomes {
    /// The outcomes of each job that differ, without output and with it.
    of: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>,
    /// Answers, repeated ones included.
    answers: usize,
}

impl Outcomes {
    fn add(&mut self, value: &Value) -> Option<String> {
        let kind = value["event_type"].as_str()?;
        if !["PROCESSED", "REJECTED", "INTERRUPTED"].contains(&kind) {
            return None;
        }
        let id = value["id"].as_str()?.to_owned();
        self.answers += 1;
        let meta = &value["meta"];
        let (brief, whole) = self.of.entry(id.clone()).or_default();
        brief.insert(format!(
            "{kind} {} {} {}",
            meta["success"], meta["exit_code"], meta["signal"]
        ));
        if meta["reason"] != BRIEF {
            whole.insert(meta.to_string());
        }
        Some(id)
    }

    fn count(&self, kind: &str) -> usize {
        let of = self.of.values();
        of.filter(|(of, _)| of.iter().any(|one| one.starts_with(kind)))
            .count()
    }
}

/// Offers a job to the broker; it may be lost with it.
fn offer(operator: &Operator, world: &World, n: usize) {
    let id = format!("op-{n}");
    let msg = format!("{}; sleep 0.0{}; echo {id}", world.writes(&id), n % 10);
    let job = json!({"id": id, "meta": {"msg": msg}}).to_string();
    let options = PublishOptions::new(QoS::AtLeastOnce);
    // If the operator has no connection either, it is sent again.
    let _ = operator
        .client
        .try_publish(format!("sub/{BASE}"), job, options);
}

async fn killed(victims: Victims) {
    let mut world = World::with_agent().await;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut operator = Operator::named("operator-of-kills", world.server.port()).await;
    let mut outcomes = Outcomes::default();
    let mut sent: HashMap<usize, Instant> = HashMap::new();
    let (mut agents, mut brokers) = (0, 0);
    let began = Instant::now();
    let mut new = interval(PAUSE);
    let mut next_kill = began + Duration::from_millis(500);
    let mut first = 0;
    while outcomes.of.len() < JOBS {
        assert!(
            began.elapsed() < DEADLINE,
            "{} jobs have an outcome, {agents} agents and {brokers} brokers were killed",
            outcomes.of.len()
        );
        tokio::select! {
            value = operator.any() => {
                outcomes.add(&value);
            }
            _ = new.tick() => {
                let now = Instant::now();
                if first < JOBS {
                    offer(&operator, &world, first);
                    sent.insert(first, now);
                    first += 1;
                } else if let Some(n) = (0..JOBS).find(|n| {
                    !outcomes.of.contains_key(&format!("op-{n}")) && now >= sent[n] + AGAIN
                }) {
                    offer(&operator, &world, n);
                    sent.insert(n, now);
                }
            }
            () = tokio::time::sleep_until(next_kill) => {
                // Once all were sent, there is time for the last ones to be answered.
                let both = victims.agent && victims.broker;
                if victims.agent && (!both || rng.bool()) {
                    world.lab.agent().unwrap().kill().await.unwrap();
                    agents += 1;
                }
                if victims.broker && (!both || rng.bool()) {
                    world.server.kill().await;
                    brokers += 1;
                    sleep(Duration::from_millis(rng.u64(..100))).await;
                    world.server.start().await;
                }
                if world.lab.agent().unwrap().end().borrow().is_some() {
                    world.start_agent();
                }
                let pause = if first < JOBS { rng.u64(..1200) } else { 4000 + rng.u64(..4000) };
                next_kill = Instant::now() + Duration::from_millis(pause);
            }
        }
    }
    // Asked for once more, the outcome is the same.
    world.connected().await;
    let mut open: BTreeSet<String> = outcomes.of.keys().cloned().collect();
    let mut asks = interval(AGAIN);
    let asked = Instant::now();
    within("the outcomes once more", async {
        while !open.is_empty() {
            assert!(asked.elapsed() < DEADLINE / 6, "no second answer: {open:?}");
            tokio::select! {
                _ = asks.tick() => {
                    for n in (0..JOBS).filter(|n| open.contains(&format!("op-{n}"))).take(60) {
                        offer(&operator, &world, n);
                    }
                }
                value = operator.any() => {
                    if let Some(id) = outcomes.add(&value) {
                        open.remove(&id);
                    }
                }
            }
        }
    })
    .await;
    let mut ran: BTreeMap<String, usize> = BTreeMap::new();
    for id in world.written() {
        *ran.entry(id).or_default() += 1;
    }
    println!(
        "{} jobs, {} ran, {} processed, {} interrupted; {} answers; {agents} agents and {brokers} \
         brokers killed",
        outcomes.of.len(),
        ran.len(),
        outcomes.count("PROCESSED"),
        outcomes.count("INTERRUPTED"),
        outcomes.answers
    );
    let twice: Vec<_> = ran.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "ran more than once: {twice:?}");
    let several = outcomes.of.iter();
    let several: Vec<_> = several
        .filter(|(_, (brief, whole))| brief.len() != 1 || whole.len() > 1)
        .collect();
    assert!(several.is_empty(), "several outcomes: {several:?}");
    for (id, (of, _)) in &outcomes.of {
        let processed = of.iter().all(|one| one.starts_with("PROCESSED"));
        assert!(
            !processed || ran.contains_key(id),
            "{id} did not run: {of:?}"
        );
    }
    assert_eq!(outcomes.count("REJECTED"), 0);
    assert!(agents + brokers >= 5, "{agents} agents, {brokers} brokers");
    world.end().await;
}

#[tokio::test]
async fn three_hundred_jobs_while_the_broker_is_killed_run_once_with_one_outcome_each() {
    killed(Victims {
        agent: false,
        broker: true,
    })
    .await;
}

// Rows 17, 18 and 23.
#[tokio::test]
async fn three_hundred_jobs_while_the_agent_is_killed_run_once_with_one_outcome_each() {
    killed(Victims {
        agent: true,
        broker: false,
    })
    .await;
}

#[tokio::test]
async fn three_hundred_jobs_while_agent_and_broker_are_killed_run_once_with_one_outcome_each() {
    killed(Victims {
        agent: true,
        broker: true,
    })
    .await;
}
