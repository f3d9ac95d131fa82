//! Our own settings after a job: kept, or put back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, Instant};

use super::Task;
use crate::config::{Loaded, PACKAGE};
use crate::guard::decide::{Needs, Next, Trial};
use crate::guard::journal::Journal;
use crate::guard::json::{Json, CONFLICT};
use crate::guard::{add_conflicts, add_reason};
use crate::jobs::Judged;
use crate::tasks::Waiting;

/// Before each further attempt to put the settings back, as long as those for the files of a network job.
const AGAIN: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(60)];

impl Task {
    pub(super) fn own_changed(&self) -> bool {
        let current = self.settings.current();
        let current = current.borrow();
        self.own.have_changed(&current.loaded)
    }

    /// Reads our settings if they have changed; says what is wrong with them.
    pub(super) async fn own_usable(&self) -> Result<(), String> {
        if !self.own_changed() || self.settings.reload().await.is_err() {
            return Ok(());
        }
        let current = self.settings.current();
        let loaded = &current.borrow().loaded;
        match loaded.is_usable() {
            true => Ok(()),
            false => Err(match loaded.errors.first() {
                Some(error) => error.to_string(),
                None => "the settings cannot be used".to_owned(),
            }),
        }
    }

    /// A job of any other type has ended, and our settings are others than before.
    pub(super) async fn own_ended(&mut self, id: &str) -> Judged {
        let options = self.options();
        let (pace, timeout) = (options.pace, options.rollback_timeout);
        let broken = match self.own_usable().await {
            Err(reason) => Some(reason),
            Ok(()) if !self.own_changed() || !self.own.was_connected() => None,
            Ok(()) => {
                let needs = Needs {
                    code: 0,
                    broker: true,
                };
                self.held_off().await;
                let trial = Trial::verify(needs, timeout, pace, Instant::now());
                self.tell(true, Some(trial.until()), id);
                let next = self.witnesses.next(&trial, needs, pace).await;
                self.tell(false, None, id);
                let s = timeout.as_secs();
                let lost = || format!("the broker was not reached within {s} s");
                (next != Next::Keep).then(lost)
            }
        };
        let judged = match broken {
            None => {
                self.own_keep().await;
                Judged::default()
            }
            Some(reason) => {
                let mut words = self.own_put_back(&reason).await;
                for wait in AGAIN {
                    if self.own_left.is_none() {
                        break;
                    }
                    sleep(pace.of(wait)).await;
                    words = self.own_put_back(&reason).await;
                }
                self.own_left = None;
                Judged {
                    undone: true,
                    reason: Some(words),
                    ..Judged::default()
                }
            }
        };
        let current = self.settings.current();
        self.own.is_decided(&current.borrow().loaded.files);
        judged
    }

    /// The settings as they are become the last good copy.
    pub(super) async fn own_keep(&self) {
        if self.own_changed() {
            // An agent that ends reads nothing more.
            drop(self.settings.accept().await);
        }
    }

    /// Puts our settings back after a network job, and says so in its journal.
    pub(super) async fn own_undone(&mut self, journal: &mut Journal) {
        self.keep_edits(journal).await;
        let put_back = self.own_put_back("").await;
        add_reason(journal, &put_back);
        let owes = |left: &Loaded| {
            journal
                .json
                .as_ref()
                .is_some_and(|json| json.goes_back(left))
        };
        let owes = self.own_left.as_ref().is_some_and(owes);
        journal.owe_json(owes);
    }

    /// Keeps what somebody has made of our settings since the command ended, where the copies replace it.
    async fn keep_edits(&mut self, journal: &mut Journal) {
        let copies = self.settings.current().borrow().loaded.good_copies();
        let goes = copies.map(|copy| copy.is_some_and(|copy| copy.differs()));
        let kept = self.with_journal(journal, move |desk, journal| {
            let mut kept = Vec::new();
            if goes[0] && desk.keep_if_edited(journal, PACKAGE)? {
                kept.push(PACKAGE.to_owned());
            }
            let json = journal.json.as_ref();
            let json = json.filter(|json| goes[1] || !json.was_there);
            if let Some(bytes) = json.and_then(Json::edited) {
                desk.keep_conflict(CONFLICT, &bytes)?;
                kept.push(CONFLICT.to_owned());
            }
            Ok(kept)
        });
        match kept.await {
            Ok(conflicts) => add_conflicts(journal, &conflicts),
            Err(error) => log::warn!("guard: the settings of the agent as they are now: {error}"),
        }
    }

    /// Puts config.json back if the undo owes it, or takes away the one that the command has added.
    pub(super) async fn json_put_back(&mut self, journal: &mut Journal) {
        let Some(json) = journal.json.clone().filter(|json| json.is_owed) else {
            return;
        };
        let places = &self.found.places;
        let (own, conflicts) = (Arc::clone(&self.own), places.conflicts());
        let loaded = self.settings.current().borrow().loaded.clone();
        let (waits, waiting) = Waiting::new();
        let put = move || own.put_json_back(&loaded, &json, &conflicts, &waiting);
        let put = places.aside(put).await.and_then(|put| put);
        drop(waits);
        match put {
            Ok(back) => {
                if back.is_conflict {
                    add_conflicts(journal, &[CONFLICT.to_owned()]);
                }
                if back.is_late {
                    add_reason(journal, "config.json was put back later");
                }
                journal.owe_json(false);
                self.json_is_noted(journal).await;
            }
            Err(error) => {
                log::error!("guard: config.json: {error}");
                add_reason(
                    journal,
                    &format!("config.json could not be put back: {error}"),
                );
            }
        }
        // An agent that ends reads nothing more.
        drop(self.settings.reload().await);
    }

    /// Tries it again before the verdict, as often as for a job of any other type.
    pub(super) async fn json_put_back_in_time(&mut self, journal: &mut Journal) {
        self.json_put_back(journal).await;
        for wait in AGAIN {
            if !journal.owes_json() {
                return;
            }
            sleep(self.pace().of(wait)).await;
            self.json_put_back(journal).await;
        }
    }

    /// Has flash say that config.json is owed no more: what somebody changes from here on is his.
    async fn json_is_noted(&mut self, journal: &mut Journal) {
        let noted = self.with_journal(journal, |desk, journal| desk.note(journal));
        if let Err(error) = noted.await {
            log::warn!("guard: {error}");
        }
    }

    /// Puts the last good copies of our settings back, and says so. What a job had left is remembered for the next
    /// attempt if the disk does not let it.
    pub(super) async fn own_put_back(&mut self, why: &str) -> String {
        // Where the disk has not given what was held strict, nothing was put back.
        let left = self.own_left.take().filter(Loaded::knows_strict);
        if left.is_none() && !self.settings.current().borrow().loaded.knows_strict() {
            drop(self.settings.reload().await);
        }
        let left = left.unwrap_or_else(|| self.settings.current().borrow().loaded.clone());
        let (own, loaded) = (Arc::clone(&self.own), left.clone());
        let (waits, waiting) = Waiting::new();
        let put = move || own.put_back(&loaded, &waiting);
        let put = self.found.places.aside(put).await;
        drop(waits);
        let mut words = match why.is_empty() {
            true => String::new(),
            false => format!("{why}; "),
        };
        if let Err(error) = put.and_then(|put| put) {
            self.own_left = Some(left);
            words.push_str(&format!(
                "the settings of the agent could not be put back: {error}"
            ));
            self.event(words.clone());
            return words;
        }
        words.push_str("the settings of the agent were put back");
        drop(self.settings.reload().await);
        let held = self.settings.current().borrow().loaded.tightened.join(", ");
        if !held.is_empty() {
            words.push_str(&format!("; {held} stay as strict as the job had set them"));
        }
        self.event(words.clone());
        words
    }
}
