//! A broker that tests stop, kill and start.

use std::fs;
use std::net::SocketAddr;

use rustix::process::{kill_process, Pid, Signal};
use socketman_lab::broker::Broker;
use socketman_lab::mosquitto;
use socketman_lab::within::within;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Child;

/// A broker that tests stop, kill and start.
pub(crate) enum Server {
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
    pub(crate) async fn lab() -> Self {
        let broker = Broker::new();
        let address = broker.start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let gone = Vec::new();
        Server::Lab {
            broker,
            address,
            gone,
        }
    }

    pub(crate) async fn mosquitto() -> Self {
        let dir = TempDir::new().unwrap();
        Server::mosquitto_in(dir, "allow_anonymous true").await
    }

    /// A server that lets in only `name` with `password`.
    pub(crate) async fn mosquitto_for(name: &str, password: &str) -> Self {
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

    pub(crate) async fn mosquitto_in(dir: TempDir, access: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let settings = format!(
            "user root\nlistener {port} 127.0.0.1\n{access}\npersistence true\n\
             persistence_location {}/\nmax_queued_messages 0\nlog_dest stderr\nlog_type all\n",
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

    pub(crate) fn port(&self) -> u16 {
        match self {
            Server::Lab { address, .. } => address.port(),
            Server::Mosquitto { port, .. } => *port,
        }
    }

    pub(crate) async fn start(&mut self) {
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
    pub(crate) async fn stop(&mut self) {
        match self {
            Server::Lab { broker, .. } => broker.stop().await.unwrap(),
            Server::Mosquitto { child, .. } => {
                signal(child.as_ref(), Signal::TERM);
                child.take().unwrap().wait().await.unwrap();
            }
        }
    }

    /// Kills the broker. It knows what it had saved.
    pub(crate) async fn kill(&mut self) {
        match self {
            Server::Lab { broker, .. } => broker.stop().await.unwrap(),
            Server::Mosquitto { child, .. } => {
                signal(child.as_ref(), Signal::KILL);
                child.take().unwrap().wait().await.unwrap();
            }
        }
    }

    /// Ends the broker with all it knows.
    pub(crate) async fn forget_everything(&mut self) {
        match self {
            Server::Lab { broker, gone, .. } => {
                broker.stop().await.unwrap();
                gone.push(std::mem::take(broker));
            }
            Server::Mosquitto { dir, .. } => {
                let file = dir.path().join("mosquitto.db");
                self.kill().await;
                let _ = fs::remove_file(file);
            }
        }
    }
}

pub(crate) fn signal(child: Option<&Child>, signal: Signal) {
    let pid = child.unwrap().id().unwrap().cast_signed();
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}
