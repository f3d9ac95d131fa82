//! Whole courses of deliveries, in simulated time: a spool, the rounds, and a server of any mood.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{json, Value};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout, Instant};

use super::*;
use crate::config::UploadFormat;
use crate::http::{Answer, Body, HttpError, Trouble};
use crate::process::ask::asks;
use crate::process::clock::Clock;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Time between a request and its answer.
const LATENCY: Duration = Duration::from_millis(200);

/// The mood in which a server answers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
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
struct Request {
    at: Instant,
    seqs: Vec<u64>,
    /// `None` if it answered nothing.
    status: Option<u16>,
}

/// Everything a server knows.
struct Known {
    mood: Mood,
    host: &'static str,
    poison: Vec<u64>,
    rng: fastrand::Rng,
    requests: Vec<Request>,
    /// Lines that were accepted, by seq; how often each came.
    accepted: BTreeMap<u64, Value>,
    times: BTreeMap<u64, usize>,
}

#[derive(Clone)]
struct Server(Arc<Mutex<Known>>);

impl Server {
    fn new(poison: &[u64], seed: u64) -> Self {
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

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap()
    }

    fn set(&self, mood: Mood) {
        self.known().mood = mood;
    }

    fn accepted(&self) -> Vec<u64> {
        self.known().accepted.keys().copied().collect()
    }

    /// Counts of missing reports that accepted ones declare, by reason, without those nobody can count.
    fn declared(&self) -> BTreeMap<String, u64> {
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
    fn judge(&mut self, lines: &[Value]) -> u16 {
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

fn lines_of(body: &Body) -> Vec<Value> {
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

/// A device: it collects, keeps and delivers.
struct Device {
    dir: TempDir,
    server: Server,
    monitor: Duration,
    pad: usize,
    spread: Duration,
    collected: u64,
    spool: spool::Handle,
    deliveries: Handle,
    facts: watch::Receiver<Facts>,
    tasks: Vec<JoinHandle<()>>,
}

impl Device {
    fn start(server: &Server, monitor: Duration, pad: usize) -> Self {
        Device::with_spread(server, monitor, pad, Config::default().spread)
    }

    fn with_spread(server: &Server, monitor: Duration, pad: usize, spread: Duration) -> Self {
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

    fn begin(&mut self) {
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
    async fn restart(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
            let _ = task.await;
        }
        self.begin();
    }

    async fn collect(&mut self) {
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
    async fn live(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.collect().await;
            sleep(self.monitor).await;
        }
    }

    fn waits(&self) -> u64 {
        self.spool.facts().borrow().reports
    }

    /// Everything collected was accepted, and nothing is declared missing.
    fn lost_nothing(&self, context: &str) {
        let all: Vec<u64> = (1..=self.collected).collect();
        assert_eq!(self.server.accepted(), all, "{context}");
        assert_eq!(self.server.declared(), BTreeMap::new(), "{context}");
        assert_eq!(self.waits(), 0, "{context}");
    }

    /// Waits until nothing is left to deliver.
    async fn empty(&self, within: Duration) {
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

impl Server {
    /// Requests that were accepted went in order, but for the newest alone ahead of others and for
    /// reports that had been refused alone.
    fn check_order(&self) {
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
    fn has_proof(&self, seq: u64) -> bool {
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

#[tokio::test(start_paused = true)]
async fn a_server_that_is_wrong_for_a_while_makes_nobody_lose_a_report() {
    for mood in [
        Mood::Wrong(400),
        Mood::Wrong(413),
        Mood::Wrong(422),
        Mood::Mixed,
    ] {
        for (wrong, monitor) in [(8 * MINUTE, 15), (8 * HOUR, 600), (8 * DAY, 8 * 3600)] {
            if wrong == 8 * DAY && !matches!(mood, Mood::Wrong(400) | Mood::Mixed) {
                continue;
            }
            let context = format!("{mood:?} for {wrong:?}");
            let server = Server::new(&[], 1);
            let mut device = Device::start(&server, Duration::from_secs(monitor), 300);
            device.live(10 * MINUTE).await;
            assert!(!server.accepted().is_empty());

            server.set(mood);
            let before = server.known().requests.len();
            device.live(wrong).await;
            let error = device.facts.borrow().last_error.clone().unwrap();
            let says = "api.example.net: the server refuses the format (4";
            assert!(error.starts_with(says), "{error}");
            // One wait of the backoff is 150 s on average.
            let requests = (server.known().requests.len() - before) as u64;
            let rounds = 20 + wrong.as_secs() / 100;
            assert!(requests < 5 * rounds, "{context}: {requests}");

            server.set(Mood::Right);
            device.empty(3 * HOUR).await;
            device.lost_nothing(&context);
            server.check_order();
            assert_eq!(device.facts.borrow().last_error, None);
        }
    }
}

/// The refusals end in the midst of a round, and the device collects no more.
#[tokio::test(start_paused = true)]
async fn what_is_set_aside_is_sent_again_though_nothing_else_waits() {
    for refusals in 1..=6 {
        let server = Server::new(&[], 1);
        let mut device = Device::start(&server, Duration::from_secs(15), 300);
        device.live(10 * MINUTE).await;
        server.set(Mood::WrongFor(refusals));
        device.live(Duration::from_secs(30)).await;
        device.empty(3 * HOUR).await;
        device.lost_nothing(&format!("{refusals} refusals"));
        assert_eq!(server.known().mood, Mood::WrongFor(0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_poisonous_report_holds_nothing_up_and_is_given_up_after_six_hours_of_evidence() {
    for poison in [1, 2, 7, 100] {
        let server = Server::new(&[poison], poison);
        let mut device = Device::start(&server, Duration::from_secs(20), 300);
        // Some wait already.
        server.set(Mood::Broken);
        device.live(8 * MINUTE).await;
        server.set(Mood::Right);
        let begun = Instant::now();
        let mut given_up = None;
        while begun.elapsed() < 10 * HOUR {
            device.live(10 * MINUTE).await;
            let facts = device.spool.facts().borrow().clone();
            if facts.dropped > 0 {
                given_up.get_or_insert(begun.elapsed());
            }
            // One heartbeat's reports, and the poison.
            assert!(facts.reports <= 5, "{facts:?}");
            if begun.elapsed() > 40 * MINUTE {
                let is_kept = u64::from(given_up.is_none());
                assert_eq!(facts.set_aside, is_kept, "{:?}", begun.elapsed());
            }
            assert_eq!(device.facts.borrow().last_error, None);
        }
        let given_up = given_up.expect("it is given up in the end");
        assert!((6 * HOUR..7 * HOUR).contains(&given_up), "{given_up:?}");
        device.empty(MINUTE).await;
        let others = (1..=device.collected).filter(|seq| *seq != poison);
        assert_eq!(server.accepted(), others.collect::<Vec<_>>());
        assert_eq!(server.declared(), [("refused".to_owned(), 1)].into());
        server.check_order();
        assert!(server.has_proof(poison));
        let known = server.known();
        let is_refusal =
            |request: &&Request| request.seqs == [poison] && request.status == Some(422);
        let refusals = known.requests.iter().filter(is_refusal).count();
        assert_eq!(refusals, 4, "every two hours");
    }
}

#[tokio::test(start_paused = true)]
async fn many_poisonous_reports_in_a_row_hold_up_the_others_for_a_few_rounds_only() {
    // The newest is one of them, and a server that is wrong for a while comes on top.
    let poison: Vec<u64> = (1..30).chain(95..=96).collect();
    let server = Server::new(&poison, 5);
    server.set(Mood::Wrong(413));
    let mut device = Device::start(&server, 15 * SECOND, 300);
    device.live(24 * MINUTE).await;
    assert_eq!(device.collected, 96);
    server.set(Mood::Right);
    device.live(HOUR).await;
    let healthy = |seq: &u64| !poison.contains(seq);
    let arrived = server.accepted();
    let missing = (1..device.collected).filter(healthy);
    let missing: Vec<u64> = missing.filter(|seq| !arrived.contains(seq)).collect();
    assert!(missing.len() < 6, "{missing:?}");

    server.set(Mood::Mixed);
    device.live(8 * MINUTE).await;
    server.set(Mood::Right);
    device.live(12 * HOUR).await;
    device.empty(MINUTE).await;
    let healthy = (1..=device.collected).filter(healthy);
    assert_eq!(server.accepted(), healthy.collect::<Vec<_>>());
    let declared = [("refused".to_owned(), poison.len() as u64)].into();
    assert_eq!(server.declared(), declared);
    assert!(poison.iter().all(|seq| server.has_proof(*seq)));
    server.check_order();
}

#[tokio::test(start_paused = true)]
async fn a_restart_makes_it_only_more_patient() {
    let server = Server::new(&[5], 1);
    let mut device = Device::start(&server, 30 * SECOND, 100);
    for _ in 0..8 {
        device.live(5 * HOUR).await;
        let facts = device.spool.facts().borrow().clone();
        assert_eq!((facts.set_aside, facts.dropped), (1, 0));
        device.restart().await;
        // It holds up nothing.
        device.live(5 * MINUTE).await;
        assert!(device.waits() <= 4, "{}", device.waits());
    }
    device.live(7 * HOUR).await;
    device.empty(MINUTE).await;
    assert_eq!(server.declared(), [("refused".to_owned(), 1)].into());
    assert!(server.has_proof(5));
    server.check_order();
}

/// A line that takes 2 KB/s, and worse ones.
#[tokio::test(start_paused = true)]
async fn a_backlog_leaves_over_a_slow_line_and_comes_twice_only_now_and_then() {
    for (rate, within) in [(2000, 15 * MINUTE), (400, 2 * HOUR), (60, 30 * HOUR)] {
        let server = Server::new(&[], 1);
        server.set(Mood::Broken);
        let mut device = Device::start(&server, SECOND, 1500);
        device.live(300 * SECOND).await;
        server.set(Mood::Slow(rate));
        device.empty(within).await;
        device.lost_nothing(&format!("{rate} B/s"));
        let known = server.known();
        let twice: usize = known.times.values().map(|times| times - 1).sum();
        assert!(
            twice <= if rate == 2000 { 0 } else { 300 },
            "{rate} B/s: {twice}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_that_is_large_for_the_line_has_up_to_ten_minutes() {
    let server = Server::new(&[], 1);
    server.set(Mood::Slow(60));
    let mut device = Device::start(&server, SECOND, 40_000);
    device.collect().await;
    device.empty(2 * HOUR).await;
    assert_eq!(server.accepted(), [1]);
    let times = server
        .known()
        .requests
        .iter()
        .map(|request| request.at)
        .collect::<Vec<_>>();
    assert!(times.len() > 2, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn whatever_a_server_does_every_report_is_accepted_or_kept_or_declared_after_proof() {
    for seed in 0..8 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let poison: Vec<u64> = (0..rng.usize(..4)).map(|_| rng.u64(1..40)).collect();
        let server = Server::new(&poison, seed);
        let mut device = Device::start(&server, 20 * MINUTE, 200);
        let mut flapped = false;
        for _ in 0..10 {
            let mood = match rng.u8(..12) {
                0..5 => Mood::Right,
                5 => Mood::Wrong([400, 413, 422][rng.usize(..3)]),
                6 => Mood::Mixed,
                7 => Mood::Flaps(rng.u8(10..90)),
                8 => Mood::Broken,
                9 => Mood::Silent,
                10 => Mood::Slow(rng.u64(50..3000)),
                _ => {
                    device.restart().await;
                    Mood::Right
                }
            };
            flapped |= matches!(mood, Mood::Flaps(_));
            server.set(mood);
            let minutes = [2, 20, 120, 400][rng.usize(..4)];
            device.live(minutes * MINUTE).await;
        }
        server.set(Mood::Right);
        device.live(14 * HOUR).await;
        device.empty(MINUTE).await;
        let accepted = server.accepted();
        let missing = (1..=device.collected).filter(|seq| !accepted.contains(seq));
        let missing: Vec<u64> = missing.collect();
        let declared: u64 = server.declared().values().sum();
        assert_eq!(declared, missing.len() as u64, "seed {seed}: {missing:?}");
        for seq in missing {
            assert!(server.has_proof(seq), "seed {seed}: {seq}");
            assert!(flapped || poison.contains(&seq), "seed {seed}: {seq}");
        }
        server.check_order();
    }
}

/// Checks that `requests` since the server was back, at `back`, leave in turns, and the newest report in each heartbeat.
fn check_turns(requests: &[Request], (begun, back): (Instant, Instant), within: Duration) {
    let beats = within.as_secs() / 60;
    assert!(
        requests.len() as u64 <= beats * 5 / 4 + 8,
        "{}",
        requests.len()
    );
    for beat in 0..beats {
        let (from, to) = (
            back + beat as u32 * MINUTE,
            back + (beat as u32 + 1) * MINUTE,
        );
        let then = requests
            .iter()
            .filter(|request| (from..to).contains(&request.at));
        let sent: usize = then.clone().map(|request| request.seqs.len()).sum();
        assert!(sent <= 26, "minute {beat}: {sent}");
        let newest = then.flat_map(|request| &request.seqs).max().unwrap();
        let collected = begun + (*newest - 1) as u32 * 15 * SECOND;
        assert!(
            from - collected < MINUTE,
            "minute {beat}: {:?} old",
            from - collected
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_fleets_backlog_leaves_in_turns_while_what_is_new_goes_on_time() {
    let server = Server::new(&[], 1);
    let mut device = Device::with_spread(&server, 15 * SECOND, 300, 240 * SECOND);
    let begun = Instant::now();
    device.live(10 * MINUTE).await;
    server.set(Mood::Broken);
    device.live(2 * HOUR).await;
    assert_eq!(device.waits() / 100, 4);
    server.set(Mood::Right);
    // One wait of the backoff.
    device.live(5 * MINUTE).await;
    let (back, before) = (Instant::now(), server.known().requests.len());
    // 4/3 of the outage, until the first turn, and a turn.
    let within = 180 * MINUTE;
    device.live(within).await;
    assert!(device.waits() <= 8, "{}", device.waits());

    check_turns(&server.known().requests[before..], (begun, back), within);
    device.empty(2 * MINUTE).await;
    device.lost_nothing("turns");
    server.check_order();
}

#[tokio::test(start_paused = true)]
async fn a_fleets_backlog_goes_at_once_when_a_person_asks_for_it() {
    let server = Server::new(&[], 1);
    let mut device = Device::with_spread(&server, 15 * SECOND, 300, 240 * SECOND);
    server.set(Mood::Broken);
    device.live(2 * HOUR).await;
    server.set(Mood::Right);
    let outcome = device.deliveries.deliver().await.unwrap();
    assert_eq!(outcome.error, None);
    device.empty(5 * SECOND).await;
    device.lost_nothing("asked");
}
