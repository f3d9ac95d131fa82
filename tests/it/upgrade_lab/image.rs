//! Images, good and bad.

use std::fs;

use serde_json::json;
use socketman_lab::collector::Mode;
use socketman_lab::firmware::{Boots, Image, Release};

use super::{World, IMPATIENT, PATIENT};

#[tokio::test]
async fn an_image_is_flashed_once_and_the_new_release_says_so() {
    let mut world = World::new(PATIENT).await;
    let id = world.flash(&world.image()).await;
    world.delivered(&id).await;
    world.succeeded(&id).await;
    assert_eq!(world.release(), Release::next().revision);
    let steps = ["sysupgrade test", "sysupgrade begin", "sysupgrade handover"];
    assert_eq!(world.lab.steps.taken(), steps);
    // The broker may bring it once more: the new firmware knows what came of it.
    let meta = world.again(&id).await;
    assert_eq!(meta["success"], true, "{meta:#}");
    assert_eq!(world.lab.steps.taken(), steps);
    // So may somebody who wants the next one.
    let mut next = world.image();
    next.release.revision = "r29000-0123456789".to_owned();
    let id = world.flash(&next).await;
    world.succeeded(&id).await;
    assert_eq!(world.release(), "r29000-0123456789");
}

#[tokio::test]
async fn a_file_that_is_not_what_the_job_says_is_not_flashed() {
    let mut world = World::new(PATIENT).await;
    let pid = world.lab.agent().unwrap().pid();
    let image = world.image();
    let id = world
        .flash_with(&image, json!({"sha256": "0".repeat(64)}))
        .await;
    let reason = world.failed(&id).await;
    assert!(reason.contains("sha256"), "{reason}");
    let id = world.flash_with(&image, json!({"size": 1000})).await;
    let reason = world.failed(&id).await;
    assert!(reason.contains("1048576 bytes, not 1000"), "{reason}");
    let id = world.flash_with(&image, json!({"board": "acme,ap1"})).await;
    let reason = world.rejected(&id).await;
    assert_eq!(reason, "the board is glinet,gl-mt3000, not acme,ap1");
    assert_eq!(world.lab.steps.taken(), [] as [&str; 0]);

    // By its metadata it is for another board, whatever the job says.
    let id = world.flash(&Image::for_board("acme,ap1")).await;
    let (_, meta) = world.only_result(&id).await;
    assert_eq!(meta["success"], false, "{meta:#}");
    let said = meta["msg"].as_str().unwrap();
    assert!(
        said.contains("Device glinet,gl-mt3000 not supported by this image"),
        "{meta:#}"
    );
    let page = json!({"sha256": socketman_lab::lab::sha256(b"<html>"), "size": 6});
    let msg = world
        .lab
        .offer("/page.bin", b"<html>".to_vec())
        .await
        .unwrap();
    let id = world
        .flash_with(
            &image,
            json!({"url": msg["url"], "sha256": page["sha256"], "size": 6}),
        )
        .await;
    let (_, meta) = world.only_result(&id).await;
    assert_eq!(meta["success"], false, "{meta:#}");
    assert_eq!(
        world.lab.steps.taken(),
        ["sysupgrade test", "sysupgrade test"]
    );
    assert_eq!(world.release(), Release::first().revision);
    assert_eq!(world.lab.agent().unwrap().pid(), pid);
    // None of them is in the way of a good one.
    let id = world.flash(&image).await;
    world.succeeded(&id).await;
    assert_eq!(world.release(), Release::next().revision);
}

#[tokio::test]
async fn http_is_refused_unless_the_device_is_insecure() {
    let mut world = World::new(PATIENT).await;
    world.lab.set_option("insecure", false.into()).unwrap();
    world
        .answer("config", "the option is read", |config| {
            !config.to_string().contains("\"insecure\":{\"value\":true") && config.is_object()
        })
        .await;
    world.lab.call("reload", &()).await.unwrap();
    let id = world.flash(&world.image()).await;
    let reason = world.rejected(&id).await;
    assert_eq!(reason, "url is http, and option insecure is not set");
    assert!(world.lab.depot().await.unwrap().gets().is_empty());
}

#[tokio::test]
async fn when_the_old_release_comes_back_the_upgrade_has_failed() {
    let mut world = World::new(PATIENT).await;
    let mut image = world.image();
    image.boots = Boots::Old;
    let id = world.flash(&image).await;
    let reason = world.failed(&id).await;
    assert!(reason.contains(&Release::first().revision), "{reason}");
    assert!(reason.contains(&Release::next().revision), "{reason}");
    assert_eq!(world.release(), Release::first().revision);
}

#[tokio::test]
async fn a_release_without_network_has_failed_and_says_so_when_it_can() {
    let mut world = World::new(IMPATIENT).await;
    let mut image = world.image();
    image.boots = Boots::Offline;
    let id = world.flash(&image).await;
    world.runs(&Release::next()).await;
    world.decided(&id).await;
    assert!(world.results(&id).is_empty());
    world.lab.mqtt.up().await.unwrap();
    world.lab.set_api(Mode::Up).await.unwrap();
    let reason = world.failed(&id).await;
    assert!(reason.contains("no proof of life within 30 s"), "{reason}");
    assert_eq!(world.release(), Release::next().revision);
}

#[tokio::test]
async fn an_image_without_the_agent_is_the_end_of_reports() {
    let mut world = World::new(PATIENT).await;
    let mut image = world.image();
    image.agent = false;
    let id = world.flash(&image).await;
    world.delivered(&id).await;
    world.runs(&Release::next()).await;
    world.no_result(&id);
}

#[tokio::test]
async fn where_the_firmware_has_no_agent_the_job_has_to_say_that_the_image_has_one() {
    let mut world = World::new(PATIENT).await;
    world.lab.system().unwrap().take_out_of_rom().unwrap();
    let image = world.image();
    let id = world.flash(&image).await;
    let reason = world.rejected(&id).await;
    assert!(reason.contains("has_agent"), "{reason}");
    assert!(world.lab.depot().await.unwrap().gets().is_empty());
    let id = world.flash_with(&image, json!({"has_agent": true})).await;
    world.succeeded(&id).await;
    assert_eq!(world.release(), Release::next().revision);
}

#[tokio::test]
async fn an_upgrade_without_settings_is_answered_before_it_begins() {
    let mut world = World::new(PATIENT).await;
    let image = world.image();
    let id = world.flash_with(&image, json!({"keep": false})).await;
    let answer = world
        .heard("the answer", |value| {
            value["id"] == id.as_str() && value["event_type"] == "PROCESSED"
        })
        .await;
    assert_eq!(answer["meta"]["msg"], "flashing, no report follows");
    assert_eq!(answer["meta"]["success"], true);
    world.runs(&Release::next()).await;
    let config = world.lab.program().config_file();
    assert!(!config.exists());
    assert!(world.lab.agent().is_none());
    assert_eq!(world.results(&id).len(), 1);
}

#[tokio::test]
async fn what_sysupgrade_refuses_leaves_the_device_as_it_was() {
    let mut world = World::new(PATIENT).await;
    let pid = world.lab.agent().unwrap().pid();
    let image = world.image();
    for step in ["sysupgrade test", "sysupgrade begin", "sysupgrade handover"] {
        world.lab.steps.fail(step, 1);
        let id = world.flash(&image).await;
        let reason = world.failed(&id).await;
        assert!(reason.contains("sysupgrade"), "{step}: {reason}");
        world.lab.steps.fail(step, 0);
        assert_eq!(world.lab.agent().unwrap().pid(), pid, "{step}");
        let left = world.lab.place().root().join("tmp/socketman-upgrade");
        assert!(!left.exists(), "{step}");
        // Jobs run again.
        let job = world.lab.send_job("echo done").await.unwrap();
        let (_, meta) = world.only_result(&job).await;
        assert_eq!(meta["msg"], "done\n", "{step}");
    }
    assert_eq!(world.release(), Release::first().revision);
    // The record that would say otherwise after the next boot is gone.
    world.lab.power_cut().await.unwrap();
    world.ping().await;
    let id = world.flash(&image).await;
    world.succeeded(&id).await;
    let kept = world.lab.place().root().join("etc/socketman/state/keep");
    let kept = fs::read_dir(kept)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let kept: Vec<_> = kept.collect();
    assert!(!kept.contains(&"upgrade".into()), "{kept:?}");
}
