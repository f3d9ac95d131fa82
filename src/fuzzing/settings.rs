//! config.json, and what an init server offers.

use std::path::Path;

use crate::config::options::find;
use crate::config::{canonical, json, Config, Written, OPTIONS};
use crate::process::clock::Pace;
use crate::provision::Offer;

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![
        br#"{"mqtt_host":"broker.example","port":8883,"tls":true,"username":"ap","api_url":"https://u:p@api.example/x"}"#.to_vec(),
        br#"{"job_pubkey":["11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="],"monitor":"15","topic":"a/b"}"#.to_vec(),
        b"\xef\xbb\xbf{\"cacrt\": \"-----BEGIN CERTIFICATE-----\\n\", \"a\": null, \"b\": {}, \"c\": [1]}".to_vec(),
    ];
    // Each option with its default, and with text.
    for row in OPTIONS {
        for value in ["\"\"", "1", "\"x\"", "false", "\"http://h:1/\"", "\"/p\""] {
            seeds.push(format!("{{\"{}\":{value}}}", row.name).into_bytes());
        }
    }
    seeds
}

fn defaults() -> Config {
    Config::defaults(Path::new("/"), Pace::REAL)
}

pub(super) fn run(input: &[u8]) {
    if let Ok(offer) = Offer::read(input) {
        assert!(!offer.settings.is_empty() || offer.cacrt.is_some());
        assert!(offer.refused.len() <= 33);
    }
    let lines = 1 + input.iter().filter(|byte| **byte == b'\n').count();
    let entries = match json::parse(input) {
        Ok(entries) => entries,
        Err(error) => {
            assert!(
                error.line().is_some_and(|line| (1..=lines).contains(&line)),
                "{error}"
            );
            return;
        }
    };
    let mut all = defaults();
    for entry in &entries {
        assert!((1..=lines).contains(&entry.line));
        let Some(row) = find(&entry.key) else {
            continue;
        };
        let before = all.clone();
        let outcome = entry.held().and_then(|held| {
            let written = held.written();
            row.kind.store(written, &mut all, Path::new("/"))?;
            let canonical = canonical(row.kind, written).expect("what is stored has one form");
            Ok(canonical)
        });
        let Ok(form) = outcome else {
            assert_eq!(
                all, before,
                "{} was refused and changed something",
                row.name
            );
            continue;
        };
        let text = Written::Text(&form);
        let mut again = before;
        let stored = row.kind.store(text, &mut again, Path::new("/"));
        assert_eq!(stored, Ok(()), "{}: its own form is refused", row.name);
        assert_eq!(
            again, all,
            "{}: its own form means something else",
            row.name
        );
        assert_eq!(
            canonical(row.kind, text),
            Ok(form.clone()),
            "{}: has two forms",
            row.name
        );
    }
}
