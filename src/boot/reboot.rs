//! The one way to reboot the device: what is to be known afterwards is on flash before.

use std::sync::Arc;

use super::memory::Change;
use super::records::Records;
use super::system_log::SystemLog;
use super::{LastLook, Reboot, Why};
use crate::actions::{Action, ActionError, Actions};

/// Notes why, counts the reboot where it has to be counted, and asks procd.
///
/// A reboot that counts and that cannot be recorded is not asked for. A person's job is not refused for
/// the sake of a note. Log and record may take minutes: after each there is a `last_look`, if it is given.
pub fn reboot(
    records: Records,
    actions: Arc<dyn Actions>,
    log: SystemLog,
    last_look: Option<LastLook>,
) -> Reboot {
    Box::new(move |why| {
        let (records, actions, log) = (records.clone(), Arc::clone(&actions), log.clone());
        let last_look = last_look.clone();
        Box::pin(async move { go(&records, &*actions, &log, last_look, why).await })
    })
}

async fn go(
    records: &Records,
    actions: &dyn Actions,
    log: &SystemLog,
    last_look: Option<LastLook>,
    why: Why,
) -> Result<(), String> {
    let look = || match last_look.as_ref().and_then(|look| look()) {
        Some(why) => Err(why.to_owned()),
        None => Ok(()),
    };
    let counts = why.counts();
    log.reboots(counts).await;
    look()?;
    if let Err(error) = records.change(Change::Reboot(why)).await {
        if counts {
            // It may be on flash all the same, or get there later.
            give_up(records).await;
            return Err(format!("it is not recorded: {error}"));
        }
        log::warn!("the reason of the reboot is not recorded: {error}");
    }
    if let Err(found) = look() {
        give_up(records).await;
        return Err(found);
    }
    let asked = actions.perform(&Action::Reboot).await;
    if let Err(error) = &asked {
        if !counts {
            if let Err(error) = records.change(Change::Refused).await {
                log::warn!("the reason of a reboot that was refused is still noted: {error}");
            }
        } else if is_refusal(error) {
            give_up(records).await;
        }
    }
    asked.map_err(|error| error.to_string())
}

/// A reboot that counts does not come, and is not to explain a later boot.
async fn give_up(records: &Records) {
    if let Err(error) = records.change(Change::GivenUp).await {
        log::warn!("a reboot that was given up is still noted: {error}");
    }
}

/// procd has answered, and does not reboot the device. After another error it may come all the same.
fn is_refusal(error: &ActionError) -> bool {
    let ActionError::Bus { error, .. } = error else {
        return false;
    };
    matches!(error, ubus::Error::Status(_))
}
