//! An agent on a site, and what it says of its health.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{json, Value};
use socketman_lab::agent_binary;
use socketman_lab::agent_process::{AgentProcess, AgentProgram};
use socketman_lab::broker::Broker;
use socketman_lab::ubusd::Ubusd;
use socketman_lab::within::{within, DEADLINE};
use tokio::net::TcpListener;
use ubus::{blobmsg, Client, Method};

use super::dns::NameServer;
use super::lookups::relay;
use super::site::Site;
use super::{ask, bus_of, verdict, SCALE};

/// The names that the checks ask for.
pub(crate) const NAMES: [(&str, &str); 3] = [
    ("health.example", "5.5.5.5"),
    ("web.example", "6.6.6.6"),
    ("broker.example", "5.5.5.5"),
];

/// A device with its agent.
pub(crate) struct Patient {
    pub(crate) site: Site,
    pub(crate) names: NameServer,
    program: AgentProgram,
    _bus: Ubusd,
    pub(crate) client: Client,
    agent: AgentProcess,
}

impl Patient {
    /// Starts an agent whose checks can all succeed; `settings` are laid over those of the checks.
    pub(crate) async fn new(settings: Value) -> Self {
        let site = Site::new();
        let names = site.name_server(&["192.0.2.1"], &NAMES);
        Self::at(site, names, settings).await
    }

    /// Starts an agent at a site that is set up already.
    pub(crate) async fn at(site: Site, names: NameServer, settings: Value) -> Self {
        Self::started(site, names, settings, None).await
    }

    /// The same, with a netifd on its bus that says so.
    pub(crate) async fn started(
        site: Site,
        names: NameServer,
        settings: Value,
        dump: Option<&'static str>,
    ) -> Self {
        let binary = agent_binary::find().await.unwrap();
        let program = site.program(&binary, SCALE);
        let (bus, client) = bus_of(&program);
        if let Some(dump) = dump {
            netifd(&program, dump).await;
        }
        program.configure(&with_checks(settings)).unwrap();
        let agent = program.start().unwrap();
        Patient {
            site,
            names,
            program,
            _bus: bus,
            client,
            agent,
        }
    }

    /// The same, with a session with a broker in the world at `at`, an address of `broker.example`.
    pub(crate) async fn with_broker(at: &'static str, settings: Value) -> (Self, Broker) {
        let site = Site::new();
        let names = site.name_server(&["192.0.2.1"], &NAMES);
        let broker = Broker::new();
        let target = broker.start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        pass_on(&site, at, target);
        let mut all = json!({"mqtt_host": "broker.example", "topic": "t", "key": "k", "spread": 1, "keepalive": 5});
        all.as_object_mut()
            .unwrap()
            .extend(settings.as_object().unwrap().clone());
        let patient = Self::at(site, names, all).await;
        patient
            .health(|health| health["evidence"]["proof"] == "broker")
            .await;
        (patient, broker)
    }

    /// Waits for a verdict, and returns the health and how long it took.
    pub(crate) async fn verdict(&self, wanted: &str) -> (Value, Duration) {
        let start = Instant::now();
        let health = verdict(&self.client, wanted).await;
        (health, start.elapsed())
    }

    /// Waits for a health like this.
    pub(crate) async fn health(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let mut looks = tokio::time::interval(Duration::from_millis(50));
        let asked = async {
            loop {
                looks.tick().await;
                if let Ok(mut status) = ask(&self.client, "status").await {
                    last = status["health"].take();
                    if wanted(&last) {
                        return;
                    }
                }
            }
        };
        if tokio::time::timeout(DEADLINE, asked).await.is_err() {
            panic!("not in time: {last:#}");
        }
        last
    }

    /// The health after a probe that is made now.
    pub(crate) async fn probe(&self) -> Value {
        within("a probe", ask(&self.client, "probe")).await.unwrap()
    }

    /// Starts the agent again with other settings.
    pub(crate) async fn restart(&mut self, settings: Value) {
        assert!(self.agent.terminate(DEADLINE).await.unwrap().success());
        self.program.configure(&with_checks(settings)).unwrap();
        self.agent = self.program.start().unwrap();
    }
}

/// Offers `network.interface` with this dump on the bus of `program`.
async fn netifd(program: &AgentProgram, dump: &'static str) {
    let (client, connection) = ubus::connect(&program.ubus_socket);
    tokio::spawn(connection.run());
    let offered = client.offer("network.interface", vec![Method::new("dump", &[])]);
    let mut object = within("an object", offered).await.unwrap();
    let dump: blobmsg::Value = serde_json::from_str(dump).unwrap();
    tokio::spawn(async move {
        while let Some(request) = object.next().await {
            request.reply(&dump);
        }
        drop(client);
    });
}

/// Has connections to `at` in the world end at `target` in this process.
pub(crate) fn pass_on(site: &Site, at: &'static str, target: SocketAddr) {
    let listener = site.listen(at);
    listener.set_nonblocking(true).unwrap();
    tokio::spawn(relay(TcpListener::from_std(listener).unwrap(), target));
}

fn with_checks(settings: Value) -> Value {
    let mut all = json!({
        "mac": "02:00:00:00:00:01",
        "health_url": "health.example",
        "health_port": 853,
        "web_url": "http://web.example/check",
    });
    let settings = settings.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(settings);
    all
}
