//! Why a package was refused.

use std::io;

use thiserror::Error;

use super::merge::{MAX_SECTIONS, MAX_VALUES};

/// A fault in the bytes of a package; libuci's words where libuci refuses them too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reason {
    /// A line begins with another word than `package`, `config`, `option`, `list`.
    #[error("invalid command")]
    InvalidCommand,
    /// The file ends after `package`.
    #[error("package without name")]
    PackageWithoutName,
    /// The file ends after `config`.
    #[error("config without name")]
    ConfigWithoutName,
    /// The file ends after `option` or `list`.
    #[error("option without name")]
    OptionWithoutName,
    /// A command lacks its type, name or value.
    #[error("insufficient arguments")]
    InsufficientArguments,
    /// A command has more words than it takes.
    #[error("too many arguments")]
    TooManyArguments,
    /// A name has other characters than letters, digits and `_`.
    #[error("invalid character in name field")]
    InvalidName,
    /// A type has spaces, or characters that cannot be printed in ASCII.
    #[error("invalid character in type field")]
    InvalidType,
    /// An option belongs to no section.
    #[error("option/list command found before the first section")]
    NoSection,
    /// A named section comes again, with another type.
    #[error("section of different type overwrites prior section with same name")]
    OtherType,
    /// A single quote is not closed.
    #[error("EOF with unterminated '")]
    OpenSingleQuote,
    /// A double quote is not closed.
    #[error("EOF with unterminated \"")]
    OpenDoubleQuote,
    /// A NUL byte, behind which libuci would lose text.
    #[error("holds a NUL byte")]
    Nul,
    /// The bound on sections.
    #[error("more than {MAX_SECTIONS} sections")]
    TooManySections,
    /// The bound on options and items.
    #[error("more than {MAX_VALUES} options and list items")]
    TooManyValues,
}

/// A package that was refused, and where. Holds no text of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct ParseError {
    /// The fault.
    pub reason: Reason,
    /// Where the command begins, counted from 1.
    pub line: usize,
    /// Line ends read when it was found: what libuci calls the line.
    pub lines_read: usize,
    /// Offset from the start of the command's first line: what libuci calls the byte.
    pub byte: usize,
}

/// Why there is no package.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file cannot be read, or is too large.
    #[error("{0}")]
    File(#[from] io::Error),
    /// The file is not a package.
    #[error("{0}")]
    Parse(#[from] ParseError),
}

impl ReadError {
    /// Where in the file, counted from 1.
    pub fn line(&self) -> Option<usize> {
        match self {
            ReadError::File(_) => None,
            ReadError::Parse(error) => Some(error.line),
        }
    }
}
