//! The effective value of an option: as a person would write it, and where it comes from.

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
    /// The last good copy of config.json, whose own value cannot be used.
    FileCopy,
    /// The same of the UCI package.
    UciCopy,
    /// A value that guards cannot be used: the strictest holds.
    Closed,
}

impl Source {
    /// The copy of a file that is a source.
    pub(super) fn copy(self) -> Self {
        match self {
            Source::File => Source::FileCopy,
            Source::Uci => Source::UciCopy,
            other => other,
        }
    }
}

/// An option as it holds. `Debug` and [`Chosen::shown`] hide secrets.
#[derive(Clone)]
pub struct Chosen {
    pub row: &'static Row,
    pub source: Source,
    /// In the one form every way to write it comes to; may be secret.
    value: String,
    /// Why no value holds at all, if it guards and is held closed.
    held: Option<String>,
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
            held: None,
        }
    }

    /// Held at its strictest `value`; without one no value holds, for the reason `why`.
    pub(super) fn closed(row: &'static Row, value: Option<&str>, why: &str) -> Self {
        Chosen {
            row,
            source: Source::Closed,
            value: value.unwrap_or_default().into(),
            held: value.is_none().then(|| why.into()),
        }
    }

    pub(super) fn set(&mut self, value: String) {
        self.value = value;
        self.held = None;
    }

    /// Has it the same value there, wherever that comes from, or none for the same reason?
    pub fn is_same(&self, other: &Chosen) -> bool {
        self.value == other.value && self.held == other.held
    }

    /// Is it held at its strictest, because what it says cannot be used?
    pub fn is_closed(&self) -> bool {
        self.source == Source::Closed
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
pub(crate) fn canonical(kind: Kind, written: Written<'_>) -> Result<String, ValueError> {
    Ok(match kind {
        Kind::Bool(_) => flag(value::truth(written)?),
        Kind::Whole { min, max, unit, .. } => value::whole(written, min, max, unit)?.to_string(),
        Kind::HostOfUrl(_) => value::host_of_url(value::text(written)?)?.into_owned(),
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
