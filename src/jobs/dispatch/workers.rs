//! Jobs that run, and what they leave behind.

use std::future::Future;
use std::pin::Pin;

use tokio::task::{self, JoinSet};

use crate::jobs::outcome::Outcome;
use crate::jobs::run::{Leftover, Spare};
use crate::jobs::table::Number;
use crate::tasks::spawn_among;

/// Jobs whose background processes still hold their pipes; beyond it each has a process beside us
/// that reads them.
const LEFTOVERS_MAX: usize = 64;

/// The outcome, unless the job goes on without this agent, and what it left behind.
pub(super) type Finished = (Option<Outcome>, Option<Leftover>);

type Work = Pin<Box<dyn Future<Output = Finished> + Send>>;

/// The end of the worker of a job.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    With(Outcome),
    /// The job goes on without this agent; the next one judges it.
    GoesOn,
    /// The worker failed.
    Failed,
}

/// A task per running job, and one per job that ended but left its pipes open or its cgroup.
#[derive(Default)]
pub(super) struct Workers {
    running: JoinSet<Finished>,
    jobs: Vec<(task::Id, Number)>,
    leftovers: JoinSet<()>,
    spare: Spare,
}

impl Workers {
    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// The cgroup and the streams that are ready for the next job, if the job before has left the time to make them.
    pub(super) fn spare(&mut self) -> Spare {
        self.spare.take()
    }

    /// In a box, so that one task is compiled for jobs of all kinds.
    pub(super) fn start(
        &mut self,
        number: Number,
        work: impl Future<Output = Finished> + Send + 'static,
    ) {
        let work: Work = Box::pin(work);
        let worker = self.running.spawn(work);
        self.jobs.push((worker.id(), number));
    }

    /// The next job that ends. Cancel safe.
    pub(super) async fn ended(&mut self) -> (Number, Ended) {
        loop {
            let joined = tokio::select! {
                Some(joined) = self.running.join_next_with_id() => joined,
                Some(_) = self.leftovers.join_next() => {
                    self.spare.prepare();
                    continue;
                }
                else => return std::future::pending().await,
            };
            let (worker, finished) = match joined {
                Ok((worker, finished)) => (worker, Some(finished)),
                Err(error) => {
                    log::error!("the worker of a job failed: {error}");
                    (error.id(), None)
                }
            };
            let Some(at) = self.jobs.iter().position(|(id, _)| *id == worker) else {
                continue;
            };
            let (_, number) = self.jobs.swap_remove(at);
            let ended = match finished {
                None => Ended::Failed,
                Some((outcome, leftover)) => {
                    self.keep_draining(leftover);
                    outcome.map_or(Ended::GoesOn, Ended::With)
                }
            };
            return (number, ended);
        }
    }

    fn keep_draining(&mut self, leftover: Option<Leftover>) {
        let Some(leftover) = leftover else {
            return;
        };
        // Most of them had no more than an empty cgroup to remove.
        while self.leftovers.try_join_next().is_some() {}
        if self.leftovers.len() < LEFTOVERS_MAX {
            spawn_among(&mut self.leftovers, leftover.drain());
        } else {
            // Dropped, it has another process go on reading.
            log::warn!("more than {LEFTOVERS_MAX} jobs have left processes in the background");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::outcome::End;

    #[tokio::test]
    async fn a_worker_that_fails_gives_its_job_back_without_an_outcome() {
        let mut workers = Workers::default();
        workers.start(Number::of(7), async { panic!("on purpose") });
        assert_eq!(workers.ended().await, (Number::of(7), Ended::Failed));
        let outcome = Outcome::without_command(End::Processed, "ping", None);
        let finished = (Some(outcome.clone()), None);
        workers.start(Number::of(8), async { finished });
        let (number, ended) = workers.ended().await;
        assert_eq!((number, ended), (Number::of(8), Ended::With(outcome)));
        workers.start(Number::of(9), async { (None, None) });
        assert_eq!(workers.ended().await, (Number::of(9), Ended::GoesOn));
        assert!(workers.is_empty());
    }
}
