//! Asking a part that may restart before it has answered.
//!
//! An ask has a part do at once what it does by itself sooner or later. What came of it stands in the
//! part's facts, which count it; so all who ask at the same time get the same answer.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use tokio::sync::{watch, Notify};

#[derive(Debug, Default)]
struct Open {
    notify: Notify,
    /// The number of askers that wait for an answer.
    waiting: AtomicU32,
}

/// Where a part hears that it is asked.
#[derive(Debug, Clone)]
pub struct Asks(Arc<Open>);

/// Asks a part whose facts are `F`.
#[derive(Debug, Clone)]
pub struct Asker<F> {
    open: Arc<Open>,
    facts: watch::Receiver<F>,
}

/// Somebody who waits, until dropped.
struct Waiting<'a>(&'a AtomicU32);

/// An asker, and what the part that sends `facts` needs to hear it.
pub fn asks<F>(facts: watch::Receiver<F>) -> (Asker<F>, Asks) {
    let open = Arc::new(Open::default());
    let asks = Asks(Arc::clone(&open));
    (Asker { open, facts }, asks)
}

impl Asks {
    /// Waits until somebody asks.
    pub async fn asked(&self) {
        self.0.notify.notified().await;
    }

    /// To be called by a part when it begins: if others still wait for an answer of the one before it,
    /// it is asked by them.
    pub fn take_over(&self) {
        if self.0.waiting.load(Ordering::Relaxed) > 0 {
            self.0.notify.notify_one();
        }
    }
}

impl<F: Clone> Asker<F> {
    /// Asks, and returns the facts as soon as `answers`, which counts the answers in them, has changed.
    /// `None` if the part has ended for good.
    pub async fn ask(&self, answers: impl Fn(&F) -> u32) -> Option<F> {
        let mut facts = self.facts.clone();
        let before = answers(&facts.borrow_and_update());
        let _waiting = Waiting::new(&self.open.waiting);
        self.open.notify.notify_one();
        let after = facts.wait_for(|facts| answers(facts) != before).await;
        after.ok().map(|facts| facts.clone())
    }

    /// The newest facts, and all that follow.
    pub fn facts(&self) -> watch::Receiver<F> {
        self.facts.clone()
    }
}

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_to_a_part_that_restarts_is_answered_by_the_next() {
        let (facts, known) = watch::channel(0u32);
        let (asker, asks) = asks(known);
        let answer = tokio::spawn(async move { asker.ask(|count| *count).await });
        // The first part hears it, and ends.
        asks.asked().await;
        asks.take_over();
        asks.asked().await;
        facts.send_replace(1);
        assert_eq!(answer.await.unwrap(), Some(1));
        // Nobody waits any more.
        asks.take_over();
        let again = asks.asked();
        tokio::select! {
            biased;
            () = again => panic!("asked by nobody"),
            () = std::future::ready(()) => {}
        }
    }

    #[tokio::test]
    async fn a_part_that_ended_for_good_answers_nobody() {
        let (facts, known) = watch::channel(0u32);
        let (asker, _asks) = asks(known);
        drop(facts);
        assert_eq!(asker.ask(|count| *count).await, None);
    }
}
