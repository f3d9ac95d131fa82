//! Inputs that other agents and earlier versions of this one reported wrongly, with the right values.
//!
//! Each folder of tests/data/cases is a router: `bus` holds replies (`OBJECT__METHOD[.DEVICE].json`) laid over
//! the samples, where `OBJECT.gone` takes an object away; `root` holds files, in which `@NOW+N@` is a time.

mod bounds;
mod joins;
mod kernel;
mod leases;
mod marks;
mod unasked;

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use ubus::blobmsg::Value;
use uci::Directories;

use super::samples::{data, Router, NOW};
use crate::collect::events::event_log::Log;
use crate::collect::join::airtime::Airtimes;
use crate::collect::join::{complete, join, Local};
use crate::collect::kernel::files::Files;
use crate::collect::sources::dhcp::dnsmasq::LeaseFiles;
use crate::collect::sources::question::Question;
use crate::collect::sources::replies::Replies;
use crate::collect::{Facts, Interface, Report};

/// A router with its files.
pub(super) struct Case {
    router: Router,
    root: TempDir,
    bus: bool,
}

impl Case {
    /// The router in a folder of tests/data/cases.
    fn of(name: &str) -> Self {
        let folder = data("cases").join(name);
        assert!(folder.is_dir(), "no case {name}");
        let mut case = Case::with(Router::v24_10());
        let bus = fs::read_dir(folder.join("bus")).into_iter().flatten();
        for entry in bus {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_str().unwrap();
            if file.contains("__scan") {
                continue;
            }
            case.router = match file.strip_suffix(".gone") {
                Some(object) => {
                    let prefix = [object.to_owned(), format!("{object}.")];
                    case.router.without(|asked| {
                        let path = asked.call().0;
                        path == prefix[0] || path.starts_with(&prefix[1])
                    })
                }
                None => {
                    let reply = fs::read_to_string(&path).unwrap();
                    let reply: Value = serde_json::from_str(&reply).unwrap();
                    case.router.with(question(file), reply)
                }
            };
        }
        case.lay(&folder.join("root"), "");
        case
    }

    /// A router whose only file is that of its leases.
    fn with(router: Router) -> Self {
        let case = Case {
            root: tempfile::tempdir().unwrap(),
            bus: true,
            router,
        };
        let leases = fs::read_to_string(data("samples/dhcp.leases")).unwrap();
        case.file("tmp/dhcp.leases", &leases)
    }

    /// A device without anything on the bus and without files.
    fn bare() -> Self {
        Case {
            root: tempfile::tempdir().unwrap(),
            bus: true,
            router: Router::bare(),
        }
    }

    fn lay(&self, from: &Path, to: &str) {
        for entry in fs::read_dir(from).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = format!("{to}{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() {
                self.lay(&path, &format!("{name}/"));
            } else {
                self.write(&name, &fs::read_to_string(&path).unwrap());
            }
        }
    }

    fn write(&self, path: &str, text: &str) {
        let mut parts = text.split('@');
        let mut written = parts.next().unwrap().to_owned();
        while let Some(part) = parts.next() {
            match part.strip_prefix("NOW+").map(str::parse::<u64>) {
                Some(Ok(seconds)) => {
                    written += &(NOW + seconds).to_string();
                    written += parts.next().unwrap();
                }
                _ => written = format!("{written}@{part}"),
            }
        }
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, written).unwrap();
    }

    fn file(self, path: &str, text: &str) -> Self {
        self.write(path, text);
        self
    }

    fn reply(mut self, asked: Question, reply: &str) -> Self {
        self.router = self.router.with(asked, super::samples::json(reply));
        self
    }

    fn without_bus(mut self) -> Self {
        self.bus = false;
        self
    }

    fn collect(&self) -> (Report, Facts) {
        self.collect_with(&mut Log::default())
    }

    fn collect_with(&self, log: &mut Log) -> (Report, Facts) {
        let mut replies = match self.bus {
            true => self.router.read(&self.router.raw()),
            false => Replies::without_bus(true),
        };
        let hints = replies.hints.take().unwrap_or_default();
        let files = Files::below(self.root.path());
        let mut places = LeaseFiles::configured_in(Directories::of(self.root.path(), None));
        let mut missing = Vec::new();
        let local = Local {
            mac: &"94-83-C4-A1-B2-00".parse().unwrap(),
            created_at: NOW,
            files: places.read(&files, NOW, &mut missing),
            hints: &hints,
            neighbours: &files.neighbours(&mut missing),
            missing,
            log,
            airtimes: &mut Airtimes::default(),
        };
        let (mut report, mut facts, plan) = join(replies, local);
        complete(&mut report, &mut facts, &plan, &files);
        (report, facts)
    }

    fn report(&self) -> Report {
        self.collect().0
    }
}

/// `hostapd.phy1-ap0__get_clients.json`, `iwinfo__info.phy1-ap0.sta1.json`.
fn question(file: &str) -> Question {
    let (object, call) = file
        .strip_suffix(".json")
        .unwrap()
        .split_once("__")
        .unwrap();
    let (method, device) = match call.split_once('.') {
        Some((method, device)) => (method, device.to_owned()),
        None => (call, String::new()),
    };
    match (object, method) {
        ("system", "board") => Question::Board,
        ("system", "info") => Question::Info,
        ("network.interface", "dump") => Question::Dump,
        ("network.device", "status") => Question::Devices,
        ("network.wireless", "status") => Question::Radios,
        ("dhcp", "ipv4leases") => Question::Leases4,
        ("dhcp", "ipv6leases") => Question::Leases6,
        ("luci-rpc", "getDHCPLeases") => Question::LuciLeases,
        ("luci-rpc", "getHostHints") => Question::Hints,
        ("iwinfo", "devices") => Question::Netdevs,
        ("iwinfo", "info") => Question::IwInfo(device),
        ("iwinfo", "survey") => Question::ChannelUse(device),
        ("iwinfo", "assoclist") => Question::Assoclist(device),
        (_, "get_status") => Question::Status(object.strip_prefix("hostapd.").unwrap().into()),
        (_, "get_clients") => Question::Clients(object.strip_prefix("hostapd.").unwrap().into()),
        _ => panic!("{file}"),
    }
}

fn interface<'a>(report: &'a Report, name: &str) -> &'a Interface {
    let interfaces = report.interfaces.as_ref().unwrap();
    let mut named = interfaces.iter().filter(|one| one.name == name);
    let found = named.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(named.next().is_none(), "{name} twice");
    found
}

/// The reply in a folder of tests/data/cases, as the bus brings it.
fn reply(path: &str) -> Vec<u8> {
    let text = fs::read_to_string(data("cases").join(path)).unwrap();
    super::samples::json(&text).to_members()
}

fn ip(text: &str) -> Option<std::net::Ipv4Addr> {
    Some(text.parse().unwrap())
}
