//! The agent's broker link and jobs, against the lab's broker and against mosquitto.
#![allow(clippy::unwrap_used, clippy::panic)] // a test program: clippy only knows #[test] functions

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, NetworkOptions, Packet, PublishOptions, QoS};
use rustix::process::{kill_process, Pid, Signal};
use serde_json::{json, Value};
use socketman::backoff::Backoff;
use socketman::clock::Pace;
use socketman::config::{Config, Secret};
use socketman::{jobs, mqtt};
use socketman_lab::broker::Broker;
use socketman_lab::mosquitto;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout, Instant};

const MAC: &str = "aa:bb:cc:00:11:22";
const BASE: &str = "fleet/secret/aa:bb:cc:00:11:22";

/// Longer than any step takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(90);

async fn within<T>(what: &str, step: impl std::future::Future<Output = T>) -> T {
    match timeout(DEADLINE, step).await {
        Ok(done) => done,
        Err(_) => panic!("not in time: {what}"),
    }
}

/// A broker that tests stop, kill and start.
enum Server {
    Lab {
        broker: Broker,
        address: SocketAddr,
        /// Brokers that came before: they keep the address while nobody listens there.
        gone: Vec<Broker>,
    },
    Mosquitto {
        child: Option<Child>,
        dir: TempDir,
        port: u16,
    },
}

impl Server {
    async fn lab() -> Self {
        let broker = Broker::new();
        let address = broker.start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let gone = Vec::new();
        Server::Lab {
            broker,
            address,
            gone,
        }
    }

    async fn mosquitto() -> Self {
        let dir = TempDir::new().unwrap();
        Server::mosquitto_in(dir, "allow_anonymous true").await
    }

    /// One that lets in only `name` with `password`.
    async fn mosquitto_for(name: &str, password: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("passwords");
        let mut made = std::process::Command::new("mosquitto_passwd");
        made.args(["-b", "-c"]).arg(&file).args([name, password]);
        let made = made
            .output()
            .expect("mosquitto_passwd comes with mosquitto");
        assert!(made.status.success(), "{made:?}");
        let access = format!("allow_anonymous false\npassword_file {}", file.display());
        Server::mosquitto_in(dir, &access).await
    }

    async fn mosquitto_in(dir: TempDir, access: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let settings = format!(
            "user root\nlistener {port} 127.0.0.1\n{access}\npersistence true\n\
             persistence_location {}/\nmax_queued_messages 100000\nlog_dest stderr\nlog_type all\n",
            dir.path().display()
        );
        fs::write(dir.path().join("conf"), settings).unwrap();
        let mut server = Server::Mosquitto {
            child: None,
            dir,
            port,
        };
        server.start().await;
        server
    }

    fn port(&self) -> u16 {
        match self {
            Server::Lab { address, .. } => address.port(),
            Server::Mosquitto { port, .. } => *port,
        }
    }

    async fn start(&mut self) {
        match self {
            Server::Lab {
                broker, address, ..
            } => {
                broker.start(*address).await.unwrap();
            }
            Server::Mosquitto { child, dir, .. } => {
                let conf = dir.path().join("conf");
                let started = mosquitto::start(&conf);
                let started = within("mosquitto runs", started).await.unwrap();
                *child = Some(started);
            }
        }
    }

    /// Stops the broker; sessions are kept.
    async fn stop(&mut self) {
        match self {
            Server::Lab { broker, .. } => broker.stop().await.unwrap(),
            Server::Mosquitto { child, .. } => {
                signal(child.as_ref(), Signal::TERM);
                child.take().unwrap().wait().await.unwrap();
            }
        }
    }

    /// Ends the broker with all it knows.
    async fn forget_everything(&mut self) {
        match self {
            Server::Lab { broker, gone, .. } => {
                broker.stop().await.unwrap();
                gone.push(std::mem::take(broker));
            }
            Server::Mosquitto { child, dir, .. } => {
                signal(child.as_ref(), Signal::KILL);
                child.take().unwrap().wait().await.unwrap();
                let _ = fs::remove_file(dir.path().join("mosquitto.db"));
            }
        }
    }
}

fn signal(child: Option<&Child>, signal: Signal) {
    let pid = child.unwrap().id().unwrap().cast_signed();
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Who sends jobs and reads what devices say. It keeps its session, so it misses nothing.
struct Operator {
    client: AsyncClient,
    messages: mpsc::UnboundedReceiver<(String, Value)>,
    task: JoinHandle<()>,
}

impl Operator {
    async fn new(port: u16) -> Self {
        let mut options = MqttOptions::new("operator", ("127.0.0.1", port));
        options
            .set_clean_session(false)
            .set_max_packet_size(32 << 20, 32 << 20);
        let (client, mut eventloop) = AsyncClient::builder(options).capacity(100).build();
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        eventloop.set_network_options(network);
        let (sender, messages) = mpsc::unbounded_channel();
        let (ready_sender, ready) = oneshot::channel();
        let subscriber = client.clone();
        let task = tokio::spawn(async move {
            let mut ready_sender = Some(ready_sender);
            loop {
                match eventloop.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(ack))) if !ack.session_present => {
                        for filter in ["pub/#", "delivery/#", "status/#"] {
                            subscriber.try_subscribe(filter, QoS::AtLeastOnce).unwrap();
                        }
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        if let Some(ready) = ready_sender.take() {
                            let _ = ready.send(());
                        }
                    }
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                        let value = serde_json::from_slice(&publish.payload).unwrap();
                        let _ = sender.send((topic, value));
                    }
                    Ok(_) => {}
                    // The broker is down; this is how often the operator tries.
                    Err(_) => sleep(Duration::from_millis(50)).await,
                }
            }
        });
        within("operator subscribes", ready).await.unwrap();
        Operator {
            client,
            messages,
            task,
        }
    }

    async fn send(&self, payload: impl Into<Vec<u8>>) {
        let options = PublishOptions::new(QoS::AtLeastOnce);
        let sent = self
            .client
            .publish_tracked(format!("sub/{BASE}"), payload.into(), options);
        let notice = within("publish", sent).await.unwrap();
        within("PUBACK", notice.wait_async()).await.unwrap();
    }

    async fn job(&self, id: &str, msg: &str) {
        self.send(json!({"id": id, "meta": {"msg": msg}}).to_string())
            .await;
    }

    /// The next message of this `event_type`.
    async fn next(&mut self, event_type: &str) -> (String, Value) {
        within(event_type, async {
            loop {
                let (topic, value) = self.messages.recv().await.unwrap();
                if value["event_type"] == event_type {
                    return (topic, value);
                }
            }
        })
        .await
    }

    async fn result(&mut self, id: &str) -> Value {
        loop {
            let (topic, value) = self.next("PROCESSED").await;
            assert_eq!(topic, format!("pub/{BASE}"));
            if value["id"] == id {
                return value["meta"].clone();
            }
        }
    }

    async fn online(&mut self) -> Value {
        let (topic, value) = self.next("CONNECT").await;
        assert_eq!(topic, format!("status/{BASE}"));
        assert_eq!(value["meta"]["client_id"], "socketmanaabbcc001122");
        value["meta"]["online"].clone()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn config(port: u16) -> Config {
    Config {
        topic: "fleet".into(),
        key: Secret::new("secret"),
        mqtt_host: "127.0.0.1".into(),
        port,
        spread: Duration::ZERO,
        no_ping: true,
        ping_interval: Duration::from_secs(30),
        job_timeout: Duration::from_secs(60),
        job_workers: 4,
        pace: Pace::faster(50),
        ..Config::default()
    }
}

/// The agent's two parts.
struct Agent {
    facts: watch::Receiver<mqtt::Facts>,
    jobs: jobs::Handle,
    stop_link: oneshot::Sender<()>,
    stop_jobs: oneshot::Sender<()>,
    link: JoinHandle<jobs::Replies>,
    worker: JoinHandle<()>,
    _config: watch::Sender<Arc<Config>>,
}

async fn asked(receiver: oneshot::Receiver<()>) {
    let _ = receiver.await;
}

impl Agent {
    fn start(config: Config) -> Self {
        let config = Arc::new(config);
        let (config_sender, config_receiver) = watch::channel(Arc::clone(&config));
        let (part, jobs, outlets) = jobs::new(config_receiver, watch::channel(MAC.into()).1);
        let (stop_jobs, stopped) = oneshot::channel();
        let worker = tokio::spawn(part.run(asked(stopped), Duration::from_secs(2)));
        let (facts_sender, facts) = watch::channel(mqtt::Facts::default());
        let (stop_link, stopped) = oneshot::channel();
        let link = tokio::spawn(mqtt::run(
            config,
            MAC.into(),
            jobs.clone(),
            outlets.broker,
            facts_sender,
            asked(stopped),
        ));
        Agent {
            facts,
            jobs,
            stop_link,
            stop_jobs,
            link,
            worker,
            _config: config_sender,
        }
    }

    async fn online(port: u16) -> Self {
        let mut agent = Agent::start(config(port));
        agent.connected(true).await;
        agent
    }

    async fn connected(&mut self, connected: bool) {
        let facts = self.facts.wait_for(|facts| facts.connected == connected);
        within("agent's connection", facts).await.unwrap();
    }

    /// Why it is not connected.
    async fn error(&mut self) -> String {
        let seen = self.facts.wait_for(|facts| facts.last_error.is_some());
        within("error", seen)
            .await
            .unwrap()
            .last_error
            .clone()
            .unwrap()
    }

    /// The orderly end: jobs first, so that their results can still be sent.
    async fn stop(self) {
        self.stop_jobs.send(()).unwrap();
        within("jobs end", self.worker).await.unwrap();
        let began = Instant::now();
        self.stop_link.send(()).unwrap();
        within("link ends", self.link).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    /// The end without a word.
    async fn die(self) {
        self.link.abort();
        self.worker.abort();
        assert!(self.link.await.unwrap_err().is_cancelled());
    }
}

fn fifo(dir: &TempDir, name: &str) -> PathBuf {
    let path = dir.path().join(name);
    let status = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(status.unwrap().success());
    path
}

/// Lets a job go on that reads the FIFO.
async fn open_gate(path: &Path) {
    let path = path.to_path_buf();
    let write = tokio::task::spawn_blocking(move || fs::write(path, "go\n"));
    within("job reads the gate", write).await.unwrap().unwrap();
}

async fn a_job_is_delivered_run_and_answered(server: Server) {
    let mut operator = Operator::new(server.port()).await;
    let agent = Agent::online(server.port()).await;
    assert_eq!(operator.online().await, "1");
    operator.job("op_1", "echo out; echo err >&2; exit 3").await;
    let (topic, delivered) = operator.next("DELIVERED").await;
    assert_eq!(topic, format!("delivery/{BASE}"));
    assert_eq!(
        (&delivered["id"], &delivered["meta"]["delivered"]),
        (&json!("op_1"), &json!(true))
    );
    let meta = operator.result("op_1").await;
    assert_eq!(
        (
            &meta["msg"],
            &meta["stderr"],
            &meta["exit_code"],
            &meta["success"]
        ),
        (&json!("out\n"), &json!("err\n"), &json!(3), &json!(false))
    );
    let facts = agent.facts.borrow().clone();
    assert_eq!(facts.host, format!("127.0.0.1:{}", server.port()));
    assert!(facts.connected && facts.since.is_some() && facts.last_error.is_none());
    agent.stop().await;
}

async fn the_will_says_offline_when_the_agent_dies(server: Server) {
    let mut operator = Operator::new(server.port()).await;
    let agent = Agent::online(server.port()).await;
    assert_eq!(operator.online().await, "1");
    agent.die().await;
    assert_eq!(operator.online().await, "0");
}

async fn an_orderly_end_says_offline_once_and_leaves_the_will_unused(server: Server) {
    let mut operator = Operator::new(server.port()).await;
    let agent = Agent::online(server.port()).await;
    assert_eq!(operator.online().await, "1");
    agent.stop().await;
    assert_eq!(operator.online().await, "0");
    let agent = Agent::online(server.port()).await;
    // A will would stand between.
    assert_eq!(operator.online().await, "1");
    agent.stop().await;
}

// Row 22.
async fn a_job_sent_while_the_agent_is_away_is_delivered_and_runs_once(server: Server) {
    let dir = TempDir::new().unwrap();
    let count = dir.path().join("count");
    let mut operator = Operator::new(server.port()).await;
    let agent = Agent::online(server.port()).await;
    operator.job("first", "true").await;
    operator.result("first").await;
    agent.stop().await;
    operator
        .job("away", &format!("echo x >> {}", count.display()))
        .await;
    let agent = Agent::online(server.port()).await;
    assert_eq!(operator.result("away").await["success"], true);
    agent.stop().await;
    let agent = Agent::online(server.port()).await;
    // Acknowledged, it does not come again; this one comes after it.
    operator.job("last", "true").await;
    operator.result("last").await;
    assert_eq!(fs::read_to_string(&count).unwrap(), "x\n");
    agent.stop().await;
}

// Rows 21 and 23.
async fn a_result_made_while_the_broker_is_away_arrives_when_it_is_back(mut server: Server) {
    let dir = TempDir::new().unwrap();
    let gate = fifo(&dir, "gate");
    let mut operator = Operator::new(server.port()).await;
    let mut agent = Agent::online(server.port()).await;
    operator.job("1", &format!("cat {}", gate.display())).await;
    operator.next("DELIVERED").await;
    server.stop().await;
    agent.connected(false).await;
    open_gate(&gate).await;
    let mut jobs = agent.jobs.facts();
    within("job ends", jobs.wait_for(|facts| facts.done == 1))
        .await
        .unwrap();
    // Several attempts fail meanwhile.
    let mut error = agent.facts.clone();
    for _ in 0..6 {
        within("attempt fails", error.changed()).await.unwrap();
    }
    assert!(error.borrow().last_error.is_some() && error.borrow().next_attempt.is_some());
    server.start().await;
    agent.connected(true).await;
    assert_eq!(operator.result("1").await["msg"], "go\n");
    assert_eq!(agent.facts.borrow().reconnects, 1);
    agent.stop().await;
}

async fn a_broker_that_forgot_the_session_gets_a_new_subscription(mut server: Server) {
    let mut agent = Agent::online(server.port()).await;
    server.forget_everything().await;
    agent.connected(false).await;
    server.start().await;
    let mut operator = Operator::new(server.port()).await;
    agent.connected(true).await;
    operator.job("1", "echo here").await;
    assert_eq!(operator.result("1").await["msg"], "here\n");
    agent.stop().await;
}

// Row 17, within one run.
async fn a_job_sent_twice_runs_once_and_its_outcome_comes_again(server: Server) {
    let dir = TempDir::new().unwrap();
    let count = dir.path().join("count");
    let mut operator = Operator::new(server.port()).await;
    let agent = Agent::online(server.port()).await;
    let msg = format!("echo x >> {}; echo done", count.display());
    operator.job("1", &msg).await;
    let first = operator.result("1").await;
    operator.job("1", &msg).await;
    assert_eq!(operator.result("1").await, first);
    assert_eq!(fs::read_to_string(&count).unwrap(), "x\n");
    agent.stop().await;
}

// Rows 4, 8, 9, 10, 11 and 13.
async fn payloads_that_are_no_jobs_leave_the_agent_connected(server: Server) {
    let mut operator = Operator::new(server.port()).await;
    let mut agent = Agent::online(server.port()).await;
    let huge = json!({"id": "huge", "meta": {"msg": "x".repeat(9 << 20)}}).to_string();
    for payload in [
        "{",
        "",
        "null",
        "[1,2]",
        "123",
        "\0\u{1}",
        r#"{"id":"a","meta":{"msg":7}}"#,
        &huge,
    ] {
        operator.send(payload).await;
    }
    operator.job("after", "echo alive").await;
    assert_eq!(operator.result("after").await["msg"], "alive\n");
    assert_eq!(agent.jobs.facts().borrow().rejected, 8);
    agent.connected(true).await;
    assert_eq!(agent.facts.borrow().reconnects, 0);
    agent.stop().await;
}

// Row 19.
async fn five_thousand_jobs_at_once_are_answered(server: Server) {
    let mut operator = Operator::new(server.port()).await;
    let agent = Agent::online(server.port()).await;
    let client = operator.client.clone();
    let sender = tokio::spawn(async move {
        for n in 0..5000 {
            let payload = json!({"id": n.to_string(), "meta": {"msg": ":"}}).to_string();
            let options = PublishOptions::new(QoS::AtLeastOnce);
            client
                .publish(format!("sub/{BASE}"), payload, options)
                .await
                .unwrap();
        }
    });
    let mut open: std::collections::HashSet<String> = (0..5000).map(|n| n.to_string()).collect();
    while !open.is_empty() {
        let (_, value) = operator.next("PROCESSED").await;
        assert_eq!(value["meta"]["exit_code"], 0);
        open.remove(value["id"].as_str().unwrap());
    }
    sender.await.unwrap();
    assert_eq!(agent.jobs.facts().borrow().done, 5000);
    assert_eq!(agent.facts.borrow().reconnects, 0);
    agent.stop().await;
}

async fn presence_is_repeated(server: Server, status_qos: u8) {
    let mut operator = Operator::new(server.port()).await;
    let mut settings = config(server.port());
    settings.no_ping = false;
    settings.qos = status_qos;
    let mut agent = Agent::start(settings);
    agent.connected(true).await;
    for _ in 0..2 {
        let (topic, ping) = operator.next("PING").await;
        assert_eq!(topic, format!("status/{BASE}"));
        assert!(ping.get("meta").is_none());
    }
    agent.stop().await;
}

async fn presence_is_repeated_at_the_ping_interval(server: Server) {
    presence_is_repeated(server, 0).await;
}

async fn presence_is_repeated_at_qos_1(server: Server) {
    presence_is_repeated(server, 1).await;
}

macro_rules! with_both_brokers {
    ($($name:ident),* $(,)?) => {
        mod with_the_labs_broker {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Server::lab().await).await;
            })*
        }
        mod with_mosquitto {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Server::mosquitto().await).await;
            })*
        }
    };
}

with_both_brokers!(
    a_job_is_delivered_run_and_answered,
    the_will_says_offline_when_the_agent_dies,
    an_orderly_end_says_offline_once_and_leaves_the_will_unused,
    a_job_sent_while_the_agent_is_away_is_delivered_and_runs_once,
    a_result_made_while_the_broker_is_away_arrives_when_it_is_back,
    a_broker_that_forgot_the_session_gets_a_new_subscription,
    a_job_sent_twice_runs_once_and_its_outcome_comes_again,
    payloads_that_are_no_jobs_leave_the_agent_connected,
    five_thousand_jobs_at_once_are_answered,
    presence_is_repeated_at_the_ping_interval,
    presence_is_repeated_at_qos_1,
);

#[tokio::test]
async fn presence_is_repeated_at_qos_2_with_mosquitto() {
    presence_is_repeated(Server::mosquitto().await, 2).await;
}

#[tokio::test]
async fn the_labs_broker_closes_the_connection_of_who_publishes_at_qos_2() {
    let server = Server::lab().await;
    let mut settings = config(server.port());
    settings.qos = 2;
    let mut agent = Agent::start(settings);
    let text = agent.error().await;
    assert!(text.contains("closed by peer"), "{text}");
    agent.stop().await;
}

// Row 24.
#[tokio::test]
async fn a_frozen_broker_is_noticed_by_keepalive_even_while_we_talk() {
    let server = Server::mosquitto().await;
    let mut operator = Operator::new(server.port()).await;
    let mut settings = config(server.port());
    settings.keepalive = Duration::from_secs(5);
    settings.no_ping = false;
    let mut agent = Agent::start(settings);
    agent.connected(true).await;
    let Server::Mosquitto { child, .. } = &server else {
        unreachable!();
    };
    signal(child.as_ref(), Signal::STOP);
    let began = Instant::now();
    agent.connected(false).await;
    let took = began.elapsed();
    signal(child.as_ref(), Signal::CONT);
    assert!(took < Duration::from_secs(25), "{took:?}");
    agent.connected(true).await;
    operator.job("1", "echo back").await;
    assert_eq!(operator.result("1").await["msg"], "back\n");
    agent.stop().await;
}

/// Answers CONNECT with `answer` and closes; sends the time of each connection.
async fn strange_broker(answer: &'static [u8]) -> (u16, mpsc::UnboundedReceiver<Instant>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, times) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = sender.send(Instant::now());
            let mut connect = [0; 1024];
            let _ = socket.read(&mut connect).await;
            let _ = socket.write_all(answer).await;
        }
    });
    (port, times)
}

#[tokio::test]
async fn a_broker_that_closes_after_connack_is_not_stormed() {
    const SEED: u64 = 7;
    let (port, mut times) = strange_broker(&[0x20, 2, 0, 0]).await;
    let mut settings = config(port);
    settings.pace = Pace::REAL;
    fastrand::seed(SEED);
    let mut backoff = Backoff::new(Duration::ZERO, Pace::REAL);
    let waits: Duration = (0..4).map(|_| backoff.next_wait()).sum();
    // One thread, so the agent draws the same numbers.
    fastrand::seed(SEED);
    let agent = Agent::start(settings);
    let began = Instant::now();
    for _ in 0..4 {
        within("attempt", times.recv()).await.unwrap();
    }
    assert!(began.elapsed() >= waits.saturating_sub(Duration::from_millis(5)));
    agent.stop().await;
}

#[tokio::test]
async fn a_broker_that_talks_nonsense_is_an_error_people_can_read() {
    for (answer, error) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "closes the connection; does it want TLS",
        ),
        // An alert of TLS.
        (
            &[0x15, 3, 3, 0, 2, 2, 10][..],
            "does not answer in MQTT; does it want TLS",
        ),
        (&[0x20, 2, 0, 1][..], "does not speak MQTT 3.1.1"),
        (&[0x20, 2, 0, 3][..], "not available now"),
        (&[0xd0, 0][..], "the first packet is not a CONNACK"),
        (
            &[0x20, 2, 0, 0, 0x30, 0xff, 0xff, 0xff, 0x7f][..],
            "size limit exceeded",
        ),
        (&[0x20, 2, 0, 0, 0x40, 2, 0, 9][..], "nsolicited"),
        (&b""[..], "closes the connection; does it want TLS"),
    ] {
        let (port, _times) = strange_broker(answer).await;
        let mut agent = Agent::start(config(port));
        let text = agent.error().await;
        assert!(text.contains(error), "{text}");
        assert!(!text.contains("secret"), "{text}");
        agent.stop().await;
    }
}

#[tokio::test]
async fn topics_that_mqtt_does_not_allow_are_an_error_without_the_key() {
    let mut settings = config(1);
    settings.key = Secret::new("secret+");
    let mut agent = Agent::start(settings);
    let text = agent.error().await;
    assert!(text.contains("'key'") && !text.contains("secret"), "{text}");
    agent.stop().await;
}

const REFUSED: &str = "the broker refuses options 'username' and 'password'";

#[tokio::test]
async fn the_right_username_and_password_open_the_broker() {
    let server = Server::mosquitto_for("device", "hush-hush").await;
    let mut settings = config(server.port());
    settings.username = "device".into();
    settings.password = Secret::new("hush-hush");
    let mut agent = Agent::start(settings);
    agent.connected(true).await;
    assert_eq!(agent.facts.borrow().last_error, None);
    agent.stop().await;
}

#[tokio::test]
async fn wrong_credentials_are_an_error_in_plain_words_without_the_password() {
    let server = Server::mosquitto_for("device", "hush-hush").await;
    for (username, password) in [
        ("device", "hush-wrong"),
        ("stranger", "hush-hush"),
        ("device", ""),
        ("", ""),
    ] {
        let mut settings = config(server.port());
        settings.username = username.into();
        settings.password = Secret::new(password);
        let mut agent = Agent::start(settings);
        assert_eq!(agent.error().await, REFUSED, "{username}");
        assert!(!agent.facts.borrow().connected);
        agent.stop().await;
    }
}

#[tokio::test]
async fn a_broker_that_calls_the_credentials_malformed_is_told_the_same_way() {
    let (port, _times) = strange_broker(&[0x20, 2, 0, 4]).await;
    let mut agent = Agent::start(config(port));
    assert_eq!(agent.error().await, REFUSED);
    agent.stop().await;
}
