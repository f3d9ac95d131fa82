//! When deliveries are tried, in simulated time, and what the log says of them.

use std::path::Path;
use std::sync::Arc;

use log::Level::{Debug, Warn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::*;
use crate::process::ask::asks;
use crate::process::clock::{Clock, Pace};
use crate::process::logging::heard;
use crate::process::shutdown::shutdown;

const MAC: &str = "0A:1B:2C:3D:4E:5F";
const SPREAD: Duration = Duration::from_secs(10);
const HEARTBEAT: Duration = Duration::from_secs(60);

fn config() -> Config {
    Config::default().with(|config| {
        config.upload.url = "http://127.0.0.1/".into();
        config.upload.heartbeat = HEARTBEAT;
        config.spread = SPREAD;
    })
}

fn empty_spool(dir: &Path) -> spool::Handle {
    let (handle, inbox) = spool::Handle::new();
    let settings = spool::Settings {
        boot_id: "boot".to_owned(),
        crashes: Arc::new(()),
        clock: Box::new(Clock::right()),
        place: spool::Place {
            dir: dir.join("spool"),
            max: 1 << 20,
            flash: None,
            left: Vec::new(),
        },
    };
    tokio::spawn(spool::run(settings, inbox));
    handle
}

fn part(config: &Config, spool: spool::Handle, facts: watch::Sender<Facts>) -> Part {
    let (_, asks) = asks(facts.subscribe());
    Part {
        settings: config.into(),
        mac: MAC.parse().unwrap(),
        spool,
        resolver: lookup::Resolver::system("lookup"),
        health: watch::channel(health::Facts::default()).1,
        dates: Default::default(),
        commands: Default::default(),
        facts,
        asks,
    }
}

/// When the next `count` attempts begin.
async fn attempts(mut facts: watch::Receiver<Facts>, count: usize) -> Vec<Instant> {
    let mut begun = Vec::new();
    while begun.len() < count {
        facts
            .wait_for(|facts| facts.next_attempt.is_some())
            .await
            .unwrap();
        facts
            .wait_for(|facts| facts.next_attempt.is_none())
            .await
            .unwrap();
        begun.push(Instant::now());
    }
    begun
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_falls_into_the_spread_and_the_others_on_the_phase() {
    let tmp = tempfile::tempdir().unwrap();
    let (sender, facts) = watch::channel(Facts::default());
    let (_stop, stopped) = shutdown();
    let spool = empty_spool(tmp.path());
    let start = Instant::now();
    // A task of its own, so that it sees every change.
    let begun = tokio::spawn(attempts(facts, 50));
    tokio::spawn(run(part(&config(), spool, sender), stopped));
    let begun = tokio::time::timeout(60 * HEARTBEAT, begun).await;
    let begun = begun.expect("one attempt a heartbeat").unwrap();

    // Timers have a resolution of 1 ms.
    let slack = Duration::from_millis(2);
    assert!(begun[0] - start <= SPREAD + slack, "{:?}", begun[0] - start);
    let own = phase::phase(&MAC.parse().unwrap(), HEARTBEAT);
    for (n, &at) in (0..).zip(&begun[1..]) {
        let since = at - start;
        let beats = since.as_secs() / HEARTBEAT.as_secs();
        let into = since - u32::try_from(beats).unwrap() * HEARTBEAT;
        assert_eq!(beats, n, "{since:?}");
        assert!(into >= own && into <= own + slack, "{into:?} for {own:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_told_so_and_when_there_is_nobody_to_tell() {
    for told in [true, false] {
        let tmp = tempfile::tempdir().unwrap();
        let (sender, _facts) = watch::channel(Facts::default());
        let (stop, stopped) = shutdown();
        let spool = empty_spool(tmp.path());
        let task = tokio::spawn(run(part(&config(), spool, sender), stopped));
        if told {
            stop.fire();
        } else {
            drop(stop);
        }
        let ended = tokio::time::timeout(Duration::from_millis(1), task);
        ended.await.expect("at once").unwrap();
    }
}

/// Takes one delivery and answers it.
async fn answer(listener: &TcpListener, status: u16) {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    // So ends a form.
    while !request.ends_with(b"--\r\n") {
        let count = socket.read_buf(&mut request).await.unwrap();
        assert!(count > 0, "half a request");
    }
    let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn the_log_warns_of_each_reason_once_until_something_was_accepted() {
    heard::listen();
    let tmp = tempfile::tempdir().unwrap();
    let (sender, facts) = watch::channel(Facts::default());
    let (stop, stopped) = shutdown();
    let spool = empty_spool(tmp.path());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config().with(|config| {
        config.upload.url = format!("http://{}/", listener.local_addr().unwrap()).into();
        config.pace = Pace::faster(1000);
    });
    spool.append(|_| b"{}".to_vec()).await.unwrap().unwrap();
    let link = run(part(&config, spool.clone(), sender), stopped);
    let link = tokio::spawn(link);
    let attempts = async {
        for status in [500, 500, 502, 502, 200] {
            answer(&listener, status).await;
        }
        spool.append(|_| b"{}".to_vec()).await.unwrap().unwrap();
        for status in [502, 502] {
            answer(&listener, status).await;
        }
        // The next attempt follows the report of the last failure.
        listener.accept().await.unwrap();
    };
    let attempts = tokio::time::timeout(HEARTBEAT, attempts);
    attempts.await.expect("attempts in time");
    let levels = heard::levels("delivery: 127.0.0.1");
    assert_eq!(levels, [Warn, Debug, Warn, Debug, Warn, Debug]);
    let error = facts.borrow().last_error.clone().unwrap();
    assert!(error.ends_with("answered 502"), "{error}");
    stop.fire();
    link.await.unwrap();
}
