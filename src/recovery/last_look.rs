//! A look just before the device is rebooted: the way there takes minutes on slow flash.

use std::sync::Arc;

use tokio::sync::watch;

use super::sight::sight;
use crate::boot::{Budget, LastLook};
use crate::{config, health};

/// For the reboot of this part: forbids it if the ladder would no longer come to it.
pub fn last_look(
    settings: watch::Receiver<config::Recovery>,
    health: watch::Receiver<health::Facts>,
    guarded: watch::Receiver<bool>,
) -> LastLook {
    Arc::new(move || {
        let (health, settings) = (health.borrow(), settings.borrow());
        let guarded = *guarded.borrow();
        let sight = sight(&health, &settings, Budget::default(), guarded, false);
        sight.forbids_reboot().then_some(match guarded {
            true => "not rebooted: a network change is being watched, or an upgrade is under way",
            false => "not rebooted: something else was found meanwhile",
        })
    })
}
