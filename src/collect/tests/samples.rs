//! The replies of one imaginary router, as the bus would bring them.

use std::path::PathBuf;

use serde::de::DeserializeOwned;

use crate::collect::gather::Replies;
use crate::collect::leases::Leases;
use crate::collect::wireless::{Air, Ap, Netdev};
use crate::collect::{join, About, Facts, Report};
use crate::ubus::blobmsg::Value;
use crate::ubus::{from_members, Error};

/// The instant of the samples, seconds since the epoch.
pub(super) const NOW: u64 = 1_751_450_000;

pub(super) fn data(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(path)
}

pub(super) fn value(path: &str) -> Value {
    let path = data("samples").join(path);
    let json = std::fs::read_to_string(&path).unwrap();
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

pub(super) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

pub(super) fn decode<T: DeserializeOwned>(value: &Value) -> Result<T, Error> {
    from_members(&value.to_members())
}

/// Which question a reply answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Asked {
    Board,
    Info,
    Dump,
    Devices,
    Radios,
    Status(String),
    Clients(String),
    IwInfo(String),
    Assoclist(String),
}

use Asked::{Assoclist, Board, Clients, Devices, Dump, Info, IwInfo, Radios, Status};

/// Replies as values, to be changed before they are decoded.
#[derive(Debug, Clone)]
pub(super) struct Router {
    pub(super) replies: Vec<(Asked, Value)>,
    pub(super) leases: Option<Vec<u8>>,
}

impl Router {
    pub(super) fn bare() -> Self {
        Router {
            replies: Vec::new(),
            leases: None,
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
    pub(super) fn with(mut self, asked: Asked, reply: Value) -> Self {
        self.replies.retain(|(known, _)| *known != asked);
        self.replies.push((asked, reply));
        self
    }

    pub(super) fn with_leases(mut self, file: &[u8]) -> Self {
        self.leases = Some(file.to_vec());
        self
    }

    /// Whoever was asked these does not answer.
    pub(super) fn without(mut self, silent: impl Fn(&Asked) -> bool) -> Self {
        self.replies.retain(|(asked, _)| !silent(asked));
        self
    }

    pub(super) fn without_iwinfo(self) -> Self {
        self.without(|asked| matches!(asked, IwInfo(_) | Assoclist(_)))
    }

    pub(super) fn without_hostapd(self) -> Self {
        self.without(|asked| matches!(asked, Status(_) | Clients(_)))
    }

    /// A reply that cannot be decoded is one that did not come.
    pub(super) fn decode(&self) -> Replies {
        let mut replies = Replies::default();
        let mut air = Air {
            aps: Some(Vec::new()),
            ..Air::default()
        };
        for (asked, value) in &self.replies {
            match asked {
                Board => replies.board = decode(value).ok(),
                Info => replies.info = decode(value).ok(),
                Dump => replies.dump = decode(value).ok(),
                Devices => replies.devices = decode(value).ok(),
                Radios => air.radios = decode(value).ok(),
                Status(name) => ap(&mut air, name).status = decode(value).ok(),
                Clients(name) => ap(&mut air, name).clients = decode(value).ok(),
                IwInfo(name) => netdev(&mut air, name).info = decode(value).ok(),
                Assoclist(name) => netdev(&mut air, name).stations = decode(value).ok(),
            }
        }
        replies.air = Some(air);
        replies
    }

    pub(super) fn collect(&self) -> (Report, Facts) {
        let about = About {
            mac: "94-83-C4-A1-B2-00",
            created_at: NOW,
        };
        let leases = self.leases.as_deref().map(|file| Leases::parse(file, NOW));
        join(self.decode(), leases, &about)
    }

    pub(super) fn report(&self) -> Report {
        self.collect().0
    }
}

fn ap<'a>(air: &'a mut Air, name: &str) -> &'a mut Ap {
    let aps = air.aps.as_mut().unwrap();
    if !aps.iter().any(|ap| ap.name == name) {
        aps.push(Ap {
            name: name.to_owned(),
            ..Ap::default()
        });
    }
    aps.iter_mut().find(|ap| ap.name == name).unwrap()
}

fn netdev<'a>(air: &'a mut Air, name: &str) -> &'a mut Netdev {
    if !air.netdevs.iter().any(|netdev| netdev.name == name) {
        air.netdevs.push(Netdev {
            name: name.to_owned(),
            ..Netdev::default()
        });
    }
    let mut named = air.netdevs.iter_mut();
    named.find(|netdev| netdev.name == name).unwrap()
}
