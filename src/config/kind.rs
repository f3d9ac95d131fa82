//! The types options have, each with the field it fills.

use std::path::{Path, PathBuf};

use super::keys::{self, PublicKey};
use super::value::{self, ValueError, Written};
use super::{Config, Secret, SecretPath, Url};
use crate::process::file::under;

/// Unit of a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Plain,
    Seconds,
    Bytes,
}

impl Unit {
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Unit::Plain => "",
            Unit::Seconds => " s",
            Unit::Bytes => " bytes",
        }
    }
}

/// Type of an option together with the field of [`Config`] it fills.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Any text without control characters.
    Text(fn(&mut Config) -> &mut String),
    /// As `Text`, never shown.
    Secret(fn(&mut Config) -> &mut Secret),
    /// Text without `+` and `#`.
    Topic(fn(&mut Config) -> &mut String),
    /// A level of a topic: no `+`, `#`, `/`; never shown.
    SecretLevel(fn(&mut Config) -> &mut Secret),
    /// Six bytes in hex, with `:`, `-` or nothing between; or empty. Kept as written.
    Mac(fn(&mut Config) -> &mut String),
    /// Host name or IP address; or empty.
    Host(fn(&mut Config) -> &mut String),
    /// As `Host`; of a URL its host is taken.
    HostOfUrl(fn(&mut Config) -> &mut String),
    /// `http://` or `https://`; or empty.
    Url(fn(&mut Config) -> &mut Url),
    /// As `Url`, never shown.
    SecretUrl(fn(&mut Config) -> &mut Secret),
    /// Absolute path; stored below the root.
    Path(fn(&mut Config) -> &mut PathBuf),
    /// As `Path`; or empty, which is none.
    OptionalPath(fn(&mut Config) -> &mut Option<PathBuf>),
    /// As `OptionalPath`, never shown.
    SecretPath(fn(&mut Config) -> &mut Option<SecretPath>),
    /// Public keys in base64: a list, or one text with white space between them; or empty.
    Keys(fn(&mut Config) -> &mut Vec<PublicKey>),
    /// A word out of a list; `set` gets the place of the word.
    Choice {
        names: &'static [&'static str],
        set: fn(&mut Config, usize),
    },
    Bool(fn(&mut Config) -> &mut bool),
    Whole {
        min: u64,
        max: u64,
        unit: Unit,
        set: fn(&mut Config, u64),
    },
}

/// A whole number without a unit.
pub(super) const fn number(min: u64, max: u64, set: fn(&mut Config, u64)) -> Kind {
    let unit = Unit::Plain;
    Kind::Whole {
        min,
        max,
        unit,
        set,
    }
}

/// A number of seconds.
pub(super) const fn seconds(min: u64, max: u64, set: fn(&mut Config, u64)) -> Kind {
    let unit = Unit::Seconds;
    Kind::Whole {
        min,
        max,
        unit,
        set,
    }
}

/// A number of bytes.
pub(super) const fn bytes(min: u64, max: u64, set: fn(&mut Config, u64)) -> Kind {
    let unit = Unit::Bytes;
    Kind::Whole {
        min,
        max,
        unit,
        set,
    }
}

impl Kind {
    /// Must the value stay out of every log, error and screen?
    pub fn is_secret(&self) -> bool {
        matches!(
            self,
            Kind::Secret(_) | Kind::SecretLevel(_) | Kind::SecretUrl(_) | Kind::SecretPath(_)
        )
    }

    /// The file that an option of this kind names in `config`.
    pub(super) fn file(&self, config: &mut Config) -> Option<PathBuf> {
        match *self {
            Kind::Path(field) => Some(field(config).clone()),
            Kind::OptionalPath(field) => field(config).clone(),
            Kind::SecretPath(field) => field(config).as_ref().map(|path| path.0.clone()),
            _ => None,
        }
    }

    /// The type in words, with range and unit.
    pub fn describe(&self) -> String {
        match self {
            Kind::Text(_) | Kind::Topic(_) => "string".into(),
            Kind::Secret(_) | Kind::SecretLevel(_) => "secret string".into(),
            Kind::Mac(_) => "MAC address".into(),
            Kind::Host(_) => "host".into(),
            Kind::HostOfUrl(_) => "host or URL".into(),
            Kind::Url(_) => "URL".into(),
            Kind::SecretUrl(_) => "secret URL".into(),
            Kind::Path(_) | Kind::OptionalPath(_) => "path".into(),
            Kind::SecretPath(_) => "secret path".into(),
            Kind::Keys(_) => "list of keys".into(),
            Kind::Choice { names, .. } => names.join(" or "),
            Kind::Bool(_) => "bool".into(),
            Kind::Whole { min, max, unit, .. } => value::range(*min, *max, *unit),
        }
    }

    /// The placeholder of the value in a usage text.
    pub fn placeholder(&self) -> &'static str {
        match self {
            Kind::Text(_) | Kind::Secret(_) | Kind::Topic(_) | Kind::SecretLevel(_) => "TEXT",
            Kind::Mac(_) => "MAC",
            Kind::Host(_) | Kind::HostOfUrl(_) => "HOST",
            Kind::Url(_) | Kind::SecretUrl(_) => "URL",
            Kind::Path(_) | Kind::OptionalPath(_) | Kind::SecretPath(_) => "PATH",
            Kind::Keys(_) => "KEYS",
            Kind::Choice { .. } => "WORD",
            Kind::Bool(_) => "0|1",
            Kind::Whole {
                unit: Unit::Seconds,
                ..
            } => "SECONDS",
            Kind::Whole { .. } => "N",
        }
    }

    /// Reads `written` and puts it into its field of `config`; the field is untouched on error.
    pub fn store(
        &self,
        written: Written<'_>,
        config: &mut Config,
        root: &Path,
    ) -> Result<(), ValueError> {
        match *self {
            Kind::Text(field) => *field(config) = value::text(written)?.into(),
            Kind::Secret(field) => *field(config) = Secret::new(value::text(written)?),
            Kind::Topic(field) => {
                *field(config) = value::topic(value::text(written)?, &['+', '#'])?.into()
            }
            Kind::SecretLevel(field) => {
                *field(config) =
                    Secret::new(value::topic(value::text(written)?, &['+', '#', '/'])?);
            }
            Kind::Mac(field) => *field(config) = value::mac(value::text(written)?)?.into(),
            Kind::Host(field) => *field(config) = value::host(value::text(written)?)?.into(),
            Kind::HostOfUrl(field) => {
                *field(config) = value::host_of_url(value::text(written)?)?.into_owned();
            }
            Kind::Url(field) => *field(config) = value::url(value::text(written)?)?.into(),
            Kind::SecretUrl(field) => {
                *field(config) = Secret::new(value::url(value::text(written)?)?);
            }
            Kind::Path(field) => *field(config) = under(root, value::path(value::text(written)?)?),
            Kind::OptionalPath(field) => *field(config) = optional_path(written, root)?,
            Kind::SecretPath(field) => {
                let path = optional_path(written, root).map_err(ValueError::without_path)?;
                *field(config) = path.map(SecretPath);
            }
            Kind::Keys(field) => *field(config) = keys::read(written)?,
            Kind::Choice { names, set } => {
                let text = value::text(written)?;
                let at = names.iter().position(|name| *name == text);
                set(config, at.ok_or_else(|| value::not_one_of(text, names))?);
            }
            Kind::Bool(field) => *field(config) = value::truth(written)?,
            Kind::Whole {
                min,
                max,
                unit,
                set,
            } => set(config, value::whole(written, min, max, unit)?),
        }
        Ok(())
    }
}

fn optional_path(written: Written<'_>, root: &Path) -> Result<Option<PathBuf>, ValueError> {
    match value::text(written)? {
        "" => Ok(None),
        text => Ok(Some(under(root, value::path(text)?))),
    }
}
