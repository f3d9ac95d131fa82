//! Facts that one part publishes and others follow.

use tokio::sync::watch;

/// Waits for a change; for ever if the other part has ended.
pub async fn changed<T>(facts: &mut watch::Receiver<T>) {
    if facts.changed().await.is_err() {
        std::future::pending().await
    }
}

/// Publishes `now`, and wakes who follows the facts if they were others before.
pub fn publish<T: PartialEq>(facts: &watch::Sender<T>, now: T) {
    facts.send_if_modified(|known| {
        let is_new = *known != now;
        *known = now;
        is_new
    });
}
