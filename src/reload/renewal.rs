//! Restarts a part when one of its options changes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;

use super::Current;
use crate::shutdown::{shutdown, Shutdown};

/// A part at work, which leaves something for the one that comes after it.
pub type Work<T = ()> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Makes a part of what holds and of what the one before it left. Boxed: one [`renewed`] is compiled for
/// many parts.
pub type Start<T = ()> = Box<dyn Fn(Arc<Current>, T, Shutdown) -> Work<T> + Send>;

/// Lets a part work with what holds, and has it end and start again each time one of `options` or the
/// identity of the device has another value. The first gets `left`, each other one what the one before it
/// left. Returns, with what the last one left, when the part ends by itself or after `ends`.
pub async fn renewed<T>(
    mut current: watch::Receiver<Arc<Current>>,
    options: &'static [&'static str],
    mut ends: Shutdown,
    mut left: T,
    start: Start<T>,
) -> T {
    while !ends.is_requested() {
        let now = current.borrow_and_update().clone();
        let (end, part_ends) = shutdown();
        let mut work = start(now.clone(), left, part_ends);
        tokio::select! {
            left = &mut work => return left,
            () = ends.requested() => {}
            () = until_due(&mut current, &now, options) => {}
        }
        end.fire();
        left = work.await;
    }
    left
}

/// Completes when one of `options` or the identity has another value than `since`.
pub async fn until_due(
    current: &mut watch::Receiver<Arc<Current>>,
    since: &Current,
    options: &[&str],
) {
    let is_due = |now: &Arc<Current>| {
        let changed = now.loaded.changed_since(&since.loaded);
        now.mac != since.mac || changed.iter().any(|name| options.contains(name))
    };
    if current.wait_for(is_due).await.is_err() {
        // Nobody reads settings any more; the end of the agent is near.
        std::future::pending::<()>().await;
    }
}
