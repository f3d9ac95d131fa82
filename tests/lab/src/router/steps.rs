//! The steps of the router's programs that take their time, `sysupgrade` and the package managers: each
//! announces a step before it takes it, and goes on when it is let.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::scripts::Asked;

/// The steps of one router, over all its boots.
#[derive(Debug, Clone, Default)]
pub struct Steps(Arc<Mutex<Ledger>>);

#[derive(Debug, Default)]
struct Ledger {
    taken: watch::Sender<Vec<String>>,
    held: BTreeSet<String>,
    failing: BTreeMap<String, u8>,
    waiting: Vec<(String, Asked)>,
}

impl Steps {
    /// Has programs wait before this step until [`Steps::release`].
    pub fn hold(&self, step: &str) {
        self.ledger().held.insert(step.to_owned());
    }

    /// Lets a program that waits before this step go on, and every later one.
    pub fn release(&self, step: &str) {
        let mut ledger = self.ledger();
        ledger.held.remove(step);
        let waiting = std::mem::take(&mut ledger.waiting);
        for (name, asked) in waiting {
            match name == step {
                true => asked.answer(ledger.failing.get(step).copied().unwrap_or(0)),
                false => ledger.waiting.push((name, asked)),
            }
        }
    }

    /// Has this step fail with a code from now on; 0 has it work.
    pub fn fail(&self, step: &str, code: u8) {
        self.ledger().failing.insert(step.to_owned(), code);
    }

    /// Every step so far, in the order they came.
    pub fn taken(&self) -> Vec<String> {
        self.ledger().taken.borrow().clone()
    }

    /// The count of this step.
    pub fn count(&self, step: &str) -> usize {
        self.taken().iter().filter(|taken| *taken == step).count()
    }

    /// Waits until this step has come `times` times.
    pub async fn reached(&self, step: &str, times: usize) {
        let mut taken = self.ledger().taken.subscribe();
        let enough = |taken: &Vec<String>| taken.iter().filter(|one| *one == step).count() >= times;
        // The sender lives as long as this does.
        let _ = taken.wait_for(enough).await;
    }

    /// A program announces a step.
    pub(super) fn announce(&self, step: String, asked: Asked) {
        let mut ledger = self.ledger();
        ledger.taken.send_modify(|taken| taken.push(step.clone()));
        match ledger.held.contains(&step) {
            true => ledger.waiting.push((step, asked)),
            false => asked.answer(ledger.failing.get(&step).copied().unwrap_or(0)),
        }
    }

    /// The programs that waited were killed.
    pub(super) fn booted(&self) {
        self.ledger().waiting.clear();
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
