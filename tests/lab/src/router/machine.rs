//! The router's actions: netifd's orders, procd's reloads, rpcd's rollback, the reboot.
//!
//! Orders come over the bus and from the scripts. Each is carried out at once, but for what takes its time
//! on a router too (a restart of netifd, a reload that procd puts off, the time to confirm an apply).
//! These times pass as many times faster as the agent's do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;
use ubus::blobmsg::Value;
use ubus::Status;

use super::ground::Ground;
use super::members::{get_mut, set, table};
use super::netifd::Uplink;
use super::objects::{self, is_sampled, Reply};
use super::rpcd::Rpcd;
use super::world::News;

/// netifd, as a new process, is up this long after a restart was asked for.
const NETIFD_STARTS: Duration = Duration::from_secs(1);

/// procd reloads a service this long after the package that it follows has changed.
const RELOAD_AFTER: Duration = Duration::from_secs(1);

/// Work for later.
#[derive(Debug, PartialEq, Eq)]
enum Later {
    NetifdStarts,
    Reload(String),
    RollBack,
}

/// A message to send.
#[derive(Debug)]
pub(super) enum Out {
    Event(&'static str, Value),
    Notice(News),
    /// The agent's init script sends it the signal to reload.
    ReloadAgent,
    Reboot,
}

/// The machine, in a network namespace or without.
#[derive(Debug)]
pub(super) struct Machine {
    root: PathBuf,
    pace: u32,
    pub(super) ground: Option<Ground>,
    /// Interfaces that were taken down, where there is no ground.
    pub(super) downs: BTreeSet<String>,
    rpcd: Rpcd,
    later: Vec<(Instant, Later)>,
    /// The packages as they were when they were last looked at for a reload.
    seen: BTreeMap<String, Vec<u8>>,
    out: VecDeque<Out>,
}

impl Machine {
    /// A machine that has booted, with its files below `root`; its times pass `pace` times faster.
    pub(super) fn new(root: &Path, ground: Option<Ground>, pace: u32) -> Self {
        let mut machine = Machine {
            root: root.to_owned(),
            pace: pace.max(1),
            ground,
            downs: BTreeSet::new(),
            rpcd: Rpcd::new(root),
            later: Vec::new(),
            seen: BTreeMap::new(),
            out: VecDeque::new(),
        };
        machine.changed_packages();
        machine
    }

    /// The next thing to send.
    pub(super) fn next_out(&mut self) -> Option<Out> {
        let told = self
            .ground
            .as_mut()
            .and_then(|ground| ground.out.pop_front());
        told.or_else(|| self.out.pop_front())
    }

    /// Returns when something is due.
    pub(super) async fn due(&self) {
        match self.later.iter().map(|(at, _)| *at).min() {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Does what is due.
    pub(super) fn catch_up(&mut self) {
        let now = Instant::now();
        while let Some(at) = self.later.iter().position(|(at, _)| *at <= now) {
            match self.later.remove(at).1 {
                Later::NetifdStarts => {
                    if let Some(ground) = &mut self.ground {
                        ground.start_netifd();
                    }
                }
                Later::Reload(package) => self.reload(&package),
                Later::RollBack => {
                    let restored = self.rpcd.roll_back();
                    self.config_changed(restored);
                }
            }
        }
    }

    fn put_off(&mut self, by: Duration, what: Later) {
        self.later.retain(|(_, later)| *later != what);
        self.later.push((Instant::now() + by / self.pace, what));
    }

    /// The other end of the cable does something else.
    pub(super) fn uplink(&mut self, uplink: Uplink) {
        if let Some(ground) = &mut self.ground {
            ground.netifd.uplink(uplink);
            ground.settle();
        }
    }

    /// Answers a call that does something, or asks for what netifd knows; `None` if it is none of these.
    /// `uptime` is that of the router, s.
    pub(super) fn answer(
        &mut self,
        path: &str,
        method: &str,
        args: &Value,
        uptime: u32,
    ) -> Option<Reply> {
        if let Some(ground) = &mut self.ground {
            ground.netifd.tick(uptime);
        }
        let text = |name: &str| args.get(name).and_then(Value::as_str);
        Some(match (path, method) {
            ("network", "reload") => match self.reload_network() {
                true => Ok(None),
                false => Err(Status::NOT_FOUND),
            },
            ("network", "restart") => {
                self.restart_network();
                Ok(None)
            }
            ("network.interface", "dump") => Ok(Some(self.ground.as_ref()?.netifd.dump())),
            ("network.interface", method) => match text("interface") {
                None => Err(Status::INVALID_ARGUMENT),
                Some(name) => self.interface(name, method)?,
            },
            ("service", "event") if text("type") == Some("config.change") => {
                let package = args.get("data").and_then(|data| data.get("package"));
                let package = package.and_then(Value::as_str).map(str::to_owned);
                self.config_changed(package.into_iter().collect());
                Ok(None)
            }
            ("system", "reboot") => {
                self.out.push_back(Out::Reboot);
                Ok(None)
            }
            ("system", "board") => Ok(Some(self.board())),
            ("uci", "get") if !self.is_package(text("config")) => return None,
            (
                "uci",
                "get" | "add" | "set" | "delete" | "revert" | "apply" | "confirm" | "rollback",
            ) => {
                let called = self.rpcd.answer(method, args);
                if let Some(after) = called.rollback_after {
                    self.put_off(after, Later::RollBack);
                }
                self.config_changed(called.changed);
                called.reply
            }
            (path, method) => {
                let name = path.strip_prefix("network.interface.")?;
                self.interface(name, method)?
            }
        })
    }

    /// `system board`, with the release and the board that the files tell of.
    fn board(&self) -> Value {
        let read = |path: &str| fs::read_to_string(self.root.join(path)).unwrap_or_default();
        let mut board = objects::board();
        let release = read("etc/openwrt_release");
        let revision = release
            .lines()
            .find_map(|line| line.strip_prefix("DISTRIB_REVISION="));
        if let (Some(revision), Some(release)) = (revision, get_mut(&mut board, "release")) {
            set(release, "revision", revision.trim_matches('\''));
        }
        let name = read("tmp/sysinfo/board_name");
        if !name.is_empty() {
            set(&mut board, "board_name", name.trim());
        }
        board
    }

    /// A package that is read from its file; the lab's DHCP server is none.
    fn is_package(&self, name: Option<&str>) -> bool {
        let name = name.filter(|name| *name != "dhcp" && !name.contains('/'));
        name.is_some_and(|name| self.root.join("etc/config").join(name).is_file())
    }

    /// `None` without ground, if the method only asks.
    fn interface(&mut self, name: &str, method: &str) -> Option<Reply> {
        let Some(ground) = &mut self.ground else {
            return self.imagined(name, method);
        };
        let known = match method {
            "up" => ground.netifd.up(name),
            "down" => ground.netifd.down(name),
            "renew" => ground.netifd.renew(name),
            "status" => {
                let status = ground.netifd.status(name).ok_or(Status::NOT_FOUND);
                return Some(status.map(Some));
            }
            _ => return Some(Err(Status::METHOD_NOT_FOUND)),
        };
        ground.settle();
        Some(match known {
            true => Ok(None),
            false => Err(Status::NOT_FOUND),
        })
    }

    /// Without ground an interface is up or down, and that is all.
    fn imagined(&mut self, name: &str, method: &str) -> Option<Reply> {
        if !is_sampled(name) {
            return None;
        }
        let (changed, action) = match method {
            "up" => (self.downs.remove(name), "ifup"),
            "down" => (self.downs.insert(name.to_owned()), "ifdown"),
            _ => return None,
        };
        if changed {
            let event = table! { "action": action, "interface": name };
            self.out.push_back(Out::Event("network.interface", event));
        }
        Some(Ok(None))
    }

    /// Carries out what a script asks for; its exit code.
    pub(super) async fn order(&mut self, words: &[String]) -> u8 {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let done = match words[..] {
            ["network", "reload"] => self.reload_network(),
            ["network", "restart" | "start"] => {
                self.restart_network();
                true
            }
            ["ifup", name] => !matches!(self.interface(name, "up"), Some(Err(_))),
            ["ifdown", name] => !matches!(self.interface(name, "down"), Some(Err(_))),
            ["reload_config"] => {
                let changed = self.changed_packages();
                self.config_changed(changed);
                true
            }
            ["socketman", "reload"] => {
                self.out.push_back(Out::ReloadAgent);
                true
            }
            ["reboot"] => {
                self.out.push_back(Out::Reboot);
                true
            }
            [service, verb] => self.service(service, verb).await,
            _ => false,
        };
        u8::from(!done)
    }

    /// The effect of a service's init script in the namespace; without one there is nothing to do.
    async fn service(&mut self, name: &str, verb: &str) -> bool {
        let starts = matches!(verb, "start" | "restart" | "reload");
        if !starts && verb != "stop" {
            return false;
        }
        let Some(ground) = &mut self.ground else {
            return matches!(name, "network" | "firewall" | "dnsmasq");
        };
        match (name, starts) {
            ("network", false) => ground.stop_netifd(),
            ("firewall", true) => ground.firewall(),
            ("firewall", false) => ground.no_firewall(),
            ("dnsmasq", true) => {
                ground.stop_dnsmasq().await;
                return ground.start_dnsmasq().is_ok();
            }
            ("dnsmasq", false) => ground.stop_dnsmasq().await,
            _ => return false,
        }
        true
    }

    fn reload_network(&mut self) -> bool {
        self.ground.as_mut().is_none_or(Ground::reload_netifd)
    }

    fn restart_network(&mut self) {
        self.downs.clear();
        if let Some(ground) = &mut self.ground {
            ground.stop_netifd();
            self.put_off(NETIFD_STARTS, Later::NetifdStarts);
        }
    }

    /// procd hears that packages have changed.
    fn config_changed(&mut self, packages: Vec<String>) {
        for package in packages {
            let data = table! { "config": package.as_str() };
            self.out.push_back(Out::Notice(News {
                object: "service".to_owned(),
                kind: "config.change",
                data,
            }));
            self.put_off(RELOAD_AFTER, Later::Reload(package));
        }
    }

    /// Reloads who follows a package; dnsmasq has no settings of its own here.
    fn reload(&mut self, package: &str) {
        match package {
            "network" => {
                self.reload_network();
            }
            "firewall" => {
                if let Some(ground) = &mut self.ground {
                    ground.firewall();
                }
            }
            "socketman" => self.out.push_back(Out::ReloadAgent),
            _ => {}
        }
    }

    /// The packages whose files differ from what they were when this was last asked.
    fn changed_packages(&mut self) -> Vec<String> {
        let now = packages(&self.root.join("etc/config")).unwrap_or_default();
        let old = std::mem::replace(&mut self.seen, now);
        let names: BTreeSet<&String> = old.keys().chain(self.seen.keys()).collect();
        let changed = names
            .into_iter()
            .filter(|name| old.get(*name) != self.seen.get(*name));
        changed.cloned().collect()
    }
}

fn packages(directory: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut packages = BTreeMap::new();
    for entry in directory.read_dir()? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            packages.insert(name, fs::read(entry.path())?);
        }
    }
    Ok(packages)
}
