//! Bytes → [`Request`]: the strict reading of an upgrade job's `msg`.

use url::Url;

use super::window::Window;
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
    /// With whatever secret it holds.
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
    /// There is none, and the sender knows it.
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
    let url = Url::parse(text).ok().filter(|_| text.len() <= URL_MAX);
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

#[cfg(test)]
mod tests {
    use serde_json::{json, Value};

    use super::*;

    const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn image() -> Value {
        json!({"url": "https://get.example/a.bin?token=x", "sha256": HASH, "size": 7,
            "board": "glinet,gl-mt300n-v2", "release": "24.10.2"})
    }

    fn package() -> Value {
        json!({"url": "https://get.example/socketman_0.2.0-r1.ipk", "sha256": HASH, "size": 7,
            "undo_url": "https://get.example/socketman_0.1.0-r1.ipk", "undo_sha256": HASH})
    }

    fn with(mut msg: Value, key: &str, value: Value) -> Result<Request, String> {
        let object = msg.as_object_mut().unwrap();
        match value {
            Value::Null => drop(object.remove(key)),
            value => drop(object.insert(key.to_owned(), value)),
        }
        Request::read(&msg.to_string(), false)
    }

    #[test]
    fn an_image_and_a_package_are_told_apart_by_the_end_of_the_path() {
        let image = Request::read(&image().to_string(), false).unwrap();
        assert_eq!(image.format, Format::Image);
        assert!(matches!(
            image.what,
            What::Image {
                keep: true,
                has_agent: false,
                ..
            }
        ));
        let ipk = Request::read(&package().to_string(), false).unwrap();
        assert_eq!(ipk.format, Format::Ipk);
        assert!(matches!(
            ipk.what,
            What::Package {
                undo: Undo::Package(_),
                ..
            }
        ));
        for (url, format) in [
            ("https://x/a.apk?x=.ipk", Format::Apk),
            ("https://x/a.ipk/b", Format::Image),
            ("https://x/a?b=c.apk", Format::Image),
        ] {
            assert_eq!(Format::of(&Url::parse(url).unwrap()), format, "{url}");
        }
    }

    #[test]
    fn an_error_names_the_key() {
        for (key, value, why) in [
            ("url", Value::Null, "url is missing"),
            ("url", json!(5), "url is not a string"),
            ("url", json!("ftp://x/a.bin"), "url is not an https URL"),
            ("url", json!("/etc/passwd"), "url is not an https URL"),
            (
                "url",
                json!("http://x/a.bin"),
                "url is http, and option insecure is not set",
            ),
            ("sha256", Value::Null, "sha256 is missing"),
            ("sha256", json!("abc"), "sha256 is not 64 hex digits"),
            (
                "sha256",
                json!("é".repeat(32)),
                "sha256 is not 64 hex digits",
            ),
            ("size", Value::Null, "size is missing"),
            ("size", json!(0), "size is 0 or over 1 GiB"),
            ("size", json!(-1), "size is not a whole number from 0 on"),
            ("size", json!(u64::MAX), "size is 0 or over 1 GiB"),
            ("board", Value::Null, "board is missing"),
            (
                "board",
                json!("a\nb"),
                "board is longer than 128 bytes or has control characters",
            ),
            ("release", Value::Null, "release is missing"),
            ("keep", json!("no"), "keep is neither true nor false"),
            ("has_agent", json!(1), "has_agent is neither true nor false"),
            (
                "window",
                json!("2-4"),
                "window is not of the form 02:00-04:00",
            ),
            ("no_undo", json!([]), "no_undo is neither true nor false"),
        ] {
            assert_eq!(
                with(image(), key, value.clone()).unwrap_err(),
                why,
                "{key}: {value}"
            );
        }
        let error = with(package(), "undo_sha256", Value::Null).unwrap_err();
        assert_eq!(error, "undo_sha256 is missing");
        let error = with(package(), "undo_url", json!("https://x/a.apk")).unwrap_err();
        assert_eq!(error, "undo_url is of another format than url");
        let error = with(package(), "undo_url", Value::Null).unwrap_err();
        assert!(error.starts_with("undo_url is missing"), "{error}");
    }

    #[test]
    fn a_missing_undo_has_to_be_waived() {
        let mut msg = package();
        msg.as_object_mut().unwrap().remove("undo_url");
        msg.as_object_mut().unwrap().remove("undo_sha256");
        let waived = with(msg, "no_undo", json!(true)).unwrap();
        assert!(matches!(
            waived.what,
            What::Package {
                undo: Undo::Waived,
                ..
            }
        ));
    }

    #[test]
    fn hostile_text_is_refused() {
        for (text, why) in [
            ("", "is not JSON"),
            ("[]", "is not a JSON object"),
            ("{} {}", "bytes after the JSON object"),
            (
                r#"{"url": "https://a/b", "url": "https://c/d"}"#,
                "key 'url' is repeated",
            ),
            (r#"{"x": {"y": 1, "y": 2}}"#, "key 'y' is repeated"),
        ] {
            let error = Request::read(text, false).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let deep = format!("{{\"x\": {}", "[".repeat(10_000));
        assert!(Request::read(&deep, false).is_err());
        let long = format!("{{\"x\": \"{}\"}}", "x".repeat(MSG_MAX));
        assert_eq!(
            Request::read(&long, false).unwrap_err(),
            "msg is over 16 KiB"
        );
        assert!(with(image(), "other", json!({"a": [1]})).is_ok());
    }

    #[test]
    fn with_insecure_http_is_enough() {
        let mut msg = image();
        msg["url"] = json!("http://192.168.1.10/a.bin");
        assert!(Request::read(&msg.to_string(), false).is_err());
        assert!(Request::read(&msg.to_string(), true).is_ok());
    }

    #[test]
    fn secrets_of_a_url_are_not_shown() {
        let image = Request::read(&image().to_string(), false).unwrap();
        assert!(!format!("{image:?}").contains("token"));
    }
}
