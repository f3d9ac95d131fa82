//! The agent's link to a broker, with nothing else of the agent.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use socketman::config::{Config, Secret};
use socketman::process::clock::Pace;
use socketman::{jobs, mqtt};
use socketman_lab::broker::Broker;
use socketman_lab::tls_front::TlsFront;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::rustls::ServerConfig;

/// Longer than any step takes on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

const MAC: &str = "aa:bb:cc:00:11:22";

/// Settings for TLS to `localhost`.
pub(crate) fn config(port: u16, cacrt: PathBuf) -> Config {
    Config::default().with(|config| {
        config.broker.topic = "fleet".into();
        config.broker.key = Secret::new("secret");
        config.broker.host = "localhost".into();
        config.broker.port = port;
        config.broker.tls = true;
        config.broker.cacrt = Some(cacrt);
        config.spread = Duration::ZERO;
        config.ping.off = true;
        config.pace = Pace::faster(50);
    })
}

/// The lab's broker behind TLS.
pub(crate) struct TlsBroker {
    pub(crate) front: TlsFront,
    pub(crate) broker: Broker,
    pub(crate) plain: SocketAddr,
}

impl TlsBroker {
    pub(crate) async fn start(config: Arc<ServerConfig>) -> Self {
        TlsBroker::at("127.0.0.1:0", config).await
    }

    pub(crate) async fn at(address: &str, config: Arc<ServerConfig>) -> Self {
        let broker = Broker::new();
        let plain = broker.start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = address.parse().unwrap();
        let front = TlsFront::start(address, config, plain).await.unwrap();
        TlsBroker {
            front,
            broker,
            plain,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.front.addr().port()
    }
}

/// The running link.
pub(crate) struct Link {
    facts: watch::Receiver<mqtt::Facts>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<mqtt::Supply>,
}

impl Link {
    pub(crate) fn start(config: Config) -> Self {
        let (_, options) = watch::channel((&config).into());
        let (_, handle, outlets) = jobs::new(options, watch::channel(MAC.parse().unwrap()).1);
        let (sender, facts) = watch::channel(mqtt::Facts::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            // Sent or dropped, it is the end.
            let _ = stopped.await;
        };
        let link = mqtt::run(
            (&config).into(),
            MAC.parse().unwrap(),
            handle,
            mqtt::Supply::new(outlets.broker, outlets.live),
            sender,
            shutdown,
        );
        Link {
            facts,
            stop,
            task: tokio::spawn(link),
        }
    }

    pub(crate) async fn facts(&self, what: impl FnMut(&mqtt::Facts) -> bool) -> mqtt::Facts {
        let mut facts = self.facts.clone();
        let wait = timeout(DEADLINE, facts.wait_for(what));
        let newest = wait.await.expect("in time").unwrap().clone();
        newest
    }

    pub(crate) async fn connected(&self, connected: bool) -> mqtt::Facts {
        self.facts(|facts| facts.connected == connected).await
    }

    /// Why there is no connection.
    pub(crate) async fn error(&self) -> String {
        let facts = self.facts(|facts| facts.last_error.is_some()).await;
        assert!(!facts.connected);
        facts.last_error.unwrap()
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(DEADLINE, self.task)
            .await
            .expect("in time")
            .unwrap();
    }
}

/// Why a link with these settings does not come about.
pub(crate) async fn error(config: Config) -> String {
    let link = Link::start(config);
    let error = link.error().await;
    link.stop().await;
    error
}
