//! The router's network namespace and what runs in it: netifd, dnsmasq and the firewall.

use std::collections::VecDeque;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use ubus::blobmsg::Value;

use super::machine::Out;
use super::members::table;
use super::netifd::{Netifd, Network, Package, Uplink};
use super::world::News;
use crate::site::{Dnsmasq, Namespace, NamespaceError, Servers};

/// The rules of the firewall are routes of this table.
const FIREWALL_TABLE: u8 = 77;

/// The ground that a router stands on.
#[derive(Debug)]
pub(super) struct Ground {
    root: PathBuf,
    device: Arc<Namespace>,
    servers: Servers,
    dnsmasq: Option<Dnsmasq>,
    pub(super) netifd: Netifd,
    /// Events of interfaces that have not been sent.
    pub(super) out: VecDeque<Out>,
}

impl Ground {
    /// Boots: what the files below `root` say comes up. Needs a tokio runtime.
    pub(super) fn boot(
        root: &Path,
        device: Arc<Namespace>,
        uplink: Uplink,
    ) -> Result<Self, NamespaceError> {
        let mut ground = Ground {
            root: root.to_owned(),
            device,
            servers: Servers::default(),
            dnsmasq: None,
            netifd: Netifd::new(uplink),
            out: VecDeque::new(),
        };
        ground.start_netifd();
        ground.firewall();
        ground.start_dnsmasq()?;
        Ok(ground)
    }

    fn network(&self) -> Option<Network> {
        let bytes = fs::read(self.root.join("etc/config/network")).ok()?;
        Some(Network::parse(&bytes))
    }

    /// netifd, as a new process, reads its file.
    pub(super) fn start_netifd(&mut self) {
        let network = self.network();
        self.netifd.start(network);
        self.settle();
    }

    /// Takes every interface down.
    pub(super) fn stop_netifd(&mut self) {
        self.netifd.stop();
        self.settle();
    }

    /// Returns false if there is no file.
    pub(super) fn reload_netifd(&mut self) -> bool {
        let network = self.network();
        let done = self.netifd.reload(network);
        self.settle();
        done
    }

    /// Carries out what netifd decided: the kernel first, then the files, then those who listen.
    pub(super) fn settle(&mut self) {
        let effects = self.netifd.effects();
        // What is taken away may be gone already: whoever breaks the network does so behind netifd's back.
        let refused = self.device.batch(&effects.ip);
        warn("netifd", refused.map(drop));
        let servers = self.netifd.servers();
        let told = self.write_servers(&servers);
        warn("netifd", told);
        *self.servers.lock().unwrap_or_else(PoisonError::into_inner) = servers;
        for (name, up) in effects.events {
            self.tell(&name, up);
        }
    }

    fn write_servers(&self, servers: &[IpAddr]) -> std::io::Result<()> {
        let lines = servers
            .iter()
            .map(|server| format!("nameserver {server}\n"));
        let dir = self.root.join("tmp/resolv.conf.d");
        fs::create_dir_all(&dir)?;
        fs::write(dir.join("resolv.conf.auto"), lines.collect::<String>())
    }

    /// An interface came up or went down.
    fn tell(&mut self, name: &str, up: bool) {
        let (action, kind) = match up {
            true => ("ifup", "interface.update"),
            false => ("ifdown", "interface.down"),
        };
        let event = table! { "action": action, "interface": name };
        self.out.push_back(Out::Event("network.interface", event));
        let mut data = table! { "interface": name };
        if let (Value::Table(data), Some(Value::Table(status))) =
            (&mut data, self.netifd.status(name))
        {
            data.extend(status);
        }
        for object in [
            "network.interface".to_owned(),
            format!("network.interface.{name}"),
        ] {
            let data = data.clone();
            self.out.push_back(Out::Notice(News { object, kind, data }));
        }
    }

    pub(super) async fn stop_dnsmasq(&mut self) {
        if let Some(dnsmasq) = self.dnsmasq.take() {
            dnsmasq.stop().await;
        }
    }

    pub(super) fn start_dnsmasq(&mut self) -> Result<(), NamespaceError> {
        let dnsmasq = Dnsmasq::start(&self.device, Arc::clone(&self.servers))?;
        self.dnsmasq = Some(dnsmasq);
        Ok(())
    }

    /// Drops what leaves the router for the addresses of rules that say so, by routes that lead nowhere.
    pub(super) fn firewall(&mut self) {
        self.no_firewall();
        let file = fs::read(self.root.join("etc/config/firewall"));
        let package = file.ok().and_then(|bytes| Package::parse(&bytes).ok());
        let Some(package) = package else {
            return;
        };
        let table = FIREWALL_TABLE;
        let mut changes = vec![format!("rule add pref {table} lookup {table}")];
        for rule in package.of_kind("rule") {
            let text = |name: &str| rule.option(name).map(String::from_utf8_lossy);
            let drops = matches!(text("target").as_deref(), Some("DROP" | "REJECT"));
            if let Some(to) = text("dest_ip").filter(|_| drops) {
                changes.push(format!("route add blackhole {to} table {table}"));
            }
        }
        let refused = self.device.batch(&changes);
        warn("firewall", refused.map(drop));
    }

    /// Takes its rules away.
    pub(super) fn no_firewall(&mut self) {
        let table = FIREWALL_TABLE;
        let changes = [
            format!("route flush table {table}"),
            format!("rule del pref {table}"),
        ];
        // Nothing can be removed from an empty list.
        let refused = self.device.batch(&changes);
        warn("firewall", refused.map(drop));
    }
}

/// A router has a log for it; the lab's has standard error.
fn warn<E: std::fmt::Display>(who: &str, done: Result<(), E>) {
    if let Err(error) = done {
        eprintln!("{who} of the lab's router: {error}");
    }
}
