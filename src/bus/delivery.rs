//! Method `upload`.

use std::time::Duration;

use tokio::time::timeout;
use ubus::{Request, Status};

use super::waits::{Open, Waits};
use crate::upload::Handle;

/// The caller waits no longer; the delivery goes on without it. A request with a full batch may take
/// longer than that on a very slow link.
const UPLOAD_MAX: Duration = Duration::from_secs(120);

/// Delivers now, and replies what the server said.
pub(super) fn upload(request: Request, deliveries: &Handle, waits: &Waits, open: &mut Open) {
    let Some(permit) = waits.take() else {
        return request.finish(Status::TIMEOUT);
    };
    let deliveries = deliveries.clone();
    let work = async move {
        let _permit = permit;
        timeout(UPLOAD_MAX, deliveries.deliver()).await
    };
    open.wait(request, work, |request, outcome| match outcome {
        Some(Ok(Some(outcome))) => request.reply(&outcome),
        Some(Ok(None)) => request.finish(Status::NO_DATA),
        Some(Err(_)) => request.finish(Status::TIMEOUT),
        None => request.finish(super::ENDING),
    });
}
