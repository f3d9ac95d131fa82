//! Output of a running job, as it comes out of its pipes.

use bytes::Bytes;
use serde::Serialize;

/// A stream of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamName {
    Stdout,
    Stderr,
}

/// Bytes of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub stream: StreamName,
    /// At most 4 KiB; empty if there is only something to count.
    pub bytes: Bytes,
    /// Bytes of both streams that were dropped before these.
    pub skipped: u64,
}
