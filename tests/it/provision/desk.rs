//! A lab whose agent is out of the box, with an init server beside it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{json, Value};
use socketman_lab::collector::{Collector, Request, INIT, WEB_CHECK};
use socketman_lab::lab::Lab;
use socketman_lab::options::Options;
use socketman_lab::tls_front::TlsFront;
use socketman_lab::within::DEADLINE;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::reload::desk::binary;
use crate::tls::authority::{Authority, Valid};

/// A trial lasts 10 s, an hour a minute.
pub(super) const SCALE: u32 = 60;

pub(super) const MAC: &str = "94-83-C4-A1-B2-00";

/// Between two looks at what only the agent knows.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub(super) struct Desk {
    pub(super) lab: Lab,
    /// The init server, behind TLS.
    pub(super) init: Collector,
    front: TlsFront,
    /// The API of the lab, behind TLS.
    pub(super) api: TlsFront,
    /// Its broker, behind TLS.
    pub(super) broker: TlsFront,
    pub(super) authority: Authority,
    pub(super) dir: TempDir,
    agent: Option<Child>,
}

impl Desk {
    pub(super) async fn new(scale: u32) -> Self {
        let options = Options::default();
        let lab = Lab::start(&options, binary().await, scale).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let any = ([127, 0, 0, 1], 0).into();
        let init = Collector::start(any, dir.path()).await.unwrap();
        let authority = Authority::new("ours");
        let config = authority.server(Valid::Now);
        let front = TlsFront::start(any, config.clone(), init.addr()).await;
        let api = TlsFront::start(any, config.clone(), lab.api.addr()).await;
        let broker = TlsFront::start(any, config, lab.mqtt.address()).await;
        Desk {
            lab,
            init,
            front: front.unwrap(),
            api: api.unwrap(),
            broker: broker.unwrap(),
            authority,
            dir,
            agent: None,
        }
    }

    pub(super) fn init_url(&self) -> String {
        format!(
            "https://localhost:{}{INIT}?fleet=1",
            self.front.addr().port()
        )
    }

    pub(super) fn stats_url(&self) -> String {
        format!("https://localhost:{}/stats", self.api.addr().port())
    }

    /// Settings out of the box, and `more`.
    pub(super) fn configure(&self, more: Value) {
        let mut settings = json!({
            "mac": MAC,
            "health_url": self.lab.api.addr().ip().to_string(),
            "health_port": self.lab.api.addr().port(),
            "web_url": self.lab.api.url(WEB_CHECK),
            "init_url": self.init_url(),
            "init_token": "one-time",
            "spread": 2,
        });
        let more = more.as_object().unwrap().clone();
        settings.as_object_mut().unwrap().extend(more);
        self.lab.program().configure(&settings).unwrap();
    }

    /// An init server's answer for the lab's own broker and API, with `more`.
    pub(super) fn offer(&self, more: Value) {
        let address = self.lab.mqtt.address();
        let mut settings = json!({
            "topic": "lab",
            "key": "desk",
            "mqtt_host": address.ip().to_string(),
            "port": address.port(),
            "stats_url": self.stats_url(),
            "token": "new-token",
        });
        let more = more.as_object().unwrap().clone();
        settings.as_object_mut().unwrap().extend(more);
        self.init.offer(200, &settings.to_string());
    }

    /// Starts the agent, which believes our authority.
    pub(super) fn start(&mut self) {
        let program = self.lab.program();
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(&program.log)
            .unwrap();
        let agent = Command::new(&program.binary)
            .args(program.args())
            .env("DEBUG", "1")
            .env("SSL_CERT_FILE", self.authority.write(self.dir.path()))
            .env_remove("SSL_CERT_DIR")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn();
        self.agent = Some(agent.unwrap());
    }

    /// Kills the agent, as a crash does.
    pub(super) async fn kill(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            agent.start_kill().unwrap();
            agent.wait().await.unwrap();
        }
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.lab.program().log).unwrap_or_default()
    }

    /// Asks for the status until it is as wanted.
    pub(super) async fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut newest = Value::Null;
        let asking = async {
            loop {
                if let Ok(status) = self.lab.call("status", &()).await {
                    newest = status;
                    if wanted(&newest) {
                        return;
                    }
                }
                sleep(LOOK_AGAIN).await;
            }
        };
        if timeout(DEADLINE, asking).await.is_err() {
            panic!("not in time: {what}; {newest:#}; the log:\n{}", self.log());
        }
        newest
    }

    /// Waits until first contact is in this state, for a reason with `error` in it.
    pub(super) async fn state(&self, state: &str, error: &str) -> Value {
        let what = format!("{state}: {error}");
        let status = self.until(&what, |status| {
            let provision = &status["provision"];
            let told = provision["last_error"].as_str().unwrap_or_default();
            provision["state"] == state && told.contains(error)
        });
        status.await["provision"].clone()
    }

    pub(super) fn settings(&self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    pub(super) fn text(&self) -> String {
        let file = self.lab.program().config_file();
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600);
        fs::read_to_string(file).unwrap()
    }

    /// Requests for settings so far.
    pub(super) fn asked(&self) -> Vec<Request> {
        let record = self.init.record();
        let requests = record.requests.into_iter();
        requests.filter(|request| request.path == INIT).collect()
    }

    /// Ends with the agent.
    pub(super) async fn end(mut self) {
        self.kill().await;
        self.lab.end().await.unwrap();
    }
}
