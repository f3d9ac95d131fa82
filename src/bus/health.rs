//! Method `probe`, and the event when the verdict changes.

use std::time::Duration;

use tokio::time::timeout;
use ubus::{Client, Error, Request, Status};

use super::waits::{Open, Waits};
use crate::health::{Handle, LONGEST};

/// Event on the bus when the verdict changed: the facts of health.
pub const EVENT: &str = "socketman.health";

/// A probe that is under way already, and a machine that is busy, take no longer than this.
const PROBE_MAX: Duration = LONGEST.saturating_add(Duration::from_secs(9));

/// Makes a full probe, or joins the one under way, and replies what `status` says of health then.
pub(super) fn probe(request: Request, health: &Handle, waits: &Waits, open: &mut Open) {
    let Some(permit) = waits.take() else {
        return request.reply(&*health.facts().borrow());
    };
    let health = health.clone();
    let work = async move {
        let _permit = permit;
        timeout(PROBE_MAX, health.probe()).await
    };
    open.wait(request, work, |request, facts| match facts {
        Some(Ok(Some(facts))) => request.reply(&facts),
        Some(Ok(None)) => request.finish(Status::NO_DATA),
        Some(Err(_)) => request.finish(Status::TIMEOUT),
        None => request.finish(super::ENDING),
    });
}

/// Sends an event for each change of the verdict.
pub(super) async fn announce(client: &Client, health: &Handle) {
    let mut facts = health.facts();
    let mut told = facts.borrow_and_update().verdict;
    loop {
        let changed = facts.wait_for(|facts| facts.verdict != told).await;
        let Ok(changed) = changed.map(|facts| facts.clone()) else {
            return;
        };
        told = changed.verdict;
        match client.send_event(EVENT, &changed).await {
            Ok(()) | Err(Error::Disconnected) => {}
            Err(error) => log::debug!("event {EVENT}: {error}"),
        }
    }
}
