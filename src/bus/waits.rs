//! Calls that are answered later.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use ubus::Request;

use crate::process::shutdown::Shutdown;
use crate::tasks::spawn_among;

/// Calls that wait at once, per method.
const WAITS_MAX: usize = 32;

/// Room for the calls of one method that wait.
#[derive(Clone)]
pub(super) struct Waits(Arc<Semaphore>);

impl Default for Waits {
    fn default() -> Self {
        Waits(Arc::new(Semaphore::new(WAITS_MAX)))
    }
}

impl Waits {
    /// Room for one call until it is dropped; `None` if there is no more.
    pub(super) fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().ok()
    }
}

/// The calls that wait, of all methods. Each is answered, at the latest when the agent ends.
pub(super) struct Open {
    tasks: JoinSet<()>,
    ends: Shutdown,
}

impl Open {
    pub(super) fn new(ends: Shutdown) -> Self {
        Open {
            tasks: JoinSet::new(),
            ends,
        }
    }

    /// Has `answer` answer `request` with what `work` comes to, or with `None` if the agent ends
    /// before that. Other calls are answered meanwhile.
    pub(super) fn wait<T>(
        &mut self,
        request: Request,
        work: impl Future<Output = T> + Send + 'static,
        answer: impl FnOnce(Request, Option<T>) + Send + 'static,
    ) {
        // The number of tasks is bounded by what is open, not by what ever was.
        while self.tasks.try_join_next().is_some() {}
        let mut ends = self.ends.clone();
        spawn_among(&mut self.tasks, async move {
            let came = tokio::select! {
                biased;
                () = ends.requested() => None,
                came = work => Some(came),
            };
            answer(request, came);
        });
    }

    /// Completes when all are answered, which they are once the agent ends. True if there were any.
    pub(super) async fn answered(&mut self) -> bool {
        while self.tasks.try_join_next().is_some() {}
        let any = !self.tasks.is_empty();
        while self.tasks.join_next().await.is_some() {}
        any
    }
}
