//! The one way to reboot the device: what is to be known afterwards is on flash before.

use std::sync::Arc;

use super::memory::Change;
use super::records::Records;
use super::system_log::SystemLog;
use super::{Reboot, Why};
use crate::actions::{Action, Actions};

/// Notes why, counts the reboot where it has to be counted, and asks procd.
///
/// A reboot that counts and that cannot be recorded is not asked for. A person's job is not refused for
/// the sake of a note.
pub fn reboot(records: Records, actions: Arc<dyn Actions>, log: SystemLog) -> Reboot {
    Box::new(move |why| {
        let (records, actions, log) = (records.clone(), Arc::clone(&actions), log.clone());
        Box::pin(async move { go(&records, &*actions, &log, why).await })
    })
}

async fn go(
    records: &Records,
    actions: &dyn Actions,
    log: &SystemLog,
    why: Why,
) -> Result<(), String> {
    let counts = why.counts();
    log.reboots(counts).await;
    if let Err(error) = records.change(Change::Reboot(why)).await {
        if counts {
            return Err(format!("it is not recorded: {error}"));
        }
        log::warn!("the reason of the reboot is not recorded: {error}");
    }
    let asked = actions.perform(&Action::Reboot).await;
    if asked.is_err() && !counts {
        if let Err(error) = records.change(Change::Refused).await {
            log::warn!("the reason of a reboot that was refused is still noted: {error}");
        }
    }
    asked.map_err(|error| error.to_string())
}
