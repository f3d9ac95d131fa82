//! Replies, encoded for who publishes them.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Jobs;
use crate::jobs::outbox::{Extent, Item, Outbox, Outlet, Returned, Settled};
use crate::jobs::table::Known;
use crate::jobs::{operation, reply, Reply, Settings, Source};
use crate::process::clock;

/// Time until a reply that the other side does not want is offered again.
const REFUSED_AGAIN: Duration = Duration::from_secs(300);

/// The publisher of results.
pub(super) fn outlet_of_results(options: &Settings) -> Outlet {
    match options.rest {
        true => Outlet::Api,
        false => Outlet::Broker,
    }
}

impl Jobs {
    /// The outbox, which sends results where the configuration wants them now.
    pub(super) fn outbox(&mut self) -> &mut Outbox {
        let results = outlet_of_results(&self.options.borrow());
        self.outbox.route_results(results);
        &mut self.outbox
    }

    /// Hands out the next reply. Replies that came back meanwhile take their place in the line first.
    pub(super) fn hand_out(&mut self, to: Outlet, permit: mpsc::OwnedPermit<Reply>) {
        self.settle_all();
        let table = &self.table;
        let now = clock::epoch_seconds();
        self.outbox.hand_out(to, permit, |item, extent| match item {
            Item::Delivered(id) => Some(reply::delivered(id, now)),
            Item::Rejected { id, reason } => Some(match to {
                Outlet::Broker => reply::rejected(id, now, reason),
                Outlet::Api => operation::rejected(reason),
            }),
            Item::Result(id) => match (table.known(Source::Mqtt, id), to) {
                (Some(Known::Finished(outcome)), Outlet::Broker) => Some(match extent {
                    Extent::Whole => reply::result(id, now, &outcome),
                    Extent::Bare => reply::bare_result(id, now, &outcome),
                }),
                (Some(Known::Finished(outcome)), Outlet::Api) => Some(operation::result(&outcome)),
                (None | Some(Known::Unfinished(_)), _) => None,
            },
        });
    }

    /// Settles every reply that has come back.
    pub(super) fn settle_all(&mut self) {
        while let Ok(returned) = self.returns.try_recv() {
            self.settle(&returned);
        }
    }

    pub(super) fn settle(&mut self, returned: &Returned) {
        let later = Instant::now() + self.options.borrow().pace.of(REFUSED_AGAIN);
        match self.outbox().settle(returned, later) {
            Settled::Again => {}
            Settled::Taken(id) => self.has_result(&id),
            Settled::GivenUp(item) => {
                self.count(|facts| facts.given_up += 1);
                let (what, id) = match &item {
                    Item::Delivered(id) => ("the receipt", id),
                    Item::Result(id) => ("the result", id),
                    Item::Rejected { id, .. } => ("the rejection", id),
                };
                log::error!(
                    "{what} of job '{}' is given up: the broker closes the connection on it \
                     (too long, or its topic is forbidden?)",
                    id.escape_debug()
                );
                if let Item::Result(id) = &item {
                    self.has_result(id);
                }
            }
        }
    }

    /// The other side has the result of a job, or will never take it.
    fn has_result(&mut self, id: &str) {
        let now = self.now();
        if let Some(number) = self.table.number(Source::Mqtt, id) {
            self.table.reported(number, now);
            self.upgrade_taken(number);
        }
    }
}
