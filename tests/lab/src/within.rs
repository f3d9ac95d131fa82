//! The deadline of everything that tests wait for.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;

/// Longer than any step takes on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// Waits for `step`, which tests call `what`.
///
/// # Panics
///
/// If it has not happened by the [`DEADLINE`].
#[allow(clippy::panic)] // it fails a test
pub async fn within<T>(what: &str, step: impl Future<Output = T>) -> T {
    match timeout(DEADLINE, step).await {
        Ok(done) => done,
        Err(_) => panic!("not in time: {what}"),
    }
}
