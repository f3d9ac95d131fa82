//! Our own settings after a job: kept, or put back.

use std::sync::Arc;

use tokio::time::Instant;

use super::Task;
use crate::guard::decide::{Needs, Next, Trial};
use crate::jobs::Judged;

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
            Some(reason) => Judged {
                undone: true,
                reason: Some(self.own_put_back(&reason).await),
                ..Judged::default()
            },
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

    /// Puts the last good copies of our settings back, and says so.
    pub(super) async fn own_put_back(&self, why: &str) -> String {
        let loaded = self.settings.current().borrow().loaded.clone();
        let own = Arc::clone(&self.own);
        let put = self.on_disk(move |_| own.put_back(&loaded)).await;
        let mut words = match why.is_empty() {
            true => String::new(),
            false => format!("{why}; "),
        };
        if let Err(error) = put.and_then(|put| put) {
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
