//! UCI packages, OpenWrt's configuration files: read as libuci reads them, never written.
//!
//! Committed files only. What libuci refuses in its strict mode is refused here with the same words,
//! and so is a file with a NUL byte, in which libuci loses text. Values are bytes: nothing promises
//! that they are UTF-8.
//!
//! ```
//! let package = uci::Package::parse(
//!     b"config interface 'lan'\n\toption proto 'static'\n\tlist dns '192.0.2.1'\n",
//! )?;
//! let lan = package.named("lan").expect("it is there");
//! assert_eq!(lan.option("proto"), Some(&b"static"[..]));
//! assert_eq!(lan.list("dns").count(), 1);
//! # Ok::<(), uci::ParseError>(())
//! ```

#![warn(missing_docs)]

mod command;
mod error;
mod file;
mod index;
mod merge;
#[cfg(test)]
mod tests;
mod words;

use std::path::{Path, PathBuf};

use self::index::Index;

pub use error::{ParseError, ReadError, Reason};
pub use merge::{MAX_SECTIONS, MAX_VALUES};

/// Largest file of a package, bytes.
pub const MAX_FILE: u64 = 1 << 20;

/// Where the packages of a device are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// /etc/config below the root, unless another directory was asked for.
    pub committed: PathBuf,
    /// /var/run/uci below the root: a file here replaces its namesake.
    pub replacing: PathBuf,
}

impl Directories {
    /// The directories of a device whose files lie below `root`; `committed` is taken as it is.
    pub fn of(root: &Path, committed: Option<PathBuf>) -> Self {
        Directories {
            committed: committed.unwrap_or_else(|| root.join("etc/config")),
            replacing: root.join("var/run/uci"),
        }
    }

    /// The file that holds the package `name` now.
    pub fn file(&self, name: &str) -> PathBuf {
        let replacing = self.replacing.join(name);
        match replacing.metadata() {
            Ok(meta) if meta.is_file() => replacing,
            _ => self.committed.join(name),
        }
    }
}

/// A package: its sections in the order of libuci.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    sections: Vec<Section>,
    by_id: Index,
}

/// A section with its options in the order of libuci.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Type: bytes 33 to 126.
    pub kind: Box<str>,
    /// The section's name, or the id libuci makes for one without (`cfg` and hex digits).
    pub id: Box<str>,
    /// It has no name of its own.
    pub anonymous: bool,
    /// Where it begins in the file, counted from 1.
    pub line: usize,
    options: Vec<Entry>,
    by_name: Index,
}

/// An option of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Letters, digits and `_`.
    pub name: Box<str>,
    /// Its value, or its items.
    pub value: Value,
    /// Of the command that set it last, counted from 1.
    pub line: usize,
}

/// The value of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Set with `option`.
    Text(Box<[u8]>),
    /// Set with `list`, or with both.
    List(Vec<Box<[u8]>>),
}

impl Package {
    /// The package `name` as it is committed now.
    ///
    /// No lock is taken: a commit writes a new file and renames it, so what was opened stays whole,
    /// and a lock would only let a stuck writer hold the agent up.
    pub fn read(directories: &Directories, name: &str) -> Result<Self, ReadError> {
        Self::read_file(&directories.file(name))
    }

    /// The package in the regular file at `path`, links followed. Never waits.
    pub fn read_file(path: &Path) -> Result<Self, ReadError> {
        Ok(Self::parse(&file::read(path)?)?)
    }

    /// The package in `bytes`. Takes time and room in proportion to their number.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        command::parse(bytes)
    }

    /// All sections.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The section of this name or generated id.
    pub fn named(&self, id: &str) -> Option<&Section> {
        let at = self.by_id.find(id, |at| &self.sections[at].id).ok()?;
        Some(&self.sections[at])
    }

    /// Every section of this type, named or not.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Section> {
        self.sections.iter().filter(move |s| *s.kind == *kind)
    }

    /// `@kind[n]`, counted from 0.
    pub fn nth<'a>(&'a self, kind: &'a str, n: usize) -> Option<&'a Section> {
        self.of_kind(kind).nth(n)
    }
}

impl Section {
    /// All options that are set.
    pub fn options(&self) -> &[Entry] {
        &self.options
    }

    /// An option, with where it was set.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        let at = self.by_name.find(name, |at| &self.options[at].name).ok()?;
        Some(&self.options[at])
    }

    /// Value of an option; none if it is not set or a list.
    pub fn option(&self, name: &str) -> Option<&[u8]> {
        match &self.entry(name)?.value {
            Value::Text(text) => Some(text),
            Value::List(_) => None,
        }
    }

    /// Items of a list; an option that is no list counts as its only item, one not set has none.
    pub fn list<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.entry(name).into_iter().flat_map(|e| e.value.items())
    }
}

impl Value {
    /// Each item of a list, or the one value.
    pub fn items(&self) -> impl Iterator<Item = &[u8]> {
        match self {
            Value::Text(text) => std::slice::from_ref(text),
            Value::List(items) => items,
        }
        .iter()
        .map(|item| &**item)
    }
}
