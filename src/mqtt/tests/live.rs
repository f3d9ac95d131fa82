//! Output of running jobs beside results and pings, in simulated time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, Instant};

use super::broker::{all, Answer, Device, Heard, Judge, Line, FAST};
use crate::config::Config;
use crate::jobs::{Live, Piece, StreamName};

fn config() -> Config {
    Config::default().with(|config| {
        config.spread = Duration::ZERO;
        config.ping.interval = Duration::from_secs(30);
    })
}

/// 200 jobs that talk without end, eight at a time, each for some seconds.
fn two_hundred_jobs(live: &Live) {
    for worker in 0..8 {
        let live = live.clone();
        tokio::spawn(async move {
            for n in 0..25 {
                let (sender, pieces) = mpsc::channel(8);
                live.follow(&format!("live-{worker}-{n}").into(), pieces);
                let mut skipped = 0;
                for _ in 0..200 {
                    let piece = Piece {
                        stream: StreamName::Stdout,
                        bytes: vec![b'x'; 4096].into(),
                        skipped,
                    };
                    skipped = match sender.try_send(piece) {
                        Ok(()) => 0,
                        Err(_) => skipped + 4096,
                    };
                    sleep(Duration::from_millis(20)).await;
                }
            }
        });
    }
}

/// When each result and each ping arrived behind `line`, ms after the start; and the live
/// messages.
async fn arrivals(line: Line, with_live: bool) -> (BTreeMap<String, u128>, Vec<Heard>) {
    fastrand::seed(1);
    let mut device = Device::new(config()).await;
    let (sender, mut heard) = mpsc::unbounded_channel();
    let began = Instant::now();
    if with_live {
        two_hundred_jobs(&device.live);
    }
    // Now some together, now one alone.
    let pauses = [0, 0, 0, 9, 1, 3, 0, 14, 2, 2, 2, 2, 7];
    let jobs = device.jobs.clone();
    tokio::spawn(async move {
        for n in 0..60 {
            sleep(Duration::from_millis(137 + 1000 * pauses[n % pauses.len()])).await;
            let job = format!(r#"{{"id":"{n}","meta":{{"type":"ping"}}}}"#);
            let submitted = jobs.submit(job.into(), crate::jobs::Source::Mqtt);
            submitted.unwrap();
        }
    });
    let until = began + Duration::from_secs(295);
    let takes: Judge = |_| Answer::Takes;
    let connections = device.connect(until, line, takes, &sender).await;
    assert_eq!(connections, 1);
    let (mut times, mut pings, mut said) = (BTreeMap::new(), 0, Vec::new());
    for message in all(&mut heard) {
        let at = (message.at - began).as_millis();
        if message.is("pub") {
            times.insert(message.id(), at);
        } else if message.is("delivery") {
            times.insert(format!("delivery {}", message.id()), at);
        } else if message.is("status") {
            pings += 1;
            times.insert(format!("status {pings}"), at);
        } else {
            said.push(message);
        }
    }
    (times, said)
}

#[tokio::test(start_paused = true)]
async fn results_and_pings_are_a_second_later_at_most_on_a_slow_line_with_200_live_jobs() {
    // Also where what the device sends waits for the line elsewhere, unseen by it.
    for buffer in [64, 1 << 18] {
        let line = Line {
            bytes_a_second: 1000,
            buffer,
        };
        on_a_slow_line(line).await;
    }
}

async fn on_a_slow_line(line: Line) {
    let (without, said) = arrivals(line, false).await;
    assert!(said.is_empty() && without.len() > 120, "{}", without.len());
    let (with, said) = arrivals(line, true).await;
    assert_eq!(
        with.keys().collect::<Vec<_>>(),
        without.keys().collect::<Vec<_>>()
    );
    let latest = with
        .iter()
        .map(|(what, at)| at.saturating_sub(without[what]));
    let latest = latest.max().unwrap();
    println!(
        "{} messages, at most {latest} ms later, {} live ones",
        with.len(),
        said.len()
    );
    assert!(latest <= 1000, "{latest} ms later");
    // What is left of the line is used.
    assert!(said.len() > 150, "{}", said.len());
    assert!(said.iter().all(|message| message.payload.len() <= 512));
}

#[tokio::test(start_paused = true)]
async fn a_fast_line_carries_live_output_in_large_messages_four_a_second_and_256_kib_a_job() {
    let (_, said) = arrivals(FAST, true).await;
    let mut jobs: BTreeMap<String, Vec<&Heard>> = BTreeMap::new();
    for message in &said {
        assert!(message.topic == "live/fleet/secret/aa:bb:cc:00:11:22");
        assert!(message.payload.len() <= 4096);
        jobs.entry(message.id()).or_default().push(message);
    }
    assert!(jobs.len() > 150, "{}", jobs.len());
    for messages in jobs.values() {
        let sum: usize = messages.iter().map(|message| message.payload.len()).sum();
        assert!(sum <= 256 * 1024);
        for pair in messages.windows(5) {
            // They are on their way for some ms.
            let apart = pair[4].at - pair[0].at + Duration::from_millis(50);
            assert!(apart >= Duration::from_secs(1), "{apart:?}");
        }
    }
    assert!(said.iter().any(|message| message.payload.len() > 4000));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_closes_on_live_output_gets_every_result_and_no_more_of_it() {
    let mut device = Device::new(config()).await;
    let (sender, mut heard) = mpsc::unbounded_channel();
    two_hundred_jobs(&device.live);
    device.pings((0..300).map(|n| n.to_string()), Duration::from_millis(100));
    let until = Instant::now() + Duration::from_secs(120);
    let closes: Judge = |message| match message.is("live") {
        true => Answer::Closes,
        false => Answer::Takes,
    };
    let connections = device.connect(until, FAST, closes, &sender).await;
    // Those that were closed on live output, and the one that lasts.
    assert_eq!(connections, 3);
    assert!(device.facts.borrow().live_off);
    let heard = all(&mut heard);
    let results = heard.iter().filter(|message| message.is("pub"));
    let results: BTreeSet<String> = results.map(Heard::id).collect();
    assert_eq!(results.len(), 300);
    // Until the agent starts again, also over another link.
    assert!(!device.supply.live.is_on());
    let later = Instant::now() + Duration::from_secs(60);
    two_hundred_jobs(&device.live);
    let connections = device.connect(later, FAST, closes, &sender).await;
    assert_eq!(connections, 1);
}
