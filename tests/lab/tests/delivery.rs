//! Delivery from the spool to the API, over real HTTP, with everything that can go wrong in between.

// All of this file is test code, what is not marked as a test too.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use socketman::clock::Pace;
use socketman::config::{Config, Secret};
use socketman::shutdown::{shutdown, Trigger};
use socketman::spool::{self, Stamp};
use socketman::upload;
use socketman_lab::collector::{Collector, Mode, Request};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const DEADLINE: Duration = Duration::from_secs(30);
const MAC: &str = "0A:1B:2C:3D:4E:5F";
const TOKEN: &str = "t0p&secret=?#";
const BOOT: &str = "6f1c0d2e-aaaa-4bbb-8ccc-1234567890ab";

fn config(stats_url: String) -> Config {
    Config {
        username: String::new(),
        password: Secret::default(),
        topic: String::new(),
        key: Secret::default(),
        mqtt_host: String::new(),
        port: 1883,
        qos: 0,
        keepalive: Duration::from_secs(30),
        disable_mqtt: true,
        stats_url,
        token: Secret::new(TOKEN),
        mac: MAC.to_owned(),
        mac_file: "/etc/mac".into(),
        monitor: Duration::from_secs(15),
        heartbeat: Duration::from_secs(60),
        scan: false,
        spool_dir: "/nonexistent".into(),
        spool_max: 1 << 20,
        spread: Duration::from_secs(10),
        no_ping: true,
        ping_interval: Duration::from_secs(180),
        job_timeout: Duration::from_secs(300),
        job_output_max: 64 << 10,
        job_workers: 2,
        web_jobs: true,
        state_dir: "/nonexistent".into(),
        debug: false,
        // A heartbeat lasts 200 ms.
        pace: Pace::faster(300),
    }
}

/// A spool and an uploader, as the agent has them.
struct Agent {
    spool: spool::Handle,
    facts: watch::Receiver<upload::Facts>,
    stop: Trigger,
    spool_task: JoinHandle<()>,
    upload_task: JoinHandle<()>,
}

impl Agent {
    fn start(dir: &Path, config: Config) -> Self {
        let settings = spool::Settings {
            dir: dir.join("spool"),
            boot_id: BOOT.to_owned(),
            max: config.spool_max,
        };
        let (spool, inbox) = spool::Handle::new();
        let spool_task = tokio::spawn(spool::run(settings, inbox));
        let (sender, facts) = watch::channel(upload::Facts::default());
        let (stop, stopped) = shutdown();
        let config = Arc::new(config);
        let upload_task = tokio::spawn(upload::run(
            config,
            MAC.to_owned(),
            spool.clone(),
            sender,
            stopped,
        ));
        Agent {
            spool,
            facts,
            stop,
            spool_task,
            upload_task,
        }
    }

    async fn append(&self, count: u64) {
        for _ in 0..count {
            self.spool
                .append(|stamp| report(stamp, 0))
                .await
                .unwrap()
                .unwrap();
        }
    }

    /// Waits until the uploader says something of the kind.
    async fn facts(&self, what: impl FnMut(&upload::Facts) -> bool) -> upload::Facts {
        let mut facts = self.facts.clone();
        let wait = tokio::time::timeout(DEADLINE, facts.wait_for(what));
        let newest = wait.await.expect("in time").unwrap().clone();
        newest
    }

    /// Waits until an attempt has failed, and returns why.
    async fn failure(&self) -> String {
        self.facts(|facts| facts.last_error.is_some())
            .await
            .last_error
            .unwrap()
    }

    async fn reports_left(&self, count: u64) {
        let mut facts = self.spool.facts();
        let wait = tokio::time::timeout(DEADLINE, facts.wait_for(|f| f.reports == count));
        wait.await.expect("in time").unwrap();
    }

    async fn stop(self) {
        self.stop.fire();
        self.upload_task.await.unwrap();
        drop(self.spool);
        self.spool_task.await.unwrap();
    }

    /// What a kill does to both tasks: they are not there any more.
    async fn kill(self) {
        self.upload_task.abort();
        self.spool_task.abort();
        assert!(self.upload_task.await.unwrap_err().is_cancelled());
        assert!(self.spool_task.await.unwrap_err().is_cancelled());
    }
}

fn report(stamp: &Stamp<'_>, pad: usize) -> Vec<u8> {
    let report = json!({
        "device": {"created_at": 1_700_000_000 + stamp.seq, "boot_id": stamp.boot_id, "seq": stamp.seq},
        "pad": "x".repeat(pad),
    });
    serde_json::to_vec(&report).unwrap()
}

async fn collector(dir: &Path) -> Collector {
    Collector::start(([127, 0, 0, 1], 0).into(), dir)
        .await
        .unwrap()
}

fn seqs(collector: &Collector) -> Vec<u64> {
    collector.reports().iter().map(|id| id.seq).collect()
}

/// Sets `fault`, appends, waits for the failure, heals, and expects all of it in order and once.
async fn nothing_is_lost_over(fault: Mode, failure: &str) {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    let agent = Agent::start(tmp.path(), config(collector.url("/stats")));
    agent.append(3).await;
    agent.reports_left(0).await;

    collector.set(fault).await.unwrap();
    agent.append(5).await;
    let error = agent.failure().await;
    assert!(error.contains(failure), "{fault:?}: {error}");
    assert_eq!(
        seqs(&collector),
        [1, 2, 3],
        "{fault:?}: nothing is accepted"
    );
    agent.append(2).await;
    agent.reports_left(7).await;

    collector.set(Mode::Up).await.unwrap();
    agent.reports_left(0).await;
    let facts = agent.facts(|facts| facts.last_error.is_none()).await;
    assert!(facts.last_ok.is_some());
    assert_eq!(seqs(&collector), (1..=10).collect::<Vec<_>>(), "{fault:?}");
    agent.stop().await;
}

#[tokio::test]
async fn row_25_a_post_is_exact_ndjson_in_one_gzip_member_and_says_so_only_where_it_is_true() {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    let agent = Agent::start(tmp.path(), config(collector.url("/api/stats?site=7")));
    agent.append(2).await;
    agent.reports_left(0).await;

    // The collector refuses anything but one member of whole lines in one part named data.
    let stamp = |seq| Stamp {
        boot_id: BOOT,
        seq,
        gaps: &[],
    };
    let expected = [1, 2].map(|seq| String::from_utf8(report(&stamp(seq), 0)).unwrap());
    assert_eq!(collector.lines().unwrap(), expected);

    let Request {
        method,
        path,
        query,
        part_headers,
        ..
    } = &collector.record().requests[0];
    assert_eq!((method.as_str(), path.as_str()), ("POST", "/api/stats"));
    assert_eq!(
        query.as_deref(),
        Some("site=7&access_token=t0p%26secret%3D%3F%23&mac=0A%3A1B%3A2C%3A3D%3A4E%3A5F")
    );
    let request = &collector.record().requests[0];
    assert!(request
        .header("content-type")
        .unwrap()
        .starts_with("multipart/form-data; boundary="));
    assert_eq!(request.header("content-encoding"), None);
    assert!(
        request.header("content-length").is_some(),
        "no chunks: old servers know none"
    );
    assert_eq!(request.header("transfer-encoding"), None);
    assert_eq!(
        part_headers[0],
        (
            "content-disposition".to_owned(),
            "form-data; name=\"data\"; filename=\"archive.gz\"".to_owned()
        )
    );
    assert_eq!(part_headers.len(), 2, "{part_headers:?}");
    assert_eq!(part_headers[1].1, "application/octet-stream");
    agent.stop().await;
}

#[tokio::test]
async fn row_26_a_backlog_of_any_size_arrives_whole_in_order_in_bounded_batches() {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    collector.set(Mode::Down).await.unwrap();
    let agent = Agent::start(tmp.path(), config(collector.url("/")));
    for _ in 0..800 {
        agent
            .spool
            .append(|stamp| report(stamp, 1000))
            .await
            .unwrap()
            .unwrap();
    }
    collector.set(Mode::Up).await.unwrap();
    agent.reports_left(0).await;
    assert_eq!(seqs(&collector), (1..=800).collect::<Vec<_>>());
    let requests = collector.record().requests;
    assert!(requests.len() > 1 && requests.iter().all(|r| r.reports.len() <= 256));
    agent.stop().await;
}

#[tokio::test]
async fn row_27_and_28_whatever_the_api_answers_but_2xx_keeps_the_reports() {
    for status in [
        301, 302, 307, 400, 401, 403, 404, 413, 422, 429, 500, 502, 503, 504,
    ] {
        nothing_is_lost_over(Mode::Status(status, None), &format!("answered {status}")).await;
    }
}

#[tokio::test]
async fn row_29_a_refused_connection_keeps_the_reports() {
    nothing_is_lost_over(Mode::Down, "cannot connect: Connection refused").await;
}

#[tokio::test]
async fn a_web_page_instead_of_an_answer_keeps_the_reports() {
    nothing_is_lost_over(Mode::Page, "answered 200 with a web page").await;
}

#[tokio::test]
async fn a_server_without_tls_behind_an_https_url_keeps_the_reports() {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    let url = collector.url("/").replace("http:", "https:");
    let agent = Agent::start(tmp.path(), config(url));
    agent.append(1).await;
    let error = agent.failure().await;
    // The machine the test runs on may have no root certificates; that is a failure of TLS as well.
    let expected = ["cannot connect: ", "no root certificates in "];
    assert!(expected.iter().any(|text| error.contains(text)), "{error}");
    agent.reports_left(1).await;
    assert_eq!(collector.reports(), []);
    agent.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_not_http_keeps_the_reports() {
    nothing_is_lost_over(Mode::Rubbish, "no valid answer").await;
}

#[tokio::test]
async fn row_30_an_api_that_is_slow_to_answer_gets_each_report_under_one_identity() {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    // Longer than the original waited, shorter than we do.
    collector
        .set(Mode::Slow(Duration::from_secs(8)))
        .await
        .unwrap();
    let agent = Agent::start(tmp.path(), config(collector.url("/")));
    agent.append(2).await;
    agent.reports_left(0).await;
    assert_eq!(seqs(&collector), [1, 2], "sent once");

    // Cut off after it was stored, before it was answered: it comes again, and can be told.
    agent.append(1).await;
    collector
        .wait_for(DEADLINE, |record| record.reports.len() == 3)
        .await
        .unwrap();
    collector.set(Mode::Up).await.unwrap();
    agent.reports_left(0).await;
    let record = collector.record();
    assert_eq!(seqs(&collector), [1, 2, 3, 3]);
    assert_eq!(
        record
            .duplicates()
            .iter()
            .map(|id| id.seq)
            .collect::<Vec<_>>(),
        [3]
    );
    assert_eq!(record.missing(), []);
    let lines = collector.lines().unwrap();
    assert_eq!(lines[2], lines[3], "the same identity is the same report");
    agent.stop().await;
}

#[tokio::test]
async fn row_34_a_kill_during_a_delivery_loses_nothing_and_repeats_under_the_same_identity() {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    collector
        .set(Mode::Slow(Duration::from_secs(600)))
        .await
        .unwrap();
    let agent = Agent::start(tmp.path(), config(collector.url("/")));
    agent.append(4).await;
    collector
        .wait_for(DEADLINE, |record| !record.reports.is_empty())
        .await
        .unwrap();
    agent.kill().await;

    // The kill came in the middle of a write, too.
    let tail = std::fs::read_dir(tmp.path().join("spool")).unwrap();
    let tail = tail.map(|file| file.unwrap().path()).max().unwrap();
    let mut tail = std::fs::OpenOptions::new().append(true).open(tail).unwrap();
    tail.write_all(b"{\"device\":{\"created").unwrap();

    collector.set(Mode::Up).await.unwrap();
    let agent = Agent::start(tmp.path(), config(collector.url("/")));
    agent.append(2).await;
    agent.reports_left(0).await;
    let record = collector.record();
    assert_eq!(record.missing(), []);
    let mut distinct = seqs(&collector);
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct, [1, 2, 3, 4, 5, 6]);
    agent.stop().await;
}

#[tokio::test]
async fn retry_after_is_the_least_that_is_waited() {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    // At this pace 600 s are 2 s, and no wait of the backoff is longer than 34 ms.
    collector.set(Mode::Status(429, Some(600))).await.unwrap();
    let agent = Agent::start(tmp.path(), config(collector.url("/")));
    agent.append(1).await;
    collector
        .wait_for(DEADLINE, |record| record.requests_total == 1)
        .await
        .unwrap();
    let refused = Instant::now();
    let error = agent.failure().await;
    assert!(
        error.ends_with("answered 429, to be asked again in 600 s"),
        "{error}"
    );
    let facts = agent.facts(|facts| facts.next_attempt.is_some()).await;
    assert!(facts.next_attempt > Some(socketman::clock::epoch_seconds()));
    collector.set(Mode::Up).await.unwrap();
    agent.reports_left(0).await;
    assert!(
        refused.elapsed() >= Duration::from_millis(1950),
        "{:?}",
        refused.elapsed()
    );
    assert_eq!(collector.record().requests_total, 2);
    agent.stop().await;
}

#[tokio::test]
async fn the_token_goes_to_the_api_and_nowhere_else() {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    let own_query = "own=hidden-value";
    for fault in [
        Mode::Down,
        Mode::Rubbish,
        Mode::Page,
        Mode::Status(302, None),
    ] {
        collector.set(fault).await.unwrap();
        let url = collector.url(&format!("/hidden-path?{own_query}"));
        let agent = Agent::start(tmp.path(), config(url));
        agent.append(1).await;
        let error = agent.failure().await;
        let facts = serde_json::to_string(&*agent.facts.borrow()).unwrap();
        for secret in ["t0p", "secret", "access_token", "hidden"] {
            assert!(
                !error.contains(secret) && !facts.contains(secret),
                "{error} {facts}"
            );
        }
        assert!(error.contains(&collector.addr().to_string()), "{error}");
        agent.stop().await;
    }
}

#[tokio::test]
async fn without_a_token_the_url_is_used_as_it_is() {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    let mut config = config(collector.url("/stats"));
    config.token = Secret::default();
    let agent = Agent::start(tmp.path(), config);
    agent.append(1).await;
    agent.reports_left(0).await;
    assert_eq!(collector.record().requests[0].query, None);
    agent.stop().await;
}

#[tokio::test]
async fn without_a_usable_stats_url_nothing_is_sent_and_the_facts_say_why() {
    for (url, why) in [
        ("", "stats_url is not set"),
        (
            "ftp://example.net/?x=secret",
            "'stats_url' is not an http or https URL",
        ),
        ("::", "'stats_url' is not an http or https URL"),
    ] {
        let tmp = tempfile::tempdir().unwrap();
        let agent = Agent::start(tmp.path(), config(url.to_owned()));
        agent.append(1).await;
        assert_eq!(agent.failure().await, why);
        agent.reports_left(1).await;
        agent.stop().await;
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_to_another_server() {
    let tmp = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let other = collector(tmp.path()).await;
    let location = other.url("/elsewhere");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let mut line = Vec::new();
        lines.read_until(b'\n', &mut line).unwrap();
        let answer =
            format!("HTTP/1.1 307 Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).unwrap();
        // Read to the end, so that the answer is not lost in a reset.
        std::io::copy(&mut lines, &mut std::io::sink()).ok();
    });
    let agent = Agent::start(tmp.path(), config(format!("http://{addr}/")));
    agent.append(1).await;
    let error = agent.failure().await;
    assert_eq!(error, format!("{addr} answered 307, a redirect"));
    agent.stop().await;
    server.join().unwrap();
    assert_eq!(other.record().requests_total, 0);
}

#[tokio::test]
async fn stopping_gives_up_an_attempt_at_once_and_keeps_its_reports() {
    let tmp = tempfile::tempdir().unwrap();
    let collector = collector(tmp.path()).await;
    collector
        .set(Mode::Slow(Duration::from_secs(600)))
        .await
        .unwrap();
    let agent = Agent::start(tmp.path(), config(collector.url("/")));
    agent.append(1).await;
    collector
        .wait_for(DEADLINE, |record| record.requests_total == 1)
        .await
        .unwrap();
    let stopping = tokio::time::timeout(Duration::from_secs(5), agent.stop());
    stopping.await.expect("it does not wait for the answer");
    let spool = spool::Spool::open(&tmp.path().join("spool"), BOOT, 1 << 20).unwrap();
    assert_eq!(spool.facts().reports, 1);
}
