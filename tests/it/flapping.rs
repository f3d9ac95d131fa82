//! The agent as a process, killed again and again while the API behaves in every way it can.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::Value;
use socketman_lab::agent_binary;
use socketman_lab::collector::Mode;
use socketman_lab::lab::Lab;
use socketman_lab::options::Options;
use tokio::time::{sleep, timeout};

/// Longer than any step takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// A report comes every 50 ms, and is delivered every 200 ms.
const SCALE: u32 = 300;

const KILLS: usize = 50;

/// The API's behaviour, which changes now and then.
const MODES: [Mode; 9] = [
    Mode::Up,
    Mode::Up,
    Mode::Down,
    Mode::Status(500, None),
    Mode::Slow(Duration::from_millis(300)),
    Mode::Reset,
    Mode::Status(413, None),
    Mode::Status(429, Some(1)),
    Mode::Page,
];

#[tokio::test]
async fn fifty_kills_while_the_api_flaps_lose_nothing_that_is_not_declared() {
    let options = Options::default();
    let binary = agent_binary::find().await.unwrap();
    let mut lab = Lab::start(&options, binary, SCALE).await.unwrap();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let starts = lab.program().root.join("var/run/socketman/starts");
    for kill in 0..KILLS {
        // It would hold back for a while: that is not what this is about.
        let _ = fs::remove_file(&starts);
        lab.start_agent().unwrap();
        timeout(DEADLINE, lab.registered()).await.unwrap().unwrap();
        // The refusal of a report is one of them.
        let mode = match rng.usize(..=MODES.len()) {
            at if at < MODES.len() => MODES[at],
            _ => Mode::Status(400, None),
        };
        lab.set_api(mode).await.unwrap();
        // The moment of the kill is any.
        sleep(Duration::from_millis(rng.u64(..700))).await;
        if kill + 1 < KILLS {
            lab.agent().unwrap().kill().await.unwrap();
        }
    }
    lab.set_api(Mode::Up).await.unwrap();
    // What is declared last is in a report that comes after.
    let sure = lab.api.reports().iter().map(|id| id.seq).max().unwrap_or(0) + 20;
    let arrived =
        |record: &socketman_lab::collector::Record| record.reports.iter().any(|id| id.seq >= sure);
    lab.api.wait_for(DEADLINE, arrived).await.unwrap();
    // A report that was refused as the API came back is sent again after 2 h, 24 s here. The queue has to be
    // empty: of two reports the newer one may go first.
    let empty = lab.status_when(|status| status["spool"]["reports"] == 0);
    timeout(DEADLINE, empty).await.unwrap();
    let missing = lab.api.record().missing();
    let missing = missing.iter().filter(|id| id.seq < sure).count() as u64;
    lab.stop_agent().await.unwrap();

    let mut lines: BTreeMap<(String, u64), String> = BTreeMap::new();
    for line in lab.api.lines().unwrap() {
        let report: Value = serde_json::from_str(&line).unwrap();
        let device = &report["device"];
        let boot = device["boot_id"].as_str().unwrap().to_owned();
        let id = (boot, device["seq"].as_u64().unwrap());
        let first = lines.entry(id.clone()).or_insert_with(|| line.clone());
        assert_eq!(*first, line, "{id:?} came with other bytes");
    }
    let gaps: Vec<Value> = lines
        .values()
        .filter_map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["gaps"]
                .as_array()
                .cloned()
        })
        .flatten()
        .collect();
    let counted = |damaged: bool| -> u64 {
        let of = gaps
            .iter()
            .filter(|gap| (gap["reason"] == "damaged") == damaged);
        of.filter_map(|gap| gap["count"].as_u64()).sum()
    };
    println!(
        "{} reports, {missing} missing, {} repeated, declared: {gaps:?}",
        lines.len(),
        lab.api.record().duplicates().len()
    );
    assert_eq!(missing, counted(false), "{gaps:?}");
    // A report that is cut off in the middle has no number, and is declared.
    assert!(counted(true) <= KILLS as u64, "{gaps:?}");
    let at_start = gaps.iter().filter(|gap| gap["reason"] == "power");
    assert!(at_start.count() <= 1, "{gaps:?}");
}
