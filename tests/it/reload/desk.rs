//! A lab with its agent and a hand on the agent's settings.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use rustix::process::{kill_process, Pid, Signal};
use serde_json::{json, Value};
use socketman_lab::agent_binary;
use socketman_lab::lab::Lab;
use socketman_lab::options::Options;
use socketman_lab::within::{within, DEADLINE};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

/// Between two looks at what only the agent knows.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A heartbeat lasts 2 s.
const SCALE: u32 = 30;

pub(crate) async fn binary() -> PathBuf {
    agent_binary::find().await.unwrap()
}

/// A lab with its agent and a hand on the agent's settings.
pub(crate) struct Desk {
    pub(crate) lab: Lab,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        let options = Options::default();
        let lab = Lab::start(&options, binary().await, SCALE).await.unwrap();
        Desk { lab }
    }

    pub(crate) async fn start(&mut self) {
        self.lab.start_agent().unwrap();
        within("registration", self.lab.registered()).await.unwrap();
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.lab.program().config_file()
    }

    /// Puts these values into config.json, as an editor would: aside, then in its place.
    pub(crate) fn edit(&self, values: &[(&str, Value)]) {
        let file = self.config_file();
        let text = fs::read_to_string(&file).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        for (name, value) in values {
            config[name] = value.clone();
        }
        let aside = file.with_extension("tmp");
        write_private(&aside, config.to_string());
        fs::rename(aside, file).unwrap();
    }

    pub(crate) fn write_uci(&self, package: impl AsRef<[u8]>) {
        let dir = self.lab.program().root.join("etc/config");
        fs::create_dir_all(&dir).unwrap();
        write_private(&dir.join("socketman"), package);
    }

    pub(crate) fn hang_up(&mut self) {
        let pid = self.lab.agent().unwrap().pid();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::HUP).unwrap();
    }

    pub(crate) async fn socketman(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary().await);
        command.args(arguments).env("DEBUG", "1").kill_on_drop(true);
        within("socketman ends", command.output()).await.unwrap()
    }

    pub(crate) async fn call(&self, method: &str) -> Value {
        within(method, self.lab.call(method, &json!({})))
            .await
            .unwrap()
    }

    /// Asks until the reply is as wanted, and returns it. If it never is, says what it was, and what the
    /// agent has logged.
    pub(crate) async fn until(&self, method: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut reply = Value::Null;
        let asking = async {
            loop {
                reply = self.call(method).await;
                if wanted(&reply) {
                    return;
                }
                sleep(LOOK_AGAIN).await;
            }
        };
        if timeout(DEADLINE, asking).await.is_err() {
            let log = fs::read_to_string(&self.lab.program().log).unwrap();
            panic!("not in time: {method}, which is {reply:#}; the agent's log:\n{log}");
        }
        reply
    }

    pub(crate) async fn connected(&self) -> Value {
        self.until("status", |status| status["mqtt"]["connected"] == true)
            .await
    }
}

/// Writes for nobody else to read.
fn write_private(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

pub(crate) fn value<'a>(config: &'a Value, name: &str) -> &'a str {
    config["options"][name]["value"].as_str().unwrap()
}
