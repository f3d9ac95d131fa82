//! The agent climbs the ladder on a device of the desk, whose bus and init scripts write down what is
//! done to it.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{json, Value};
use socketman_lab::agent_process::{AgentProcess, AgentProgram};
use socketman_lab::ubusd::Ubusd;
use socketman_lab::within::{within, DEADLINE};
use tempfile::TempDir;
use ubus::{blobmsg, Client, Method, Status};

use super::health::bus_of;
use super::service::binary;

/// An outage of 600 s lasts 10 s.
const SCALE: u32 = 60;

/// A log line of procd's after a reset by the watchdog.
const RESET: &str = "procd: Watchdog has previously reset the system";

struct Device {
    dir: TempDir,
    program: AgentProgram,
    client: Client,
    _bus: Ubusd,
}

impl Device {
    /// A device without a default route, and nobody in the world.
    async fn offline(log: &'static [&'static str], extra: Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        for file in ["uptime", "loadavg", "meminfo"] {
            let path = root.join("proc").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(Path::new("/proc").join(file), path).unwrap();
        }
        let program = AgentProgram::below(dir.path(), binary().await, SCALE).unwrap();
        let mut config = json!({
            "mac": "94:83:c4:00:00:0f", "reboot": 600,
            "health_url": "127.0.0.1", "health_port": 1, "web_url": "http://127.0.0.1:1/",
        });
        let members = config.as_object_mut().unwrap();
        members.extend(extra.as_object().unwrap().clone());
        program.configure(&config).unwrap();
        let (bus, client) = bus_of(&program);
        let device = Device {
            dir,
            program,
            client,
            _bus: bus,
        };
        device.boots("one");
        device.write("sys/class/net/eth0/carrier", "1\n");
        device.write("sys/class/net/eth0/operstate", "up\n");
        for service in ["network", "firewall", "dnsmasq"] {
            let done = device.done_file();
            let script = format!("#!/bin/sh\necho {service} $1 >> {}\n", done.display());
            let path = device.write(&format!("etc/init.d/{service}"), &script);
            fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
        device.serve(log).await;
        device
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.program.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn boots(&self, id: &str) {
        self.write("proc/sys/kernel/random/boot_id", &format!("{id}\n"));
    }

    fn done_file(&self) -> PathBuf {
        self.dir.path().join("done")
    }

    /// The actions on the device, in order.
    fn done(&self) -> Vec<String> {
        let done = fs::read_to_string(self.done_file()).unwrap_or_default();
        done.lines().map(str::to_owned).collect()
    }

    /// Puts netifd, procd and logd on the bus.
    async fn serve(&self, log: &'static [&'static str]) {
        let interface = || {
            json!({
                "interface": "wan", "up": true, "pending": false, "available": true, "autostart": true,
                "proto": "dhcp", "device": "eth0", "l3_device": "eth0",
                "ipv4-address": [{"address": "192.0.2.2", "mask": 24}],
                "route": [{"target": "0.0.0.0", "mask": 0, "nexthop": "192.0.2.1", "source": "192.0.2.2/32"}],
            })
        };
        let lines: Vec<Value> = log
            .iter()
            .map(|msg| json!({"msg": msg, "time": 5000u64}))
            .collect();
        for (path, methods, reply) in [
            (
                "network.interface",
                &["dump"][..],
                json!({"interface": [interface()]}),
            ),
            (
                "network.interface.wan",
                &["status", "renew", "down", "up"],
                interface(),
            ),
            ("system", &["reboot"], json!({})),
            ("log", &["read"], json!({"log": lines})),
        ] {
            let offered = methods.iter().map(|name| Method::new(name, &[])).collect();
            let mut object = self.client.offer(path, offered).await.unwrap();
            let done = self.done_file();
            tokio::spawn(async move {
                while let Some(request) = object.next().await {
                    let method = request.method.clone();
                    if let "renew" | "down" | "up" | "reboot" = method.as_str() {
                        let mut open = OpenOptions::new();
                        let mut file = open.append(true).create(true).open(&done).unwrap();
                        writeln!(file, "{method}").unwrap();
                        request.finish(Status::OK);
                    } else {
                        request.reply(&reply);
                    }
                }
            });
        }
    }

    fn start(&self) -> AgentProcess {
        self.program.start().unwrap()
    }

    async fn ask(&self, method: &str) -> Option<Value> {
        let none = ubus::to_members(&json!({})).unwrap();
        let asked = self.client.call_raw("socketman", method, none, DEADLINE);
        let replies = asked.await.ok()?;
        let table = blobmsg::Value::from_members(replies.first()?).unwrap();
        Some(serde_json::to_value(table).unwrap())
    }

    /// The status, as soon as it is so.
    async fn status_when(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        within(what, async {
            loop {
                if let Some(status) = self.ask("status").await.filter(&wanted) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await
    }

    /// Waits until the memory from boot to boot has `text` in it.
    async fn remembers(&self, text: &str) {
        let memory = self.program.root.join("etc/socketman/state/keep/boot");
        within("the agent's memory", async {
            loop {
                let bytes = fs::read(&memory).unwrap_or_default();
                if String::from_utf8_lossy(&bytes).contains(text) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// The event `boot` of the first report.
    async fn boot_event(&self) -> Value {
        within("a report", async {
            loop {
                let report = self.ask("stats").await.unwrap_or_default();
                let events = report["events"].as_array().cloned().unwrap_or_default();
                if let Some(boot) = events.into_iter().find(|event| event["type"] == "boot") {
                    return boot;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
    }
}

fn count(done: &[String], what: &str) -> usize {
    done.iter().filter(|line| *line == what).count()
}

#[tokio::test]
async fn an_outage_that_lasts_is_met_step_by_step_and_reboots_the_device_once() {
    let device = Device::offline(&[], json!({})).await;
    let mut agent = device.start();
    let asked = |status: &Value| status["recovery"]["step"] == "reboot";
    let status = device.status_when("the reboot", asked).await;
    let mut expected = vec!["network restart", "firewall restart"];
    expected.extend(["network restart", "firewall restart", "reboot"]);
    if status["health"]["uplink"]["interface"] == "wan" {
        expected.splice(0..0, ["renew", "down", "up"]);
    }
    // The step is told before it is taken.
    within("procd hears of it", async {
        while count(&device.done(), "reboot") == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(device.done(), expected);
    let status = device
        .status_when("the budget", |status| {
            status["recovery"]["reboots_24h"] == 1
        })
        .await;
    assert_eq!(status["recovery"]["reboots_left"], 2);
    assert_eq!(status["boot"]["cause"], "power");

    // It goes down, and comes up as it was.
    agent.kill().await.unwrap();
    device.boots("two");
    let mut agent = device.start();
    let event = device.boot_event().await;
    assert_eq!(event["cause"], "recovery", "{event}");
    let restarts = |status: &Value| {
        let tried = status["recovery"]["tried"].as_array();
        let steps = tried.into_iter().flatten();
        let restarts = steps.filter(|tried| tried["step"] == "network_restart");
        // The third comes 840 s into the outage, long after a reboot would have.
        restarts.count() == 3
    };
    let status = device.status_when("the ladder goes on", restarts).await;
    assert_eq!(status["boot"]["cause"], "recovery");
    assert_eq!(count(&device.done(), "reboot"), 1, "{:?}", device.done());
    agent.kill().await.unwrap();
}

#[tokio::test]
async fn the_system_log_tells_of_the_watchdog_and_is_kept_over_the_reboot() {
    let extra = json!({"boot_log": true, "archive_dir": "/mnt/archive", "recover": "none"});
    let device = Device::offline(&["kernel: eth0: link is up", RESET], extra).await;
    fs::create_dir_all(device.program.root.join("mnt")).unwrap();
    let mut agent = device.start();
    let event = device.boot_event().await;
    assert_eq!(event["cause"], "watchdog", "{event}");
    let kept = device.program.root.join("etc/socketman/state/boot_log");
    within("the log is on flash", async {
        while !kept.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    agent.kill().await.unwrap();
    device.boots("two");
    let mut agent = device.start();
    let event = device.boot_event().await;
    let detail = event["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("5 kernel: eth0: link is up"), "{event}");
    device.remembers(r#""told":{"boot":"two""#).await;
    // An agent that starts again in the same boot does not tell it again.
    agent.kill().await.unwrap();
    let mut agent = device.start();
    let told = |status: &Value| status["seq"].as_u64() > Some(1);
    let status = device.status_when("two reports", told).await;
    assert_eq!(status["boot"]["cause"], "watchdog");
    let said = fs::read_to_string(&device.program.log).unwrap();
    assert_eq!(said.matches("booted: ").count(), 2, "{said}");
    agent.kill().await.unwrap();
    assert_eq!(device.done(), [""; 0]);
}
