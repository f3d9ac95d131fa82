//! Packages, good and bad.

use std::fs;

use serde_json::json;
use socketman_lab::firmware::{Agent, Manager, Package, AGENT};

use super::{World, IMPATIENT, PATIENT};

#[tokio::test]
async fn a_package_is_installed_once_and_the_new_agent_says_so() {
    for (manager, end) in [(Manager::Opkg, "ipk"), (Manager::Apk, "apk")] {
        let mut world = World::with(PATIENT, manager).await;
        let (old, new) = world.packages();
        let msg = world
            .lab
            .offer_package(end, &new, Some(&old))
            .await
            .unwrap();
        let id = world.send(msg).await;
        world.delivered(&id).await;
        world.succeeded(&id).await;
        world.has(&new).await;
        let steps = ["begin", "unpack", "configure", "end"];
        let name = if end == "apk" { "apk" } else { "opkg" };
        let steps = steps.map(|step| format!("{name} {step}"));
        assert_eq!(world.lab.steps.taken(), steps);
        assert_eq!(world.lab.watchers(), []);
        let meta = world.again(&id).await;
        assert_eq!(meta["success"], true, "{meta:#}");
        assert_eq!(world.lab.steps.taken(), steps);
        world.cleared().await;
    }
}

#[tokio::test]
async fn a_new_agent_that_ends_at_once_is_replaced_by_the_one_before() {
    goes_back(Agent::Exits).await;
}

#[tokio::test]
async fn a_new_agent_that_hangs_is_replaced_by_the_one_before() {
    goes_back(Agent::Hangs).await;
}

async fn goes_back(agent: Agent) {
    let mut world = World::new(IMPATIENT).await;
    let (old, new) = world.packages();
    let id = world.install(&new.with(agent), Some(&old), json!({})).await;
    let reason = world.undone(&id).await;
    assert!(reason.contains("no sign of life within"), "{reason}");
    assert!(
        reason.contains("the package before is installed again"),
        "{reason}"
    );
    world.has(&old).await;
    assert_eq!(world.lab.steps.count("opkg end"), 2);
    let meta = world.again(&id).await;
    assert_eq!(meta["rolled_back"], true, "{meta:#}");
    assert_eq!(world.lab.steps.count("opkg end"), 2);
}

#[tokio::test]
async fn a_file_that_is_not_what_the_job_says_is_not_installed() {
    let mut world = World::new(PATIENT).await;
    let (old, new) = world.packages();
    let pid = world.lab.agent().unwrap().pid();
    for (key, named) in [("sha256", "sha256"), ("undo_sha256", "the package before")] {
        let id = world
            .install(&new, Some(&old), json!({key: "0".repeat(64)}))
            .await;
        let reason = world.failed(&id).await;
        assert!(reason.contains(named), "{reason}");
    }
    let id = world.install(&new, None, json!({"no_undo": null})).await;
    let reason = world.rejected(&id).await;
    assert!(reason.contains("undo_url is missing"), "{reason}");
    let other = json!({"board": "acme,ap1"});
    let id = world.install(&new, Some(&old), other).await;
    let reason = world.rejected(&id).await;
    assert!(reason.contains("the board is"), "{reason}");
    assert_eq!(world.lab.steps.taken(), [] as [&str; 0]);
    assert_eq!(world.lab.agent().unwrap().pid(), pid);
    world.has(&old).await;
}

#[tokio::test]
async fn a_package_that_the_manager_refuses_leaves_the_version_before() {
    let mut world = World::new(PATIENT).await;
    let (old, new) = world.packages();
    let other = Package {
        arch: "mips_24kc".to_owned(),
        ..new
    };
    let id = world.install(&other, Some(&old), json!({})).await;
    let (_, meta) = world.only_result(&id).await;
    assert_eq!(meta["success"], false, "{meta:#}");
    let said = meta["msg"].as_str().unwrap();
    assert!(
        said.contains("incompatible with the architectures"),
        "{meta:#}"
    );
    world.has(&old).await;
}

#[tokio::test]
async fn a_version_that_is_installed_already_is_no_success() {
    let mut world = World::new(PATIENT).await;
    let (old, _) = world.packages();
    let id = world.install(&old, Some(&old), json!({})).await;
    let reason = world.undone(&id).await;
    assert!(reason.contains("is up to date"), "{reason}");
    world.has(&old).await;
    assert_eq!(world.lab.steps.taken(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_version_that_is_not_the_one_that_was_wanted_is_taken_back() {
    let mut world = World::new(IMPATIENT).await;
    let (old, new) = world.packages();
    let wanted = json!({"release": "9.9.9-r1"});
    let id = world.install(&new, Some(&old), wanted).await;
    world.undone(&id).await;
    world.has(&old).await;
}

#[tokio::test]
async fn without_a_package_before_a_bad_agent_is_told_by_the_next_good_one() {
    let mut world = World::new(IMPATIENT).await;
    let (_, new) = world.packages();
    let bad = new.with(Agent::Exits);
    let id = world.install(&bad, None, json!({})).await;
    world.delivered(&id).await;
    world.reached("opkg end").await;
    world.unwatched().await;
    assert!(world.results(&id).is_empty());
    // Somebody comes with a ladder.
    let root = world.lab.place().root();
    let program = world.lab.system().unwrap().version().program.clone();
    fs::remove_file(root.join(AGENT)).unwrap();
    fs::hard_link(program, root.join(AGENT)).unwrap();
    let reason = world.failed(&id).await;
    assert!(
        reason.contains("there is no package to go back to"),
        "{reason}"
    );
}
