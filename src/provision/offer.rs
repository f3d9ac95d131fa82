//! The answer of the init server: settings for this device, and nothing that runs commands or names keys.

use std::path::Path;

use super::settings::has_credentials;
use crate::config::json::{self, DocumentError};
use crate::config::options::find;
use crate::config::{Config, ValueError, Written};
use crate::process::clock::Pace;
use crate::sorted;

/// The options that an init server may set. `cacrt` is the certificates themselves, not a path.
const ALLOWED: [&str; 16] = [
    "username",
    "password",
    "topic",
    "key",
    "mqtt_host",
    "port",
    "tls",
    CA,
    "api_url",
    "stats_url",
    "backup_stats_url",
    "token",
    "monitor",
    "heartbeat",
    "qos",
    "rest",
];

const CA: &str = "cacrt";

/// Refused keys that are reported by their names.
const REFUSED_MAX: usize = 32;

/// Characters of a refused key that are reported.
const KEY_MAX: usize = 40;

/// Settings that can be used.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Options and their values in JSON, in the order of [`ALLOWED`].
    pub(crate) settings: Vec<(&'static str, String)>,
    /// The CA certificates of the broker; empty = those of the system.
    pub(crate) cacrt: Option<String>,
    /// Keys that an init server may not set, as they may be shown.
    pub(crate) refused: Vec<String>,
    /// They make the device known to a broker or an API.
    pub(super) has_credentials: bool,
}

/// Why an answer cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OfferError {
    #[error("the answer {0}")]
    Document(#[from] DocumentError),
    #[error("the answer has '{0}' twice")]
    Twice(&'static str),
    #[error("the answer's '{0}' {1}")]
    Value(&'static str, ValueError),
    #[error("the answer sets nothing that an init server may set")]
    Nothing,
}

impl Offer {
    /// Reads the body of an answer. One value that cannot be used spoils all of it, for settings belong together.
    pub(crate) fn read(body: &[u8]) -> Result<Self, OfferError> {
        let mut offer = Offer {
            settings: Vec::new(),
            cacrt: None,
            refused: Vec::new(),
            has_credentials: false,
        };
        let mut config = Config::defaults(Path::new("/"), Pace::REAL);
        for entry in json::parse(body)? {
            match find(&entry.key).filter(|row| ALLOWED.contains(&row.name)) {
                Some(row) if offer.has(row.name) => return Err(OfferError::Twice(row.name)),
                Some(row) if row.name == CA => {
                    let text = entry.held().and_then(|held| certificates(held.written()));
                    offer.cacrt = Some(text.map_err(|error| OfferError::Value(CA, error))?);
                }
                Some(row) => {
                    let held = entry.held();
                    let stored = held.and_then(|held| {
                        let root = Path::new("/");
                        row.kind.store(held.written(), &mut config, root)
                    });
                    stored.map_err(|error| OfferError::Value(row.name, error))?;
                    offer.settings.push((row.name, entry.raw().to_owned()));
                }
                None => offer.refuse(&entry.key),
            }
        }
        if offer.settings.is_empty() && offer.cacrt.is_none() {
            return Err(OfferError::Nothing);
        }
        let place = |name| ALLOWED.iter().position(|allowed| *allowed == name);
        sorted::by_key(&mut offer.settings, |(name, _)| place(*name));
        offer.has_credentials = has_credentials(&config.broker, &config.api);
        Ok(offer)
    }

    fn has(&self, name: &str) -> bool {
        let is_set = self.settings.iter().any(|(set, _)| *set == name);
        is_set || name == CA && self.cacrt.is_some()
    }

    fn refuse(&mut self, key: &str) {
        let shown: String = key.escape_debug().take(KEY_MAX).collect();
        match self.refused.len() {
            len if len < REFUSED_MAX => self.refused.push(shown),
            REFUSED_MAX => self.refused.push("…".to_owned()),
            _ => {}
        }
    }
}

fn certificates(written: Written<'_>) -> Result<String, ValueError> {
    match written {
        Written::Text(text) => Ok(text.trim_ascii().to_owned()),
        Written::List(_) => Err(ValueError::List),
        Written::Number(_) | Written::Bool(_) => Err(ValueError::NotText),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OPTIONS;

    fn read(body: &str) -> Offer {
        Offer::read(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
    }

    fn error(body: &[u8]) -> String {
        match Offer::read(body) {
            Ok(_) => panic!("{:?} was taken", String::from_utf8_lossy(body)),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_may_be_set_is_taken_in_one_order_by_the_names_of_the_options() {
        let offer = read(
            r#"{"sleep": "120", "backup_url": "https://b/", "port": "8443", "username": "ap", "tls": 1,
                "cacrt": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}"#,
        );
        let expected = [
            ("username", r#""ap""#),
            ("port", r#""8443""#),
            ("tls", "1"),
            ("backup_stats_url", r#""https://b/""#),
            ("heartbeat", r#""120""#),
        ];
        assert_eq!(
            offer.settings,
            expected.map(|(name, value)| (name, value.to_owned()))
        );
        assert!(offer.cacrt.unwrap().ends_with("CERTIFICATE-----"));
        assert!(offer.refused.is_empty());
    }

    #[test]
    fn no_other_option_can_be_set_and_every_refused_key_is_listed() {
        for row in OPTIONS {
            for name in row.aliases.iter().chain([&row.name]) {
                if ALLOWED.contains(&row.name) {
                    continue;
                }
                let offer = read(&format!(r#"{{"token": "t", "{name}": "1"}}"#));
                assert_eq!(offer.refused, [*name], "{name}");
                assert_eq!(offer.settings.len(), 1, "{name}");
            }
        }
        let offer = read("{\"token\": \"t\", \"a\\u001b[2J\": 1, \"config\": \"/etc/passwd\"}");
        assert_eq!(offer.refused, ["a\\u{1b}[2J", "config"]);
        let many: String = (0..100).map(|n| format!(r#", "k{n}": {n}"#)).collect();
        let offer = read(&format!(r#"{{"token": "t"{many}}}"#));
        assert_eq!(offer.refused.len(), REFUSED_MAX + 1);
    }

    #[test]
    fn an_answer_that_is_not_settings_is_refused_with_the_reason_and_without_its_text() {
        for (body, reason) in [
            (&b""[..], "the answer is empty"),
            (b"<html>secret", "the answer is not JSON"),
            (b"{\"token\": \"sec", "the answer ends in the middle"),
            (b"[\"secret\"]", "the answer is not a JSON object"),
            (b"{\"token\": \"secret\"} {}", "the answer is not JSON"),
            (b"\xff{}", "the answer is not UTF-8"),
            (b"{}", "the answer sets nothing"),
            (b"{\"boot_cmd\": \"secret\"}", "the answer sets nothing"),
            (
                b"{\"port\": 70000, \"token\": \"t\"}",
                "'port' 70000 is out of range",
            ),
            (b"{\"token\": null}", "'token' is null"),
            (
                b"{\"token\": \"a\\u0000\"}",
                "'token' holds a control character",
            ),
            (b"{\"token\": \"a\", \"token\": \"b\"}", "has 'token' twice"),
            (
                b"{\"sleep\": 60, \"heartbeat\": 60}",
                "has 'heartbeat' twice",
            ),
            (b"{\"cacrt\": 7}", "'cacrt' is true or false"),
            (b"{\"cacrt\": [\"a\"]}", "'cacrt' is a list"),
            (
                b"{\"api_url\": \"ftp://secret\"}",
                "'api_url' begins neither",
            ),
            (b"{\"topic\": \"a/#\"}", "'topic' holds '#'"),
        ] {
            let error = error(body);
            assert!(error.contains(reason), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn credentials_are_a_name_or_a_secret_that_is_not_empty() {
        for (body, expected) in [
            (r#"{"token": "t"}"#, true),
            (r#"{"username": "u"}"#, true),
            (r#"{"password": "p"}"#, true),
            (r#"{"username": 7}"#, true),
            (r#"{"password": "", "mqtt_host": "h"}"#, false),
            (r#"{"token": " "}"#, false),
            (
                r#"{"username": "\u0020", "password": "\t\n", "token": ""}"#,
                false,
            ),
            (r#"{"topic": "t"}"#, false),
        ] {
            assert_eq!(read(body).has_credentials, expected, "{body}");
        }
    }
}
