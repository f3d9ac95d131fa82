//! How far a request has got on its way to the server.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep_until, Instant};

/// The stages of a request, up to the head of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// On a connection that was kept from the request before, as far as is known.
    Kept(Instant),
    LookUp,
    /// TCP and TLS, over with the deadline.
    Connecting(Instant),
    /// On a new connection, since then.
    Opened(Instant),
}

impl Stage {
    /// Whether there is a connection, so that the request may have reached the server.
    pub(super) fn has_connection(self) -> bool {
        matches!(self, Stage::Kept(_) | Stage::Opened(_))
    }
}

/// Ends when the request has had a connection for `within`.
pub(super) async fn connected_for(mut stage: watch::Receiver<Stage>, within: Duration) {
    loop {
        let now = *stage.borrow_and_update();
        match now {
            Stage::Kept(since) | Stage::Opened(since) => tokio::select! {
                () = sleep_until(since + within) => return,
                changed = stage.changed() => if changed.is_err() { return },
            },
            // These have deadlines of their own.
            Stage::LookUp | Stage::Connecting(_) => {
                if stage.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Ends with the deadline of [`Stage::Connecting`].
pub(super) async fn connected_too_late(mut stage: watch::Receiver<Stage>) {
    loop {
        let now = *stage.borrow_and_update();
        match now {
            Stage::Connecting(end) => tokio::select! {
                () = sleep_until(end) => return,
                changed = stage.changed() => if changed.is_err() { return },
            },
            _ => {
                if stage.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}
