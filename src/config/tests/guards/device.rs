//! A device, the values of its options that guard, and the state they have to be in.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{json, Value};

use super::super::pem_files::{CA, KEY};
use super::super::*;
use crate::config::reload::Facts;
use crate::process::file::under;

/// A public key.
pub(super) const PUBLIC: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// A device's files in a directory of their own.
pub(super) struct Device(pub(super) tempfile::TempDir);

impl Device {
    pub(super) fn new() -> Self {
        let device = Device(tempfile::tempdir().unwrap());
        fs::create_dir_all(device.path("/etc/config")).unwrap();
        fs::create_dir_all(device.path("/etc/socketman")).unwrap();
        for (name, bytes) in [
            ("ca.pem", CA),
            ("key.pem", KEY),
            ("empty.pem", ""),
            ("text.pem", "hello"),
        ] {
            write_private(&device.path("/etc").join(name), bytes);
        }
        device
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        under(self.0.path(), Path::new(path))
    }

    pub(super) fn json(&self, text: &str) {
        write_private(&self.path(DEFAULT_FILE), text);
    }

    pub(super) fn uci(&self, package: &[u8]) {
        write_private(&self.path("/etc/config/socketman"), package);
    }

    pub(super) fn inputs(&self, line: &[(&str, &str)]) -> Inputs {
        Inputs {
            command_line: settings(line),
            ..Inputs::below(self.0.path(), crate::tls::CHECKS)
        }
    }

    /// Gives `source` this value of the option, and the one it does not go without.
    pub(super) fn write(&self, source: Source, row: &Row, value: &Value) {
        match source {
            Source::File => {
                let mut values = json!({ row.name: value, "topic": "t" });
                if let Some((name, file)) = partner(row) {
                    values[name] = json!(file);
                }
                self.json(&values.to_string());
            }
            Source::Uci => self.write_uci(row, &uci_of(row, value).unwrap_or_default()),
            other => panic!("{other:?} is no file"),
        }
    }

    /// The same in UCI, with this command.
    pub(super) fn write_uci(&self, row: &Row, command: &[u8]) {
        let partner = partner(row).map(|(name, file)| format!("\toption {name} {file}\n"));
        let partner = partner.unwrap_or_default();
        self.uci(&main_of(&[partner.as_bytes(), command].concat()));
    }

    /// Reads everything as an agent that starts, and keeps copies.
    pub(super) fn start(&self) -> Loaded {
        let loaded = self.inputs(&[]).load(None);
        assert_eq!(loaded.keep_good_copies(), []);
        loaded
    }
}

/// An option without which that of `row` says nothing, and a value that can be used.
pub(super) fn partner(row: &Row) -> Option<(&'static str, &'static str)> {
    match row.guard {
        Some(Guard::Link(Pem::Certificate)) => Some(("tls_key", "/etc/key.pem")),
        Some(Guard::Link(Pem::Key)) => Some(("tls_cert", "/etc/ca.pem")),
        _ => None,
    }
}

pub(super) fn main_of(options: &[u8]) -> Vec<u8> {
    [
        b"config socketman 'main'\n\toption topic t\n" as &[u8],
        options,
    ]
    .concat()
}

/// A value as a command of UCI, which has no other types than text and list of texts.
pub(super) fn uci_of(row: &Row, value: &Value) -> Option<Vec<u8>> {
    let name = row.name;
    let command = match value {
        Value::String(text) if text.is_empty() || text.contains(['\0', '\n']) => return None,
        Value::String(text) => format!("\toption {name} '{text}'\n"),
        Value::Number(number) => format!("\toption {name} {number}\n"),
        Value::Array(items) if !items.is_empty() => {
            let item = |item: &Value| Some(format!("\tlist {name} '{}'\n", item.as_str()?));
            items.iter().map(item).collect::<Option<String>>()?
        }
        _ => return None,
    };
    Some(command.into_bytes())
}

/// Values that no option that guards can use: wrong types, wrong syntax, too much, and of files those that are
/// not there or hold something else.
pub(super) fn unusable(row: &Row) -> Vec<Value> {
    let long = "x".repeat(MAX_VALUE + 1);
    let mut values = vec![
        json!(null),
        json!({}),
        json!({ "a": 1 }),
        json!([1]),
        json!([null]),
        json!(["", "x"]),
        json!(7),
        json!(-1),
        json!(2.5),
        json!(long),
        json!("ture"),
        json!("a\u{7}b"),
        json!("0 1"),
    ];
    match row.kind {
        Kind::Bool(_) => values.extend([json!(""), json!([]), json!("2"), json!("01"), json!("y")]),
        Kind::OptionalPath(_) | Kind::SecretPath(_) => values.extend([
            json!(true),
            json!([]),
            json!(["/etc/ca.pem"]),
            json!("etc/ca.pem"),
            json!("/etc/../etc/ca.pem"),
            json!(format!("/{long}")),
            json!("/etc/missing.pem"),
            json!("/etc"),
            json!("/etc/empty.pem"),
            json!("/etc/text.pem"),
            json!(match row.guard {
                Some(Guard::Link(Pem::Key)) => "/etc/ca.pem",
                _ => "/etc/key.pem",
            }),
        ]),
        Kind::Keys(_) => values.extend([
            json!(false),
            json!("oops"),
            json!([PUBLIC, "oops"]),
            json!([PUBLIC, ""]),
            json!([""]),
            json!([PUBLIC, 1]),
            json!(vec![PUBLIC; 17]),
            json!(&PUBLIC[1..]),
            json!(format!("{PUBLIC}{PUBLIC}")),
        ]),
        _ => panic!(
            "no unusable values are known for the kind of '{}'",
            row.name
        ),
    }
    values
}

/// A value that can be used, and that opens the way as far as one does.
pub(super) fn usable(row: &Row) -> Value {
    match row.guard {
        Some(Guard::Value("0")) => json!("1"),
        Some(Guard::Value(_)) => json!("0"),
        Some(Guard::Link(Pem::Key)) => json!("/etc/key.pem"),
        Some(Guard::Link(_)) => json!("/etc/ca.pem"),
        Some(Guard::Jobs) => json!(PUBLIC),
        None => panic!("'{}' guards nothing", row.name),
    }
}

pub(super) fn chosen<'a>(loaded: &'a Loaded, row: &Row) -> &'a Chosen {
    let mut options = loaded.options.iter();
    options.find(|chosen| chosen.row.name == row.name).unwrap()
}

/// Asserts that the way of `row` is closed, and that log, status and `check` say so.
pub(super) fn assert_closed(loaded: &Loaded, row: &Row, case: &str) {
    let (config, closed) = (&loaded.config, &loaded.config.closed);
    match row.guard.unwrap() {
        Guard::Value(strictest) => assert_eq!(chosen(loaded, row).shown(), strictest, "{case}"),
        Guard::Link(_) => assert!(closed.link().unwrap().contains(row.name), "{case}"),
        Guard::Jobs => {
            assert!(closed.jobs().unwrap().contains(row.name), "{case}");
            assert!(!config.jobs.from_web && !config.api.commands, "{case}");
        }
    }
    assert!(chosen(loaded, row).is_closed(), "{case}");
    // `check`, `status` and the log have it from here.
    let errors = Facts::found(loaded, crate::tls::CHECKS).errors;
    let error = errors
        .iter()
        .find(|error| error.option.as_deref() == Some(row.name));
    let error = error.unwrap_or_else(|| panic!("{case}: {errors:?}"));
    let effect = row.guard.unwrap().effect();
    assert!(
        error.reason.ends_with(&format!("; {effect}")),
        "{case}: {error}"
    );
}

/// Asserts that the value of `row` in `good` holds, and that log, status and `check` say so.
pub(super) fn assert_holds(loaded: &Loaded, good: &Loaded, row: &Row, source: Source, case: &str) {
    assert!(chosen(loaded, row).is_same(chosen(good, row)), "{case}");
    assert_eq!(chosen(loaded, row).source, source, "{case}");
    assert_eq!(loaded.config.closed, good.config.closed, "{case}");
    let errors = Facts::found(loaded, crate::tls::CHECKS).errors;
    let error = errors
        .iter()
        .find(|error| error.option.as_deref() == Some(row.name));
    let said = error.is_some_and(|error| {
        error
            .reason
            .ends_with("; until this is mended its last good value holds")
    });
    assert!(said, "{case}: {errors:?}");
}
