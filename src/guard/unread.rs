//! Traces of an earlier agent, while the disk does not give them.

use std::future::pending;
use std::io;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{sleep_until, Instant};

use super::places::Places;
use crate::process::clock::Pace;
use crate::tasks::NotDone;

/// Between two looks.
const AGAIN: Duration = Duration::from_secs(60);

/// The next look, and the askers that wait for its outcome.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// `None` if there is nothing to look for.
    again: Option<Instant>,
    /// Dropped with the outcome.
    askers: Vec<oneshot::Sender<()>>,
    /// The error that the log knows of.
    said: Option<io::ErrorKind>,
}

impl Unread {
    /// There is something to look for, later than the askers do.
    pub(super) fn since_the_start(pace: Pace) -> Self {
        Unread {
            again: Some(Instant::now() + pace.of(AGAIN)),
            ..Unread::default()
        }
    }

    pub(super) fn asks(&mut self, asker: oneshot::Sender<()>) {
        self.askers.retain(|asker| !asker.is_closed());
        self.askers.push(asker);
    }

    /// The disk has not given it. That it is late is no outcome: the next look is due when it has come back. An error is
    /// logged once, though it may stay for ever.
    pub(super) fn failed(&mut self, error: &io::Error, pace: Pace) {
        if self.said.replace(error.kind()) != Some(error.kind()) {
            log::warn!("guard: what an earlier agent left cannot be read: {error}");
        }
        let why = error.get_ref().and_then(|error| error.downcast_ref());
        let mut wait = Duration::ZERO;
        if !matches!(why, Some(NotDone::Late)) {
            wait = pace.of(AGAIN);
            self.askers.clear();
        }
        self.again = Some(Instant::now() + wait);
    }

    /// Completes when a look is due and no work for the disk is late; never if there is nothing to look for. Cancel safe.
    pub(super) async fn due(&self, places: &Places) {
        let Some(again) = self.again else {
            return pending().await;
        };
        sleep_until(again).await;
        places.caught_up().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tempfile::TempDir;
    use tokio::sync::oneshot::error::TryRecvError;
    use tokio::time::timeout;

    use super::*;
    use crate::guard::desk::loosely;
    use crate::guard::find;
    use crate::guard::journal::Journal;

    #[tokio::test(start_paused = true)]
    async fn nobody_goes_on_without_a_trial_because_the_disk_is_stuck() {
        let dir = TempDir::new().unwrap();
        let (state, config) = (dir.path().join("state"), dir.path().join("config"));
        let found = find(&state, &[], &config, dir.path(), "boot-1", loosely());
        let (release, waits) = mpsc::channel::<()>();
        let stuck = found.places.on_disk(move |desk| {
            // Until the other end is dropped.
            let _ = waits.recv();
            let mut armed = Journal::armed("63f7f2ef43cc92ee".into(), "job-1".into());
            desk.arm(&mut armed).unwrap();
        });
        assert!(stuck.await.is_err());
        let mut unread = Unread::since_the_start(Pace::REAL);
        let (asker, mut answered) = oneshot::channel();
        unread.asks(asker);
        unread.failed(&found.look_again().await.unwrap_err(), Pace::REAL);
        assert_eq!(answered.try_recv(), Err(TryRecvError::Empty));
        let places = &found.places;
        assert!(timeout(10 * AGAIN, unread.due(places)).await.is_err());
        tokio::time::resume();
        drop(release);
        unread.due(places).await;
        assert!(found.look_again().await.unwrap().journal.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_refuses_is_asked_again_after_a_minute() {
        let dir = TempDir::new().unwrap();
        let (state, config) = (dir.path().join("state"), dir.path().join("config"));
        let places = find(&state, &[], &config, dir.path(), "boot-1", loosely()).places;
        let mut unread = Unread::since_the_start(Pace::REAL);
        let (asker, mut answered) = oneshot::channel();
        unread.asks(asker);
        unread.failed(&io::ErrorKind::PermissionDenied.into(), Pace::REAL);
        assert_eq!(answered.try_recv(), Err(TryRecvError::Closed));
        assert!(timeout(AGAIN / 2, unread.due(&places)).await.is_err());
        assert!(timeout(AGAIN, unread.due(&places)).await.is_ok());
        let none = Unread::default();
        assert!(timeout(AGAIN * 2, none.due(&places)).await.is_err());
    }
}
