//! Notifications of hostapd and the DHCP servers between one report and the next.

pub(crate) mod device_events;
pub(crate) mod event_log;

use std::future::{pending, Future};

use log::warn;

use crate::process::clock;
use event_log::Log;
use ubus::{Client, Notice, Subscription};

/// The subscriptions, and what came of them.
#[derive(Debug)]
pub(crate) struct Events {
    hostapd: Option<Subscription>,
    dnsmasq: Option<Subscription>,
    odhcpd: Option<Subscription>,
    pub(crate) log: Log,
}

impl Events {
    /// Subscribes, for as long as this lives; objects may come and go. Without `wifi` hostapd is
    /// left alone.
    pub(crate) async fn subscribe(client: &Client, wifi: bool) -> Self {
        let hostapd = match wifi {
            true => subscribe(client, "hostapd.*").await,
            false => None,
        };
        Events {
            hostapd,
            // Not `dnsmasq.*`: `dnsmasq.dns` tells its subscribers every name that is looked up.
            dnsmasq: subscribe(client, "dnsmasq").await,
            odhcpd: subscribe(client, "dhcp").await,
            log: Log::default(),
        }
    }

    /// Waits for `work`, and takes the events that arrive meanwhile.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                notice = next(&mut self.hostapd) => self.log.hear(notice, clock::epoch_seconds()),
                notice = next(&mut self.dnsmasq) => self.log.hear(notice, clock::epoch_seconds()),
                notice = next(&mut self.odhcpd) => self.log.hear(notice, clock::epoch_seconds()),
            }
        }
    }
}

async fn subscribe(client: &Client, pattern: &str) -> Option<Subscription> {
    let subscribed = client.subscribe(pattern).await;
    subscribed
        .inspect_err(|error| warn!("{pattern}: no notifications: {error}"))
        .ok()
}

/// The next notice; never, once there will be none.
async fn next(subscription: &mut Option<Subscription>) -> Notice {
    if let Some(open) = subscription {
        if let Some(notice) = open.next().await {
            return notice;
        }
        *subscription = None;
    }
    pending().await
}
