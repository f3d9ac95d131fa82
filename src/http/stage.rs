//! The progress of a request on its way to the server.

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
    /// True once there is a connection, so that the request may have reached the server.
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

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn look_up_and_connection_take_nothing_of_the_time_of_the_request() {
        let (stage, known) = watch::channel(Stage::Kept(Instant::now()));
        let second = Duration::from_secs(1);
        let way = async {
            stage.send_replace(Stage::LookUp);
            sleep(6 * second).await;
            stage.send_replace(Stage::Connecting(Instant::now() + 15 * second));
            sleep(14 * second).await;
            stage.send_replace(Stage::Opened(Instant::now()));
            std::future::pending::<()>().await
        };
        let begun = Instant::now();
        tokio::select! {
            () = connected_for(known, 30 * second) => {}
            () = way => {}
        }
        assert_eq!(begun.elapsed().as_secs(), 6 + 14 + 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_up_takes_nothing_of_the_time_of_the_connection() {
        let (stage, known) = watch::channel(Stage::LookUp);
        let second = Duration::from_secs(1);
        let begun = Instant::now();
        let look_up = async {
            sleep(6 * second).await;
            stage.send_replace(Stage::Connecting(Instant::now() + 15 * second));
        };
        tokio::join!(connected_too_late(known.clone()), look_up);
        assert_eq!(begun.elapsed().as_secs(), 6 + 15);
        stage.send_replace(Stage::Opened(Instant::now()));
        let late = timeout(100 * second, connected_too_late(known));
        late.await.unwrap_err();
    }
}
