//! A broker that is alive and never acknowledges some replies, in simulated time.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::broker::{all, Answer, Device, Heard, Judge, FAST};
use crate::config::Config;

const HOUR: Duration = Duration::from_secs(3600);

fn config() -> Config {
    Config::default().with(|config| {
        config.ping.off = true;
        config.spread = Duration::from_secs(10);
    })
}

/// The number of times each result came.
fn results(heard: &[Heard]) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for message in heard.iter().filter(|message| message.is("pub")) {
        *times.entry(message.id()).or_default() += 1;
    }
    times
}

#[tokio::test(start_paused = true)]
async fn others_pass_a_reply_that_is_never_acknowledged_and_connections_become_rare() {
    let ignored: Judge = |message| match message.is("pub") && message.id() == "ignored" {
        true => Answer::Ignores,
        false => Answer::Takes,
    };
    for keepalive in [30, 300] {
        fastrand::seed(keepalive);
        let mut device = Device::new(
            config().with(|config| config.broker.keepalive = Duration::from_secs(keepalive)),
        )
        .await;
        let (sender, mut heard) = mpsc::unbounded_channel();
        let others = (0..100).map(|n| n.to_string());
        let ids = std::iter::once("ignored".to_owned()).chain(others);
        device.pings(ids, Duration::from_secs(20));
        let began = Instant::now();
        let connections = device.connect(began + HOUR, FAST, ignored, &sender).await;
        let heard = all(&mut heard);
        let times = results(&heard);
        assert_eq!(times.len(), 101);
        // Each of the others came soon after its job, 20 s after the one before.
        let of = |n: usize| {
            let mut of = heard
                .iter()
                .filter(|one| one.is("pub") && one.id() == n.to_string());
            (of.next().unwrap().at - began).as_secs()
        };
        for n in 0..100 {
            let late = of(n).saturating_sub(20 * (n as u64 + 1));
            assert!(late <= 30 + 10, "result {n} came {late} s late");
        }
        // Four that become slower, then one in 5 min and the time it takes to see that it is ignored.
        println!("{connections} connections in an hour");
        assert!((8..=18).contains(&connections), "{connections}");
        // On the last one it may wait for its turn.
        assert!(connections - times["ignored"] <= 1, "{times:?}");

        // It is not lost: a broker that takes it has it as soon as it comes again.
        let (sender, mut heard) = mpsc::unbounded_channel();
        let takes: Judge = |_| Answer::Takes;
        let until = Instant::now() + Duration::from_secs(400);
        device.connect(until, FAST, takes, &sender).await;
        assert_eq!(results(&all(&mut heard)).get("ignored"), Some(&1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_acknowledges_nothing_for_an_hour_has_everything_soon_after() {
    let mut device = Device::new(config()).await;
    let (sender, _heard) = mpsc::unbounded_channel();
    device.pings((0..50).map(|n| n.to_string()), Duration::from_millis(10));
    let ignores: Judge = |_| Answer::Ignores;
    let until = Instant::now() + HOUR;
    let connections = device.connect(until, FAST, ignores, &sender).await;
    println!("{connections} connections in an hour");
    assert!(connections < 60, "{connections}");
    let (sender, mut heard) = mpsc::unbounded_channel();
    let takes: Judge = |_| Answer::Takes;
    let until = Instant::now() + Duration::from_secs(700);
    device.connect(until, FAST, takes, &sender).await;
    assert_eq!(results(&all(&mut heard)).len(), 50);
}
