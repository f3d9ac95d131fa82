//! config.json with the settings of an init server in it.

use serde_json::value::RawValue;

use super::offer::Offer;
use crate::config::json::{self, DocumentError};
use crate::config::options::find;

/// The key under which a config.json names the CA certificates.
const CA: &str = "cacrt";

/// config.json as it is to be: `before` with the settings of `offer` in the place of its own, however those were
/// named; every other key stays as it is written. `cacrt` is the path of the certificates that the offer brought,
/// empty if it brought none and sets none.
///
/// The same offer makes the same bytes of them again.
///
/// # Errors
///
/// There is a config.json, and it cannot be read.
pub(super) fn merged(
    before: Option<&[u8]>,
    offer: &Offer,
    cacrt: Option<&str>,
) -> Result<Vec<u8>, DocumentError> {
    let before = match before {
        Some(before) => json::parse(before)?,
        None => Vec::new(),
    };
    let cacrt = cacrt.map(|path| (CA, text(path)));
    let offered: Vec<_> = offer.settings.iter().chain(&cacrt).collect();
    let is_replaced = |key: &str| {
        find(key).is_some_and(|row| offered.iter().any(|(offered, _)| *offered == row.name))
    };
    let stays = before.iter().filter(|entry| !is_replaced(&entry.key));
    let stays = stays.map(|entry| (&*entry.key, entry.raw()));
    let comes = offered.iter().map(|(name, value)| (*name, &**value));
    let lines: Vec<String> = stays
        .chain(comes)
        .map(|(key, value)| format!("  {}: {value}", text(key)))
        .collect();
    Ok(format!("{{\n{}\n}}\n", lines.join(",\n")).into_bytes())
}

/// `text` in JSON.
fn text(text: &str) -> String {
    let raw: Result<Box<RawValue>, _> = serde_json::value::to_raw_value(text);
    raw.map_or_else(|_| "\"\"".to_owned(), |raw| raw.get().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(body: &str) -> Offer {
        Offer::read(body.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn of(before: Option<&str>, body: &str, cacrt: Option<&str>) -> String {
        let merged = merged(before.map(str::as_bytes), &offer(body), cacrt);
        String::from_utf8(merged.unwrap()).unwrap()
    }

    #[test]
    fn settings_of_the_offer_replace_those_of_the_file_and_every_other_key_stays_as_written() {
        let before = "\u{feff}{\"monitor\": 1e1, \"x\\u00e9\": [1, {\"a\": null}],\n\"backup_url\": \"https://old/\", \
                      \"token\": \"old\", \"boot_cmd\": \"logger \\\"hi\\\"\"}";
        let body = r#"{"token": "new\u0041", "backup_stats_url": "https://new/", "port": 8883}"#;
        assert_eq!(
            of(Some(before), body, None),
            "{\n  \"monitor\": 1e1,\n  \"xé\": [1, {\"a\": null}],\n  \"boot_cmd\": \"logger \\\"hi\\\"\",\n  \
             \"port\": 8883,\n  \"backup_stats_url\": \"https://new/\",\n  \"token\": \"new\\u0041\"\n}\n"
        );
    }

    #[test]
    fn without_a_file_one_is_made_and_the_same_offer_changes_nothing_more() {
        let body = r#"{"username": "ap", "cacrt": "x"}"#;
        let path = Some("/etc/socketman/state/provision/ca-1.pem");
        let first = of(None, body, path);
        assert_eq!(
            first,
            "{\n  \"username\": \"ap\",\n  \"cacrt\": \"/etc/socketman/state/provision/ca-1.pem\"\n}\n"
        );
        assert_eq!(of(Some(&first), body, path), first);
        let back = of(Some(&first), r#"{"username": "ap"}"#, Some(""));
        assert_eq!(back, "{\n  \"username\": \"ap\",\n  \"cacrt\": \"\"\n}\n");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_written_over() {
        for before in ["", "{\"token\": ", "[]", "rubbish"] {
            let merged = merged(Some(before.as_bytes()), &offer(r#"{"token": "t"}"#), None);
            assert!(merged.is_err(), "{before}");
        }
    }
}
