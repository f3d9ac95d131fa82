//! Tasks of one type of future: boxed, so that the runtime's code for a task, 2 to 3 KB, is in the program
//! once instead of once for each part.

use std::future::Future;
use std::pin::Pin;

use tokio::task::{JoinHandle, JoinSet};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task by itself, which ends when it has done its work.
pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let work: Work = Box::pin(work);
    tokio::spawn(work)
}

/// A task among `others`, which ends with them.
pub(crate) fn spawn_among(
    others: &mut JoinSet<()>,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let work: Work = Box::pin(work);
    others.spawn(work);
}

/// A thread, which is given what it does in a box for the same reason.
pub(crate) fn thread(
    thread: std::thread::Builder,
    work: Box<dyn FnOnce() + Send>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    thread.spawn(work)
}
