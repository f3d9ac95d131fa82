//! A lab whose agent runs jobs that change the router's files.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{json, Value};
use socketman_lab::agent_binary;
use socketman_lab::lab::Lab;
use socketman_lab::options::Options;
use socketman_lab::within::{within, DEADLINE};
use tokio::time::{sleep, timeout};

/// Between two looks at what only the agent knows.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Seconds of a router pass as one.
const SCALE: u32 = 30;

/// `rollback_timeout` of most tests, in seconds of the router: it lasts 2 s.
const BRIEF: u32 = 60;

/// That of tests that do something before it has passed: it lasts 10 s.
const LONG: u32 = 300;

/// Of every job that is sent by the broker or called on the bus.
const ENDED: [&str; 4] = ["done", "failed", "rejected", "interrupted"];

pub(super) struct Desk {
    pub(super) lab: Lab,
}

impl Desk {
    /// The agent runs and is connected.
    pub(super) async fn new() -> Self {
        Desk::with(BRIEF).await
    }

    /// The same, with time to do something while a change is tried out, on a busy machine too.
    pub(super) async fn unhurried() -> Self {
        Desk::with(LONG).await
    }

    async fn with(rollback_timeout: u32) -> Self {
        let binary = agent_binary::find().await.unwrap();
        let lab = Lab::start(&Options::default(), binary, SCALE).await;
        let mut desk = Desk { lab: lab.unwrap() };
        desk.edit(&[
            ("rollback_timeout", json!(rollback_timeout)),
            ("spread", json!(0)),
        ]);
        let network = desk.path("etc/config/network");
        fs::write(&network, "config interface 'lan'\n").unwrap();
        fs::set_permissions(&network, Permissions::from_mode(0o640)).unwrap();
        desk.start().await;
        desk.connected().await;
        desk
    }

    pub(super) async fn start(&mut self) {
        // Kills before do not hold it back.
        let _ = fs::remove_file(self.path("var/run/socketman/starts"));
        self.lab.start_agent().unwrap();
        within("registration", self.lab.registered()).await.unwrap();
    }

    pub(super) async fn kill(&mut self) {
        self.lab.agent().unwrap().kill().await.unwrap();
    }

    /// A path on the router.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.lab.program().root.join(path)
    }

    pub(super) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    pub(super) fn mode(&self, path: &str) -> u32 {
        let found = fs::metadata(self.path(path)).unwrap();
        found.permissions().mode() & 0o7777
    }

    /// Puts these values into config.json before the agent starts.
    pub(super) fn edit(&self, values: &[(&str, Value)]) {
        let text = fs::read_to_string(self.lab.program().config_file()).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        for (name, value) in values {
            config[name] = value.clone();
        }
        self.lab.program().configure(&config).unwrap();
    }

    /// A command that gives an option in config.json another value.
    pub(super) fn sets(&self, option: &str, value: &Value) -> String {
        let file = self.lab.program().config_file();
        let file = file.display();
        format!(
            "grep -v '\"{option}\"' {file} | sed '1a \"{option}\": {value},' > {file}.new && chmod 600 {file}.new && mv {file}.new {file}"
        )
    }

    pub(super) async fn connected(&self) {
        self.status(|status| status["mqtt"]["connected"] == true)
            .await;
    }

    pub(super) async fn status(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        within("status", self.lab.status_when(wanted)).await
    }

    /// Has root on the router run a job.
    pub(super) async fn run(&self, id: &str, kind: &str, msg: &str) {
        let args = json!({ "id": id, "type": kind, "msg": msg, "wait": false });
        within("run_job", self.lab.call("run_job", &args))
            .await
            .unwrap();
    }

    /// The answer of `job` once the job has ended.
    pub(super) async fn outcome(&self, id: &str) -> Value {
        self.job_when(id, |job| ENDED.iter().any(|state| job["state"] == *state))
            .await
    }

    pub(super) async fn job_when(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut job = Value::Null;
        let asking = async {
            loop {
                // It is not there while the agent starts.
                if let Ok(reply) = self.lab.call("job", &json!({ "id": id })).await {
                    job = reply;
                    if wanted(&job) {
                        return;
                    }
                }
                sleep(LOOK_AGAIN).await;
            }
        };
        if timeout(DEADLINE, asking).await.is_err() {
            let log = fs::read_to_string(&self.lab.program().log).unwrap();
            panic!("not in time: job {id}, which is {job:#}; the agent's log:\n{log}");
        }
        job
    }

    /// Waits until the file says so.
    pub(super) async fn until(&self, path: &str, wanted: &str) {
        within(path, async {
            while self.text(path) != wanted {
                sleep(LOOK_AGAIN).await;
            }
        })
        .await;
    }

    /// Nothing is left of a trial but the reserve.
    pub(super) async fn is_over(&self) {
        self.status(|status| status["guard"]["armed"] == false)
            .await;
        within("the journal goes", async {
            while self.path("etc/socketman/state/guard/journal").exists() {
                sleep(LOOK_AGAIN).await;
            }
        })
        .await;
    }
}
