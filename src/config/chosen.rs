//! What an option came to: its value as a person would write it, and where it comes from.

use std::fmt;

use super::row::{Preset, Row};
use super::value::{self, shown_url, ValueError, Written};
use super::Kind;

/// Where the value of an option comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Default,
    /// config.json
    File,
    Uci,
    CommandLine,
}

/// An option as it holds. `Debug` and [`Chosen::shown`] hide secrets.
#[derive(Clone)]
pub struct Chosen {
    pub row: &'static Row,
    pub source: Source,
    /// In the one form every way to write it comes to; may be secret.
    value: String,
}

impl Chosen {
    pub(super) fn default_of(row: &'static Row) -> Self {
        let value = match row.default {
            Preset::Fixed(text) => text.into(),
            // Settled with the options it follows from.
            Preset::Derived(_) => String::new(),
        };
        Chosen {
            row,
            source: Source::Default,
            value,
        }
    }

    pub(super) fn set(&mut self, value: String) {
        self.value = value;
    }

    /// Has it the same value there, wherever that comes from?
    pub fn is_same(&self, other: &Chosen) -> bool {
        self.value == other.value
    }

    /// The value as anybody may see it: `***` for a secret that is set, of a URL nothing secret.
    pub fn shown(&self) -> String {
        match self.row.kind {
            kind if kind.is_secret() && !self.value.is_empty() => "***".into(),
            Kind::Url(_) => shown_url(&self.value),
            _ => self.value.clone(),
        }
    }
}

impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}={:?} ({:?})",
            self.row.name,
            self.shown(),
            self.source
        )
    }
}

/// The one form of a value that its option took.
pub(super) fn canonical(kind: Kind, written: Written<'_>) -> Result<String, ValueError> {
    Ok(match kind {
        Kind::Bool(_) => flag(value::truth(written)?),
        Kind::Whole { min, max, unit, .. } => value::whole(written, min, max, unit)?.to_string(),
        Kind::HostOfUrl(_) => value::host_of_url(value::text(written)?)?.into(),
        Kind::Keys(_) => {
            let words = |text: &str| text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
            match written {
                Written::List(texts) => words(&texts.join(" ")),
                one => words(value::text(one)?),
            }
        }
        _ => value::text(written)?.into(),
    })
}

/// A bool as people write it.
pub(super) fn flag(value: bool) -> String {
    u8::from(value).to_string()
}
