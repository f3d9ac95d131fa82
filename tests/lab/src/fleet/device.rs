//! An agent of the fleet: the real one's decisions, and models of what they touch.

use std::sync::Arc;

use socketman::mqtt::Pacing;
use socketman::process::ask::asks;
use socketman::upload::{Facts, Rounds, Setting, Settings};
use tokio::sync::watch;

use super::api::Api;
use super::broker::Broker;
use super::clock::Clock;
use super::reports::Reports;
use super::sizes::Sizes;

/// Delivers reports, from now on.
pub(super) async fn deliver(
    settings: Arc<Settings>,
    number: u32,
    clock: Clock,
    sizes: Sizes,
    api: Api,
) {
    let [_, a, b, c] = number.to_be_bytes();
    // As they count up in a box of devices.
    let Ok(mac) = format!("94:83:c4:{a:02x}:{b:02x}:{c:02x}").parse() else {
        return;
    };
    let (facts, known) = watch::channel(Facts::default());
    let (_handle, asks) = asks(known);
    let setting = Setting {
        settings: &settings,
        mac: &mac,
        facts: &facts,
        asks: &asks,
    };
    let reports = Reports::new(&clock, &sizes, settings.monitor);
    Rounds::new(api, reports, setting).run().await;
}

/// Keeps a session with the broker, from now on.
pub(super) async fn connect(settings: Arc<Settings>, clock: Clock, broker: Broker) {
    let mut pacing = Pacing::new(settings.spread, settings.pace);
    loop {
        clock.sleep(pacing.next_wait()).await;
        let held = broker.session().await;
        pacing.ended(held, true);
    }
}
