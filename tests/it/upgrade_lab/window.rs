//! Upgrades that begin at a time of day.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{json, Value};
use socketman::jobs::Due;
use socketman::process::clock::Reading;
use socketman::upgrade::window::Window;
use socketman::upgrade::zone::Zone;
use socketman_lab::firmware::Release;
use socketman_lab::router::ROUTER_MAC;

use super::{Fate, World, PATIENT};

/// Local time of the router.
const ZONE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

const WINDOW: &str = "02:00-04:00";

/// Seconds since midnight at which the window begins, and how long it lasts.
const FROM: u64 = 2 * 3600;
const LASTS: u64 = 2 * 3600;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// The beginning of the window on the day after tomorrow, seconds since the epoch. It is on the day that no change
/// to or from summer time is near enough to matter.
fn begins() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let zone = Zone::parse(ZONE).unwrap();
    let local = |epoch: u64| epoch.saturating_add_signed(zone.offset(epoch));
    let mut day = now.as_secs() + 2 * DAY;
    while zone.offset(day - DAY) != zone.offset(day + DAY) {
        day += DAY;
    }
    day - local(day) % DAY + FROM
}

/// Seconds from the beginning of the window to the moment of the lab's router.
fn moment(begins: u64) -> u64 {
    let at = Reading {
        epoch: begins,
        mono: 0,
        synced: true,
    };
    let window = Window::parse(WINDOW).unwrap();
    let mac = ROUTER_MAC.replace(':', "");
    match window.due(&Zone::parse(ZONE).unwrap(), &mac, at, Duration::ZERO) {
        Due::In(moment) => moment.as_secs(),
        Due::Now | Due::Never(_) => panic!("its moment is the first second of the window"),
    }
}

impl World {
    /// A router in a time zone.
    async fn somewhere() -> Self {
        let world = World::new(PATIENT).await;
        let tz = world.lab.place().root().join("tmp/TZ");
        std::fs::create_dir_all(tz.parent().unwrap()).unwrap();
        std::fs::write(tz, ZONE).unwrap();
        world
    }

    /// Sets the router's clock.
    fn set_time(&self, epoch: u64, synced: bool) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let offset = epoch.cast_signed() - now.as_secs().cast_signed();
        self.lab.program().set_clock(offset, synced).unwrap();
    }

    /// Waits until the agent says that the upgrade `id` waits and begins in about `seconds`.
    async fn waits(&mut self, id: &str, seconds: u64) {
        let about = |status: &Value| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let upgrade = &status["upgrade"];
            let left = upgrade["begins"].as_u64()?.checked_sub(now.as_secs())?;
            let waits = upgrade["state"] == "waiting" && upgrade["id"] == id;
            // The device says whole seconds, and is asked a while after it has looked.
            (waits && left.abs_diff(seconds) < 5 * MINUTE).then_some(())
        };
        let what = format!("{id} waits for {seconds} s");
        self.status(&what, |status| about(status).is_some()).await;
    }
}

#[tokio::test]
async fn an_upgrade_with_a_window_begins_at_the_moment_of_its_device_and_not_before() {
    let begins = begins();
    let moment = moment(begins);
    assert!((0..LASTS).contains(&moment));
    let mut world = World::somewhere().await;
    // The window of this day is over.
    world.set_time(begins + LASTS + HOUR, true);
    let id = world
        .flash_with(&world.image(), json!({"window": WINDOW}))
        .await;
    world.delivered(&id).await;
    world.waits(&id, DAY - LASTS - HOUR + moment).await;
    world.set_time(begins - HOUR, true);
    world.waits(&id, HOUR + moment).await;
    // An agent that takes over goes on waiting, in the window as before it.
    world.suffer(Fate::Agent).await;
    world.waits(&id, HOUR + moment).await;
    world.set_time(begins + moment - 30 * MINUTE.min(moment), true);
    world.waits(&id, 30 * MINUTE.min(moment)).await;
    world.ping().await;
    assert_eq!(world.results(&id), [] as [Value; 0]);
    assert!(world.lab.steps.taken().is_empty());
    assert_eq!(world.lab.depot().await.unwrap().gets().len(), 0);
    assert_eq!(world.release(), Release::first().revision);

    world.set_time(begins + moment + MINUTE, true);
    world.succeeded(&id).await;
    assert_eq!(world.release(), Release::next().revision);
    let steps = ["sysupgrade test", "sysupgrade begin", "sysupgrade handover"];
    assert_eq!(world.lab.steps.taken(), steps);
}

#[tokio::test]
async fn an_upgrade_with_a_window_fails_by_its_end_if_nobody_knows_the_time() {
    let begins = begins();
    let mut world = World::somewhere().await;
    world.set_time(begins - HOUR, false);
    let id = world
        .flash_with(&world.image(), json!({"window": WINDOW}))
        .await;
    world.delivered(&id).await;
    // It does not begin within the window by a clock that may be wrong.
    world.waits(&id, HOUR + LASTS).await;
    world.set_time(begins + LASTS - 20 * MINUTE, false);
    world.waits(&id, 20 * MINUTE).await;
    assert_eq!(world.lab.depot().await.unwrap().gets().len(), 0);
    world.set_time(begins + LASTS - 5, false);
    let reason = world.failed(&id).await;
    assert!(reason.contains("the clock was not right"), "{reason}");
    assert!(world.lab.steps.taken().is_empty());
    assert_eq!(world.release(), Release::first().revision);
}
