//! Our own settings after a job: kept, or put back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, Instant};

use super::Task;
use crate::guard::add_reason;
use crate::guard::decide::{Needs, Next, Trial};
use crate::guard::journal::Journal;
use crate::jobs::Judged;

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

    /// Puts config.json back if the earlier agent that undid a network job could not.
    pub(super) async fn json_put_back(&mut self, journal: &mut Journal) {
        let loaded = self.settings.current().borrow().loaded.clone();
        let own = Arc::clone(&self.own);
        let put = self
            .found
            .places
            .aside(move || own.put_json_back(&loaded))
            .await;
        match put.and_then(|put| put) {
            Ok(false) => return,
            Ok(true) => add_reason(journal, "config.json was put back later"),
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

    /// Puts the last good copies of our settings back, and says so. What a job had left is remembered for the next
    /// attempt if the disk does not let it.
    pub(super) async fn own_put_back(&mut self, why: &str) -> String {
        let left = self.own_left.take();
        let left = left.unwrap_or_else(|| self.settings.current().borrow().loaded.clone());
        let (own, loaded) = (Arc::clone(&self.own), left.clone());
        let put = self.found.places.aside(move || own.put_back(&loaded)).await;
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
