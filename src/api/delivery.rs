//! Method `upload`.

use std::time::Duration;

use tokio::time::timeout;

use super::waits::{Open, Waits};
use crate::ubus::{Request, Status};
use crate::upload::http::REQUEST_TIMEOUT;
use crate::upload::Handle;

/// Two servers are asked at most.
const UPLOAD_MAX: Duration = REQUEST_TIMEOUT.saturating_mul(2);

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
