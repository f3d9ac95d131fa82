//! Methods `stats` (the newest report, by pages) and `history` (the last day).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;
use ubus::{to_members, Request, Status};

use super::REPLY_MAX;
use crate::collect::{
    Device, Event, History, Interface, Lease, Neighbour, Peer, Radio, Report, Ssid, Station,
};
use crate::process::clock;

/// Stations and leases in a reply unless asked otherwise, and at most: they fit with room to spare.
const PAGE: usize = 500;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Args {
    offset: u32,
    limit: Option<u32>,
}

/// A report of which `stations` and `dhcp` are a page.
#[derive(Serialize)]
struct Page<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ssids: Option<&'a [Ssid]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    survey: Option<&'a [Neighbour]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stations: Option<&'a [Station]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dhcp: Option<&'a [Lease]>,
    device: &'a Device,
    #[serde(skip_serializing_if = "Option::is_none")]
    interfaces: Option<&'a [Interface]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    radios: Option<&'a [Radio]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mesh: Option<&'a [Peer]>,
    #[serde(skip_serializing_if = "<[Event]>::is_empty")]
    events: &'a [Event],
    /// There are stations or leases behind this page.
    more: bool,
}

impl<'a> Page<'a> {
    fn of(report: &'a Report, offset: usize, limit: usize) -> Self {
        fn cut<T>(list: &[T], offset: usize, limit: usize) -> &[T] {
            let from = offset.min(list.len());
            let to = from.saturating_add(limit).min(list.len());
            &list[from..to]
        }
        let longest = [
            report.stations.as_ref().map_or(0, Vec::len),
            report.dhcp.as_ref().map_or(0, Vec::len),
        ]
        .into_iter()
        .max()
        .unwrap_or(0);
        Page {
            ssids: report.ssids.as_deref(),
            survey: report.survey.as_deref(),
            stations: report.stations.as_deref().map(|l| cut(l, offset, limit)),
            dhcp: report.dhcp.as_deref().map(|l| cut(l, offset, limit)),
            device: &report.device,
            interfaces: report.interfaces.as_deref(),
            radios: report.radios.as_deref(),
            mesh: report.mesh.as_deref(),
            events: &report.events,
            more: offset.saturating_add(limit) < longest,
        }
    }
}

/// Replies the newest report; "no response" before there is one.
pub(super) fn stats(request: Request, newest: &watch::Receiver<Option<Arc<Report>>>) {
    let Some((args, request)) = super::args::<Args>(request) else {
        return;
    };
    let Some(report) = newest.borrow().clone() else {
        return request.finish(Status::NO_DATA);
    };
    let offset = args.offset as usize;
    let mut limit = args.limit.map_or(PAGE, |limit| limit as usize).min(PAGE);
    loop {
        let page = Page::of(&report, offset, limit);
        match to_members(&page) {
            Ok(members) if members.len() > REPLY_MAX && limit > 1 => limit /= 2,
            Ok(members) if members.len() > REPLY_MAX => {
                return request.finish(Status::NO_MEMORY);
            }
            Ok(members) => {
                let responder = request.into_responder();
                responder.data_raw(members);
                return responder.finish(Status::OK);
            }
            Err(error) => {
                log::error!("ubus method stats: {error}");
                return request.finish(Status::SYSTEM_ERROR);
            }
        }
    }
}

/// Replies the points of the last day, oldest first.
pub(super) fn history(request: Request, history: &watch::Receiver<History>) {
    let lists = history
        .borrow()
        .lists(Instant::now(), clock::epoch_seconds());
    request.reply(&lists);
}
