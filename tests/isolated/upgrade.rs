//! Upgrades that need a network or a file system of their own: a release that comes up without network, and a /tmp
//! without room.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use socketman_lab::firmware::{Boots, Image, Manager, Release};
use socketman_lab::lab::Lab;
use socketman_lab::mqtt_side::Ear;
use socketman_lab::options::Options;
use socketman_lab::within::within;

use crate::desk;
use crate::service::{self, binary};

/// Has the agent part of the firmware, and starts it.
async fn started(lab: &mut Lab, rollback_timeout: u32) {
    lab.install(Manager::Opkg).unwrap();
    lab.set_option("insecure", true.into()).unwrap();
    lab.set_option("rollback_timeout", rollback_timeout.into())
        .unwrap();
    lab.start_agent().unwrap();
    let connected = lab.status_when(|status| status["mqtt"]["connected"] == true);
    within("a session", connected).await;
}

/// The next result of a job, while the router does what it is asked to.
async fn result(lab: &mut Lab, ear: &mut Ear, id: &str) -> Value {
    loop {
        let said = within("a result", lab.during(ear.next())).await;
        let value: Value = serde_json::from_slice(&said.unwrap().unwrap().payload).unwrap();
        if value["id"] == id && value["event_type"] != "DELIVERED" {
            return value;
        }
    }
}

#[tokio::test]
async fn a_release_that_comes_up_without_network_has_failed_and_says_why() {
    let Some(mut lab) = desk::lab(&Options::default()).await else {
        return;
    };
    started(&mut lab, 30).await;
    let mut ear = lab.mqtt.listen();
    let mut image = Image::for_board(&lab.board().unwrap());
    image.boots = Boots::Offline;
    let msg = lab.offer_image(&image).await.unwrap();
    let id = lab.send_upgrade(&msg).await.unwrap();
    let client = lab.client().clone();
    let decided = async {
        loop {
            let jobs = desk::asked(&client, "socketman", "jobs").await;
            let jobs = jobs.unwrap_or_default();
            let jobs = jobs["jobs"].as_array().cloned().unwrap_or_default();
            let is_it = |job: &Value| job["id"] == id.as_str() && job.get("success").is_some();
            if jobs.iter().any(is_it) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    within("it is decided", lab.during(decided)).await.unwrap();
    assert_eq!(lab.release().unwrap(), Release::next().revision);
    lab.heal_wan().await.unwrap();
    let value = result(&mut lab, &mut ear, &id).await;
    assert_eq!(value["event_type"], "PROCESSED", "{value:#}");
    assert_eq!(value["meta"]["success"], false, "{value:#}");
    let reason = value["meta"]["reason"].as_str().unwrap();
    assert!(reason.contains("no proof of life within 30 s"), "{reason}");
}

/// A file system over a directory; gone when this is dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn with(path: PathBuf, size: &str) -> Self {
        let options = format!("size={size},mode=1777");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &options, "tmp"])
            .arg(&path);
        let mounted = mount.status().unwrap();
        assert!(mounted.success(), "{mounted}");
        Mounted(path)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[tokio::test]
async fn a_file_for_which_there_is_no_room_is_not_fetched() {
    let mut lab = service::lab(binary().await).await;
    started(&mut lab, 600).await;
    let mut ear = lab.mqtt.listen();
    let image = Image::for_board(&lab.board().unwrap());
    let msg = lab.offer_image(&image).await.unwrap();
    let full = Mounted::with(lab.place().root().join("tmp"), "1500k");
    let id = lab.send_upgrade(&msg).await.unwrap();
    let value = result(&mut lab, &mut ear, &id).await;
    drop(full);
    assert_eq!(value["meta"]["success"], false, "{value:#}");
    let reason = value["meta"]["reason"].as_str().unwrap();
    assert!(reason.contains("no room in /tmp"), "{reason}");
    assert!(lab.depot().await.unwrap().gets().is_empty());
    assert!(lab.steps.taken().is_empty());

    // With room it is flashed.
    let id = lab.send_upgrade(&msg).await.unwrap();
    let value = result(&mut lab, &mut ear, &id).await;
    assert_eq!(value["meta"]["success"], true, "{value:#}");
    assert_eq!(lab.release().unwrap(), Release::next().revision);
}
