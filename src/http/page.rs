//! An answer that is read to its end.

use std::time::Duration;

use reqwest::Response;
use tokio::time::{timeout_at, Instant};

use super::Answer;

/// Deadline for the whole body.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Page {
    pub status: u16,
    pub answer: Answer,
    /// Empty for an answer that is not [`Answer::Accepted`].
    pub body: Vec<u8>,
}

/// The end of a body, if it was not to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("the answer ends in the middle")]
    CutOff,
    #[error("the answer did not end within {} s", READ_WITHIN.as_secs())]
    Late,
}

/// Reads a body of at most `max` bytes.
pub(super) async fn whole(response: &mut Response, max: usize) -> Result<Vec<u8>, BodyError> {
    let end = Instant::now() + READ_WITHIN;
    let mut body = Vec::new();
    loop {
        let chunk = timeout_at(end, response.chunk());
        match chunk.await.map_err(|_| BodyError::Late)? {
            Ok(Some(chunk)) if chunk.len() > max - body.len() => {
                return Err(BodyError::TooLong(max))
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(_) => return Err(BodyError::CutOff),
        }
    }
}
