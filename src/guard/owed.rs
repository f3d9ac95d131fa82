//! The last word on a trial, which the disk may not take at once.

use std::future::pending;
use std::io;
use std::time::Duration;

use tokio::time::{sleep_until, Instant};

use super::journal::Journal;
use super::places::Places;
use crate::process::clock::Pace;

/// Between two attempts.
const AGAIN: Duration = Duration::from_secs(60);

/// A trial that is decided or over, while flash may not say so yet: a start would try the change out again, and
/// could undo what others have changed since.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// The time of the next attempt.
    again: Option<Instant>,
}

impl Owed {
    /// Writes `journal`, or removes it and its snapshot if there is none any more.
    ///
    /// # Errors
    ///
    /// The disk does not do it: it is due once more.
    pub(super) async fn write(
        &mut self,
        journal: Option<Journal>,
        places: &Places,
        pace: Pace,
    ) -> io::Result<()> {
        self.later(pace);
        let work = places.on_disk(move |desk| match &journal {
            Some(journal) => desk.note(journal),
            None => desk.forget(),
        });
        work.await??;
        self.again = None;
        Ok(())
    }

    /// It is to be written again.
    pub(super) fn later(&mut self, pace: Pace) {
        self.again = Some(Instant::now() + pace.of(AGAIN));
    }

    /// Completes when it is due once more and no work for the disk is late; never if nothing is owed. Cancel safe.
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
    use tokio::time::timeout;

    use super::*;
    use crate::guard::desk::{loosely, Desk};
    use crate::guard::find;

    #[tokio::test(start_paused = true)]
    async fn a_journal_goes_though_the_disk_was_stuck_when_its_trial_was_over() {
        let dir = TempDir::new().unwrap();
        let config = dir.path().join("config");
        let found = find(
            &dir.path().join("state"),
            &[],
            &config,
            dir.path(),
            "boot-1",
            loosely(),
        );
        let places = found.places;
        let journal = Journal::armed("63f7f2ef43cc92ee".into(), "job-1".into());
        let (release, waits) = mpsc::channel::<()>();
        let ended = {
            let mut journal = journal.clone();
            move |desk: &mut Desk| {
                // Until the other end is dropped.
                let _ = waits.recv();
                desk.arm(&mut journal).unwrap();
                desk.ended(&mut journal, None)
            }
        };
        assert!(places.on_disk(ended).await.is_err());
        let mut owed = Owed::default();
        for last in [Some(journal), None] {
            assert!(owed.write(last, &places, Pace::REAL).await.is_err());
        }
        assert!(timeout(10 * AGAIN, owed.due(&places)).await.is_err());
        tokio::time::resume();
        drop(release);
        owed.due(&places).await;
        assert!(places.on_disk(Desk::open).await.unwrap().unwrap().is_some());
        owed.write(None, &places, Pace::REAL).await.unwrap();
        assert_eq!(places.on_disk(Desk::open).await.unwrap().unwrap(), None);
        let none = timeout(Duration::from_millis(10), owed.due(&places));
        assert!(none.await.is_err());
    }
}
