//! The reports that wait, as deliveries see them.

use spool::{Batch, BatchId, Handle, ReportId, Stopped};

/// The queue of reports: the spool, or the lab's model of it.
#[allow(async_fn_in_trait)] // Its futures are those of types that are known where they are spawned.
pub trait Queue {
    /// The oldest reports: up to so many bytes and reports, but at least one.
    async fn next_few(&self, max_bytes: u64, reports: usize) -> Result<Option<Batch>, Stopped>;
    /// The newest report ahead of the others.
    async fn newest(&self) -> Result<Option<Batch>, Stopped>;
    /// The older half of a batch.
    async fn halve(&self, id: BatchId) -> Result<Option<Batch>, Stopped>;
    /// A report in a batch of its own.
    async fn alone(&self, report: ReportId) -> Result<Option<Batch>, Stopped>;
    /// Puts reports that were set aside back in their place.
    async fn take_back(&self, reports: Vec<ReportId>) -> Result<(), Stopped>;
    /// The batch arrived.
    async fn delivered(&self, id: BatchId) -> Result<(), Stopped>;
    /// The batch did not arrive.
    async fn kept_back(&self, id: BatchId) -> Result<(), Stopped>;
    /// The batch was refused; the others go on without it.
    async fn set_aside(&self, id: BatchId) -> Result<(), Stopped>;
    /// The batch is refused for good.
    async fn refused(&self, id: BatchId) -> Result<(), Stopped>;
    /// A server says what time it is, seconds since the epoch.
    async fn server_date(&self, date: u64) -> Result<(), Stopped>;
    /// True if reports wait until a server says what time it is.
    async fn wants_date(&self) -> Result<bool, Stopped>;
}

impl Queue for Handle {
    async fn next_few(&self, max_bytes: u64, reports: usize) -> Result<Option<Batch>, Stopped> {
        Handle::next_few(self, max_bytes, reports).await
    }

    async fn newest(&self) -> Result<Option<Batch>, Stopped> {
        Handle::newest(self).await
    }

    async fn halve(&self, id: BatchId) -> Result<Option<Batch>, Stopped> {
        Handle::halve(self, id).await
    }

    async fn alone(&self, report: ReportId) -> Result<Option<Batch>, Stopped> {
        Handle::alone(self, report).await
    }

    async fn take_back(&self, reports: Vec<ReportId>) -> Result<(), Stopped> {
        Handle::take_back(self, reports).await
    }

    async fn delivered(&self, id: BatchId) -> Result<(), Stopped> {
        Handle::delivered(self, id).await
    }

    async fn kept_back(&self, id: BatchId) -> Result<(), Stopped> {
        Handle::kept_back(self, id).await
    }

    async fn set_aside(&self, id: BatchId) -> Result<(), Stopped> {
        Handle::set_aside(self, id).await
    }

    async fn refused(&self, id: BatchId) -> Result<(), Stopped> {
        Handle::refused(self, id).await
    }

    async fn server_date(&self, date: u64) -> Result<(), Stopped> {
        Handle::server_date(self, date).await
    }

    async fn wants_date(&self) -> Result<bool, Stopped> {
        Handle::wants_date(self).await
    }
}
