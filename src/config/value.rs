//! Reads and checks single values. Strict in what reaches the agent, loose in
//! how it is written.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use thiserror::Error;

use super::kind::Unit;
use crate::mac::Mac;

/// Longest value of an option, bytes.
pub const MAX_VALUE: usize = 4096;

/// A value as it was written, before its option says what it means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Written<'a> {
    Text(&'a str),
    /// Texts; only options that are lists take them.
    List(&'a [String]),
    /// The digits as they stand in the file.
    Number(&'a str),
    Bool(bool),
}

/// A value of a source, held while it is read as [`Written`].
#[derive(Debug)]
pub enum Held<'a> {
    Text(Cow<'a, str>),
    List(Vec<String>),
    Number(&'a str),
    Bool(bool),
}

impl Held<'_> {
    pub fn written(&self) -> Written<'_> {
        match self {
            Held::Text(text) => Written::Text(text),
            Held::List(texts) => Written::List(texts),
            Held::Number(digits) => Written::Number(digits),
            Held::Bool(value) => Written::Bool(*value),
        }
    }
}

/// Why a value was refused. The text never holds the value of a secret option nor a URL.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ValueError {
    #[error("is null")]
    Null,
    #[error("is a list, one value is wanted")]
    List,
    #[error("is an object, one value is wanted")]
    Object,
    #[error("is not a valid JSON string")]
    BrokenText,
    #[error("is not UTF-8")]
    NotUtf8,
    #[error("is longer than {MAX_VALUE} bytes")]
    TooLong,
    #[error("holds a control character")]
    ControlCharacter,
    #[error("is true or false, text is wanted")]
    NotText,
    #[error("is empty")]
    Empty,
    #[error("'{0}' is not a whole number")]
    NotWhole(String),
    #[error("{value} is out of range ({range})")]
    OutOfRange { value: String, range: String },
    #[error("'{0}' is neither 0 nor 1")]
    NotBool(String),
    #[error("holds '{0}', which a topic may not")]
    TopicCharacter(char),
    #[error("'{0}' is not a MAC address")]
    NotMac(String),
    #[error("'{0}' is not a host name or an IP address")]
    NotHost(String),
    /// The same for a value that may hold a password and is not shown.
    #[error("is not a host name or an IP address")]
    NotHostUnseen,
    #[error("'{found}' is not one of {known}")]
    NotOneOf { found: String, known: String },
    #[error("key {0} is not the base64 of 32 bytes")]
    NotKey(usize),
    #[error("has more than {0} keys")]
    TooManyKeys(usize),
    #[error("is a list with something else than text in it")]
    NotTexts,
    /// The file it names.
    #[error("{0}")]
    File(String),
    #[error("is not a URL: {0}")]
    NotUrl(String),
    #[error("begins neither with http:// nor with https://")]
    Scheme,
    #[error("'{0}' is not an absolute path")]
    NotAbsolute(String),
    #[error("'{0}' holds '..'")]
    ParentInPath(String),
    #[error("is not an absolute path without '..'")]
    NotSecretPath,
}

impl ValueError {
    /// The same without the path that is wrong.
    pub(super) fn without_path(self) -> Self {
        match self {
            ValueError::NotAbsolute(_) | ValueError::ParentInPath(_) => ValueError::NotSecretPath,
            other => other,
        }
    }
}

/// Is this a MAC address, in one of the spellings of [`Mac::parse`]?
pub fn is_mac(text: &str) -> bool {
    Mac::parse(text).is_some()
}

/// A URL as it may be shown: without user, password, query and fragment, as the parser that decides
/// where requests go understands it. Of text that is no URL only a path is shown, such as that of a
/// redirect.
pub fn shown_url(text: &str) -> String {
    use ::url::ParseError;
    match parse(text) {
        Ok(mut url) if matches!(url.scheme(), "http" | "https") => {
            // Refused only for a URL without a host, which these schemes cannot have.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.set_query(None);
            url.set_fragment(None);
            url.into()
        }
        Err(ParseError::RelativeUrlWithoutBase)
            if text.starts_with('/') && !text.starts_with("//") && !text.contains(['\\', '@']) =>
        {
            text.split(['?', '#']).next().unwrap_or_default().into()
        }
        _ if text.is_empty() => String::new(),
        _ => "(no http URL)".into(),
    }
}

/// Reads a URL. A host beyond ASCII is refused here, as `url` refuses it too: with capital letters in it,
/// `idna_adapter` panics in builds that check assertions.
pub(crate) fn parse(text: &str) -> Result<::url::Url, ::url::ParseError> {
    let behind = text.split_once(':').map_or("", |(_, behind)| behind);
    // The library passes over ends of lines and tabs.
    let authority = behind.trim_start_matches(['/', '\\', '\t', '\n', '\r']);
    let authority = authority.split(['/', '\\', '?', '#']).next();
    let host = authority.and_then(|authority| authority.rsplit('@').next());
    let host = host.unwrap_or_default();
    // The first hex digit of a byte of ASCII.
    let is_low = |hex: &str| matches!(hex.bytes().next(), Some(b'0'..=b'7'));
    match host.is_ascii() && host.split('%').skip(1).all(is_low) {
        true => ::url::Url::parse(text),
        false => Err(::url::ParseError::IdnaError),
    }
}

/// Does `url` send a user name or a password along?
pub(super) fn has_login(url: &str) -> bool {
    parse(url).is_ok_and(|url| !url.username().is_empty() || url.password().is_some())
}

/// Does what is sent to `url` cross a network in clear?
pub(super) fn is_in_clear(url: &str) -> bool {
    parse(url)
        .is_ok_and(|url| url.scheme() == "http" && !is_loopback(url.host_str().unwrap_or_default()))
}

/// Is this host the device itself?
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|a| a.is_loopback())
}

/// Hostile text as it may stand in a message: escaped, at most 40 characters.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        shown.push('…');
    }
    shown
}

pub(super) fn range(min: u64, max: u64, unit: Unit) -> String {
    format!("{min}-{max}{}", unit.suffix())
}

pub(super) fn text(written: Written<'_>) -> Result<&str, ValueError> {
    let text = match written {
        // A user name or a key of digits alone is often written without quotes.
        Written::Text(text) | Written::Number(text) => text,
        Written::Bool(_) => return Err(ValueError::NotText),
        Written::List(_) => return Err(ValueError::List),
    };
    if text.len() > MAX_VALUE {
        return Err(ValueError::TooLong);
    }
    let text = text.trim_ascii();
    if text.chars().any(char::is_control) {
        return Err(ValueError::ControlCharacter);
    }
    Ok(text)
}

pub(super) fn topic<'a>(text: &'a str, refused: &[char]) -> Result<&'a str, ValueError> {
    match text.chars().find(|c| refused.contains(c)) {
        Some(found) => Err(ValueError::TopicCharacter(found)),
        None => Ok(text),
    }
}

pub(super) fn mac(text: &str) -> Result<&str, ValueError> {
    if text.is_empty() || is_mac(text) {
        Ok(text)
    } else {
        Err(ValueError::NotMac(quoted(text)))
    }
}

pub(super) fn host(text: &str) -> Result<&str, ValueError> {
    let name = || {
        text.len() <= 253
            && text.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && !label.starts_with('-')
                    && label
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            })
    };
    // "fe80::1%eth0": the zone is the system's to resolve.
    let zoned = || {
        text.split_once('%').is_some_and(|(address, zone)| {
            address.parse::<Ipv6Addr>().is_ok()
                && (1..=15).contains(&zone.len())
                && zone.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
        })
    };
    let rooted = text
        .strip_suffix('.')
        .is_some_and(|name| host(name).is_ok() && !name.is_empty());
    if text.is_empty() || text.parse::<IpAddr>().is_ok() || name() || zoned() || rooted {
        Ok(text)
    } else if text.contains(['/', '\\', '@', '?', '#']) {
        Err(ValueError::NotHostUnseen)
    } else {
        Err(ValueError::NotHost(quoted(text)))
    }
}

/// The host, of a URL or as it stands.
pub(super) fn host_of_url(text: &str) -> Result<Cow<'_, str>, ValueError> {
    let error = match host(text) {
        Ok(host) => return Ok(host.into()),
        Err(error) => error,
    };
    match parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => {
            let found = url.host_str().unwrap_or_default();
            let found = found.trim_start_matches('[').trim_end_matches(']');
            host(found).map(|host| host.to_owned().into())
        }
        Ok(_) if text.contains("://") => Err(ValueError::Scheme),
        Err(error) if text.contains("://") => Err(ValueError::NotUrl(error.to_string())),
        _ => Err(error),
    }
}

pub(super) fn not_one_of(text: &str, known: &[&str]) -> ValueError {
    ValueError::NotOneOf {
        found: quoted(text),
        known: known.join(", "),
    }
}

pub(super) fn url(text: &str) -> Result<&str, ValueError> {
    if text.is_empty() {
        return Ok(text);
    }
    let url = parse(text).map_err(|e| ValueError::NotUrl(e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(ValueError::Scheme);
    }
    Ok(text)
}

pub(super) fn path(text: &str) -> Result<&Path, ValueError> {
    let path = Path::new(text);
    if text.is_empty() {
        Err(ValueError::Empty)
    } else if !path.is_absolute() {
        Err(ValueError::NotAbsolute(quoted(text)))
    } else if text.split('/').any(|part| part == "..") {
        Err(ValueError::ParentInPath(quoted(text)))
    } else {
        Ok(path)
    }
}

pub(super) fn truth(written: Written<'_>) -> Result<bool, ValueError> {
    let text = match written {
        Written::Bool(value) => return Ok(value),
        Written::Number(text) => text,
        Written::Text(text) => text.trim(),
        Written::List(_) => return Err(ValueError::List),
    };
    // The words are those of OpenWrt's configuration.
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" | "enabled" => Ok(true),
        "0" | "false" | "no" | "off" | "disabled" => Ok(false),
        _ => Err(ValueError::NotBool(quoted(text))),
    }
}

pub(super) fn whole(
    written: Written<'_>,
    min: u64,
    max: u64,
    unit: Unit,
) -> Result<u64, ValueError> {
    let text = match written {
        Written::Text(text) | Written::Number(text) => text.trim(),
        Written::Bool(value) => return Err(ValueError::NotWhole(value.to_string())),
        Written::List(_) => return Err(ValueError::List),
    };
    // "30.0" is a whole number to the programs that write such files.
    let integer = match text.split_once('.') {
        Some((integer, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => integer,
        _ => text,
    };
    let digits = integer.strip_prefix('-').unwrap_or(integer);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ValueError::NotWhole(quoted(text)));
    }
    match integer.parse() {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        // Negative, too big for the range, or too big for any integer.
        _ => Err(ValueError::OutOfRange {
            value: quoted(integer),
            range: range(min, max, unit),
        }),
    }
}
