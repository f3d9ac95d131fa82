//! Facts that another part publishes.

use tokio::sync::watch;

/// Waits for a change; for ever if the other part has ended.
pub async fn changed<T>(facts: &mut watch::Receiver<T>) {
    if facts.changed().await.is_err() {
        std::future::pending().await
    }
}
