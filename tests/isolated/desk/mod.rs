//! The lab's own network: each fault is what it says, netifd does what netifd does, a boot is a boot.

mod boots;
mod faults;
mod netifd;
mod play;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use socketman_lab::lab::Lab;
use socketman_lab::options::Options;
use socketman_lab::router::ROUTER_MAC;
use socketman_lab::site::{Namespace, Site, SERVERS};
use socketman_lab::within::within;
use tokio::process::Command;
use tokio::task::spawn_blocking;
use ubus::{blobmsg, Client, Events, Heard, Status};

use crate::service::{binary, SCALE};

/// Longest wait for an answer in the namespace.
const ANSWER_WITHIN: Duration = Duration::from_millis(1500);

/// A lab with a network, whose agent was not started; `None`, and words about it, without root.
pub(crate) async fn lab(options: &Options) -> Option<Lab> {
    match Site::make(ROUTER_MAC) {
        Ok(site) => {
            let lab = Lab::start_on(options, binary().await, SCALE, Ok(site)).await;
            Some(lab.unwrap())
        }
        Err(error) if !rustix::process::geteuid().is_root() => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// The device as its programs see it.
pub(crate) struct Inside {
    device: Arc<Namespace>,
    root: PathBuf,
    resolv: PathBuf,
}

impl Inside {
    pub(crate) fn of(lab: &mut Lab) -> Self {
        Inside {
            root: lab.place().root(),
            resolv: lab.place().path().join("resolv.conf"),
            device: Arc::clone(lab.site().unwrap().device()),
        }
    }

    /// Runs a command line in the namespace.
    pub(crate) async fn sh(&self, line: &str) -> Output {
        let run = Command::new("ip")
            .args(["netns", "exec", self.device.name(), "sh", "-c", line])
            .env("RES_OPTIONS", "timeout:1 attempts:1")
            .output();
        within(line, run).await.unwrap()
    }

    async fn said(&self, line: &str) -> String {
        String::from_utf8(self.sh(line).await.stdout).unwrap()
    }

    /// The first address that a name has, by the resolver of the device.
    async fn address_of(&self, name: &str) -> Option<String> {
        let resolv = self.resolv.display();
        let line = format!("mount --bind {resolv} /etc/resolv.conf && getent ahostsv4 {name}");
        let said = self.said(&line).await;
        said.split_whitespace().next().map(str::to_owned)
    }

    /// Asks a web server for a page; its answer.
    async fn page(&self, at: SocketAddr) -> Option<String> {
        let device = Arc::clone(&self.device);
        let asked = spawn_blocking(move || {
            let ask = || {
                let mut stream = TcpStream::connect_timeout(&at, ANSWER_WITHIN)?;
                stream.set_read_timeout(Some(ANSWER_WITHIN))?;
                stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
                let mut said = String::new();
                stream.read_to_string(&mut said)?;
                std::io::Result::Ok(said)
            };
            device.enter(ask).unwrap().ok()
        });
        asked.await.unwrap()
    }

    /// Does somebody accept a connection?
    pub(crate) async fn connects(&self, at: SocketAddr) -> bool {
        let device = Arc::clone(&self.device);
        let tried = spawn_blocking(move || {
            let connect = || TcpStream::connect_timeout(&at, ANSWER_WITHIN).is_ok();
            device.enter(connect).unwrap()
        });
        tried.await.unwrap()
    }

    async fn broker_is_there(&self) -> bool {
        self.connects((SERVERS, 1883).into()).await
    }

    /// Waits until a condition holds: on a busy machine an answer may come too late once.
    async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let waits = async { while !holds().await {} };
        within(what, waits).await;
    }

    /// The link of the WAN device, its addresses and the default route, as `ip` shows them.
    async fn link(&self) -> String {
        self.said("ip -o link show dev eth0").await
    }

    async fn addresses(&self) -> String {
        self.said("ip -o -4 addr show dev eth0").await
    }

    pub(crate) async fn default_route(&self) -> String {
        self.said("ip route show default").await
    }

    fn file(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn read(&self, path: &str) -> String {
        let path = self.file(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Changes a file as an editor does.
    fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{from}: {text}");
        fs::write(self.file(path), text.replace(from, to)).unwrap();
    }

    /// Runs one of the router's scripts; its exit code.
    async fn script(&self, words: &str) -> Option<i32> {
        let line = format!("{}/{words}", self.root.display());
        self.sh(&line).await.status.code()
    }
}

/// A call that has no answer but its status.
pub(crate) async fn order(
    client: &Client,
    path: &str,
    method: &str,
    args: Value,
) -> Result<(), Status> {
    let args = ubus::to_members(&args).unwrap();
    let call = client.call_raw(path, method, args, Duration::from_secs(20));
    match call.await {
        Ok(_) => Ok(()),
        Err(ubus::Error::Status(status)) => Err(status),
        Err(error) => panic!("{path} {method}: {error}"),
    }
}

/// The status of an interface as netifd reports it.
async fn status(client: &Client, name: &str) -> Value {
    ask(client, &format!("network.interface.{name}"), "status").await
}

/// The same, from somebody who may not be there.
pub(crate) async fn asked(client: &Client, path: &str, method: &str) -> Result<Value, ubus::Error> {
    let call = client.call_raw(path, method, Vec::new(), Duration::from_secs(5));
    let replies = call.await?;
    let reply = replies.first().ok_or(ubus::Error::NoData)?;
    Ok(serde_json::to_value(blobmsg::Value::from_members(reply)?).unwrap())
}

/// The answer to a call without arguments.
async fn ask(client: &Client, path: &str, method: &str) -> Value {
    let call = client.call_raw(path, method, Vec::new(), Duration::from_secs(20));
    let replies = call.await.unwrap();
    let status = blobmsg::Value::from_members(&replies[0]).unwrap();
    serde_json::to_value(status).unwrap()
}

/// The next events of interfaces: action and name.
async fn told(events: &mut Events, count: usize) -> Vec<String> {
    let mut told = Vec::new();
    while told.len() < count {
        match within("an event", events.next()).await.unwrap() {
            Heard::Event { data, .. } => {
                let data = blobmsg::Value::from_members(&data).unwrap();
                let text = |name: &str| data.get(name).unwrap().as_str().unwrap().to_owned();
                told.push(format!("{} {}", text("action"), text("interface")));
            }
            Heard::Lost { count } => panic!("{count} events lost"),
        }
    }
    told
}
