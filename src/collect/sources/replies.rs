//! The facts that the answers of the bus hold.

use bytes::Bytes;
use log::debug;
use ubus::{Error, Status};

use super::dhcp::leases::Leases;
use super::hostapd::{self, Ap, Clients};
use super::iwinfo::{self, Assoclist, Channel, Netdev};
use super::netifd::netdevs::Devices;
use super::netifd::network::Dump;
use super::netifd::radio::Radio;
use super::question::Question;
use super::reply::{Fields, List, MAX_TEXT};
use super::system::{Board, Info};
use crate::collect::join::hosts::Hint;
use crate::collect::join::wireless::Air;
use crate::sorted;

/// Networks of hostapd, and devices of iwinfo, that are asked about: more than any device has, and
/// few enough for all questions to be under way at once.
pub(crate) const MAX_NETDEVS: usize = 48;

const NOT_FOUND: Error = Error::Status(Status::NOT_FOUND);

/// The answer to a question.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The first DATA of a call.
    Data(Bytes),
    /// The paths a look-up found.
    Paths(Vec<String>),
}

/// The facts of each source; `None` where nobody answered.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    pub(crate) board: Option<Board>,
    pub(crate) info: Option<Info>,
    pub(crate) dump: Option<Dump>,
    pub(crate) devices: Option<Devices>,
    /// `None` if Wi-Fi is not asked about.
    pub(crate) air: Option<Air>,
    /// odhcpd's, of both families.
    pub(crate) odhcpd: Option<Leases>,
    pub(crate) luci: Option<Leases>,
    /// `None` if nobody asked, or nobody answered.
    pub(crate) hints: Option<Vec<Hint>>,
    unanswered: Vec<Question>,
    /// Beside those, what is missing in other ways.
    cut: Vec<String>,
    /// iwinfo's devices, until it is known which of them are networks.
    devices_listed: Option<Vec<String>>,
    /// Which of the lists of networks have been answered: hostapd's, netifd's.
    listed: [bool; 2],
}

impl Replies {
    /// For a collection that asks about Wi-Fi, or one that does not.
    pub(crate) fn new(wifi: bool) -> Self {
        Replies {
            air: wifi.then(Air::default),
            ..Replies::default()
        }
    }

    /// For a collection without anybody to ask.
    pub(crate) fn without_bus(wifi: bool) -> Self {
        let mut replies = Replies::new(wifi);
        replies.cut.push("ubus".to_owned());
        replies
    }

    /// Takes an answer in. Returns what is to be asked because of it.
    ///
    /// `now` in seconds since the epoch: servers tell how long a lease is left.
    pub(crate) fn take(
        &mut self,
        question: Question,
        reply: Result<Reply, Error>,
        now: u64,
    ) -> Vec<Question> {
        let mut further = Vec::new();
        let understood = match reply {
            Ok(Reply::Data(data)) => self.data(&question, &data, now),
            Ok(Reply::Paths(paths)) => self.paths(&paths, &mut further),
            Err(error) => {
                debug!("{}: {error}", question.source());
                self.is_no_loss(&question, &error)
            }
        };
        match question {
            Question::Aps => self.listed[0] = true,
            Question::Radios => self.listed[1] = true,
            _ => {}
        }
        if self.listed == [true; 2] {
            if let Some(names) = self.devices_listed.take() {
                self.netdevs(names, &mut further);
            }
        }
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
            // Many drivers know nothing of it.
            (Question::ChannelUse(_), _) => true,
            // The leases are missing with it.
            (Question::Hints, _) => true,
            _ => false,
        }
    }

    /// False if the reply is not what was asked for.
    fn data(&mut self, question: &Question, reply: &[u8], now: u64) -> bool {
        let reply = Fields::of(reply);
        fn keep<T>(into: &mut Option<T>, value: Option<T>) -> bool {
            *into = value;
            into.is_some()
        }
        let mut left_out = 0;
        let understood = match question {
            Question::Board => keep(&mut self.board, Board::read(reply)),
            Question::Info => keep(&mut self.info, Info::read(reply)),
            Question::Dump => {
                let dump = Dump::read(reply);
                left_out = dump.as_ref().map_or(0, |of| of.left_out);
                keep(&mut self.dump, dump)
            }
            Question::Devices => {
                let devices = Devices::read(reply);
                left_out = devices.as_ref().map_or(0, |of| of.left_out);
                keep(&mut self.devices, devices)
            }
            Question::Leases4 => Leases::of_odhcpd_v4(reply, now)
                .map(|read| {
                    left_out = read.left_out;
                    self.odhcpd.get_or_insert_default().v4 = read.v4;
                })
                .is_some(),
            Question::Leases6 => Leases::of_odhcpd_v6(reply)
                .map(|read| {
                    left_out = read.left_out;
                    self.odhcpd.get_or_insert_default().v6 = read.v6;
                })
                .is_some(),
            Question::LuciLeases => {
                let leases = Leases::of_luci(reply, now);
                left_out = leases.as_ref().map_or(0, |of| of.left_out);
                keep(&mut self.luci, leases)
            }
            Question::Hints => {
                let hints = Hint::read_all(reply);
                left_out = hints.left_out();
                keep(&mut self.hints, Some(hints.items))
            }
            Question::Radios => {
                let radios = Radio::read_all(reply);
                left_out = radios.as_ref().map_or(0, List::left_out);
                let known = radios.is_some();
                self.air().radios = radios.map(|radios| radios.items);
                known
            }
            Question::Netdevs => match reply.named(b"devices").and_then(|list| list.array()) {
                Some(list) => {
                    let names = list.list(|_, name| name.text());
                    left_out = names.left_out();
                    self.devices_listed = Some(names.items);
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
                Some(ap) => {
                    let clients = Clients::read(reply);
                    left_out = clients.as_ref().map_or(0, |of| of.clients.unread);
                    keep(&mut ap.clients, clients)
                }
                None => true,
            },
            Question::IwInfo(name) => match self.netdev(name) {
                Some(netdev) => keep(&mut netdev.info, iwinfo::Info::read(reply)),
                None => true,
            },
            Question::ChannelUse(name) => {
                if let Some(netdev) = self.netdev(name) {
                    netdev.survey = Channel::read_all(reply).unwrap_or_default();
                }
                true
            }
            Question::Assoclist(name) => match self.netdev(name) {
                Some(netdev) => {
                    let stations = Assoclist::read(reply);
                    left_out = stations.as_ref().map_or(0, |of| of.0.unread);
                    keep(&mut netdev.stations, stations)
                }
                None => true,
            },
        };
        if left_out > 0 {
            self.cut
                .push(format!("{left_out} rows of {}", question.source()));
        }
        understood
    }

    /// False if there is no access point.
    fn paths(&mut self, paths: &[String], further: &mut Vec<Question>) -> bool {
        let names = paths
            .iter()
            .filter_map(|path| path.strip_prefix("hostapd."));
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        sorted::sort(&mut names);
        self.bound(&mut names, "networks of hostapd", |_| true);
        for name in &names {
            further.push(Question::Status(name.clone()));
            further.push(Question::Clients(name.clone()));
        }
        let exist = !names.is_empty();
        let aps = names.into_iter().map(Ap::named);
        self.air().aps = Some(aps.collect());
        exist
    }

    /// Asks about the devices of iwinfo. A device of a single station costs as many questions as a
    /// network, so networks come first.
    fn netdevs(&mut self, mut names: Vec<String>, further: &mut Vec<Question>) {
        let air = self.air.as_ref();
        let radios = air
            .and_then(|air| air.radios.as_deref())
            .into_iter()
            .flatten();
        let vifs = radios.flat_map(|radio| &radio.vifs);
        let configured = vifs.flat_map(|vif| {
            let vlans = vif.vlans.iter().filter_map(|vlan| vlan.ifname.as_deref());
            vif.ifname.as_deref().into_iter().chain(vlans)
        });
        let aps = air.and_then(|air| air.aps.as_deref()).into_iter().flatten();
        let networks = configured.chain(aps.map(|ap| ap.name.as_str()));
        let mut networks: Vec<String> = networks.map(str::to_owned).collect();
        sorted::sort(&mut networks);
        let aps = air.and_then(|air| air.aps.as_deref());
        let heard_by_hostapd = aps.is_some_and(|aps| !aps.is_empty());
        self.bound(&mut names, "devices of iwinfo", |name| {
            networks
                .binary_search_by(|network| network.as_str().cmp(name))
                .is_ok()
        });
        for name in &names {
            further.push(Question::IwInfo(name.clone()));
            further.push(Question::Assoclist(name.clone()));
            // hostapd tells it of its networks.
            if !heard_by_hostapd {
                further.push(Question::ChannelUse(name.clone()));
            }
        }
        self.air().netdevs = names.into_iter().map(Netdev::named).collect();
    }

    /// Nobody can make the list of what is asked long, or its names. The names that come `first` are
    /// kept first; those that are kept stay in their order.
    fn bound(&mut self, names: &mut Vec<String>, what: &str, first: impl Fn(&str) -> bool) {
        let all = names.len();
        names.retain(|name| !name.is_empty() && name.len() <= MAX_TEXT);
        if names.len() > MAX_NETDEVS {
            let preferred = names.iter().filter(|name| first(name)).count();
            let (mut room, mut others) = (
                preferred.min(MAX_NETDEVS),
                MAX_NETDEVS.saturating_sub(preferred),
            );
            names.retain(|name| {
                let room = match first(name) {
                    true => &mut room,
                    false => &mut others,
                };
                let kept = *room > 0;
                *room = room.saturating_sub(1);
                kept
            });
        }
        if all > names.len() {
            let beyond = all - names.len();
            self.cut
                .push(format!("{beyond} {what} beyond {MAX_NETDEVS}"));
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

    /// Sources that did not answer, do not exist or were cut, each in a few words.
    pub(crate) fn missing(&mut self) -> Vec<String> {
        // Where netifd knows of no radio, nobody has to know of networks.
        let radios = self.air.as_ref().and_then(|air| air.radios.as_deref());
        if radios.is_some_and(<[_]>::is_empty) {
            let of_wifi =
                |question: &Question| matches!(question, Question::Aps | Question::Netdevs);
            self.unanswered.retain(|question| !of_wifi(question));
        }
        sorted::sort(&mut self.unanswered);
        let unanswered = self.unanswered.iter().map(Question::source);
        unanswered.chain(self.cut.drain(..)).collect()
    }
}
