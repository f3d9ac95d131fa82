//! Method `upload`.

use std::time::Duration;

use tokio::time::timeout;

use super::waits::Waits;
use crate::ubus::{Request, Status};
use crate::upload::Handle;

/// The caller waits no longer; the delivery goes on without it. A request with a full batch may take
/// longer than that on a very slow link.
const UPLOAD_MAX: Duration = Duration::from_secs(120);

/// Delivers now, and replies what the server said.
pub(super) fn upload(request: Request, deliveries: &Handle, waits: &Waits) {
    let Some(permit) = waits.take() else {
        return request.finish(Status::TIMEOUT);
    };
    let deliveries = deliveries.clone();
    // Beside the loop: other calls are answered meanwhile.
    tokio::spawn(async move {
        let _permit = permit;
        match timeout(UPLOAD_MAX, deliveries.deliver()).await {
            Ok(Some(outcome)) => request.reply(&outcome),
            Ok(None) => request.finish(Status::NO_DATA),
            Err(_) => request.finish(Status::TIMEOUT),
        }
    });
}
