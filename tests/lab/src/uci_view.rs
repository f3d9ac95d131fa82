//! `socketman-lab uci FILE`: the agent's reader of UCI packages, for everybody to look through.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::ser::{Serialize, SerializeMap, Serializer};
use uci::{Entry, Package, ReadError, Section, Value};

/// Numbers of errors as libuci has them.
const NOT_FOUND: u8 = 3;
const IO: u8 = 4;
const PARSE: u8 = 5;

/// Show a UCI package as the agent reads it
#[derive(Debug, Clone, clap::Args)]
pub struct UciArgs {
    /// A file as those in /etc/config
    pub file: PathBuf,
}

/// Prints the package or why it is refused, as JSON; exit code 1 if it is.
pub fn run(args: &UciArgs, out: &mut impl Write) -> io::Result<ExitCode> {
    let (view, code) = view(&args.file);
    writeln!(out, "{view}")?;
    Ok(code)
}

/// The package in `file` as JSON, or the error object and exit code 1.
pub fn view(file: &Path) -> (String, ExitCode) {
    let read = Package::read_file(file);
    let (text, code) = match &read {
        Ok(package) => (
            serde_json::to_string(&PackageView(package)),
            ExitCode::SUCCESS,
        ),
        Err(error) => (serde_json::to_string(&ErrorView(error)), ExitCode::FAILURE),
    };
    (text.expect("every key is a string"), code)
}

struct PackageView<'a>(&'a Package);

impl Serialize for PackageView<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let sections: Vec<_> = self.0.sections().iter().map(SectionView).collect();
        let mut map = to.serialize_map(Some(1))?;
        map.serialize_entry("sections", &sections)?;
        map.end()
    }
}

struct SectionView<'a>(&'a Section);

impl Serialize for SectionView<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let section = self.0;
        let name = (!section.anonymous).then_some(&section.id);
        let mut map = to.serialize_map(Some(4))?;
        map.serialize_entry("type", &section.kind)?;
        map.serialize_entry("name", &name)?;
        map.serialize_entry("id", &section.id)?;
        map.serialize_entry("options", &OptionsView(section.options()))?;
        map.end()
    }
}

struct OptionsView<'a>(&'a [Entry]);

impl Serialize for OptionsView<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for entry in self.0 {
            match &entry.value {
                Value::Text(text) => map.serialize_entry(&entry.name, &BytesView(text))?,
                Value::List(items) => {
                    let items: Vec<_> = items.iter().map(|item| BytesView(item)).collect();
                    map.serialize_entry(&entry.name, &items)?;
                }
            }
        }
        map.end()
    }
}

/// Text, or the hex digits of what is not.
struct BytesView<'a>(&'a [u8]);

impl Serialize for BytesView<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) => to.serialize_str(text),
            Err(_) => {
                let hex: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
                let mut map = to.serialize_map(Some(1))?;
                map.serialize_entry("bytes_hex", &hex)?;
                map.end()
            }
        }
    }
}

struct ErrorView<'a>(&'a ReadError);

impl Serialize for ErrorView<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (code, line, byte) = match self.0 {
            ReadError::Parse(error) => (PARSE, error.lines_read, error.byte),
            ReadError::File(error) if error.kind() == ErrorKind::NotFound => (NOT_FOUND, 0, 0),
            _ => (IO, 0, 0),
        };
        let mut map = to.serialize_map(Some(4))?;
        map.serialize_entry("error", &self.0.to_string())?;
        map.serialize_entry("code", &code)?;
        map.serialize_entry("line", &line)?;
        map.serialize_entry("byte", &byte)?;
        map.end()
    }
}
