//! LuCI's own undo: rpcd puts back what was applied unless somebody confirms it.
//!
//! Two undos at a time would take each other's files for the work of a third. rpcd is asked by a confirmation
//! in the name of a session that does not exist: it says that there is nothing to confirm, or that this session
//! may not.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{sleep, Instant};
use ubus::{Client, Error, Status};

use crate::process::clock::Pace;

/// Longest wait for rpcd.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Between two questions.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Longest wait for the confirmation, or for rpcd to put back what was applied.
const PENDING: Duration = Duration::from_secs(90);

#[derive(Serialize)]
struct Confirm {
    ubus_rpc_session: String,
}

/// Does a change of LuCI wait for its confirmation? Not if rpcd cannot be asked.
async fn is_pending(client: &Client) -> bool {
    let session = Confirm {
        ubus_rpc_session: format!("{:032x}", fastrand::u128(..)),
    };
    let Ok(args) = ubus::to_members(&session) else {
        return false;
    };
    let asked = client.call_raw("uci", "confirm", args, ANSWER_WITHIN).await;
    matches!(asked, Err(Error::Status(Status::PERMISSION_DENIED)))
}

/// Waits until no change of LuCI waits for its confirmation. False if one does to the end.
pub(super) async fn is_free(client: &Client, pace: Pace) -> bool {
    let end = Instant::now() + pace.of(PENDING);
    while is_pending(client).await {
        if Instant::now() >= end {
            return false;
        }
        sleep(pace.of(LOOK_AGAIN)).await;
    }
    true
}
