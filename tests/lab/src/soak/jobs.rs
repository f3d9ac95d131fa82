//! Jobs by the broker, and the account of them: each has started at most once and has one result.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{json, Value};
use tokio::sync::watch;
use tokio::time::{interval, sleep, timeout, Instant, MissedTickBehavior};

use super::operator::Operator;
use super::signer::Signer;
use super::Failure;

/// Between two jobs.
const EVERY: Duration = Duration::from_millis(500);

/// Jobs of a run: the agent has room for 10,000 ids, and keeps each for a day. Beyond it all are refused.
const AT_MOST: usize = 9_500;

/// A job without a result is sent again, under the same id: a broker that was killed may have lost it or its result.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Pings at the end of a round, so that the agent remembers the same at each rest: it shows the last 128 jobs. Their ids take
/// no room.
const PINGS: u32 = 140;

/// Everything has its result after that.
const RESULTS_WITHIN: Duration = Duration::from_secs(180);

/// A job, or a ping, that was sent.
struct Sent {
    is_ping: bool,
    payload: String,
    at: Instant,
    /// The kind of its result, and the exit code.
    result: Option<(String, Value)>,
}

/// The account of all jobs.
pub(super) struct Jobs {
    operator: Operator,
    signer: Signer,
    /// Each job that starts appends its id.
    started: PathBuf,
    /// The router's file that jobs which change the network write.
    network: PathBuf,
    sent: BTreeMap<u32, Sent>,
    pings: usize,
    open: usize,
    pub(super) again: u32,
    pub(super) live: u64,
    pub(super) rejected: u32,
    pub(super) undone: u32,
}

impl Jobs {
    pub(super) fn new(operator: Operator, signer: Signer, dir: &Path, network: PathBuf) -> Self {
        Jobs {
            operator,
            signer,
            started: dir.join("started"),
            network,
            sent: BTreeMap::new(),
            pings: 0,
            open: 0,
            again: 0,
            live: 0,
            rejected: 0,
            undone: 0,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.sent.len() - self.pings
    }

    /// Sends jobs of all kinds until `stop` says so, then pings, and waits for all results.
    pub(super) async fn round(&mut self, mut stop: watch::Receiver<bool>) -> Result<(), Failure> {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                _ = ticks.tick() => {
                    if self.room() > 0 {
                        let number = self.next_number();
                        let meta = kind(number, &self.network);
                        self.send(number, &meta)?;
                    }
                    self.send_again()?;
                }
                heard = self.operator.heard.recv() => self.hear(heard)?,
            }
        }
        let rest = timeout(RESULTS_WITHIN, async {
            self.results().await?;
            for _ in 0..PINGS {
                let number = self.next_number();
                self.send(number, &json!({"type": "ping"}))?;
            }
            self.results().await
        });
        match rest.await {
            Ok(done) => done,
            Err(_) => {
                let open = self.sent.iter().filter(|(_, job)| job.result.is_none());
                let ids: Vec<String> = open.map(|(number, _)| id(*number)).collect();
                Err(format!("jobs without a result: {}", ids.join(", ")).into())
            }
        }
    }

    async fn results(&mut self) -> Result<(), Failure> {
        while self.open > 0 {
            tokio::select! {
                heard = self.operator.heard.recv() => self.hear(heard)?,
                () = sleep(EVERY) => self.send_again()?,
            }
        }
        Ok(())
    }

    /// Jobs that may still be sent.
    fn room(&self) -> usize {
        AT_MOST.saturating_sub(self.count())
    }

    fn next_number(&self) -> u32 {
        self.sent.last_key_value().map_or(1, |(last, _)| last + 1)
    }

    fn send(&mut self, number: u32, meta: &Value) -> Result<(), Failure> {
        let id = id(number);
        let mut meta = meta.clone();
        let is_ping = meta["type"] == "ping";
        if !is_ping {
            let started = self.started.display();
            let msg = meta["msg"].as_str().unwrap_or_default();
            meta["msg"] = format!("echo {id} >> {started} || exit 99; {msg}").into();
        }
        let payload = self.signer.job(&id, &meta)?;
        self.operator.send(&payload)?;
        self.pings += usize::from(is_ping);
        let sent = Sent {
            is_ping,
            payload,
            at: Instant::now(),
            result: None,
        };
        self.sent.insert(number, sent);
        self.open += 1;
        Ok(())
    }

    fn send_again(&mut self) -> Result<(), Failure> {
        if self.open == 0 {
            return Ok(());
        }
        let now = Instant::now();
        for job in self.sent.values_mut().rev().take(1000) {
            if job.result.is_none() && now.duration_since(job.at) > AGAIN_AFTER {
                self.operator.send(&job.payload)?;
                job.at = now;
                self.again += 1;
            }
        }
        Ok(())
    }

    fn hear(&mut self, heard: Option<(String, Value)>) -> Result<(), Failure> {
        let (channel, message) = heard.ok_or("the operator has ended")?;
        match channel.as_str() {
            "live" => self.live += 1,
            "pub" => self.result(&message)?,
            _ => {}
        }
        Ok(())
    }

    fn result(&mut self, message: &Value) -> Result<(), Failure> {
        let id = message["id"].as_str().unwrap_or_default();
        let number = id
            .strip_prefix("soak-")
            .and_then(|number| number.parse().ok());
        let Some(job) = number.and_then(|number: u32| self.sent.get_mut(&number)) else {
            return Err(format!("a result of a job that nobody sent: {message}").into());
        };
        let event_type = message["event_type"].as_str().unwrap_or_default();
        let meta = &message["meta"];
        let result = (event_type.to_owned(), meta["exit_code"].clone());
        match &job.result {
            None => {
                self.open -= 1;
                self.rejected += u32::from(event_type == "REJECTED");
                self.undone += u32::from(meta["rolled_back"] == true);
                job.payload = String::new();
            }
            // A refusal does not use the id up.
            Some((before, _)) if before == "REJECTED" || event_type == "REJECTED" => {}
            Some(before) if *before == result => {}
            Some(before) => return Err(format!("{id}: first {before:?}, then {message}").into()),
        }
        if job.result.is_none() || event_type != "REJECTED" {
            job.result = Some(result);
        }
        Ok(())
    }

    /// Each job has started at most once, and once if it ended well.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let started = fs::read_to_string(&self.started)?;
        let mut starts: HashMap<&str, u32> = HashMap::new();
        for id in started.lines() {
            *starts.entry(id).or_default() += 1;
        }
        for (number, job) in &self.sent {
            let id = id(*number);
            let started = starts.get(id.as_str()).copied().unwrap_or(0);
            let (kind, code) = job.result.as_ref().ok_or("a job without a result")?;
            let is_right = match (kind.as_str(), code.as_i64()) {
                ("PROCESSED", _) if job.is_ping => started == 0,
                ("REJECTED", _) => started == 0,
                ("PROCESSED", Some(0 | 3)) => started == 1,
                _ => started <= 1,
            };
            if !is_right {
                return Err(format!("{id} has started {started} times: {kind}, {code}").into());
            }
        }
        Ok(())
    }
}

fn id(number: u32) -> String {
    format!("soak-{number}")
}

/// The job of this number, without the line that notes its start.
fn kind(number: u32, network: &Path) -> Value {
    match number % 24 {
        3 => json!({"msg": "for n in 1 2 3 4 5; do echo line $n; sleep 0.1; done", "live": true}),
        7 => json!({"msg": "head -c 100000 /dev/zero | tr '\\0' x"}),
        11 => json!({"msg": "sleep 30", "timeout": 1}),
        15 => json!({"msg": "sleep 0.5; echo detached", "detach": true}),
        // A change that cuts nobody off: it is kept, unless the broker goes away while it is tried out.
        19 => {
            let lines = format!("config interface 'lan'\n# {number}");
            json!({"msg": format!("echo \"{lines}\" > {}", network.display()), "type": "network"})
        }
        n if n % 4 == 1 => json!({"msg": "echo failed >&2; exit 3"}),
        _ => json!({"msg": "echo x"}),
    }
}
