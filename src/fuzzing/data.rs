//! Seeds: the files of tests/data.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The files of a directory below tests/data whose name ends with `end`, by name.
pub(super) fn files(directory: &str, end: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(directory);
    let entries = fs::read_dir(&directory).expect("tests/data is there");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let named = paths.into_iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?.to_owned();
        name.ends_with(end)
            .then(|| Some((name, fs::read(&path).ok()?)))?
    });
    named.collect()
}

/// The bytes of each of these files.
pub(super) fn contents(directory: &str, end: &str) -> Vec<Vec<u8>> {
    let files = files(directory, end).into_iter();
    files.map(|(_, bytes)| bytes).collect()
}

/// The recorded frames of the bus: the recording, direction and type, and the bytes.
pub(super) fn frames() -> Vec<(String, String, Vec<u8>)> {
    let mut frames = Vec::new();
    for (name, text) in files("wire", ".jsonl") {
        for line in String::from_utf8_lossy(&text).lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else {
                continue;
            };
            let text = |key: &str| line[key].as_str().map(ToOwned::to_owned);
            let bytes = text("hex").and_then(|hex| unhex(&hex));
            if let (Some(direction), Some(kind), Some(bytes)) = (text("dir"), text("type"), bytes) {
                frames.push((name.clone(), format!("{direction} {kind}"), bytes));
            }
        }
    }
    frames
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2);
    let bytes = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    bytes.collect()
}
