//! The power is cut, or the agent or the watcher killed, at every step of a package.

use serde_json::json;
use socketman_lab::collector::Mode;
use socketman_lab::depot::Line;
use socketman_lab::firmware::{Agent, Version, AGENT};

use super::{Fate, World, IMPATIENT, PATIENT};

/// The steps of the package manager.
const STEPS: [&str; 4] = ["opkg begin", "opkg unpack", "opkg configure", "opkg end"];

impl World {
    /// Has an installation come to a step; its id.
    async fn install_to(&mut self, step: &str) -> String {
        self.lab.steps.hold(step);
        let (old, new) = self.packages();
        let id = self.install(&new, Some(&old), json!({})).await;
        self.reached(step).await;
        id
    }
}

#[tokio::test]
async fn what_is_cut_while_the_package_comes_is_interrupted_and_changes_nothing() {
    for fate in [Fate::Agent, Fate::Power] {
        let mut world = World::new(PATIENT).await;
        let (old, new) = world.packages();
        let held = Line {
            held_at: Some(100),
            ..Line::default()
        };
        world.lab.depot().await.unwrap().set(held);
        let id = world.install(&new, Some(&old), json!({})).await;
        let depot = world.lab.depot().await.unwrap().watch();
        let some = async {
            depot
                .when(|gets| gets.last().is_some_and(|get| get.sent == 100))
                .await;
        };
        world.during("some of the package", some).await;
        world.suffer(fate).await;
        world.interrupted(&id).await;
        world.has(&old).await;
        assert_eq!(world.lab.steps.taken(), [] as [&str; 0], "{fate:?}");
        world.lab.depot().await.unwrap().set(Line::default());
        let id = world.install(&new, Some(&old), json!({})).await;
        world.succeeded(&id).await;
        world.has(&new).await;
    }
}

#[tokio::test]
async fn a_power_cut_during_the_way_back_does_not_end_it() {
    let mut world = World::new(IMPATIENT).await;
    let (old, new) = world.packages();
    let bad = new.with(Agent::Exits);
    let id = world.install(&bad, Some(&old), json!({})).await;
    world.reached("opkg end").await;
    // The second run of the package manager is that of the package before, which is in place already.
    world.lab.steps.hold("opkg configure");
    let steps = world.lab.steps.clone();
    let back = async { steps.reached("opkg configure", 2).await };
    world.during("the way back", back).await;
    world.suffer(Fate::Power).await;
    world.lab.steps.release("opkg configure");
    world.undone(&id).await;
    world.has(&old).await;
}

#[tokio::test]
async fn a_power_cut_while_the_package_manager_runs_brings_the_version_before() {
    for step in STEPS {
        let mut world = World::new(PATIENT).await;
        let (old, _) = world.packages();
        let id = world.install_to(step).await;
        world.suffer(Fate::Power).await;
        world.lab.steps.release(step);
        let reason = world.undone(&id).await;
        assert!(
            reason.contains("interrupted while the package manager ran"),
            "{step}: {reason}"
        );
        world.has(&old).await;
    }
}

#[tokio::test]
async fn the_version_before_comes_back_though_opkg_takes_it_for_installed() {
    let mut world = World::new(PATIENT).await;
    let (old, new) = world.packages();
    let id = world.install_to("opkg configure").await;
    let program = world.lab.place().root().join(AGENT);
    let of = |version: &Version| std::fs::read(&version.program).unwrap();
    assert!(std::fs::read(&program).unwrap() == of(&new.version));
    assert_eq!(world.lab.system().unwrap().installed(), Some(old.number()));
    world.suffer(Fate::Power).await;
    world.lab.steps.release("opkg configure");
    world.undone(&id).await;
    world.has(&old).await;
    assert!(std::fs::read(&program).unwrap() == of(&old.version));
    assert_eq!(world.lab.steps.count("opkg remove"), 1);
}

#[tokio::test]
async fn an_installation_whose_watcher_is_killed_is_taken_back() {
    for step in STEPS {
        let mut world = World::new(PATIENT).await;
        let (old, _) = world.packages();
        let id = world.install_to(step).await;
        world.suffer(Fate::Watcher).await;
        world.lab.steps.release(step);
        world.undone(&id).await;
        world.has(&old).await;
    }
}

#[tokio::test]
async fn an_installation_goes_on_without_the_agent_that_began_it() {
    // The other steps leave no trace of it.
    for step in ["opkg begin", "opkg end"] {
        let mut world = World::new(PATIENT).await;
        let (_, new) = world.packages();
        let id = world.install_to(step).await;
        world.status("an agent", |_| true).await;
        world.suffer(Fate::Agent).await;
        world.lab.steps.release(step);
        world.succeeded(&id).await;
        world.has(&new).await;
        assert_eq!(world.lab.steps.count("opkg begin"), 1, "{step}");
    }
}

#[tokio::test]
async fn a_new_agent_that_waits_for_proof_survives_what_is_killed() {
    for fate in [Fate::Agent, Fate::Watcher, Fate::Power] {
        let mut world = World::new(PATIENT).await;
        let (_, new) = world.packages();
        let id = world.install_to("opkg configure").await;
        world.lab.mqtt.down().await.unwrap();
        world.lab.set_api(Mode::Down).await.unwrap();
        world.lab.steps.release("opkg configure");
        world.suffer_on_trial(fate).await;
        world.succeeded(&id).await;
        world.has(&new).await;
        assert_eq!(world.lab.steps.count("opkg begin"), 1, "{fate:?}");
    }
}
