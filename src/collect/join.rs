//! What the bus, the files and the notifications say, as one report. Pure but for the files that
//! fill in what nobody on the bus said.

use super::event_log::Log;
use super::files::Files;
use super::hosts::{Hint, Hosts};
use super::leases::Leases;
use super::proc_net::Network;
use super::replies::Replies;
use super::report::{Lease, Report};
use super::{network, stations, system, Facts, Sources};
use crate::provision::Identity;

/// What dnsmasq's lease file is called where missing sources are told.
const LEASE_FILE: &str = "dhcp.leases";

/// What the collector knows without the bus.
pub(super) struct Local<'a> {
    /// Identity of the device, as it is to stand in the report.
    pub(super) mac: &'a Identity,
    /// Seconds since the epoch.
    pub(super) created_at: u64,
    /// dnsmasq's leases, if its file could be read.
    pub(super) file: Option<Leases>,
    /// What rpcd said of hosts, a while ago.
    pub(super) hints: &'a [Hint],
    /// The kernel's neighbour table.
    pub(super) neighbours: &'a [Hint],
    pub(super) log: &'a mut Log,
}

/// The report that the answers of the bus and local knowledge come to, and what it lacks.
pub(super) fn join(mut replies: Replies, local: Local<'_>) -> (Report, Facts) {
    let mut missing = replies.missing();
    let hosts = hosts(&replies, &local);
    let board = replies.board.unwrap_or_default();
    let leases = leases(replies.odhcpd, replies.luci, local.file, &mut missing);
    let mut report = Report::default();
    let mut facts = Facts::default();
    if let Some(air) = &replies.air {
        let known = stations::Known {
            hosts: &hosts,
            vlans: local.log.vlans(),
            version: board.version(),
        };
        let joined = stations::join(air, leases.as_deref(), &known);
        if joined.beyond > 0 {
            let most = stations::MAX_STATIONS;
            missing.push(format!("{} stations beyond {most}", joined.beyond));
        }
        let listed = joined.stations.as_ref().map_or(0, Vec::len);
        facts.stations = joined.connected.unwrap_or(listed);
        report.ssids = joined.ssids;
        report.stations = joined.stations;
        report.device.connected = joined.connected;
    }
    let device = &mut report.device;
    device.smv = env!("CARGO_PKG_VERSION").to_owned();
    device.mac = local.mac.to_string();
    device.created_at = local.created_at;
    system::from_bus(device, board, replies.info.unwrap_or_default());
    let dump = replies.dump.unwrap_or_default();
    let devices = replies.devices;
    report.interfaces = devices.map(|devices| devices.into_interfaces(&dump));
    if let Some(wan) = dump.wan() {
        let interfaces = report.interfaces.as_deref().unwrap_or_default();
        network::fill(device, wan, interfaces);
    }
    report.dhcp = leases;
    let there = report.stations.as_deref().unwrap_or_default();
    local.log.settle(there, local.created_at);
    report.events = local.log.take(local.created_at);
    facts.sources = Sources { missing };
    (report, facts)
}

/// Names and addresses: odhcpd comes first, then rpcd, the lease file, and the neighbour table.
fn hosts(replies: &Replies, local: &Local<'_>) -> Hosts {
    let mut hosts = Hosts::default();
    for leases in [&replies.odhcpd, &replies.luci].into_iter().flatten() {
        hosts.add_leases(leases);
    }
    if let Some(file) = &local.file {
        hosts.add_leases(file);
    }
    // Names that others gave the hosts, where they gave themselves none.
    hosts.add_hints(local.hints);
    hosts.add_hints(local.neighbours);
    hosts
}

/// The leases of IPv4 as the report lists them: dnsmasq's by its file and odhcpd's, or, where there
/// is no such file, those that rpcd knows of either.
fn leases(
    odhcpd: Option<Leases>,
    luci: Option<Leases>,
    file: Option<Leases>,
    missing: &mut Vec<String>,
) -> Option<Vec<Lease>> {
    let odhcpd = odhcpd.map(|leases| leases.v4).unwrap_or_default();
    let Some(file) = file else {
        // Where odhcpd serves IPv4, there is no such file.
        if odhcpd.is_empty() {
            missing.push(LEASE_FILE.to_owned());
            return luci.map(|leases| leases.v4);
        }
        return Some(odhcpd);
    };
    if file.cut_short {
        missing.push(format!("{LEASE_FILE} beyond its first part"));
    }
    let mut leases = file.v4;
    leases.extend(odhcpd);
    Some(leases)
}

/// Fills in from the kernel and from files what nobody on the bus said.
pub(super) fn complete(report: &mut Report, files: &Files) {
    let kernel = Network::of(files);
    let device = &mut report.device;
    system::from_files(device, files);
    if report.interfaces.is_none() {
        report.interfaces = kernel.interfaces();
    }
    if device.wan_name.is_none() {
        if let Some(wan) = kernel.wan() {
            let interfaces = report.interfaces.as_deref().unwrap_or_default();
            network::fill(device, wan, interfaces);
        }
    }
    if let (Some(wan), None) = (&device.wan_name, device.rx_bytes.and(device.tx_bytes)) {
        let counters = kernel.counters(wan).unwrap_or_default();
        device.tx_bytes = device.tx_bytes.or(counters.tx_bytes);
        device.rx_bytes = device.rx_bytes.or(counters.rx_bytes);
    }
}
