//! Joins bus, files and notifications into one report. Pure but for the files that
//! fill in what nobody on the bus said.

pub(crate) mod airtime;
pub(crate) mod hosts;
pub(crate) mod stations;
mod way;
pub(crate) mod wireless;

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::events::event_log::Log;
use super::kernel::files::Files;
use super::kernel::proc_net::Network;
use super::report::{Counters, Interface, Lease, Report};
use super::sources::dhcp::dnsmasq::LeaseFile;
use super::sources::dhcp::leases::Leases;
use super::sources::netifd::network::Dump;
use super::sources::replies::Replies;
use super::{Facts, Sources};
use crate::collect::sources::netifd::network;
use crate::collect::sources::system;
use crate::identity::Identity;
use crate::mac::Mac;
use crate::sorted;
use airtime::Airtimes;
use hosts::{Hint, Hosts, Ours};

/// Network devices in one report.
const MAX_INTERFACES: usize = 256;

/// Facts the collector has without the bus.
pub(crate) struct Local<'a> {
    /// Identity of the device, as it is to stand in the report.
    pub(crate) mac: &'a Identity,
    /// Seconds since the epoch.
    pub(crate) created_at: u64,
    /// The lease files of all instances of dnsmasq.
    pub(crate) files: Vec<LeaseFile>,
    /// Hosts by rpcd, a while ago.
    pub(crate) hints: &'a [Hint],
    /// The kernel's neighbour table.
    pub(crate) neighbours: &'a [Hint],
    /// Which of these were cut.
    pub(crate) missing: Vec<String>,
    pub(crate) log: &'a mut Log,
    /// The radios' airtime at the report before.
    pub(crate) airtimes: &'a mut Airtimes,
}

/// The report that the answers of the bus and local knowledge come to, what it lacks, and how netifd
/// set up the network.
pub(crate) fn join(mut replies: Replies, local: Local<'_>) -> (Report, Facts, Dump) {
    let mut missing = replies.missing();
    missing.extend_from_slice(&local.missing);
    let dump = replies.dump.take().unwrap_or_default();
    let hosts = hosts(&replies, &local, &dump);
    let board = replies.board.unwrap_or_default();
    let leases = leases(replies.odhcpd, replies.luci, local.files, &mut missing);
    let mut report = Report::default();
    let mut facts = Facts::default();
    if let Some(air) = &replies.air {
        let known = stations::Known {
            hosts: &hosts,
            log: local.log,
            dump: &dump,
            multiplied: board.multiplies_rates(),
        };
        let cells = air.cells();
        report.radios = airtime::radios(air, &cells.cells, local.airtimes);
        let joined = stations::join(air, cells, leases.as_deref(), &known);
        if joined.beyond > 0 {
            let most = stations::MAX_STATIONS;
            missing.push(format!("{} stations beyond {most}", joined.beyond));
        }
        report.ssids = joined.ssids;
        report.stations = joined.stations;
        report.mesh = joined.mesh;
        report.device.connected = joined.connected;
    }
    let device = &mut report.device;
    device.smv = env!("CARGO_PKG_VERSION").to_owned();
    device.mac = local.mac.to_string();
    device.created_at = local.created_at;
    system::from_bus(device, board, replies.info.unwrap_or_default());
    let devices = replies.devices;
    report.interfaces = devices.map(|devices| devices.into_interfaces(&dump));
    if let Some(wan) = dump.wan(true) {
        let interfaces = report.interfaces.as_deref().unwrap_or_default();
        network::fill(device, wan, interfaces);
    }
    report.dhcp = leases;
    facts.stations = report.hosts();
    let there = report.stations.as_deref().unwrap_or_default();
    local.log.settle(there, local.created_at);
    report.events = local.log.take(local.created_at);
    facts.sources = Sources { missing };
    (report, facts, dump)
}

/// Names and addresses: odhcpd comes first, then rpcd, the lease files, and the neighbour table.
fn hosts(replies: &Replies, local: &Local<'_>, dump: &Dump) -> Hosts {
    let mut hosts = Hosts::default();
    let files = local.files.iter().filter_map(|file| file.leases.as_ref());
    let told = [&replies.odhcpd, &replies.luci].into_iter().flatten();
    for leases in told.chain(files) {
        hosts.add_leases(leases);
    }
    // Names that others gave the hosts, where they gave themselves none.
    let board = replies.board.as_ref();
    let ours = Ours {
        dump,
        name: board.and_then(|board| board.hostname()),
    };
    hosts.add_hints(local.hints, &ours);
    hosts.add_neighbours(local.neighbours, &ours);
    hosts
}

/// The leases of IPv4 as the report lists them: dnsmasq's by its files and odhcpd's, then those that
/// only rpcd knows of.
fn leases(
    odhcpd: Option<Leases>,
    luci: Option<Leases>,
    files: Vec<LeaseFile>,
    missing: &mut Vec<String>,
) -> Option<Vec<Lease>> {
    let odhcpd = odhcpd.map(|leases| leases.v4).unwrap_or_default();
    let mut known = luci.is_some() || !odhcpd.is_empty();
    let mut leases = Vec::new();
    for LeaseFile { source, leases: of } in files {
        match of {
            Some(of) => {
                known = true;
                if of.left_out > 0 {
                    missing.push(format!("{} rows of {source}", of.left_out));
                }
                leases.extend(of.v4);
            }
            // Where odhcpd serves IPv4, there is no such file.
            None if odhcpd.is_empty() => missing.push(source),
            None => {}
        }
    }
    leases.extend(odhcpd);
    if let Some(luci) = luci {
        let mut told: Vec<(Mac, Ipv4Addr)> = leases.iter().map(|of| (of.mac, of.ip)).collect();
        sorted::sort(&mut told);
        let news = luci.v4.into_iter();
        leases.extend(news.filter(|of| told.binary_search(&(of.mac, of.ip)).is_err()));
    }
    known.then_some(leases)
}

/// Fills in from the kernel and from files what nobody on the bus said, and lets the kernel decide
/// which way out is in force.
pub(crate) fn complete(report: &mut Report, facts: &mut Facts, dump: &Dump, files: &Files) {
    let kernel = Network::of(files);
    let mut addresses = kernel.addresses();
    // netifd knows where these are.
    addresses.forget(|ip| dump.is_ours(ip.into()));
    let (devices, whole) = kernel.devices();
    let device = &mut report.device;
    system::from_files(device, files);
    let known = report.interfaces.is_some() || !devices.is_empty();
    let mut interfaces = report.interfaces.take().unwrap_or_default();
    add_devices(&mut interfaces, &devices, whole);
    network::clear(device);
    if let Some(wan) = way::wan(dump, &kernel, &addresses) {
        network::fill(device, wan, &interfaces);
    }
    if interfaces.len() > MAX_INTERFACES {
        let wan = device.wan_name.as_deref();
        // Sorting keeps the order of equals.
        sorted::by_key(&mut interfaces, |one| {
            let is_wan = Some(one.name.as_str()) == wan;
            (!is_wan, !kernel.is_hardware(&one.name), one.ip.is_none())
        });
        let beyond = interfaces.len() - MAX_INTERFACES;
        let cut = format!("{beyond} interfaces beyond {MAX_INTERFACES}");
        facts.sources.missing.push(cut);
        interfaces.truncate(MAX_INTERFACES);
    }
    for interface in &mut interfaces {
        kernel.complete(interface, &addresses);
    }
    report.interfaces = known.then_some(interfaces);
}

/// Adds the devices that netifd does not list, and the counters that it does not tell. If these are all there are
/// (`whole`), the others go: netifd calls a VLAN or macvlan present as soon as its parent is, long before it makes the
/// device.
fn add_devices(interfaces: &mut Vec<Interface>, devices: &[(String, Counters)], whole: bool) {
    let mut known: HashMap<&str, usize> = HashMap::new();
    for (at, one) in interfaces.iter().enumerate() {
        known.insert(&one.name, at);
    }
    let place = |(name, _): &(String, _)| known.get(name.as_str()).copied();
    let places: Vec<Option<usize>> = devices.iter().map(place).collect();
    let mut exists = vec![!whole; interfaces.len()];
    for ((name, counters), place) in devices.iter().zip(places) {
        match place {
            Some(at) => {
                exists[at] = true;
                let told = &mut interfaces[at].counters;
                if *told == Counters::default() {
                    *told = *counters;
                }
            }
            None if name == "lo" => {}
            None => interfaces.push(Interface {
                name: name.clone(),
                counters: *counters,
                ..Interface::default()
            }),
        }
    }
    let mut exists = exists.into_iter();
    // Devices that were added exist.
    interfaces.retain(|_| exists.next().unwrap_or(true));
}
