//! The power is cut, or the agent killed, at every step of an image.

use serde_json::json;
use socketman_lab::depot::Line;
use socketman_lab::firmware::{Boots, Release};
use socketman_lab::lab::{Cut, IMAGE_SIZE};

use super::{Fate, World, PATIENT};

const HALF: u64 = IMAGE_SIZE as u64 / 2;

/// The steps before the device may be another.
const BEFORE: [&str; 2] = ["downloading", "sysupgrade test"];

impl World {
    /// Has an upgrade come to a step; its id.
    async fn flash_to(&mut self, step: &str) -> String {
        let is_download = step == "downloading";
        if is_download {
            let held = Line {
                held_at: Some(HALF),
                ..Line::default()
            };
            self.lab.depot().await.unwrap().set(held);
        } else {
            self.lab.steps.hold(step);
        }
        let id = self.flash(&self.image()).await;
        if is_download {
            let depot = self.lab.depot().await.unwrap().watch();
            let half = async {
                depot
                    .when(|gets| gets.last().is_some_and(|get| get.sent == HALF))
                    .await;
            };
            self.during("half of the file", half).await;
        } else {
            self.reached(step).await;
        }
        id
    }

    /// Nothing is in the way of the next one.
    async fn goes_on(&mut self, step: &str) {
        self.lab.steps.release(step);
        self.lab.depot().await.unwrap().set(Line::default());
    }
}

#[tokio::test]
async fn what_is_cut_before_sysupgrade_begins_is_interrupted_and_changes_nothing() {
    for step in BEFORE {
        for fate in [Fate::Agent, Fate::Power] {
            let mut world = World::new(PATIENT).await;
            let id = world.flash_to(step).await;
            world.suffer(fate).await;
            world.interrupted(&id).await;
            world.goes_on(step).await;
            assert_eq!(
                world.release(),
                Release::first().revision,
                "{step} {fate:?}"
            );
            assert_eq!(
                world.lab.steps.count("sysupgrade begin"),
                0,
                "{step} {fate:?}"
            );
            // Never again by itself, and at once if somebody asks.
            let next = world.flash(&world.image()).await;
            world.succeeded(&next).await;
            assert_eq!(world.release(), Release::next().revision, "{step} {fate:?}");
            assert_eq!(world.results(&id).len(), 1, "{step} {fate:?}");
        }
    }
}

#[tokio::test]
async fn a_power_cut_after_sysupgrade_has_begun_brings_the_old_release_back_and_says_so() {
    for step in ["sysupgrade begin", "sysupgrade handover"] {
        let mut world = World::new(PATIENT).await;
        let id = world.flash_to(step).await;
        world.suffer(Fate::Power).await;
        let reason = world.failed(&id).await;
        assert!(
            reason.contains(&Release::first().revision),
            "{step}: {reason}"
        );
        world.goes_on(step).await;
        let next = world.flash(&world.image()).await;
        world.succeeded(&next).await;
        assert_eq!(world.results(&id).len(), 1, "{step}");
    }
}

#[tokio::test]
async fn sysupgrade_goes_on_without_the_agent_that_began_it() {
    for step in ["sysupgrade begin", "sysupgrade handover"] {
        let mut world = World::new(PATIENT).await;
        let id = world.flash_to(step).await;
        world.suffer(Fate::Agent).await;
        world
            .status("it follows", |status| {
                status["upgrade"]["state"] == "flashing"
            })
            .await;
        world.goes_on(step).await;
        world.succeeded(&id).await;
        assert_eq!(world.release(), Release::next().revision, "{step}");
        assert_eq!(world.lab.steps.count("sysupgrade begin"), 1, "{step}");
    }
}

#[tokio::test]
async fn a_cut_while_flashing_is_told_by_whatever_boots_then() {
    let mut world = World::new(PATIENT).await;
    world.lab.cut_while_flashing(Cut::KeepsTheOld);
    let id = world.flash(&world.image()).await;
    let reason = world.failed(&id).await;
    assert!(reason.contains(&Release::first().revision), "{reason}");

    world.lab.cut_while_flashing(Cut::EndsTheDevice);
    let id = world.flash(&world.image()).await;
    world.delivered(&id).await;
    let steps = world.lab.steps.clone();
    let over = async { steps.reached("sysupgrade handover", 2).await };
    world.during("the hand-over", over).await;
    world.dead().await;
    world.no_result(&id);
}

#[tokio::test]
async fn an_upgrade_without_settings_that_is_cut_keeps_its_one_answer() {
    let mut world = World::new(PATIENT).await;
    world.lab.steps.hold("sysupgrade begin");
    let id = world
        .flash_with(&world.image(), json!({"keep": false}))
        .await;
    world.reached("sysupgrade begin").await;
    world.suffer(Fate::Power).await;
    world.goes_on("sysupgrade begin").await;
    let meta = world.succeeded(&id).await;
    assert_eq!(meta["msg"], "flashing, no report follows");
    assert_eq!(world.release(), Release::first().revision);
}

#[tokio::test]
async fn one_that_waits_for_another_begins_under_the_firmware_of_that() {
    let mut world = World::new(PATIENT).await;
    let first = world.flash_to("downloading").await;
    let mut image = world.image();
    image.release.revision = "r29000-0123456789".to_owned();
    let second = world.flash(&image).await;
    world.delivered(&second).await;
    world.lab.steps.hold("sysupgrade begin");
    world.goes_on("downloading").await;
    world.reached("sysupgrade begin").await;
    // The broker keeps it: nothing is accepted any more that the new firmware would not know.
    let job = world.lab.send_job("echo later").await.unwrap();
    world.goes_on("sysupgrade begin").await;
    world.succeeded(&first).await;
    world.succeeded(&second).await;
    assert_eq!(world.release(), "r29000-0123456789");
    let (_, meta) = world.only_result(&job).await;
    assert_eq!(meta["msg"], "later\n");
    assert_eq!(world.lab.steps.count("sysupgrade begin"), 2);
    assert_eq!(world.results(&first).len(), 1);
}

#[tokio::test]
async fn a_new_release_that_is_cut_before_it_has_proved_itself_proves_itself_again() {
    for fate in [Fate::Agent, Fate::Power] {
        let mut world = World::new(PATIENT).await;
        // Without anybody to prove it with.
        let mut image = world.image();
        image.boots = Boots::Offline;
        let id = world.flash(&image).await;
        world.runs(&Release::next()).await;
        world.suffer_on_trial(fate).await;
        world.succeeded(&id).await;
        assert_eq!(world.release(), Release::next().revision, "{fate:?}");
        assert_eq!(world.lab.steps.count("sysupgrade begin"), 1, "{fate:?}");
    }
}
