//! From a multipart body to report lines, as strict as the readers of the original's servers.

use std::io::Read;

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use serde::Deserialize;

use super::record::ReportId;

/// A request with more than this is not ours.
pub(super) const BODY_MAX: usize = 16 << 20;

/// Inflated reports of one request.
const INFLATED_MAX: u64 = 64 << 20;

/// What is wrong with a request.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("not a multipart form: {0}")]
    Form(#[from] multer::Error),
    #[error("no file part named data")]
    NoData,
    #[error("a part that is not data: {0}")]
    OtherPart(String),
    #[error("data is not one whole gzip member: {0}")]
    Gzip(std::io::Error),
    #[error("data holds bytes behind its first gzip member")]
    SecondMember,
    #[error("data is larger than any batch")]
    TooLarge,
    #[error("data does not end with a line")]
    NoLineEnd,
    #[error("line {line} is not a report: {reason}")]
    Line { line: usize, reason: String },
}

/// The reports of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Reports {
    pub(super) ids: Vec<ReportId>,
    /// NDJSON, exactly as it came.
    pub(super) lines: Vec<u8>,
    pub(super) part_headers: Vec<(String, String)>,
}

/// Reads the one file part `data` of a form.
pub(super) async fn read(content_type: &str, body: Bytes) -> Result<Reports, BodyError> {
    let boundary = multer::parse_boundary(content_type)?;
    let stream = std::iter::once(Ok::<_, std::io::Error>(body));
    let mut form = multer::Multipart::new(Once(stream), boundary);
    let mut reports = None;
    while let Some(part) = form.next_field().await? {
        if part.name() != Some("data") || part.file_name().is_none() || reports.is_some() {
            return Err(BodyError::OtherPart(part.name().unwrap_or_default().to_owned()));
        }
        let headers = part.headers().iter();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let part_headers = headers.map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect();
        let lines = inflate(&part.bytes().await?)?;
        let ids = identities(&lines)?;
        reports = Some(Reports {
            ids,
            lines,
            part_headers,
        });
    }
    reports.ok_or(BodyError::NoData)
}
