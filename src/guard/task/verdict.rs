//! The verdict on a network job: written, told, and forgotten when its outcome is recorded.

use std::io;

use super::Task;
use crate::guard::journal::{Journal, Phase};
use crate::guard::places::FIRMWARE_CHANGED;
use crate::jobs::Judged;
use crate::terminal::safe;

impl Task {
    /// Notes the verdict, and returns it.
    pub(super) async fn decide(&mut self, mut journal: Journal, undone: bool) -> Judged {
        // That holds, whatever the disk does.
        journal.be_decided(undone);
        if let Err(error) = self.write(Some(journal.clone())).await {
            log::error!("guard: {error}");
        }
        let id = journal.id.clone();
        if !undone {
            log::info!("guard: job '{}' keeps its change", safe(&id));
        }
        let judged = self.decided(journal);
        self.tell(false, None, &id);
        if self.is_settled {
            self.forget().await;
        }
        judged
    }

    /// Takes a verdict over from a journal.
    pub(super) fn decided(&mut self, journal: Journal) -> Judged {
        let judged = Judged {
            undone: journal.phase == Phase::Reverted,
            reason: journal.reason.clone(),
            ran: journal.ran,
            rebooted: journal.place.boot != self.found.place.boot,
            dropped: journal.reason.as_deref() == Some(FIRMWARE_CHANGED),
        };
        let current = self.settings.current();
        self.own.is_decided(&current.borrow().loaded.files);
        self.judged = Some(judged.clone());
        self.journal = Some(journal);
        judged
    }

    /// The outcome of a job is recorded.
    pub(super) async fn settled(&mut self, key: &str) {
        if self
            .journal
            .as_ref()
            .is_none_or(|journal| journal.key != key)
        {
            return;
        }
        self.is_settled = true;
        if self.judged.is_some() {
            self.forget().await;
        } else {
            // Nobody asks for the verdict: the worker of the job failed.
            drop(self.ended(key, None).await);
        }
    }

    pub(super) async fn forget(&mut self) {
        self.journal = None;
        self.tell(false, None, "");
        if let Err(error) = self.write(None).await {
            log::error!("guard: the journal cannot be removed: {error}; trying again");
        }
    }

    /// Has flash say that a trial is decided, or over.
    pub(super) async fn write(&mut self, journal: Option<Journal>) -> io::Result<()> {
        let pace = self.pace();
        self.owed.write(journal, &self.found.places, pace).await
    }
}
