//! Network jobs that undo themselves: over MQTT with mosquitto, in the lab's network, with the real agent.
//!
//! Each job breaks something, and nobody mends it. The device is connected again within rollback_timeout +
//! 120 s, at the pace of the lab, its files are as before, and the result says so.

mod breaking;
mod kept;
mod luci;
mod settings;

use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{json, Value};
use socketman_lab::lab::Lab;
use socketman_lab::mosquitto;
use socketman_lab::mqtt_side::{Ear, Words};
use socketman_lab::options::Options;
use socketman_lab::router::ROUTER_MAC;
use socketman_lab::site::Site;
use tempfile::TempDir;
use tokio::process::Child;
use tokio::time::{interval, timeout};

use crate::desk::Inside;
use crate::service::binary;

/// A second of the device passes in a tenth.
const SCALE: u32 = 10;

/// The shortest that may be set, s.
const ROLLBACK_TIMEOUT: u32 = 30;

/// The promise: connected again after this time of the device.
const BACK_WITHIN: Duration = Duration::from_secs(ROLLBACK_TIMEOUT as u64 + 120);

/// Time that no scale shortens: the agent's and the router's own work on a busy machine, the handshakes.
const WORK: Duration = Duration::from_secs(15);

/// Longest wait for anything.
const DEADLINE: Duration = Duration::from_secs(60);

/// A device with a broker, and what it says.
struct Guarded {
    lab: Lab,
    ear: Ear,
    inside: Inside,
    root: PathBuf,
    _mosquitto: Child,
    _dir: TempDir,
}

/// A lab with these options and settings whose agent is connected; without root `None`, and a line that says so.
async fn guarded(mut options: Options, settings: Value) -> Option<Guarded> {
    let site = match Site::make(ROUTER_MAC) {
        Ok(site) => site,
        Err(error) if !rustix::process::geteuid().is_root() => {
            eprintln!("skipped: {error}");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let conf = dir.path().join("mosquitto.conf");
    let text =
        format!("listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest stderr\nlog_type all\n");
    fs::write(&conf, text).unwrap();
    let mosquitto = mosquitto::start(&conf).await.unwrap();
    options.broker = Some(format!("127.0.0.1:{port}"));
    let lab = Lab::start_on(&options, binary().await, SCALE, Ok(site)).await;
    let mut lab = lab.unwrap();
    let file = lab.program().config_file();
    let mut config: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    config["rollback_timeout"] = json!(ROLLBACK_TIMEOUT);
    for (name, value) in settings.as_object().unwrap() {
        config[name] = value.clone();
    }
    lab.program().configure(&config).unwrap();
    lab.start_agent().unwrap();
    let mut guarded = Guarded {
        ear: lab.mqtt.listen(),
        inside: Inside::of(&mut lab),
        root: lab.place().root(),
        lab,
        _mosquitto: mosquitto,
        _dir: dir,
    };
    guarded.connected(DEADLINE).await;
    Some(guarded)
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Plays procd and the power supply during a step: an agent that ends is started again, the
/// router reboots when it is asked to.
async fn alive<T>(lab: &mut Lab, what: &str, within: Duration, step: impl Future<Output = T>) -> T {
    match timeout(within, lab.during(step)).await {
        Ok(done) => done.unwrap(),
        Err(_) => panic!("not in time: {what}"),
    }
}

impl Guarded {
    /// Waits until the agent's status is so.
    async fn status_when(
        &mut self,
        what: &str,
        within: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let client = self.lab.client().clone();
        let asked = async {
            let mut looks = interval(Duration::from_millis(50));
            loop {
                looks.tick().await;
                // It cannot be asked while it is started again.
                if let Ok(status) = crate::desk::asked(&client, "socketman", "status").await {
                    if wanted(&status) {
                        return status;
                    }
                }
            }
        };
        alive(&mut self.lab, what, within, asked).await
    }

    async fn connected(&mut self, within: Duration) -> Value {
        let connected = |status: &Value| status["mqtt"]["connected"] == true;
        self.status_when("a session", within, connected).await
    }

    /// Nothing is guarded any more.
    async fn disarmed(&mut self) {
        let disarmed = |status: &Value| status["guard"]["armed"] == false;
        self.status_when("the guard is done", DEADLINE, disarmed)
            .await;
    }

    /// Sends a job by the broker. In its command `$R` is the router's root.
    async fn send(&mut self, id: &str, kind: &str, command: &str) {
        let msg = format!("R={}; {command}", self.root.display());
        let mut job = json!({ "id": id, "meta": { "msg": msg } });
        if !kind.is_empty() {
            job["meta"]["type"] = json!(kind);
        }
        self.lab.mqtt.send(job.to_string()).await.unwrap();
    }

    /// The result of a job.
    async fn result(&mut self, id: &str, within: Duration) -> Words {
        let ended = |words: &Words| words.id == id && words.event_type != "DELIVERED";
        let result = self.ear.wait_for(ended);
        alive(&mut self.lab, "a result", within, result)
            .await
            .unwrap()
    }

    /// Has a job run that breaks something; it is undone, in time, and all is as before.
    async fn is_undone(&mut self, kind: &str, command: &str) -> Words {
        self.is_undone_after(kind, command, async |_| {}).await
    }

    /// The same, with something that happens beside it.
    async fn is_undone_after(
        &mut self,
        kind: &str,
        command: &str,
        meanwhile: impl AsyncFnOnce(&mut Self),
    ) -> Words {
        let before = self.files();
        let began = Instant::now();
        self.send("change", kind, command).await;
        meanwhile(self).await;
        let limit = BACK_WITHIN / SCALE + WORK;
        let result = self.result("change", limit).await;
        assert_eq!(result.meta.success, Some(false), "{result:?}");
        assert_eq!(result.meta.rolled_back, Some(true), "{result:?}");
        let left = limit.saturating_sub(began.elapsed());
        self.connected(left).await;
        println!(
            "undone and connected after {:.1} s, at {SCALE} times the pace of a device",
            began.elapsed().as_secs_f64()
        );
        self.disarmed().await;
        self.unchanged(&before);
        result
    }

    /// The files that a guard looks after: names, bytes and modes.
    fn files(&self) -> Vec<(String, Vec<u8>, u32)> {
        use std::os::unix::fs::PermissionsExt;
        let mut files = Vec::new();
        for entry in fs::read_dir(self.root.join("etc/config")).unwrap() {
            let path = entry.unwrap().path();
            let mode = path.metadata().unwrap().permissions().mode();
            files.push((path.display().to_string(), fs::read(&path).unwrap(), mode));
        }
        let config = self.lab.program().config_file();
        files.push(("config.json".to_owned(), fs::read(config).unwrap(), 0));
        files.sort();
        files
    }

    fn unchanged(&self, before: &[(String, Vec<u8>, u32)]) {
        for (now, before) in self.files().iter().zip(before) {
            let text = String::from_utf8_lossy(&now.1);
            assert_eq!(now, before, "{}: {text}", now.0);
        }
        assert_eq!(self.files().len(), before.len());
    }
}
