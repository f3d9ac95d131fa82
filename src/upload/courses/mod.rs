//! Whole courses of deliveries, in simulated time: a spool, the rounds, and a server of any mood.

mod device;
mod server;

use tokio::time::Instant;

use super::*;

use device::Device;
use server::{Mood, Request, Server};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

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
            // A wait of the backoff is 150 s on average.
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
            // The reports of a heartbeat, and the poison.
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
    // A wait of the backoff.
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
