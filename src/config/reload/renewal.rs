//! Restarts a part when its settings change.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;

use super::Current;
use crate::config::Config;
use crate::identity::Identity;
use crate::process::shutdown::{shutdown, Shutdown};

/// A part at work, which leaves something for the one that comes after it.
pub type Work<T = ()> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Makes a part of what holds and of what the one before it left. Boxed: one [`renewed`] is compiled for
/// many parts.
pub type Start<T = ()> = Box<dyn Fn(Arc<Current>, T, Shutdown) -> Work<T> + Send>;

/// Compares the settings that a part takes from two configurations.
pub type Same = fn(&Config, &Config) -> bool;

/// The settings and the identity that a part began with. The files they were read from, and copies of them, are not kept
/// as long as it works.
#[derive(Debug)]
pub struct Since {
    config: Arc<Config>,
    mac: Identity,
}

impl From<&Current> for Since {
    fn from(now: &Current) -> Self {
        Since {
            config: now.loaded.config.clone(),
            mac: now.mac.clone(),
        }
    }
}

/// True if `one` and `other` have the same settings `S`.
pub fn same<S>(one: &Config, other: &Config) -> bool
where
    S: PartialEq + for<'a> From<&'a Config>,
{
    S::from(one) == S::from(other)
}

/// Runs a part, and restarts it when its settings are no longer the `same` or the identity of the device
/// changes. The first gets `left`, each later one what its predecessor left. Returns what the last one
/// left, when the part ends by itself or after `ends`.
pub async fn renewed<T>(
    mut current: watch::Receiver<Arc<Current>>,
    same: Same,
    mut ends: Shutdown,
    mut left: T,
    start: Start<T>,
) -> T {
    while !ends.is_requested() {
        let now = current.borrow_and_update().clone();
        let since = Since::from(&*now);
        let (end, part_ends) = shutdown();
        let mut work = start(now, left, part_ends);
        tokio::select! {
            left = &mut work => return left,
            () = ends.requested() => {}
            () = until_due(&mut current, &since, same) => {}
        }
        end.fire();
        left = work.await;
    }
    left
}

/// Completes when settings are no longer the `same`, or the identity is another one, than in `since`.
pub async fn until_due(current: &mut watch::Receiver<Arc<Current>>, since: &Since, same: Same) {
    let is_due =
        |now: &Arc<Current>| now.mac != since.mac || !same(&now.loaded.config, &since.config);
    if current.wait_for(is_due).await.is_err() {
        // Nobody reads settings any more; the end of the agent is near.
        std::future::pending::<()>().await;
    }
}
