//! Jobs of the types that are guarded, which break the network.

use serde_json::json;
use socketman_lab::options::Options;
use socketman_lab::site::SERVERS;

use super::{guarded, Guarded};

/// Has netifd read what the job wrote.
const RELOAD: &str = "$R/etc/init.d/network reload";

/// Leads the WAN to a device that is not there.
const NO_DEVICE: &str = "sed -i s/eth0/eth9/ $R/etc/config/network";

async fn device() -> Option<Guarded> {
    guarded(Options::default(), json!({})).await
}

#[tokio::test]
async fn a_job_that_deletes_the_route_is_undone() {
    let Some(mut device) = device().await else {
        return;
    };
    // No file tells of it: the restart of the network brings it back.
    device.is_undone("network", "ip route del default").await;
    assert_ne!(device.inside.default_route().await, "");
}

#[tokio::test]
async fn a_job_that_breaks_the_resolver_is_undone() {
    let Some(mut device) = device().await else {
        return;
    };
    let mark = device.root.join("tmp/changed");
    let command = format!(
        "printf '\\toption peerdns 0\\n\\tlist dns 192.0.2.99\\n' >> $R/etc/config/network; {RELOAD}; \
         echo > {}",
        mark.display()
    );
    // A session that lasts needs no name; the next one does.
    let cut = async |device: &mut Guarded| {
        while !mark.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        device.lab.site().unwrap().cut().await;
    };
    device.is_undone_after("networking", &command, cut).await;
}

#[tokio::test]
async fn a_job_that_firewalls_the_broker_is_undone() {
    let Some(mut device) = device().await else {
        return;
    };
    let rule = format!("config rule\\n\\toption dest_ip {SERVERS}\\n\\toption target DROP\\n");
    let command =
        format!("printf '{rule}' >> $R/etc/config/firewall; $R/etc/init.d/firewall restart");
    device.is_undone("all", &command).await;
}

#[tokio::test]
async fn a_job_that_blackholes_the_broker_past_every_file_is_undone() {
    let Some(mut device) = device().await else {
        return;
    };
    // Nothing but a boot ends this.
    let boot = device.lab.router.facts().boot_id;
    let command = format!("ip route add blackhole {SERVERS}/32");
    device.is_undone("network", &command).await;
    assert_ne!(device.lab.router.facts().boot_id, boot);
}

#[tokio::test]
async fn a_job_that_leads_the_interface_to_another_device_is_undone() {
    let Some(mut device) = device().await else {
        return;
    };
    let command = format!("{NO_DEVICE}; {RELOAD}");
    device.is_undone("network", &command).await;
}

#[tokio::test]
async fn a_job_that_renames_the_device_is_undone() {
    let Some(mut device) = device().await else {
        return;
    };
    let command = "ip link set eth0 down; ip link set eth0 name wan0";
    device.is_undone("network", command).await;
}

#[tokio::test]
async fn a_job_that_writes_a_file_nobody_can_read_is_undone() {
    let Some(mut device) = device().await else {
        return;
    };
    let command = format!("echo \"config interface 'wan\" > $R/etc/config/network; {RELOAD}");
    device.is_undone("network", &command).await;
}

#[tokio::test]
async fn a_job_that_removes_the_file_is_undone() {
    let Some(mut device) = device().await else {
        return;
    };
    let command = "rm $R/etc/config/network; $R/etc/init.d/network restart";
    device.is_undone("network", command).await;
}

#[tokio::test]
async fn a_job_that_fills_the_disk_is_undone() {
    let options = Options {
        etc_size: Some(2 << 20),
        ..Options::default()
    };
    let Some(mut device) = guarded(options, json!({})).await else {
        return;
    };
    let command = format!(
        "sed s/eth0/eth9/ $R/etc/config/network > $R/tmp/network; \
         cat $R/tmp/network > $R/etc/config/network; {RELOAD}; \
         cat /dev/zero > $R/etc/fill 2> /dev/null; true"
    );
    device.is_undone("network", &command).await;
}

#[tokio::test]
async fn a_job_that_breaks_the_network_and_reboots_is_undone() {
    let Some(mut device) = device().await else {
        return;
    };
    let boot = device.lab.router.facts().boot_id;
    let command = format!("{NO_DEVICE}; $R/sbin/reboot; sleep 60");
    device.is_undone("network", &command).await;
    assert_ne!(device.lab.router.facts().boot_id, boot);
}

#[tokio::test]
async fn a_job_that_breaks_the_network_and_kills_the_agent_is_undone() {
    let Some(mut device) = device().await else {
        return;
    };
    let pid = device.lab.agent().unwrap().pid();
    let command = format!("{NO_DEVICE}; {RELOAD}; kill -9 {pid}; sleep 60");
    device.is_undone("network", &command).await;
}

#[tokio::test]
async fn a_power_cut_while_a_broken_change_is_verified_does_not_keep_it() {
    let Some(mut device) = device().await else {
        return;
    };
    let command = format!("{NO_DEVICE}; {RELOAD}");
    let cut = async |device: &mut Guarded| {
        // While the command runs, no time is set for the verdict.
        let verified = |status: &serde_json::Value| {
            status["guard"]["armed"] == true && status["guard"]["until"].is_number()
        };
        device
            .status_when("the change is verified", super::DEADLINE, verified)
            .await;
        device.lab.power_cut().await.unwrap();
    };
    device.is_undone_after("network", &command, cut).await;
}
