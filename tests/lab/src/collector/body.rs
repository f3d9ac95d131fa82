//! From a body to report lines, as strict as the readers of the original's servers.

use std::io::Read;

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use http_body_util::{BodyDataStream, Full};
use serde::Deserialize;

use super::record::ReportId;

/// A request with more than this is not ours.
pub(super) const BODY_MAX: usize = 16 << 20;

/// Inflated reports of one request.
const INFLATED_MAX: u64 = 64 << 20;

/// A fault of a request.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("{0:?} is no type that reports come in")]
    Type(String),
    #[error("Content-Encoding is {0:?}, where {1:?} would be right")]
    Encoding(Option<String>, Option<&'static str>),
    #[error("not one report: {0}")]
    NotOne(usize),
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
    /// Of the body.
    pub(super) bytes: usize,
}

/// Reads the reports in a body of this type and encoding: a form, NDJSON in gzip, or one report.
pub(super) async fn read(
    content_type: &str,
    encoding: Option<&str>,
    body: Bytes,
) -> Result<Reports, BodyError> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let right = (essence == "application/x-ndjson").then_some("gzip");
    if encoding != right {
        return Err(BodyError::Encoding(encoding.map(str::to_owned), right));
    }
    let lines = match essence {
        "multipart/form-data" => return read_form(content_type, body).await,
        "application/x-ndjson" => inflate(&body)?,
        "application/json" => body.to_vec(),
        other => return Err(BodyError::Type(other.to_owned())),
    };
    let ids = identities(&lines)?;
    match (essence, ids.len()) {
        ("application/json", count) if count != 1 => Err(BodyError::NotOne(count)),
        _ => Ok(Reports {
            ids,
            lines,
            ..Reports::default()
        }),
    }
}

/// Reads the one file part `data` of a form.
async fn read_form(content_type: &str, body: Bytes) -> Result<Reports, BodyError> {
    let boundary = multer::parse_boundary(content_type)?;
    let stream = BodyDataStream::new(Full::new(body));
    let mut form = multer::Multipart::new(stream, boundary);
    let mut reports = None;
    while let Some(part) = form.next_field().await? {
        if part.name() != Some("data") || part.file_name().is_none() || reports.is_some() {
            return Err(BodyError::OtherPart(
                part.name().unwrap_or_default().to_owned(),
            ));
        }
        let headers = part.headers().iter();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let part_headers = headers
            .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
            .collect();
        let lines = inflate(&part.bytes().await?)?;
        let ids = identities(&lines)?;
        reports = Some(Reports {
            ids,
            lines,
            part_headers,
            ..Reports::default()
        });
    }
    reports.ok_or(BodyError::NoData)
}

/// The first gzip member, after which many readers stop; there must be no other.
fn inflate(data: &[u8]) -> Result<Vec<u8>, BodyError> {
    let mut member = GzDecoder::new(data);
    let mut lines = Vec::new();
    let mut bounded = member.by_ref().take(INFLATED_MAX + 1);
    bounded.read_to_end(&mut lines).map_err(BodyError::Gzip)?;
    if lines.len() as u64 > INFLATED_MAX {
        return Err(BodyError::TooLarge);
    }
    match member.into_inner() {
        [] => Ok(lines),
        _ => Err(BodyError::SecondMember),
    }
}

/// Members that every report must have.
#[derive(Deserialize)]
struct Report {
    device: Device,
}

#[derive(Deserialize)]
struct Device {
    boot_id: String,
    seq: u64,
}

fn identities(lines: &[u8]) -> Result<Vec<ReportId>, BodyError> {
    let lines = lines.strip_suffix(b"\n").ok_or(BodyError::NoLineEnd)?;
    let identity = |(at, line): (usize, &[u8])| {
        let report: Report = serde_json::from_slice(line).map_err(|error| BodyError::Line {
            line: at + 1,
            reason: error.to_string(),
        })?;
        let Device { boot_id, seq } = report.device;
        Ok(ReportId {
            boot_id: boot_id.into(),
            seq,
        })
    };
    lines
        .split(|&b| b == b'\n')
        .enumerate()
        .map(identity)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const LINE: &str = "{\"device\":{\"boot_id\":\"b\",\"seq\":1}}\n";

    const NDJSON: &str = "application/x-ndjson";
    const JSON: &str = "application/json";

    fn gzip(text: &str) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    }

    async fn read_part(disposition: &str, data: &[u8]) -> Result<Reports, BodyError> {
        let mut body =
            format!("--B\r\nContent-Disposition: form-data; {disposition}\r\n\r\n").into_bytes();
        body.extend_from_slice(data);
        body.extend_from_slice(b"\r\n--B--\r\n");
        read("multipart/form-data; boundary=B", None, body.into()).await
    }

    #[tokio::test]
    async fn whole_reports_in_one_gzip_member_are_taken_as_they_are() {
        let text = format!("{LINE}{LINE}");
        let reports = read_part("name=data; filename=a.gz", &gzip(&text))
            .await
            .unwrap();
        assert_eq!(reports.lines, text.as_bytes());
        assert_eq!(reports.ids.len(), 2);
        assert_eq!((&*reports.ids[0].boot_id, reports.ids[0].seq), ("b", 1));
        let ndjson = read(NDJSON, Some("gzip"), gzip(&text).into()).await;
        assert_eq!(ndjson.unwrap().lines, text.as_bytes());
        let json = read(JSON, None, LINE.into()).await;
        assert_eq!(json.unwrap().lines, LINE.as_bytes());
    }

    #[tokio::test]
    async fn whatever_a_reader_could_lose_or_misread_is_refused() {
        let file = "name=data; filename=a.gz";
        let two = [gzip(LINE), gzip(LINE)].concat();
        let whole = gzip(LINE);
        let two_lines = format!("{LINE}{LINE}");
        let padded = gzip(&format!("{LINE}\0\0\0"));
        let cases = [
            (read_part(file, &two).await, "behind its first"),
            (
                read_part(file, &whole[..whole.len() - 4]).await,
                "one whole gzip",
            ),
            (read_part(file, LINE.as_bytes()).await, "one whole gzip"),
            (read_part(file, &padded).await, "end with a line"),
            (read_part(file, &gzip("{}\n")).await, "line 1"),
            (read_part(file, &gzip(&format!("{LINE}\n"))).await, "line 2"),
            (read_part(file, &gzip("")).await, "end with a line"),
            (read_part("name=data", &whole).await, "not data: data"),
            (
                read_part("name=other; filename=a.gz", &whole).await,
                "not data: other",
            ),
            (
                read("multipart/form-data; boundary=B", None, "--B--\r\n".into()).await,
                "no file part",
            ),
            (
                read(NDJSON, None, whole.clone().into()).await,
                "Encoding is None",
            ),
            (
                read(NDJSON, Some("gzip"), LINE.into()).await,
                "one whole gzip",
            ),
            (
                read(NDJSON, Some("gzip"), two.into()).await,
                "behind its first",
            ),
            (
                read(JSON, Some("gzip"), whole.into()).await,
                "Encoding is Some",
            ),
            (
                read(JSON, None, two_lines.into()).await,
                "not one report: 2",
            ),
            (read("text/plain", None, LINE.into()).await, "no type"),
        ];
        for (at, (result, expected)) in cases.into_iter().enumerate() {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(expected), "case {at}: {error}");
        }
    }
}
