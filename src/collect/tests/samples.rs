//! The replies of one imaginary router, as the bus would bring them.

use std::path::PathBuf;

use bytes::Bytes;
use ubus::blobmsg::Value;
use ubus::{Error, Status as BusStatus};

use super::super::events::event_log::Log;
use super::super::join::airtime::Airtimes;
use super::super::join::hosts::Hint;
use super::super::join::{join, Local};
use super::super::sources::dhcp::dnsmasq::LeaseFile;
use super::super::sources::dhcp::leases::Leases;
use super::super::sources::question::Question;
use super::super::sources::replies::{Replies, Reply};
use crate::collect::{Facts, Report};

/// The instant of the samples, seconds since the epoch.
pub(in crate::collect) const NOW: u64 = 1_751_450_000;

pub(in crate::collect) fn data(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(path)
}

pub(in crate::collect) fn value(path: &str) -> Value {
    let path = data("samples").join(path);
    let json = std::fs::read_to_string(&path).unwrap();
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

pub(in crate::collect) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

use Question::{
    Assoclist, Board, Clients, Devices, Dump, Hints, Info, IwInfo, Leases4, Leases6, LuciLeases,
    Radios, Status,
};

/// Replies as values, to be changed before they are read.
#[derive(Debug, Clone)]
pub(super) struct Router {
    pub(super) replies: Vec<(Question, Value)>,
    pub(super) leases: Option<Vec<u8>>,
    pub(super) neighbours: String,
}

impl Router {
    pub(super) fn bare() -> Self {
        Router {
            replies: Vec::new(),
            leases: None,
            neighbours: String::new(),
        }
    }

    /// All samples of 24.10.
    pub(super) fn v24_10() -> Self {
        let mut router = Router::bare()
            .with(Board, value("system__board.json"))
            .with(Info, value("system__info.json"))
            .with(Dump, value("network.interface__dump.json"))
            .with(Devices, value("network.device__status.json"))
            .with(Radios, value("network.wireless__status.json"))
            .with(Leases4, value("dhcp__ipv4leases.json"))
            .with(Leases6, value("dhcp__ipv6leases.json"))
            .with(LuciLeases, value("luci-rpc__getDHCPLeases.json"))
            .with(Hints, value("luci-rpc__getHostHints.json"))
            .with_leases(&std::fs::read(data("samples/dhcp.leases")).unwrap());
        for ap in ["phy0-ap0", "phy1-ap0", "phy1-ap1"] {
            let status = value(&format!("hostapd.{ap}__get_status.json"));
            let clients = value(&format!("hostapd.{ap}__get_clients.json"));
            router = router
                .with(Status(ap.into()), status)
                .with(Clients(ap.into()), clients);
        }
        for netdev in ["phy0-ap0", "phy0-ap0-iot", "phy1-ap0", "phy1-ap1"] {
            let info = value(&format!("iwinfo__info.{netdev}.json"));
            let list = value(&format!("iwinfo__assoclist.{netdev}.json"));
            router = router
                .with(IwInfo(netdev.into()), info)
                .with(Assoclist(netdev.into()), list);
        }
        router
    }

    /// The answer to `asked` is `reply` from now on.
    pub(super) fn with(mut self, asked: Question, reply: Value) -> Self {
        self.replies.retain(|(known, _)| *known != asked);
        self.replies.push((asked, reply));
        self
    }

    pub(super) fn with_leases(mut self, file: &[u8]) -> Self {
        self.leases = Some(file.to_vec());
        self
    }

    /// Calls that get no answer.
    pub(super) fn without(mut self, silent: impl Fn(&Question) -> bool) -> Self {
        self.replies.retain(|(asked, _)| !silent(asked));
        self
    }

    /// Nobody on the bus tells of leases.
    pub(super) fn without_leases(self) -> Self {
        self.without(|asked| matches!(asked, Leases4 | Leases6 | LuciLeases | Hints))
    }

    /// The base image has nothing of this.
    pub(super) fn without_rpcd(self) -> Self {
        self.without(|asked| matches!(asked, IwInfo(_) | Assoclist(_) | LuciLeases | Hints))
    }

    pub(super) fn without_hostapd(self) -> Self {
        self.without(|asked| matches!(asked, Status(_) | Clients(_)))
    }

    /// The networks of hostapd and the devices of iwinfo that there are replies of.
    pub(super) fn lists(&self) -> (Vec<String>, Vec<String>) {
        let (mut aps, mut netdevs) = (Vec::new(), Vec::new());
        for (asked, _) in &self.replies {
            let (list, name) = match asked {
                Status(name) | Clients(name) => (&mut aps, name),
                IwInfo(name) | Assoclist(name) => (&mut netdevs, name),
                _ => continue,
            };
            if !list.contains(name) {
                list.push(name.clone());
            }
        }
        (aps, netdevs)
    }

    /// The replies as bytes, that of iwinfo's list of devices among them.
    pub(super) fn raw(&self) -> Vec<(Question, Bytes)> {
        let replies = self.replies.iter();
        let mut raw: Vec<(Question, Bytes)> = replies
            .map(|(asked, value)| (asked.clone(), value.to_members().into()))
            .collect();
        if !raw.iter().any(|(asked, _)| *asked == Question::Netdevs) {
            let (_, netdevs) = self.lists();
            let netdevs = netdevs.iter().map(|name| Value::string(name)).collect();
            let netdevs = Value::Table(vec![(b"devices".to_vec(), Value::Array(netdevs))]);
            raw.insert(0, (Question::Netdevs, netdevs.to_members().into()));
        }
        raw
    }

    /// The replies as the collector takes them in. An object without a reply does not exist.
    pub(super) fn read(&self, raw: &[(Question, Bytes)]) -> Replies {
        let mut replies = Replies::new(true);
        let (aps, _) = self.lists();
        let aps = aps.iter().map(|ap| format!("hostapd.{ap}")).collect();
        let mut open = replies.take(Question::Aps, Ok(Reply::Paths(aps)), NOW);
        open.extend([Board, Info, Dump, Devices, Radios, Question::Netdevs]);
        open.extend([Leases4, Leases6, LuciLeases, Hints]);
        while let Some(question) = open.pop() {
            let known = raw.iter().find(|(asked, _)| *asked == question);
            let reply = match known {
                Some((_, reply)) => Ok(Reply::Data(reply.clone())),
                None => Err(Error::Status(BusStatus::NOT_FOUND)),
            };
            open.extend(replies.take(question, reply, NOW));
        }
        replies
    }

    /// All that was read out of the replies, to look for what should not be among it.
    pub(super) fn shown(&self) -> String {
        format!("{:?}", self.read(&self.raw()))
    }

    pub(super) fn collect(&self) -> (Report, Facts) {
        self.collect_from(&self.raw(), &mut Log::default())
    }

    pub(super) fn collect_from(&self, raw: &[(Question, Bytes)], log: &mut Log) -> (Report, Facts) {
        let mut replies = self.read(raw);
        let hints = replies.hints.take().unwrap_or_default();
        let local = Local {
            mac: &"94-83-C4-A1-B2-00".parse().unwrap(),
            created_at: NOW,
            files: vec![LeaseFile {
                source: "dhcp.leases".to_owned(),
                leases: self
                    .leases
                    .as_deref()
                    .map(|file| Leases::of_file(file, NOW)),
            }],
            hints: &hints,
            neighbours: &Hint::read_neighbours(&self.neighbours).0,
            missing: Vec::new(),
            log,
            airtimes: &mut Airtimes::default(),
        };
        let (report, facts, _) = join(replies, local);
        (report, facts)
    }

    pub(super) fn report(&self) -> Report {
        self.collect().0
    }
}
