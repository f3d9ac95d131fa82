//! The runtime that a process works in: one thread, with time, sockets and signals.

use std::future::Future;
use std::io;

use tokio::runtime::Builder;

/// Runs `work` to its end. Threads that libraries have started do not hold that up.
///
/// # Errors
///
/// The kernel did not give what a runtime needs.
pub fn run<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(Box::pin(work));
    runtime.shutdown_background();
    Ok(done)
}
