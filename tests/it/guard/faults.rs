//! Network jobs on a device whose disk does not let the guard in.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::{json, Value};
use socketman_lab::within::within;
use tokio::time::sleep;

use super::desk::{Desk, LOOK_AGAIN};
use super::jobs::{is_rebooted, BOOT_ID};

pub(super) const NETWORK: &str = "etc/config/network";
const GUARD: &str = "etc/socketman/state/guard";

/// A command that opens the guard's directory to others, and changes the network.
fn locks_out(desk: &Desk) -> String {
    let (network, guard) = (desk.path(NETWORK), desk.path(GUARD));
    let (network, guard) = (network.display(), guard.display());
    format!("chmod 755 {guard}; echo new > {network}")
}

/// A job has taken the broker away and opened the guard's directory to others, and its files could not be put back.
async fn refused() -> Desk {
    let mut desk = Desk::new().await;
    let go = desk.lab.place().path().join("go");
    let waits = format!("while [ ! -e {} ]; do sleep 0.1; done", go.display());
    let msg = format!("{}; {waits}", locks_out(&desk));
    desk.run("bad", "network", &msg).await;
    desk.until(NETWORK, "new\n").await;
    desk.lab.mqtt.down().await.unwrap();
    fs::write(go, "").unwrap();
    logged(&desk, |log| {
        let undo = log.split_once("is undone: the broker was not reached");
        undo.is_some_and(|(_, then)| then.contains("is open to others"))
    })
    .await;
    desk
}

/// A job has taken the broker away and put a directory in the place of a file, which could not be put back.
pub(super) async fn replaced_by_a_directory(desk: &mut Desk) {
    let network = desk.path(NETWORK);
    let go = desk.lab.place().path().join("go");
    let (file, waits) = (network.display(), go.display());
    let msg = format!("rm {file}; mkdir {file}; while [ ! -e {waits} ]; do sleep 0.1; done");
    desk.run("bad", "network", &msg).await;
    within("the command", async {
        while !network.is_dir() {
            sleep(LOOK_AGAIN).await;
        }
    })
    .await;
    desk.lab.mqtt.down().await.unwrap();
    fs::write(go, "").unwrap();
    logged(desk, |log| log.contains("could not be put back: network: ")).await;
}

/// Waits until the agent's log is as wanted.
pub(super) async fn logged(desk: &Desk, wanted: impl Fn(&str) -> bool) {
    within("the log", async {
        while !wanted(&fs::read_to_string(&desk.lab.program().log).unwrap()) {
            sleep(LOOK_AGAIN).await;
        }
    })
    .await;
}

pub(super) fn reason(outcome: &Value) -> &str {
    outcome["reason"].as_str().unwrap()
}

#[tokio::test]
async fn files_that_could_not_be_put_back_at_first_are_before_services_restart() {
    let mut desk = refused().await;
    fs::set_permissions(desk.path(GUARD), Permissions::from_mode(0o700)).unwrap();
    desk.until(NETWORK, "config interface 'lan'\n").await;
    desk.lab.mqtt.up().await.unwrap();
    let outcome = desk.outcome("bad").await;
    assert_eq!(outcome["rolled_back"], true, "{outcome:#}");
    let said = reason(&outcome);
    let (first, then) = ("not put back: ", "; the files were put back later");
    assert!(said.contains(first) && said.contains(then), "{said}");
    desk.is_over().await;
}

#[tokio::test]
async fn a_change_that_could_not_be_undone_is_no_success() {
    let mut desk = refused().await;
    desk.lab.mqtt.up().await.unwrap();
    let outcome = desk.outcome("bad").await;
    assert_eq!(outcome["success"], false, "{outcome:#}");
    let said = reason(&outcome);
    assert!(said.contains("not put back: "), "{said}");
}

#[tokio::test]
async fn a_file_that_could_not_be_put_back_at_first_is_before_services_restart() {
    let mut desk = Desk::new().await;
    replaced_by_a_directory(&mut desk).await;
    fs::remove_dir(desk.path(NETWORK)).unwrap();
    desk.until(NETWORK, "config interface 'lan'\n").await;
    desk.lab.mqtt.up().await.unwrap();
    let outcome = desk.outcome("bad").await;
    assert_eq!(outcome["rolled_back"], true, "{outcome:#}");
    let said = reason(&outcome);
    let (first, then) = (
        "could not be put back: network: ",
        "; the files were put back later",
    );
    assert!(said.contains(first) && said.contains(then), "{said}");
    desk.is_over().await;
}

#[tokio::test]
async fn a_journal_that_could_not_be_removed_goes_when_the_disk_lets_it() {
    let desk = Desk::new().await;
    let guard = desk.path(GUARD);
    desk.run("good", "network", &locks_out(&desk)).await;
    let outcome = desk.outcome("good").await;
    assert_eq!(outcome["success"], true, "{outcome:#}");
    logged(&desk, |log| log.contains("the journal cannot be removed")).await;
    assert!(guard.join("journal").exists());
    fs::set_permissions(guard, Permissions::from_mode(0o700)).unwrap();
    desk.is_over().await;
}

#[tokio::test]
async fn files_that_could_not_be_put_back_at_first_are_though_the_device_is_back_before() {
    let mut desk = refused().await;
    fs::set_permissions(desk.path(GUARD), Permissions::from_mode(0o700)).unwrap();
    desk.lab.mqtt.up().await.unwrap();
    let outcome = desk.outcome("bad").await;
    assert_eq!(outcome["rolled_back"], true, "{outcome:#}");
    let said = reason(&outcome);
    assert!(said.contains("; the files were put back later"), "{said}");
    assert_eq!(desk.text(NETWORK), "config interface 'lan'\n");
    desk.is_over().await;
}

#[tokio::test]
async fn files_that_could_not_be_put_back_before_the_reboot_are_by_the_next_agent() {
    for is_mended in [true, false] {
        let mut desk = Desk::new().await;
        let mut procd = desk.procd().await;
        let network = desk.path(NETWORK);
        replaced_by_a_directory(&mut desk).await;
        is_rebooted(&mut procd).await;
        desk.kill().await;
        fs::write(desk.path(BOOT_ID), "a-boot-later\n").unwrap();
        if is_mended {
            fs::remove_dir(&network).unwrap();
        }
        desk.start().await;
        if is_mended {
            desk.until(NETWORK, "config interface 'lan'\n").await;
            // That was the first time with the files as they were.
            is_rebooted(&mut procd).await;
            desk.kill().await;
            fs::write(desk.path(BOOT_ID), "two-boots-later\n").unwrap();
            desk.start().await;
        }
        desk.lab.mqtt.up().await.unwrap();
        let outcome = desk.outcome("bad").await;
        assert_eq!(outcome["success"], false, "{outcome:#}");
        let said = reason(&outcome);
        let is_late = said.contains("; the files were put back later");
        assert_eq!(is_late, is_mended, "{said}");
        desk.is_over().await;
    }
}

#[tokio::test]
async fn our_own_settings_are_put_back_whatever_the_disk_does_to_the_guard() {
    for (place, is_mended) in [(GUARD, false), ("etc/socketman/state", true)] {
        let desk = Desk::new().await;
        let file = desk.lab.program().config_file();
        let before = fs::read(&file).unwrap();
        let place = desk.path(place);
        let sets = desk.sets("mqtt_host", &json!("127.0.0.2"));
        let msg = format!("mkdir -p {0}; chmod 755 {0}; {sets}", place.display());
        desk.run("own", "", &msg).await;
        if is_mended {
            logged(&desk, |log| log.contains("could not be put back: ")).await;
            fs::set_permissions(&place, Permissions::from_mode(0o700)).unwrap();
        }
        let outcome = desk.outcome("own").await;
        assert_eq!(outcome["rolled_back"], true, "{outcome:#}");
        assert_eq!(fs::read(&file).unwrap(), before, "{outcome:#}");
        desk.connected().await;
    }
}
