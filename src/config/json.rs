//! config.json: the original's file. One object of scalars, read with the line of each value.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;
use thiserror::Error;

use super::file::SettingsFileError;
use super::value::{Held, ValueError};
use crate::process::crash::Skipped;

/// Largest config.json, bytes.
pub const MAX_FILE: u64 = 1 << 20;

/// Why the file as a whole says nothing. No text of the file is ever part of it.
#[derive(Debug, Error)]
pub enum DocumentError {
    #[error("{0}")]
    File(#[from] SettingsFileError),
    #[error(transparent)]
    Skipped(#[from] Skipped),
    #[error("is empty (line 1, column 1)")]
    Empty,
    #[error("is not UTF-8 (line {line}, column {column})")]
    NotUtf8 { line: usize, column: usize },
    #[error("ends in the middle (line {line}, column {column})")]
    CutOff { line: usize, column: usize },
    #[error("is not JSON: {reason} (line {line}, column {column})")]
    Syntax {
        reason: String,
        line: usize,
        column: usize,
    },
    #[error("is not a JSON object (line {line}, column {column})")]
    NotAnObject { line: usize, column: usize },
}

impl DocumentError {
    /// Is there no file?
    pub fn is_absent(&self) -> bool {
        matches!(self, DocumentError::File(error) if error.is_absent())
    }

    /// Where in the file, counted from 1.
    pub fn line(&self) -> Option<usize> {
        match self {
            DocumentError::File(_) | DocumentError::Skipped(_) => None,
            DocumentError::Empty => Some(1),
            DocumentError::NotUtf8 { line, .. }
            | DocumentError::CutOff { line, .. }
            | DocumentError::Syntax { line, .. }
            | DocumentError::NotAnObject { line, .. } => Some(*line),
        }
    }
}

/// A key of the file with its value as written.
#[derive(Debug)]
pub struct Entry {
    pub key: String,
    /// Line of the value, counted from 1.
    pub line: usize,
    raw: Box<RawValue>,
}

impl Entry {
    /// The value as it is written, which may be secret.
    pub fn raw(&self) -> &str {
        self.raw.get()
    }

    /// The value, unless it is an object or a list of anything but texts.
    pub fn held(&self) -> Result<Held<'_>, ValueError> {
        let raw = self.raw.get();
        match raw.as_bytes().first() {
            Some(b'"') => {
                let text: String = serde_json::from_str(raw).map_err(|_| ValueError::BrokenText)?;
                Ok(Held::Text(text.into()))
            }
            Some(b't') => Ok(Held::Bool(true)),
            Some(b'f') => Ok(Held::Bool(false)),
            Some(b'n') | None => Err(ValueError::Null),
            Some(b'[') => {
                let texts = serde_json::from_str(raw).map_err(|_| ValueError::NotTexts)?;
                Ok(Held::List(texts))
            }
            Some(b'{') => Err(ValueError::Object),
            Some(_) => Ok(Held::Number(raw)),
        }
    }
}

/// Every entry of the file's `bytes` in order, keys given twice included. A byte order mark at the
/// beginning, as editors of Windows write it, is passed over.
pub fn parse(bytes: &[u8]) -> Result<Vec<Entry>, DocumentError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let good = &bytes[..e.valid_up_to()];
        let start = good
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        DocumentError::NotUtf8 {
            line: 1 + newlines(good),
            column: 1 + good.len() - start,
        }
    })?;
    if text.trim().is_empty() {
        return Err(DocumentError::Empty);
    }
    let Object(pairs) = serde_json::from_str(text).map_err(document_error)?;

    let mut line = 1;
    let mut counted = 0;
    Ok(pairs
        .into_iter()
        .map(|(key, raw)| {
            // The value is a slice of the text, so the distance is its place in it.
            let at = raw.get().as_ptr() as usize - text.as_ptr() as usize;
            line += newlines(&bytes[counted..at]);
            counted = at;
            Entry {
                key,
                line,
                raw: raw.to_owned(),
            }
        })
        .collect())
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b == b'\n').count()
}

fn document_error(error: serde_json::Error) -> DocumentError {
    let (line, column) = (error.line().max(1), error.column().max(1));
    match error.classify() {
        Category::Eof => DocumentError::CutOff { line, column },
        // The library's text for a wrong type quotes the value, which may be a secret.
        Category::Data => DocumentError::NotAnObject { line, column },
        Category::Syntax | Category::Io => {
            let text = error.to_string();
            let reason = text.split(" at line ").next().unwrap_or_default();
            DocumentError::Syntax {
                reason: reason.into(),
                line,
                column,
            }
        }
    }
}

/// An object as the list of its pairs, so that a key given twice can be seen.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Object(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}
