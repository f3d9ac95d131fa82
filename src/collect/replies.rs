//! What the answers of the bus come to.

use bytes::Bytes;
use log::debug;

use super::hostapd::{self, Ap, Clients};
use super::hosts::Hint;
use super::iwinfo::{self, Assoclist, Netdev};
use super::leases::Leases;
use super::netdevs::Devices;
use super::network::Dump;
use super::question::Question;
use super::radio::Radio;
use super::reply::{Fields, MAX_TEXT};
use super::system::{Board, Info};
use super::wireless::Air;
use crate::ubus::{Error, Status};

/// Networks of hostapd, and devices of iwinfo, that are asked about: more than any device has, and
/// few enough for all questions to be under way at once.
pub(super) const MAX_NETDEVS: usize = 48;

const NOT_FOUND: Error = Error::Status(Status::NOT_FOUND);

/// What came back.
#[derive(Debug)]
pub(super) enum Reply {
    /// The first DATA of a call.
    Data(Bytes),
    /// The paths a look-up found.
    Paths(Vec<String>),
}

/// What the bus said; `None` where nobody answered.
#[derive(Debug, Default)]
pub(super) struct Replies {
    pub(super) board: Option<Board>,
    pub(super) info: Option<Info>,
    pub(super) dump: Option<Dump>,
    pub(super) devices: Option<Devices>,
    /// `None` if Wi-Fi is not asked about.
    pub(super) air: Option<Air>,
    /// odhcpd's, of both families.
    pub(super) odhcpd: Option<Leases>,
    pub(super) luci: Option<Leases>,
    /// `None` if nobody asked, or nobody answered.
    pub(super) hints: Option<Vec<Hint>>,
    unanswered: Vec<Question>,
    /// Beside those, what is missing in other ways.
    cut: Vec<String>,
}

impl Replies {
    /// For a collection that asks about Wi-Fi, or one that does not.
    pub(super) fn new(wifi: bool) -> Self {
        Replies {
            air: wifi.then(Air::default),
            ..Replies::default()
        }
    }

    /// For a collection without anybody to ask.
    pub(super) fn without_bus(wifi: bool) -> Self {
        let mut replies = Replies::new(wifi);
        replies.cut.push("ubus".to_owned());
        replies
    }

    /// Takes an answer in. Returns what is to be asked because of it.
    ///
    /// `now` in seconds since the epoch: servers tell how long a lease is left.
    pub(super) fn take(
        &mut self,
        question: Question,
        reply: Result<Reply, Error>,
        now: u64,
    ) -> Vec<Question> {
        let mut further = Vec::new();
        let understood = match reply {
            Ok(Reply::Data(data)) => self.data(&question, &data, now, &mut further),
            Ok(Reply::Paths(paths)) => self.paths(&paths, &mut further),
            Err(error) => {
                debug!("{}: {error}", question.source());
                if self.is_no_loss(&question, &error) {
                    return further;
                }
                false
            }
        };
        if !understood {
            self.unanswered.push(question);
        }
        further
    }

    /// An error that says there is nothing to know.
    fn is_no_loss(&mut self, question: &Question, error: &Error) -> bool {
        match (question, error) {
            // Gone since it was listed, as all of them are for a moment when Wi-Fi is reloaded.
            (Question::Status(name) | Question::Clients(name), &NOT_FOUND) => {
                if let Some(ap) = self.ap(name) {
                    ap.gone = true;
                }
                true
            }
            (question, &NOT_FOUND) if question.is_about_one() => true,
            // An odhcpd that was built for IPv6 alone.
            (Question::Leases4, Error::Status(Status::METHOD_NOT_FOUND)) => true,
            // The leases are missing with it.
            (Question::Hints, _) => true,
            _ => false,
        }
    }

    /// False if the reply is not what was asked for.
    fn data(
        &mut self,
        question: &Question,
        reply: &[u8],
        now: u64,
        further: &mut Vec<Question>,
    ) -> bool {
        let reply = Fields::of(reply);
        fn keep<T>(into: &mut Option<T>, value: Option<T>) -> bool {
            *into = value;
            into.is_some()
        }
        match question {
            Question::Board => keep(&mut self.board, Board::read(reply)),
            Question::Info => keep(&mut self.info, Info::read(reply)),
            Question::Dump => keep(&mut self.dump, Dump::read(reply)),
            Question::Devices => keep(&mut self.devices, Devices::read(reply)),
            Question::Leases4 => Leases::of_odhcpd_v4(reply, now)
                .map(|read| self.odhcpd.get_or_insert_default().v4 = read.v4)
                .is_some(),
            Question::Leases6 => Leases::of_odhcpd_v6(reply)
                .map(|read| self.odhcpd.get_or_insert_default().v6 = read.v6)
                .is_some(),
            Question::LuciLeases => keep(&mut self.luci, Leases::of_luci(reply, now)),
            Question::Hints => keep(&mut self.hints, Some(Hint::read_all(reply))),
            Question::Radios => {
                let radios = Radio::read_all(reply);
                let known = radios.is_some();
                self.air().radios = radios;
                known
            }
            Question::Netdevs => match reply.named(b"devices").and_then(|list| list.array()) {
                Some(list) => {
                    let names = list.list(|_, name| name.text()).items;
                    self.netdevs(names, further);
                    true
                }
                None => false,
            },
            Question::Aps => false,
            Question::Status(name) => match self.ap(name) {
                Some(ap) => keep(&mut ap.status, hostapd::Status::read(reply)),
                None => true,
            },
            Question::Clients(name) => match self.ap(name) {
                Some(ap) => keep(&mut ap.clients, Clients::read(reply)),
                None => true,
            },
            Question::IwInfo(name) => match self.netdev(name) {
                Some(netdev) => keep(&mut netdev.info, iwinfo::Info::read(reply)),
                None => true,
            },
            Question::Assoclist(name) => match self.netdev(name) {
                Some(netdev) => keep(&mut netdev.stations, Assoclist::read(reply)),
                None => true,
            },
        }
    }

    /// False if there is no access point.
    fn paths(&mut self, paths: &[String], further: &mut Vec<Question>) -> bool {
        let names = paths
            .iter()
            .filter_map(|path| path.strip_prefix("hostapd."));
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort_unstable();
        self.bound(&mut names, "hostapd");
        for name in &names {
            further.push(Question::Status(name.clone()));
            further.push(Question::Clients(name.clone()));
        }
        let exist = !names.is_empty();
        let aps = names.into_iter().map(Ap::named);
        self.air().aps = Some(aps.collect());
        exist
    }

    fn netdevs(&mut self, mut names: Vec<String>, further: &mut Vec<Question>) {
        self.bound(&mut names, "iwinfo");
        for name in &names {
            further.push(Question::IwInfo(name.clone()));
            further.push(Question::Assoclist(name.clone()));
        }
        self.air().netdevs = names.into_iter().map(Netdev::named).collect();
    }

    /// Nobody can make the list of what is asked long, or its names.
    fn bound(&mut self, names: &mut Vec<String>, source: &str) {
        names.retain(|name| !name.is_empty() && name.len() <= MAX_TEXT);
        if names.len() > MAX_NETDEVS {
            self.cut
                .push(format!("{source} beyond {MAX_NETDEVS} networks"));
            names.truncate(MAX_NETDEVS);
        }
    }

    fn air(&mut self) -> &mut Air {
        self.air.get_or_insert_default()
    }

    fn ap(&mut self, name: &str) -> Option<&mut Ap> {
        let mut aps = self.air.as_mut()?.aps.as_mut()?.iter_mut();
        aps.find(|ap| ap.name == name)
    }

    fn netdev(&mut self, name: &str) -> Option<&mut Netdev> {
        let mut netdevs = self.air.as_mut()?.netdevs.iter_mut();
        netdevs.find(|netdev| netdev.name == name)
    }

    /// What did not answer, does not exist or was cut, each in a few words.
    pub(super) fn missing(&mut self) -> Vec<String> {
        // Where netifd knows of no radio, nobody has to know of networks.
        let radios = self.air.as_ref().and_then(|air| air.radios.as_deref());
        if radios.is_some_and(<[_]>::is_empty) {
            let of_wifi =
                |question: &Question| matches!(question, Question::Aps | Question::Netdevs);
            self.unanswered.retain(|question| !of_wifi(question));
        }
        self.unanswered.sort_unstable();
        let unanswered = self.unanswered.iter().map(Question::source);
        unanswered.chain(self.cut.drain(..)).collect()
    }
}
