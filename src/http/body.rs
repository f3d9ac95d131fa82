//! The body of a request, and its packing.

use bytes::Bytes;
use reqwest::header::HeaderValue;

use crate::config::UploadFormat;

/// The body of a request with the headers that describe it.
#[derive(Debug, Clone)]
pub struct Body {
    pub content_type: HeaderValue,
    /// The body as such is gzip.
    pub gzip: bool,
    pub bytes: Bytes,
}

impl Body {
    /// A JSON value, as it is.
    pub fn json(bytes: impl Into<Bytes>) -> Self {
        Body {
            content_type: HeaderValue::from_static("application/json"),
            gzip: false,
            bytes: bytes.into(),
        }
    }

    /// Reports, one gzip member of NDJSON, as `upload_format` wants them.
    pub fn of_gzip(gzip: Bytes, format: UploadFormat) -> Self {
        match format {
            UploadFormat::Multipart => form(&gzip),
            UploadFormat::Ndjson => Body {
                content_type: HeaderValue::from_static("application/x-ndjson"),
                gzip: true,
                bytes: gzip,
            },
        }
    }
}

/// The original's form: one file named `data`.
fn form(data: &[u8]) -> Body {
    // 128 random bits do not occur in the data.
    let boundary = format!("{:032x}", fastrand::u128(..));
    let head = format!(
        "--{boundary}\r\n\
         Content-Disposition: form-data; name=\"data\"; filename=\"archive.gz\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    let content_type = format!("multipart/form-data; boundary={boundary}");
    Body {
        content_type: HeaderValue::try_from(content_type).expect("hex digits fit a header"),
        gzip: false,
        bytes: [head.as_bytes(), data, tail.as_bytes()].concat().into(),
    }
}
