//! Bytes → [`Request`]: the strict reading of an upgrade job's `msg`.

#[cfg(test)]
mod tests;

use url::Url;

use super::window::Window;
use crate::config::parse_url;
use crate::jobs::message::Fields;

/// Keys that have a meaning; others have none.
const KEYS: &[&str] = &[
    "url",
    "sha256",
    "size",
    "board",
    "release",
    "keep",
    "has_agent",
    "undo_url",
    "undo_sha256",
    "no_undo",
    "window",
];

/// Longest `msg`, bytes.
const MSG_MAX: usize = 16 << 10;

/// Longest URL, bytes.
const URL_MAX: usize = 4096;

/// Longest name of a board or a release, bytes.
const NAME_MAX: usize = 128;

/// Largest file, bytes.
const SIZE_MAX: u64 = 1 << 30;

/// A SHA-256.
pub type Sha256 = [u8; 32];

/// The file that a job brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Firmware, for sysupgrade.
    Image,
    /// A package of opkg.
    Ipk,
    /// A package of apk.
    Apk,
}

impl Format {
    /// By the end of the path in the URL.
    fn of(url: &Url) -> Self {
        let path = url.path();
        let ends = |end: &str| path.len() > end.len() && path.ends_with(end);
        match (ends(".ipk"), ends(".apk")) {
            (true, _) => Format::Ipk,
            (_, true) => Format::Apk,
            _ => Format::Image,
        }
    }

    /// The name of a file of this format.
    pub fn file_name(self, stem: &str) -> String {
        match self {
            Format::Image => format!("{stem}.bin"),
            Format::Ipk => format!("{stem}.ipk"),
            Format::Apk => format!("{stem}.apk"),
        }
    }
}

/// A file to fetch.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// With the secret it may hold.
    pub url: Url,
    pub sha256: Sha256,
    /// Bytes; `None` where only the server knows.
    pub size: Option<u64>,
}

impl std::fmt::Debug for Source {
    /// The query of the URL may hold a token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Source({:?})", self.url.host_str())
    }
}

/// The undo of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undo {
    /// The package of the version that runs.
    Package(Source),
    /// No checksum, and the sender knows it.
    Waived,
}

/// The work to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Image {
        board: String,
        /// The release that has to run afterwards.
        release: String,
        /// Settings stay.
        keep: bool,
        /// The image has an agent, though the one of this firmware was installed later.
        has_agent: bool,
    },
    Package {
        /// The board it is for, if the sender says so.
        board: Option<String>,
        /// The version that has to run afterwards, if the sender says so.
        release: Option<String>,
        undo: Undo,
    },
}

/// An upgrade that is well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub source: Source,
    pub format: Format,
    pub what: What,
    pub window: Option<Window>,
}

impl Request {
    /// Reads `msg`; http only if it is `insecure`.
    ///
    /// # Errors
    ///
    /// The key that is wrong, and why.
    pub fn read(msg: &str, insecure: bool) -> Result<Self, String> {
        if msg.len() > MSG_MAX {
            return Err("msg is over 16 KiB".to_owned());
        }
        let fields = Fields::read(msg.as_bytes(), KEYS)?;
        let url = url(&fields, "url", insecure)?.ok_or("url is missing")?;
        let format = Format::of(&url);
        let size = fields.number("size")?.ok_or("size is missing")?;
        if size == 0 || size > SIZE_MAX {
            return Err("size is 0 or over 1 GiB".to_owned());
        }
        let source = Source {
            url,
            sha256: sha256(&fields, "sha256")?.ok_or("sha256 is missing")?,
            size: Some(size),
        };
        let (board, release) = (name(&fields, "board")?, name(&fields, "release")?);
        let window = match fields.text("window")? {
            Some(text) => Some(Window::parse(text).ok_or("window is not of the form 02:00-04:00")?),
            None => None,
        };
        let (keep, has_agent) = (fields.flag("keep")?, fields.flag("has_agent")?);
        let undo = undo(&fields, format, insecure)?;
        let what = match format {
            Format::Image => What::Image {
                board: board.ok_or("board is missing")?,
                release: release.ok_or("release is missing")?,
                keep: keep.unwrap_or(true),
                has_agent: has_agent.unwrap_or(false),
            },
            Format::Ipk | Format::Apk => What::Package {
                board,
                release,
                undo: undo.ok_or(
                    "undo_url is missing: without the package of the version that runs, no_undo \
                     has to be true",
                )?,
            },
        };
        Ok(Request {
            source,
            format,
            what,
            window,
        })
    }
}

fn undo(fields: &Fields, format: Format, insecure: bool) -> Result<Option<Undo>, String> {
    let waived = fields.flag("no_undo")?.unwrap_or(false);
    let hash = sha256(fields, "undo_sha256")?;
    let Some(url) = url(fields, "undo_url", insecure)? else {
        return Ok(waived.then_some(Undo::Waived));
    };
    if format != Format::Image && Format::of(&url) != format {
        return Err("undo_url is of another format than url".to_owned());
    }
    Ok(Some(Undo::Package(Source {
        url,
        sha256: hash.ok_or("undo_sha256 is missing")?,
        size: None,
    })))
}

fn url(fields: &Fields, key: &str, insecure: bool) -> Result<Option<Url>, String> {
    let Some(text) = fields.text(key)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let url = parse_url(text).ok().filter(|_| text.len() <= URL_MAX);
    let url = url.filter(Url::has_host);
    match url.as_ref().map(Url::scheme) {
        Some("https") => Ok(url),
        Some("http") if insecure => Ok(url),
        Some("http") => Err(format!("{key} is http, and option insecure is not set")),
        _ => Err(format!("{key} is not an https URL")),
    }
}

fn sha256(fields: &Fields, key: &str) -> Result<Option<Sha256>, String> {
    let Some(text) = fields.text(key)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match from_hex(text) {
        Some(hash) => Ok(Some(hash)),
        None => Err(format!("{key} is not 64 hex digits")),
    }
}

/// The hash that 64 hex digits of either case stand for.
pub fn from_hex(text: &str) -> Option<Sha256> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut hash = [0; 32];
    if text.len() != 2 * hash.len() {
        return None;
    }
    for (pair, byte) in text.as_bytes().chunks(2).zip(&mut hash) {
        *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
    }
    Some(hash)
}

/// In lower case.
pub fn to_hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn name(fields: &Fields, key: &str) -> Result<Option<String>, String> {
    let Some(text) = fields.text(key)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match text.len() <= NAME_MAX && !text.chars().any(char::is_control) {
        true => Ok(Some(text.to_owned())),
        false => Err(format!(
            "{key} is longer than 128 bytes or has control characters"
        )),
    }
}
