//! Room for calls that are answered later.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls that wait at once, per method.
const WAITS_MAX: usize = 32;

/// Counts the calls of one method that wait.
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
