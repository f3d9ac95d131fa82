//! Changes that are good, and a guard that is disarmed.

use std::fs;

use serde_json::json;
use socketman_lab::options::Options;

use super::{guarded, Guarded, BACK_WITHIN, DEADLINE, ROLLBACK_TIMEOUT, SCALE, WORK};

async fn device() -> Option<Guarded> {
    guarded(Options::default(), json!({})).await
}

impl Guarded {
    async fn is_kept(&mut self, kind: &str, command: &str, text: &str) {
        self.send("change", kind, command).await;
        let limit = BACK_WITHIN / SCALE + WORK;
        let result = self.result("change", limit).await;
        assert_ne!(result.meta.rolled_back, Some(true), "{result:?}");
        self.connected(DEADLINE).await;
        self.disarmed().await;
        assert!(self.network().contains(text), "{}", self.network());
    }

    fn network(&self) -> String {
        fs::read_to_string(self.root.join("etc/config/network")).unwrap()
    }
}

#[tokio::test]
async fn a_good_change_stays() {
    let Some(mut device) = device().await else {
        return;
    };
    let reload = "$R/etc/init.d/network reload";
    let hostname = format!("printf '\\toption hostname ap7\\n' >> $R/etc/config/network; {reload}");
    device.is_kept("network", &hostname, "hostname ap7").await;
}

#[tokio::test]
async fn an_interface_with_another_name_that_works_stays() {
    let Some(mut device) = device().await else {
        return;
    };
    let command =
        "sed -i \"s/'wan'/'uplink'/\" $R/etc/config/network; $R/etc/init.d/network restart";
    device
        .is_kept("network", command, "interface 'uplink'")
        .await;
}

#[tokio::test]
async fn a_good_change_that_reboots_stays() {
    let Some(mut device) = device().await else {
        return;
    };
    let command =
        "printf '\\toption hostname ap7\\n' >> $R/etc/config/network; $R/sbin/reboot; sleep 60";
    device.is_kept("network", command, "hostname ap7").await;
}

#[tokio::test]
async fn a_broken_network_of_a_job_that_is_not_of_the_network_is_not_undone() {
    let Some(mut device) = device().await else {
        return;
    };
    let command = "printf '\\toption metric 7\\n' >> $R/etc/config/network; ip route del default";
    device.send("change", "", command).await;
    let armed = std::time::Duration::from_secs(ROLLBACK_TIMEOUT.into()) / SCALE * 2;
    tokio::time::sleep(armed).await;
    assert!(device.network().contains("metric 7"));
}

/// Breaks the network, writes a file of the firmware and reboots.
async fn other(file: &str, text: &str) {
    let Some(mut device) = device().await else {
        return;
    };
    let command = format!(
        "sed -i s/eth0/eth9/ $R/etc/config/network; echo '{text}' > $R/{file}; $R/sbin/reboot; sleep 60"
    );
    device.send("change", "network", &command).await;
    let boot = device.lab.router.facts().boot_id;
    super::alive(
        &mut device.lab,
        "nothing",
        DEADLINE,
        tokio::time::sleep(WORK),
    )
    .await;
    assert_ne!(device.lab.router.facts().boot_id, boot);
    device.disarmed().await;
    let network = device.network();
    assert!(network.contains("eth9"), "{network}");
    // By hand; then the device tells what became of the job.
    fs::write(
        device.root.join("etc/config/network"),
        network.replace("eth9", "eth0"),
    )
    .unwrap();
    let client = device.lab.client().clone();
    crate::desk::order(&client, "network", "reload", json!({}))
        .await
        .unwrap();
    let result = device.result("change", DEADLINE).await;
    assert_ne!(result.meta.rolled_back, Some(true), "{result:?}");
}

#[tokio::test]
async fn another_release_disarms() {
    other("etc/openwrt_release", "DISTRIB_REVISION='r1-2'").await;
}

#[tokio::test]
async fn another_board_disarms() {
    other("etc/board.json", r#"{"model":{"id":"acme,ap1"}}"#).await;
}
