//! Why a package was refused.

use thiserror::Error;

use super::merge::{MAX_SECTIONS, MAX_VALUES};
use crate::config::FileError;

/// A fault in the bytes of a package; libuci's words where libuci refuses them too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Reason {
    #[error("invalid command")]
    InvalidCommand,
    #[error("package without name")]
    PackageWithoutName,
    #[error("config without name")]
    ConfigWithoutName,
    #[error("option without name")]
    OptionWithoutName,
    #[error("insufficient arguments")]
    InsufficientArguments,
    #[error("too many arguments")]
    TooManyArguments,
    #[error("invalid character in name field")]
    InvalidName,
    #[error("invalid character in type field")]
    InvalidType,
    #[error("option/list command found before the first section")]
    NoSection,
    #[error("section of different type overwrites prior section with same name")]
    OtherType,
    #[error("EOF with unterminated '")]
    OpenSingleQuote,
    #[error("EOF with unterminated \"")]
    OpenDoubleQuote,
    #[error("holds a NUL byte")]
    Nul,
    #[error("more than {MAX_SECTIONS} sections")]
    TooManySections,
    #[error("more than {MAX_VALUES} options and list items")]
    TooManyValues,
}

/// A package that was refused, and where. Holds no text of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct ParseError {
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
pub enum ReadError {
    #[error("{0}")]
    File(#[from] FileError),
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
