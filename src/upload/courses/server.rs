//! A server of any mood, which remembers what it was sent.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;
use tokio::time::{sleep, Instant};

use super::super::*;
use super::HOUR;
use crate::http::{Answer, Body, HttpError, Trouble};

/// Time between a request and its answer.
const LATENCY: Duration = Duration::from_millis(200);

/// The mood in which a server answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Mood {
    /// Accepts everything but poison.
    Right,
    /// Refuses everything with this status.
    Wrong(u16),
    /// Refuses everything, with changing statuses.
    Mixed,
    /// So many of 100 requests are refused, whatever is in them.
    Flaps(u8),
    /// Refuses so many more requests, and then accepts everything but poison.
    WrongFor(u32),
    /// Answers 500.
    Broken,
    /// Answers nothing.
    Silent,
    /// The line takes so many bytes a second. What arrives after the client has given up counts.
    Slow(u64),
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) at: Instant,
    pub(super) seqs: Vec<u64>,
    /// `None` if it answered nothing.
    pub(super) status: Option<u16>,
}

/// Everything a server knows.
pub(super) struct Known {
    pub(super) mood: Mood,
    pub(super) host: &'static str,
    pub(super) poison: Vec<u64>,
    pub(super) rng: fastrand::Rng,
    pub(super) requests: Vec<Request>,
    /// Lines that were accepted, by seq; how often each came.
    pub(super) accepted: BTreeMap<u64, Value>,
    pub(super) times: BTreeMap<u64, usize>,
}

#[derive(Clone)]
pub(super) struct Server(pub(super) Arc<Mutex<Known>>);

impl Server {
    pub(super) fn new(poison: &[u64], seed: u64) -> Self {
        Server(Arc::new(Mutex::new(Known {
            mood: Mood::Right,
            host: "api.example.net",
            poison: poison.to_vec(),
            rng: fastrand::Rng::with_seed(seed),
            requests: Vec::new(),
            accepted: BTreeMap::new(),
            times: BTreeMap::new(),
        })))
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap()
    }

    pub(super) fn set(&self, mood: Mood) {
        self.known().mood = mood;
    }

    pub(super) fn accepted(&self) -> Vec<u64> {
        self.known().accepted.keys().copied().collect()
    }

    /// Counts of missing reports that accepted ones declare, by reason, without those nobody can count.
    pub(super) fn declared(&self) -> BTreeMap<String, u64> {
        let mut declared = BTreeMap::new();
        for report in self.known().accepted.values() {
            for gap in report["gaps"].as_array().into_iter().flatten() {
                if let Some(count) = gap["count"].as_u64() {
                    let reason = gap["reason"].as_str().unwrap().to_owned();
                    *declared.entry(reason).or_default() += count;
                }
            }
        }
        declared
    }
}

impl Known {
    /// Takes what arrived; returns the status.
    pub(super) fn judge(&mut self, lines: &[Value]) -> u16 {
        let seqs = lines.iter().map(|line| line["seq"].as_u64().unwrap());
        let is_poison = seqs.clone().any(|seq| self.poison.contains(&seq));
        let status = match self.mood {
            Mood::Wrong(status) => status,
            Mood::Mixed => [400, 413, 422][self.rng.usize(..3)],
            Mood::Flaps(percent) if self.rng.u8(..100) < percent => 400,
            Mood::WrongFor(more) if more > 0 => {
                self.mood = Mood::WrongFor(more - 1);
                400
            }
            Mood::Broken => 500,
            _ if is_poison => 422,
            _ => 204,
        };
        if status == 204 {
            for (seq, line) in seqs.zip(lines) {
                *self.times.entry(seq).or_default() += 1;
                self.accepted.entry(seq).or_insert_with(|| line.clone());
            }
        }
        status
    }
}

pub(super) fn lines_of(body: &Body) -> Vec<Value> {
    let mut text = String::new();
    let mut member = flate2::bufread::GzDecoder::new(&body.bytes[..]);
    member.read_to_string(&mut text).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

impl Way for Server {
    fn begin(&mut self) {}

    async fn post(&mut self, body: Body, within: Duration) -> Result<String, LinkError> {
        let (at, lines) = (Instant::now(), lines_of(&body));
        let mood = self.known().mood;
        let takes = match mood {
            Mood::Silent => Duration::MAX,
            Mood::Slow(rate) => Duration::from_millis(1000 * body.bytes.len() as u64 / rate),
            _ => LATENCY,
        };
        sleep(takes.min(within)).await;
        let mut known = self.known();
        let arrives = mood != Mood::Silent;
        let status = arrives.then(|| known.judge(&lines));
        let in_time = takes <= within;
        let seqs = lines.iter().map(|line| line["seq"].as_u64().unwrap());
        known.requests.push(Request {
            at,
            seqs: seqs.collect(),
            status: status.filter(|_| in_time),
        });
        let host = known.host.to_owned();
        match status {
            _ if !in_time => Err(LinkError::Http(HttpError::Request {
                host,
                trouble: Trouble::NoAnswer(within),
            })),
            Some(204) => Ok(host),
            status => Err(LinkError::NotAccepted {
                host,
                answer: Answer::Refused {
                    status: status.unwrap(),
                },
                verified: true,
            }),
        }
    }

    async fn ask_date(&mut self) -> Result<bool, LinkError> {
        Ok(false)
    }

    fn take_date(&mut self) -> Option<u64> {
        None
    }
}

impl Server {
    /// Requests that were accepted went in order, but for the newest alone ahead of others and for
    /// reports that had been refused alone.
    pub(super) fn check_order(&self) {
        let known = self.known();
        let mut refused = Vec::new();
        let (mut last, mut newest) = (0, 0);
        for request in &known.requests {
            let alone = request.seqs.len() == 1;
            let first = request.seqs[0];
            let is_ahead = alone && first > newest;
            match request.status {
                Some(400 | 413 | 422) if alone => refused.push(first),
                Some(204) => {
                    newest = newest.max(*request.seqs.last().unwrap());
                    let in_turn = request.seqs.iter().filter(|seq| !refused.contains(seq));
                    let in_turn: Vec<u64> = in_turn.copied().collect();
                    assert!(in_turn.is_sorted());
                    if let Some(&first) = in_turn.first().filter(|_| !is_ahead) {
                        assert!(last < first, "{first} after {last}");
                        last = *in_turn.last().unwrap();
                    }
                }
                _ => {}
            }
        }
    }

    /// True if there is proof that the report is at fault: it was refused alone three times over 6 h, and
    /// each time another one was accepted before it was sent again.
    pub(super) fn has_proof(&self, seq: u64) -> bool {
        let known = self.known();
        let mut counted = Vec::new();
        let mut open = None;
        for request in &known.requests {
            match request.status {
                Some(400 | 413 | 422) if request.seqs == [seq] => open = Some(request.at),
                Some(204) if !request.seqs.contains(&seq) => counted.extend(open.take()),
                _ => {}
            }
        }
        let span = |times: &[Instant]| Some(*times.last()? - *times.first()?);
        counted.len() >= 3 && span(&counted) >= Some(6 * HOUR)
    }
}
