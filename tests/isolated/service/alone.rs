//! Nothing the agent needs is there.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use serde_json::{json, Value};
use socketman_lab::agent_process::AgentProgram;
use socketman_lab::lab::AGENT_ENDS_WITHIN;
use socketman_lab::ubusd::{self, Credentials, Peers, Ubusd};
use socketman_lab::within::{within, DEADLINE};
use tempfile::TempDir;
use tokio::net::TcpListener;
use ubus::blobmsg;

use super::{binary, SCALE};

/// A device that has just been unpacked: a kernel, one network device, no route, no settings.
async fn bare_device() -> (TempDir, AgentProgram) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let kernel = root.join("proc/sys/kernel/random");
    fs::create_dir_all(&kernel).unwrap();
    symlink("/proc/sys/kernel/random/boot_id", kernel.join("boot_id")).unwrap();
    for file in ["uptime", "loadavg", "meminfo"] {
        symlink(Path::new("/proc").join(file), root.join("proc").join(file)).unwrap();
    }
    plant_interface(&root.join("sys/class/net/eth0"), "94:83:c4:00:00:0e");
    let program = AgentProgram::below(dir.path(), binary().await, SCALE).unwrap();
    (dir, program)
}

/// Makes a wired interface of the hardware.
fn plant_interface(sys: &Path, address: &str) {
    fs::create_dir_all(sys.join("device")).unwrap();
    fs::write(sys.join("address"), format!("{address}\n")).unwrap();
    fs::write(sys.join("type"), "1\n").unwrap();
}

fn start_bus(socket: &Path) -> Ubusd {
    let options = ubusd::Options {
        peers: Peers::All(Credentials::root()),
        ..ubusd::Options::default()
    };
    Ubusd::start_with(socket, options).unwrap()
}

/// The agent's status, as soon as it is on the bus and the status is so.
async fn status_when(socket: &Path, wanted: impl Fn(&Value) -> bool) -> Value {
    let (client, connection) = ubus::connect(socket);
    tokio::spawn(connection.run());
    loop {
        let none = ubus::to_members(&json!({})).unwrap();
        let asked = client.call_raw("socketman", "status", none, DEADLINE).await;
        if let Ok(replies) = asked {
            let table = blobmsg::Value::from_members(&replies[0]).unwrap();
            let status = serde_json::to_value(table).unwrap();
            if wanted(&status) {
                return status;
            }
        }
        // The next answer may be another.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn without_network_bus_and_settings_it_starts_and_says_so_when_the_bus_comes() {
    let (_dir, program) = bare_device().await;
    let mut agent = program.start().unwrap();
    // It has been looking for the bus when this comes.
    let log = || fs::read_to_string(&program.log).unwrap_or_default();
    within("it runs", async {
        while !log().contains("94-83-C4-00-00-0E") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let bus = start_bus(&program.ubus_socket);
    let no_route = |status: &Value| status["health"]["verdict"] == "no_route";
    let seen = status_when(&program.ubus_socket, no_route);
    let status = within("the object says that there is no route", seen).await;
    assert_eq!(status["mac"], "94-83-C4-00-00-0E");
    assert_eq!(status["health"]["code"], 0);
    assert_eq!(status["mqtt"]["connected"], false);
    assert_eq!(status["starts"]["count"], 0);
    let ended = agent.terminate(AGENT_ENDS_WITHIN).await.unwrap();
    assert!(ended.success(), "{ended}");
    bus.stop().await;
}

#[tokio::test]
async fn the_identity_outlives_a_restart_and_other_hardware_is_told() {
    let (_dir, program) = bare_device().await;
    let bus = start_bus(&program.ubus_socket);
    let net = program.root.join("sys/class/net");
    let start = |mac: &'static str| {
        let program = &program;
        async move {
            let mut agent = program.start().unwrap();
            let named = status_when(&program.ubus_socket, |status| status["mac"] == mac);
            let status = within("the object says the name", named).await;
            let ended = agent.terminate(AGENT_ENDS_WITHIN).await.unwrap();
            assert!(ended.success(), "{ended}");
            status["config"]["warnings"].to_string()
        }
    };
    let first = start("94-83-C4-00-00-0E").await;
    assert!(!first.contains("keep/identity"), "{first}");
    plant_interface(&net.join("dev0"), "94:83:c4:00:00:01");
    let again = start("94-83-C4-00-00-0E").await;
    assert!(!again.contains("keep/identity"), "{again}");
    // The files of another router, with this one's.
    for name in ["eth0", "dev0"] {
        fs::remove_dir_all(net.join(name)).unwrap();
    }
    plant_interface(&net.join("eth0"), "94:83:c4:00:00:77");
    let other = start("94-83-C4-00-00-77").await;
    assert!(other.contains("chosen on other hardware"), "{other}");
    bus.stop().await;
}

#[tokio::test]
async fn told_to_end_at_any_moment_it_ends_in_time_though_nobody_answers_it() {
    let (_dir, program) = bare_device().await;
    // They take connections and never say a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    program
        .configure(&json!({
            "mqtt_host": address.ip().to_string(),
            "port": address.port(),
            "topic": "t",
            "key": "k",
            "stats_url": format!("http://{address}/stats"),
            "health_url": "",
            "web_url": "",
            "spread": 0,
        }))
        .unwrap();
    let mut rng = fastrand::Rng::with_seed(15);
    for _ in 0..10 {
        let mut agent = program.start().unwrap();
        tokio::time::sleep(Duration::from_millis(rng.u64(0..1500))).await;
        // The test's own share of a busy machine comes on top.
        let ended = agent.terminate(AGENT_ENDS_WITHIN * 2).await.unwrap();
        // Before it listens for the signal, the kernel ends it.
        assert!(ended.success() || ended.signal() == Some(15), "{ended}");
    }
}
