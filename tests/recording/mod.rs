//! The recorded bus traffic in tests/data/wire; the format is described there.

pub(crate) mod ids;

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use ubus::blobmsg::Value;

/// A line: a frame, or an event of a connection.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    #[serde(skip)]
    pub(crate) scenario: String,
    pub(crate) n: u32,
    pub(crate) conn: String,
    pub(crate) dir: Direction,
    hex: Option<String>,
    rle: Option<Vec<(String, usize)>>,
    /// Name of the frame's type, or CONNECT, EOF, RAW.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) seq: Option<u16>,
    pub(crate) peer: Option<String>,
    pub(crate) len: Option<usize>,
    #[serde(default)]
    pub(crate) version: u8,
    #[serde(default)]
    pub(crate) blob_id: u8,
    pub(crate) order: Option<Vec<String>>,
    /// In the order of the text.
    pub(crate) attrs: Option<Value>,
    #[serde(default)]
    pub(crate) fds: usize,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Direction {
    /// To the daemon.
    #[serde(rename = "c2s")]
    Sent,
    /// From the daemon.
    #[serde(rename = "s2c")]
    Received,
}

impl Line {
    pub(crate) fn is_frame(&self) -> bool {
        !matches!(self.kind.as_str(), "CONNECT" | "EOF" | "RAW")
    }

    /// The bytes that went over the socket.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match (&self.hex, &self.rle) {
            (Some(hex), _) => unhex(hex),
            (None, Some(runs)) => runs
                .iter()
                .flat_map(|(hex, count)| unhex(hex).repeat(*count))
                .collect(),
            (None, None) => panic!("{}: neither hex nor rle", self.place()),
        }
    }

    /// For messages of failed assertions.
    pub(crate) fn place(&self) -> String {
        format!(
            "{} line {} ({} {})",
            self.scenario, self.n, self.conn, self.kind
        )
    }
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "{hex}");
    hex.as_bytes()
        .chunks(2)
        .map(|pair| {
            let digits = std::str::from_utf8(pair).expect("hex digits are ASCII");
            u8::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("{digits} is not hex"))
        })
        .collect()
}

/// The directory with the recordings.
pub(crate) fn directory() -> PathBuf {
    // The lab is a package of its own, two levels below.
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    [
        manifest.join("tests/data/wire"),
        manifest.join("../data/wire"),
    ]
    .into_iter()
    .find(|path| path.is_dir())
    .expect("tests/data/wire is part of the source")
}

/// Names of all scenarios, sorted.
pub(crate) fn scenarios() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory())
        .expect("tests/data/wire can be read")
        .map(|entry| entry.expect("its entries too").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "jsonl")
        })
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// The lines of one scenario, in order.
pub(crate) fn scenario(name: &str) -> Vec<Line> {
    let path = directory().join(name).with_extension("jsonl");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    text.lines()
        .map(|line| Line {
            scenario: name.to_owned(),
            ..serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}: {line}"))
        })
        .collect()
}
