//! Jobs that do not end: everything else goes on in time.

use std::time::Duration;

use tokio::time::{timeout, Instant};

use socketman_lab::slow_sync::SlowSync;
use socketman_lab::within::within;

use super::{Stalls, World};

/// Between two pings, and two deliveries.
const PING: Duration = Duration::from_secs(1);
const DELIVERY: Duration = Duration::from_secs(2);

/// The delay allowed on top.
const LATE: Duration = Duration::from_secs(1);

/// Duration of the watch.
const WATCHED: Duration = Duration::from_secs(12);

// Row 14.
#[tokio::test]
async fn four_stuck_jobs_delay_neither_pings_nor_reports() {
    let world = World::with_agent().await;
    while_four_jobs_are_stuck(world).await;
}

#[tokio::test]
async fn a_disk_that_syncs_for_three_seconds_delays_neither_pings_nor_reports() {
    let mut world = World::new().await;
    let slow = SlowSync::new(world.dir.path(), Duration::from_secs(3)).unwrap();
    world.lab.slow_down_syncs(slow);
    world.start_agent();
    world.connected().await;
    while_four_jobs_are_stuck(world).await;
}

async fn while_four_jobs_are_stuck(mut world: World) {
    for n in 0..4 {
        // It does not heed SIGTERM, and talks all the time; tests beside this one go first.
        let stuck = "trap '' TERM; nice -n 19 yes | nice -n 19 cat; sleep 600";
        world.job(&format!("stuck-{n}"), stuck).await;
    }
    world.status(|status| status["jobs"]["running"] == 4).await;
    let mut record = world.lab.api.watch();
    let stalls = Stalls::new();
    let began = Instant::now();
    let (mut pings, mut last) = (0, began);
    let mut slowest = Duration::ZERO;
    while began.elapsed() < WATCHED {
        within("a ping", world.operator.next("PING")).await;
        pings += 1;
        slowest = slowest.max(last.elapsed());
        last = Instant::now();
        assert!(
            slowest <= PING + LATE + stalls.most(),
            "{slowest:?} between two pings"
        );
    }
    assert!(pings >= 5, "{pings}");
    let reports = |record: &socketman_lab::collector::Record| record.reports.len();
    let mut known = reports(&record.borrow_and_update());
    for _ in 0..4 {
        let next = timeout(
            DELIVERY + LATE + stalls.most(),
            record.wait_for(|record| reports(record) > known),
        );
        known = reports(&next.await.expect("a report is late").unwrap());
    }
    // A fifth job waits, and is taken all the same.
    world.job("fifth", "true").await;
    world.operator.next("DELIVERED").await;
    world.status(|status| status["jobs"]["queued"] == 1).await;
    let cancel = serde_json::json!({"id": "c", "meta": {"type": "cancel", "msg": "stuck-0"}});
    world.operator.send(cancel.to_string()).await;
    assert_eq!(world.operator.result("fifth").await["success"], true);
    world.lab.agent().unwrap().kill().await.unwrap();
}
