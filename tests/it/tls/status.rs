//! The agent as a process: what `status` says of TLS to the broker and to the API.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use serde_json::{json, Value};
use socketman_lab::agent_binary;
use socketman_lab::lab::Lab;
use socketman_lab::options::Options;
use socketman_lab::tls_front::TlsFront;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_rustls::rustls::ServerConfig;

use super::authority::{server, Authority, Valid};
use super::link::DEADLINE;

/// A heartbeat lasts 0.6 s.
const SCALE: u32 = 100;

async fn binary() -> PathBuf {
    agent_binary::find().await.unwrap()
}

/// A lab whose broker and API stand behind TLS, and the agent.
pub(super) struct Site {
    pub(super) lab: Lab,
    api: TlsFront,
    broker: TlsFront,
    agent: Option<Child>,
}

impl Site {
    pub(super) async fn new(config: Arc<ServerConfig>) -> Self {
        let options = Options::default();
        let lab = Lab::start(&options, binary().await, SCALE).await.unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let api = TlsFront::start(any, config.clone(), lab.api.addr()).await;
        let broker = TlsFront::start(any, config, lab.mqtt.address()).await;
        Site {
            lab,
            api: api.unwrap(),
            broker: broker.unwrap(),
            agent: None,
        }
    }

    /// Starts the agent, for which `roots` are the system's, with `more` settings.
    pub(super) fn start(&mut self, roots: &Path, more: Value) {
        let mut settings = json!({
            "mac": "94-83-C4-A1-B2-00",
            "mqtt_host": "localhost",
            "port": self.broker.addr().port(),
            // As the original's file has it.
            "tls": 1,
            "topic": "lab",
            "key": "desk",
            "stats_url": format!("https://localhost:{}/stats", self.api.addr().port()),
            "token": "hush-hush",
            "spread": 0,
        });
        let more = more.as_object().unwrap().clone();
        settings.as_object_mut().unwrap().extend(more);
        let program = self.lab.program();
        program.configure(&settings).unwrap();
        let agent = Command::new(&program.binary)
            .args(program.args())
            .env("DEBUG", "1")
            .env("SSL_CERT_FILE", roots)
            .env_remove("SSL_CERT_DIR")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        self.agent = Some(agent.unwrap());
    }

    async fn status(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        timeout(DEADLINE, self.lab.status_when(wanted))
            .await
            .expect("in time")
    }

    /// The reasons why API and broker are out of reach.
    async fn errors(&self) -> (String, String) {
        let error =
            |status: &Value, part: &str| status[part]["last_error"].as_str().map(str::to_owned);
        let both = |status: &Value| error(status, "api").zip(error(status, "mqtt"));
        let status = self.status(|status| both(status).is_some()).await;
        assert_eq!(status["mqtt"]["connected"], false);
        assert_eq!(status["api"]["last_ok"], Value::Null);
        assert!(!status.to_string().contains("hush"), "{status}");
        both(&status).unwrap()
    }

    async fn all_is_well(&self) -> Value {
        let well = |status: &Value| {
            status["mqtt"]["connected"] == true
                && status["api"]["last_ok"].is_u64()
                && status["api"]["last_error"].is_null()
        };
        self.status(well).await
    }

    /// Ends with the agent, in order.
    pub(super) async fn end(mut self) {
        if let Some(mut agent) = self.agent.take() {
            agent.start_kill().unwrap();
            agent.wait().await.unwrap();
        }
        self.lab.end().await.unwrap();
    }
}

/// With this certificate neither API nor broker is spoken to, and both say `why`; with a right one
/// both are, without a restart.
async fn both_refuse(bad: impl FnOnce(&Authority) -> Arc<ServerConfig>, why: &str) {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let mut site = Site::new(bad(&authority)).await;
    site.start(&authority.write(dir.path()), json!({}));
    let (api, broker) = site.errors().await;
    let host = format!("localhost:{}", site.api.addr().port());
    assert_eq!(api, format!("{host}: cannot connect: {why}"));
    assert_eq!(broker, why);
    assert_eq!(site.lab.api.record().requests_total, 0, "nothing was sent");
    site.api.set(authority.server(Valid::Now));
    site.broker.set(authority.server(Valid::Now));
    site.all_is_well().await;
    site.end().await;
}

// Row 39: `"tls": 1` was plain text.
#[tokio::test]
async fn with_tls_1_broker_and_api_are_spoken_to_over_tls_alone() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let mut site = Site::new(authority.server(Valid::Now)).await;
    site.start(&authority.write(dir.path()), json!({}));
    let status = site.all_is_well().await;
    assert_eq!(status["config"]["warnings"], json!([]));
    assert_eq!(status["config"]["errors"], json!([]));
    site.end().await;
}

#[tokio::test]
async fn a_certificate_for_another_name_keeps_broker_and_api_away() {
    let bad = |authority: &Authority| server(&authority.sign(&["example.net"], Valid::Now), None);
    let why = "the server's certificate is not for localhost but for example.net";
    both_refuse(bad, why).await;
}

#[tokio::test]
async fn an_expired_certificate_keeps_broker_and_api_away() {
    let why = "the server's certificate expired 30 days ago";
    both_refuse(|authority| authority.server(Valid::Until(30)), why).await;
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet_keeps_broker_and_api_away() {
    let why =
        "the server's certificate becomes valid in 7 days; is the clock of this device right?";
    both_refuse(|authority| authority.server(Valid::In(7)), why).await;
}

#[tokio::test]
async fn a_certificate_of_an_unknown_issuer_keeps_broker_and_api_away() {
    let bad = |_: &Authority| Authority::new("theirs").server(Valid::Now);
    let why = "the server's certificate is from an issuer we do not know";
    both_refuse(bad, why).await;
}

#[tokio::test]
async fn a_missing_ca_bundle_keeps_broker_and_api_away_until_it_is_installed() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let mut site = Site::new(authority.server(Valid::Now)).await;
    let bundle = dir.path().join("ours.pem");
    site.start(&bundle, json!({}));
    let (api, broker) = site.errors().await;
    let path = bundle.display();
    let why = format!("no root certificates in {path}: install the package ca-bundle");
    assert_eq!((api, broker), (why.clone(), why));
    authority.write(dir.path());
    site.all_is_well().await;
    site.end().await;
}

#[tokio::test]
async fn insecure_is_for_the_api_alone_and_warned_of() {
    let dir = TempDir::new().unwrap();
    let theirs = Authority::new("theirs").server(Valid::Until(9));
    let mut site = Site::new(theirs).await;
    let roots = Authority::new("ours").write(dir.path());
    site.start(&roots, json!({"insecure": 1}));
    let status = site
        .status(|status| {
            status["api"]["last_ok"].is_u64() && status["mqtt"]["last_error"].is_string()
        })
        .await;
    assert_eq!(status["api"]["last_error"], Value::Null);
    assert_eq!(status["mqtt"]["connected"], false);
    let warnings = status["config"]["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0]["option"], "insecure");
    let reason = warnings[0]["reason"].as_str().unwrap();
    assert!(reason.contains("not checked"), "{reason}");
    site.end().await;
}
