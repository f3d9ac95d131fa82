//! Jobs that run, and what they leave behind.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use tokio::task::{self, JoinSet};

use crate::jobs::outcome::Outcome;
use crate::jobs::run::Leftover;

/// Jobs whose background processes still hold their pipes; beyond it the pipes are closed.
const LEFTOVERS_MAX: usize = 64;

type Finished = (Outcome, Option<Leftover>);

/// One task per running job, and one per job that ended but left its pipes open.
#[derive(Default)]
pub(super) struct Workers {
    running: JoinSet<Finished>,
    ids: HashMap<task::Id, Arc<str>>,
    leftovers: JoinSet<()>,
}

impl Workers {
    /// Jobs that run.
    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub(super) fn start(
        &mut self,
        id: Arc<str>,
        work: impl Future<Output = Finished> + Send + 'static,
    ) {
        let worker = self.running.spawn(work);
        self.ids.insert(worker.id(), id);
    }

    /// The next job that ends, with its outcome; None if its worker failed. Cancel safe.
    pub(super) async fn ended(&mut self) -> (Arc<str>, Option<Outcome>) {
        loop {
            let joined = tokio::select! {
                Some(joined) = self.running.join_next_with_id() => joined,
                Some(_) = self.leftovers.join_next() => continue,
                else => return std::future::pending().await,
            };
            let (worker, finished) = match joined {
                Ok((worker, finished)) => (worker, Some(finished)),
                Err(error) => {
                    log::error!("the worker of a job failed: {error}");
                    (error.id(), None)
                }
            };
            let Some(id) = self.ids.remove(&worker) else {
                continue;
            };
            let outcome = finished.map(|(outcome, leftover)| {
                self.keep_draining(leftover);
                outcome
            });
            return (id, outcome);
        }
    }

    fn keep_draining(&mut self, leftover: Option<Leftover>) {
        let Some(leftover) = leftover else {
            return;
        };
        if self.leftovers.len() < LEFTOVERS_MAX {
            self.leftovers.spawn(leftover.drain());
        } else {
            log::warn!("too many jobs left processes in the background: pipes of one are closed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::outcome::End;

    #[tokio::test]
    async fn a_worker_that_fails_gives_its_id_back_without_an_outcome() {
        let mut workers = Workers::default();
        workers.start("bad".into(), async { panic!("on purpose") });
        let (id, outcome) = workers.ended().await;
        assert_eq!((&*id, outcome.is_none()), ("bad", true));
        let outcome = Outcome::without_command(End::Processed, "ping", None);
        workers.start("good".into(), async { (outcome, None) });
        assert_eq!(workers.len(), 1);
        let (id, outcome) = workers.ended().await;
        assert_eq!((&*id, outcome.is_some()), ("good", true));
        assert!(workers.is_empty());
    }
}
