//! Jobs as the agent runs them, with cgroups and without.

mod detached;
mod endings;
mod memory;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{json, Value};
use socketman_lab::lab::Lab;
use socketman_lab::mqtt_side::{Ear, Words};
use socketman_lab::within::within;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::service::{binary, lab};

/// Has an agent run its jobs as on a kernel without cgroups.
const WITHOUT: &str = "SOCKETMAN_WITHOUT_CGROUPS";

/// A lab with an agent, and a directory for what jobs leave.
struct Site {
    lab: Lab,
    dir: TempDir,
}

impl Site {
    /// With an agent that is on the bus.
    async fn new(cgroups: bool) -> Self {
        Site::with(cgroups, &json!({})).await
    }

    /// In this lab, whose agent is started.
    async fn of(mut lab: Lab, dir: TempDir) -> Self {
        lab.start_agent().unwrap();
        let site = Site { lab, dir };
        site.connected().await;
        site
    }

    /// Waits until the agent is on the bus and has a session with the broker.
    async fn connected(&self) {
        within("registration", self.lab.registered()).await.unwrap();
        let connected = |status: &Value| status["mqtt"]["connected"] == true;
        within("a session", self.lab.status_when(connected)).await;
    }

    /// With settings of its own.
    async fn with(cgroups: bool, settings: &Value) -> Self {
        let dir = TempDir::new().unwrap();
        let lab = lab(agent(&dir, cgroups).await).await;
        let text = fs::read(lab.program().config_file()).unwrap();
        let mut config: Value = serde_json::from_slice(&text).unwrap();
        for (name, value) in settings.as_object().unwrap() {
            config[name] = value.clone();
        }
        lab.program().configure(&config).unwrap();
        Site::of(lab, dir).await
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Sends a job by the broker.
    async fn send(&self, id: &str, command: &str, detach: bool) {
        let job = json!({"id": id, "meta": {"msg": command, "detach": detach}});
        within("the broker has it", self.lab.mqtt.send(job.to_string()))
            .await
            .unwrap();
    }

    /// The next result of a job.
    async fn result(&self, ear: &mut Ear, id: &str) -> Words {
        let result = ear.wait_for(|words| words.id == id && words.event_type != "DELIVERED");
        within("a result", result).await.unwrap()
    }

    /// Runs a job to its end, which may take 15 s.
    async fn run(&self, command: &str) -> Value {
        self.call(&json!({ "msg": command })).await
    }

    async fn call(&self, job: &Value) -> Value {
        within("run_job answers", self.lab.call("run_job", job))
            .await
            .unwrap()
    }

    /// Waits for the end of a job; returns its row in the list, which has no output.
    async fn listed(&self, id: &str) -> Value {
        let none = json!({});
        let ended = async {
            loop {
                let all = self.lab.call("jobs", &none).await.unwrap();
                let mut all = all["jobs"].as_array().unwrap().iter();
                let job = all.find(|job| job["id"] == id).unwrap();
                if !matches!(job["state"].as_str(), Some("queued" | "running")) {
                    return job.clone();
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        within("a job ends", ended).await
    }

    /// Waits for the end of a job; returns its details.
    async fn ended(&self, id: &str) -> Value {
        self.listed(id).await;
        let which = json!({ "id": id });
        within("job answers", self.lab.call("job", &which))
            .await
            .unwrap()
    }
}

/// The agent, or a program that starts it without cgroups.
async fn agent(dir: &TempDir, cgroups: bool) -> PathBuf {
    let agent = binary().await;
    if cgroups {
        return agent;
    }
    let path = dir.path().join("socketman");
    script(
        &path,
        &format!("{WITHOUT}=1 exec {} \"$@\"", agent.display()),
    );
    path
}

fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Waits until a file is there, and has a line.
async fn line_of(path: &Path) -> String {
    let there = async {
        loop {
            let text = fs::read_to_string(path).unwrap_or_default();
            if text.ends_with('\n') {
                return text.trim_end().to_owned();
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    within(&format!("{}", path.display()), there).await
}

/// Returns true if a process with this number is alive.
fn lives(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat[stat.rfind(')').unwrap()..].starts_with(") Z"))
}
