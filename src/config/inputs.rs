//! Where settings are looked for, and what was found there: from command line, UCI and config.json to
//! a [`Config`], with everything that is wrong noted.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::{read_small, FileError};
use super::json::{self, DocumentError};
use super::last_good;
use super::load::Loading;
use super::main_section::{main_section, with, CONFIG, PACKAGE};
use super::uci::{self, Directories, Package, ParseError};
use super::{under, value, Chosen, Config, Problem, Settings, Source, DEFAULT_FILE};
use crate::clock::Pace;
use crate::crash::{Crashes, Handling, Skipped};

/// Where settings are looked for.
#[derive(Debug, Clone)]
pub struct Inputs {
    pub command_line: Settings,
    /// config.json, taken as it is; none = the one that UCI names, else the usual one.
    pub file: Option<PathBuf>,
    pub uci: Directories,
    /// Prefix of the paths in options.
    pub root: PathBuf,
    pub pace: Pace,
    /// Notes which file is read, and skips one that ended earlier agents.
    pub crashes: Crashes,
}

/// A configuration together with what was found wrong on the way to it.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Arc<Config>,
    /// Values that were not used, and files that could not be.
    pub errors: Vec<Problem>,
    /// Unknown keys, repeated keys, and values that were changed.
    pub warnings: Vec<Problem>,
    /// Every option, in the order of the table.
    pub options: Vec<Chosen>,
    pub files: Files,
    pub(super) good: Good,
}

/// The files that were looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// config.json
    pub json: PathBuf,
    /// The UCI package.
    pub uci: PathBuf,
    /// Where the last good copy of config.json is: the state directory, for all that config.json does
    /// not say.
    pub copy_dir: PathBuf,
}

impl Files {
    /// What a person calls this source.
    pub fn name_of(&self, source: Source) -> String {
        match source {
            Source::Default => "default".into(),
            Source::File => self.json.display().to_string(),
            Source::Uci => self.uci.display().to_string(),
            Source::CommandLine => COMMAND_LINE.into(),
        }
    }
}

/// What files of settings are in the record of crashes.
const KIND: &str = "config";

/// Source of a [`Problem`] that stands on the command line.
pub(super) const COMMAND_LINE: &str = "command line";

/// The newest contents that could be read. They hold secrets: `Debug` says nothing of them.
#[derive(Clone, Default)]
pub(super) struct Good {
    pub(super) json: Option<Arc<[u8]>>,
    pub(super) uci: Option<Arc<Package>>,
}

impl fmt::Debug for Good {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why the UCI package says nothing.
#[derive(Debug, thiserror::Error)]
enum PackageError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error(transparent)]
    Skipped(#[from] Skipped),
}

impl Inputs {
    /// Reads everything. Never fails: what cannot be used is in [`Loaded::errors`]. For a file that
    /// cannot be read what it said in `before` holds, for config.json else its last good copy.
    ///
    /// If a source gives an option a bad value the default is used, and not the value of the source
    /// it precedes.
    pub fn load(&self, before: Option<&Loaded>) -> Loaded {
        let uci_file = self.uci.file(PACKAGE);
        let (package, uci_problem, handling) = self.read_uci(&uci_file, before);
        let main = package.as_deref().and_then(main_section);
        let named = main.and_then(|main| {
            let entry = main.entry(CONFIG)?;
            with(&entry.value, |written| {
                Ok(under(&self.root, value::path(value::text(written)?)?))
            })
            .ok()
        });
        let usual = self.file.is_none() && named.is_none();
        let json_file = self.file.clone().or(named);
        let json_file = json_file.unwrap_or_else(|| under(&self.root, Path::new(DEFAULT_FILE)));
        let mut files = Files {
            json: json_file,
            uci: uci_file,
            copy_dir: PathBuf::new(),
        };
        // What config.json says cannot tell where the copy of it is.
        let mut without_json = Loading::new(&self.root, self.pace, &files);
        if let Some(package) = &package {
            without_json.take_uci(package);
        }
        without_json.take_command_line(&self.command_line);
        files.copy_dir = without_json.state_dir().to_owned();
        // What comes is of another file, and the package is only taken once more.
        drop(handling);

        let mut loading = Loading::new(&self.root, self.pace, &files);
        loading.errors.extend(uci_problem);
        let optional = usual && main.is_some();
        let json = self.take_json(&mut loading, &files, optional, before);
        if let Some(package) = &package {
            loading.take_uci(package);
        }
        loading.take_command_line(&self.command_line);
        let good = Good { json, uci: package };
        loading.finish(good, files.clone())
    }

    /// Reads config.json, which need not be there if it is `optional`, and returns its bytes or those
    /// that stand in for it.
    fn take_json(
        &self,
        loading: &mut Loading<'_>,
        files: &Files,
        optional: bool,
        before: Option<&Loaded>,
    ) -> Option<Arc<[u8]>> {
        let read = read_small(&files.json, json::MAX_FILE).map_err(DocumentError::from);
        let taken = read.and_then(|bytes| {
            self.take_document(loading, &bytes)?;
            Ok(bytes.into())
        });
        let error = match taken {
            Ok(bytes) => return Some(bytes),
            Err(error) => error,
        };
        let problem = |also: &str| Problem {
            option: None,
            source: files.json.display().to_string(),
            line: error.line(),
            reason: format!("{error}{also}"),
        };
        if is_missing(&error) {
            // Who takes the file away means it.
            if !optional {
                loading.errors.push(problem(""));
            }
            return None;
        }
        let known = before.filter(|before| before.files.json == files.json);
        let copy = match known.and_then(|before| before.good.json.clone()) {
            Some(bytes) => Some(bytes),
            None => last_good::read(&files.copy_dir).map(Into::into),
        };
        let copy = copy.filter(|bytes| self.take_document(loading, bytes).is_ok());
        loading.errors.push(match copy {
            Some(_) => problem("; its last good copy is used"),
            None => problem(""),
        });
        copy
    }

    fn take_document(&self, loading: &mut Loading<'_>, bytes: &[u8]) -> Result<(), DocumentError> {
        let _handling = self.crashes.handle(KIND, bytes)?;
        loading.take_json(json::parse(bytes)?);
        Ok(())
    }

    /// The package in `file`, with the note that it is handled; if it cannot be read what it said before,
    /// and the reason. A package that is not there is no problem.
    fn read_uci(
        &self,
        file: &Path,
        before: Option<&Loaded>,
    ) -> (Option<Arc<Package>>, Option<Problem>, Option<Handling>) {
        let read = read_small(file, uci::MAX_FILE).map_err(PackageError::from);
        let parsed = read.and_then(|bytes| {
            let handling = self.crashes.handle(KIND, &bytes)?;
            Ok((Package::parse(&bytes)?, handling))
        });
        let error = match parsed {
            Ok((package, handling)) => return (Some(Arc::new(package)), None, Some(handling)),
            Err(PackageError::File(FileError::Io(error)))
                if error.kind() == ErrorKind::NotFound =>
            {
                return (None, None, None)
            }
            Err(error) => error,
        };
        let known = before.filter(|before| before.files.uci == file);
        let package = known.and_then(|before| before.good.uci.clone());
        let also = match package {
            Some(_) => "; what it said before holds",
            None => "",
        };
        let problem = Problem {
            option: None,
            source: file.display().to_string(),
            line: match &error {
                PackageError::Parse(error) => Some(error.line),
                PackageError::File(_) | PackageError::Skipped(_) => None,
            },
            reason: format!("{error}{also}"),
        };
        (package, Some(problem), None)
    }
}

impl Loaded {
    /// Names of the options that have another value than `before`.
    pub fn changed_since(&self, before: &Loaded) -> Vec<&'static str> {
        let pairs = self.options.iter().zip(&before.options);
        pairs
            .filter(|(now, then)| !now.is_same(then))
            .map(|(now, _)| now.row.name)
            .collect()
    }

    /// What a person calls the source of an option's value.
    pub fn source_of(&self, name: &str) -> String {
        let chosen = self.options.iter().find(|chosen| chosen.row.name == name);
        self.files
            .name_of(chosen.map_or(Source::Default, |chosen| chosen.source))
    }

    /// Keeps a copy of config.json for the day it cannot be read, if it could be read now and the copy
    /// is another one.
    pub fn keep_good_copy(&self) -> Result<(), last_good::KeepError> {
        match &self.good.json {
            Some(bytes) => last_good::keep(&self.files.copy_dir, bytes),
            None => Ok(()),
        }
    }
}

fn is_missing(error: &DocumentError) -> bool {
    matches!(error, DocumentError::File(FileError::Io(error)) if error.kind() == ErrorKind::NotFound)
}
