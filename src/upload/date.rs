//! The time of day, asked of the server before the first report.
//!
//! A device without a time server holds its reports back until it knows the time, and without a report no
//! answer tells it.

use super::link::Way;
use super::queue::Queue;
use super::DeliveryError;

/// Asks for the time while that is of use.
#[derive(Debug, Default)]
pub(super) struct DateAsker {
    /// The server does not say what time it is.
    is_silent: bool,
}

impl DateAsker {
    /// Asks the server for the time if reports wait for it and no answer has told it. True if one did now: more
    /// may be sent.
    pub(super) async fn ask<W: Way, Q: Queue>(
        &mut self,
        link: &mut W,
        queue: &Q,
    ) -> Result<bool, DeliveryError> {
        if self.is_silent || !queue.wants_date().await? {
            return Ok(false);
        }
        self.is_silent = !link.ask_date().await?;
        let Some(date) = link.take_date() else {
            return Ok(false);
        };
        queue.server_date(date).await?;
        Ok(true)
    }
}
