//! A trial that an earlier agent has left.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{timeout, Instant};

use super::Task;
use crate::guard::add_reason;
use crate::guard::journal::{Journal, Phase};
use crate::guard::unread::Unread;

/// Extra time for a detached job of an earlier agent, beyond `job_timeout`.
const DETACHED_MORE: Duration = Duration::from_secs(60);

impl Task {
    /// Looks once more for what an earlier agent has left, if it could not be read.
    ///
    /// # Errors
    ///
    /// The disk does not give it yet: there may be a trial. What is damaged is none.
    pub(super) async fn look_again(&mut self) -> io::Result<()> {
        if !self.found.is_unread {
            self.unread = Unread::default();
            return Ok(());
        }
        match self.found.look_again().await {
            Ok(found) => self.found = found,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                log::warn!("guard: what an earlier agent left cannot be used: {error}");
            }
            Err(error) => {
                self.unread.failed(&error, self.pace());
                return Err(error);
            }
        }
        if let Some(journal) = &self.found.journal {
            self.left.get_or_init(|| journal.key.clone());
            // The copies can be read now, and the settings may have been put back. An agent that ends reads nothing more.
            drop(self.settings.reload().await);
        }
        self.is_unread.store(false, Ordering::Relaxed);
        if self.found.journal.is_none() && self.found.holds {
            self.own
                .is_free(&self.settings.current().borrow().loaded.files);
        }
        self.unread = Unread::default();
        Ok(())
    }

    /// Goes on with what an earlier agent has left.
    pub(super) async fn go_on(&mut self, mut journal: Journal) {
        let id = journal.id.clone();
        self.tell(!journal.is_decided(), None, &id);
        if let Some(json) = journal.json.as_ref().filter(|json| !json.was_there) {
            self.own.is_added(Path::new(&json.path));
        }
        let has_booted = journal.has_booted(&self.found.place.boot);
        match journal.phase {
            Phase::Kept | Phase::Reverted => {
                self.decided(journal);
                return;
            }
            Phase::Armed if journal.detach && !has_booted => {
                self.journal = Some(journal);
                return self.wait_for_detached().await;
            }
            _ => {}
        }
        self.held_off().await;
        let timeout = self.options().rollback_timeout;
        match journal.phase {
            Phase::Armed | Phase::Ended => {
                drop(self.try_out(journal, timeout).await);
            }
            Phase::Undoing | Phase::Undone if !has_booted => {
                self.json_put_back(&mut journal).await;
                self.bring_back(&mut journal).await;
                drop(self.decide(journal, true).await);
            }
            // The device does not reboot again for what is not back.
            _ => {
                if journal.back.is_none() {
                    // Services have started with files of the job, some of which are back by now.
                    self.tell_services(&journal).await;
                }
                if !has_booted {
                    add_reason(&mut journal, "the reboot did not happen");
                }
                self.json_put_back_in_time(&mut journal).await;
                drop(self.decide(journal, true).await);
            }
        }
    }

    /// Waits until the broker is tried, after starts that failed.
    pub(super) async fn held_off(&mut self) {
        // False at the end of the agent, which ends this too.
        let _over: bool = self.hold.over(&mut self.ends).await;
    }

    /// A detached job goes on without the agent that started it: the jobs part says when it has ended.
    async fn wait_for_detached(&mut self) {
        let longest = self.options().job_timeout + DETACHED_MORE;
        let end = Instant::now() + longest;
        while self.judged.is_none() {
            let left = end.saturating_duration_since(Instant::now());
            match timeout(left, self.asks.recv()).await {
                Ok(Some(ask)) => self.answer(ask).await,
                Ok(None) => return,
                Err(_elapsed) => {
                    if let Some(key) = self.journal.as_ref().map(|journal| journal.key.clone()) {
                        drop(self.ended(&key, None).await);
                    }
                    return;
                }
            }
        }
    }
}
