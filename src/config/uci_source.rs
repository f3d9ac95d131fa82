//! The UCI package as a source of settings.

use std::path::PathBuf;

use uci::{Package, ParseError, Section};

use super::chosen::Source;
use super::closed::{IN_PLACE, LOST};
use super::earlier::Earlier;
use super::file::{SettingsFile, SettingsFileError};
use super::inputs::KIND;
use super::last_good::{Copy, Kept};
use super::load::{At, Loading};
use super::main_section::{held, main_section, CONFIG};
use super::value::{self, ValueError};
use super::Inputs;
use crate::process::crash::{Handling, Skipped};
use crate::process::file::under;

/// Why the UCI package says nothing.
#[derive(Debug, thiserror::Error)]
enum PackageError {
    #[error(transparent)]
    File(#[from] SettingsFileError),
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error(transparent)]
    Skipped(#[from] Skipped),
    #[error(
        "has no section 'main' any more, as if it were cut off; remove the file to drop its settings"
    )]
    CutOff,
}

impl PackageError {
    fn line(&self) -> Option<usize> {
        match self {
            PackageError::Parse(error) => Some(error.line),
            PackageError::File(_) | PackageError::Skipped(_) | PackageError::CutOff => None,
        }
    }
}

/// The UCI package as it was read.
#[derive(Default)]
pub(super) struct UciSource {
    /// Read from the file, or from its last good copy.
    package: Option<Package>,
    /// The note that the file is handled.
    pub(super) handling: Option<Handling>,
    /// The file, if it counts.
    file: Option<SettingsFile>,
    /// Why it does not.
    error: Option<PackageError>,
    /// The config.json that option `config` names, if it is set.
    named: Option<Result<PathBuf, Misnamed>>,
}

/// The name of config.json cannot be used.
struct Misnamed {
    /// The last good name.
    file: Option<PathBuf>,
    error: ValueError,
}

impl UciSource {
    pub(super) fn main(&self) -> Option<&Section> {
        self.package.as_ref().and_then(main_section)
    }

    /// Is option `config` set?
    pub(super) fn names_a_file(&self) -> bool {
        self.named.is_some()
    }

    /// The config.json that it names, or the last one it named.
    pub(super) fn file_named(&self) -> Option<PathBuf> {
        match self.named.as_ref()? {
            Ok(file) => Some(file.clone()),
            Err(misnamed) => misnamed.file.clone(),
        }
    }

    /// Tells what is wrong with the package as a whole and with the name of config.json, which has no
    /// effect if another `is_given`. Returns the files that are lost: their settings may guard, and are
    /// not known.
    pub(super) fn tell(
        &self,
        loading: &mut Loading<'_>,
        kept: &Kept<'_>,
        is_given: bool,
    ) -> Vec<String> {
        let mut lost = Vec::new();
        if let Some(error) = &self.error {
            let file = loading.unreadable(kept.of.display().to_string());
            let effect = match self.package {
                Some(_) => IN_PLACE,
                None => {
                    lost.push(file);
                    LOST
                }
            };
            let at = At(Source::Uci, error.line());
            loading.refuse_file(None, at, format!("{error}; {effect}"));
        }
        if let Some(Err(Misnamed { file, error })) = &self.named {
            let mut unknown =
                || loading.unreadable(format!("the file that option '{CONFIG}' should name"));
            let effect = match (is_given, file) {
                (true, _) => "it has no effect beside --config",
                (false, Some(_)) => {
                    unknown();
                    "until this is mended its last good value holds"
                }
                (false, None) => {
                    lost.push(unknown());
                    LOST
                }
            };
            let line = self.main().and_then(|main| Some(main.entry(CONFIG)?.line));
            let at = At(Source::Uci, line);
            loading.refuse_file(Some(CONFIG), at, format!("{error}; {effect}"));
        }
        lost
    }

    /// Takes the options, and returns the last good copy from now on. The file is usable if it is not there, or
    /// everything in it that guards can be used.
    pub(super) fn take(self, loading: &mut Loading<'_>, kept: &Kept<'_>) -> (Option<Copy>, bool) {
        let Some(package) = &self.package else {
            return (None, self.error.is_none());
        };
        loading.take_uci(package);
        let is_usable = loading.hold(&|| Earlier::uci(kept.copy()));
        match self.file {
            Some(file) => {
                loading.strict.counts(Source::Uci, &file.bytes);
                loading.warn_of_readers(Source::Uci, &file);
                let is_named = !matches!(self.named, Some(Err(_)));
                let is_usable = is_usable && is_named;
                (kept.next(file.bytes, is_usable), is_usable)
            }
            None => {
                let copy = kept.copy();
                if let Some(copy) = &copy {
                    loading.strict.counts(Source::Uci, &copy.bytes);
                }
                (copy, false)
            }
        }
    }
}

impl Inputs {
    /// Reads the UCI package; if it cannot be read, its last good copy. One that is not there is no
    /// problem.
    pub(super) fn read_uci(&self, kept: &Kept<'_>) -> UciSource {
        let mut source = self.read_uci_file(kept);
        source.named = source.main().and_then(|main| self.named_file(main, kept));
        source
    }

    fn read_uci_file(&self, kept: &Kept<'_>) -> UciSource {
        let error = match self.read_package(kept) {
            Ok((package, file, handling)) => {
                return UciSource {
                    package: Some(package),
                    handling: Some(handling),
                    file: Some(file),
                    ..UciSource::default()
                }
            }
            Err(PackageError::File(error)) if error.is_absent() => return UciSource::default(),
            Err(error) => error,
        };
        let package = kept.copy().and_then(|copy| {
            let handling = self.crashes.handle(KIND, &copy.bytes).ok()?;
            Some((Package::parse(&copy.bytes).ok()?, handling))
        });
        let (package, handling) = package.unzip();
        UciSource {
            package,
            handling,
            error: Some(error),
            ..UciSource::default()
        }
    }

    /// The config.json that `main` names, if it names one. An unusable name may stand for a file that
    /// guards: the last good name holds.
    fn named_file(&self, main: &Section, kept: &Kept<'_>) -> Option<Result<PathBuf, Misnamed>> {
        let named = |main: &Section| {
            let entry = main.entry(CONFIG)?;
            Some(held(&entry.value).and_then(|held| {
                let path = value::path(value::text(held.written())?)?;
                Ok(under(&self.root, path))
            }))
        };
        Some(named(main)?.map_err(|error| {
            let before = kept.copy();
            let before = before.and_then(|copy| Package::parse(&copy.bytes).ok());
            let before = before.as_ref().and_then(main_section).and_then(named);
            Misnamed {
                file: before.and_then(Result::ok),
                error,
            }
        }))
    }

    fn read_package(
        &self,
        kept: &Kept<'_>,
    ) -> Result<(Package, SettingsFile, Handling), PackageError> {
        let file = SettingsFile::read(kept.of, uci::MAX_FILE)?;
        let handling = self.crashes.handle(KIND, &file.bytes)?;
        let package = Package::parse(&file.bytes)?;
        if main_section(&package).is_none() {
            let before = kept.copy();
            let before = before.and_then(|copy| Package::parse(&copy.bytes).ok());
            if before
                .as_ref()
                .is_some_and(|before| main_section(before).is_some())
            {
                return Err(PackageError::CutOff);
            }
        }
        Ok((package, file, handling))
    }
}
