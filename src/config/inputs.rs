//! Where settings are looked for, and what was found there: from command line, UCI and config.json to
//! a [`Config`], with everything that is wrong noted.

use std::path::{Path, PathBuf};

use super::chosen::Source;
use super::directories;
use super::earlier::Earlier;
use super::file::{mend, FileError, SettingsFile};
use super::json::{self, DocumentError};
use super::last_good::{self, Copy, Kept};
use super::load::{At, Loading};
use super::loaded::Good;
use super::main_section::{main_section, with, CONFIG, PACKAGE};
use super::options::find;
use super::uci::{self, Directories, Package, ParseError, Section};
use super::value::{self, ValueError, Written};
use super::{under, Config, Files, Loaded, Problem, Settings, DEFAULT_FILE};
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

/// What files of settings are in the record of crashes.
const KIND: &str = "config";

/// Why the UCI package says nothing.
#[derive(Debug, thiserror::Error)]
enum PackageError {
    #[error(transparent)]
    File(#[from] FileError),
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
struct UciRead {
    /// Read from the file, or from its last good copy.
    package: Option<Package>,
    /// The note that the file is handled.
    handling: Option<Handling>,
    /// The file, if it counts.
    file: Option<SettingsFile>,
    /// Why it does not.
    error: Option<PackageError>,
}

/// The name of config.json cannot be used.
struct Misnamed {
    /// The last good name.
    file: Option<PathBuf>,
    error: ValueError,
}

/// The outcome of reading config.json.
struct JsonRead {
    good: Option<Copy>,
    /// It is there, and neither it nor its copy can be read.
    is_lost: bool,
}

impl Inputs {
    /// Reads everything. Never fails: what cannot be used is in [`Loaded::errors`]. For a file that
    /// cannot be read its last good copy holds: what `before` knows, else the one in the state
    /// directory.
    ///
    /// If a source gives an option a bad value, the value of a source it precedes is not used instead:
    /// the default is, or for an option that guards its last good value, else the strictest.
    pub fn load(&self, before: Option<&Loaded>) -> Loaded {
        let mut files = Files {
            uci: self.uci.file(PACKAGE),
            home: self.state_dir(None),
            ..Files::default()
        };
        let (uci_file, home) = (files.uci.clone(), files.home.clone());
        let uci_kept = Kept {
            remembered: before.and_then(|before| before.good.uci.as_ref()),
            state_dir: &home,
            name: last_good::UCI,
            of: &uci_file,
        };
        let uci = self.read_uci(&uci_kept);
        let main = uci.package.as_ref().and_then(main_section);
        files.copy_dir = self.state_dir(main);
        let named = self.named_file(main, &uci_kept);
        files.json = match (&self.file, &named) {
            (Some(file), _)
            | (
                None,
                Ok(Some(file))
                | Err(Misnamed {
                    file: Some(file), ..
                }),
            ) => file.clone(),
            (None, _) => under(&self.root, Path::new(DEFAULT_FILE)),
        };
        let optional = self.file.is_none() && main.is_some() && matches!(named, Ok(None));
        // What comes is of another file, and the package is only taken once more.
        drop(uci.handling);

        let mut loading = Loading::new(&self.root, self.pace, &files);
        let mut lost = Vec::new();
        if let Some(error) = &uci.error {
            let effect = match uci.package {
                Some(_) => IN_PLACE,
                None => {
                    lost.push(uci_file.display().to_string());
                    LOST
                }
            };
            let reason = format!("{error}; {effect}");
            let at = At(Source::Uci, error.line());
            let problem = loading.problem(None, at, reason);
            loading.errors.push(problem);
        }
        let json_kept = Kept {
            remembered: before.and_then(|before| before.good.json.as_ref()),
            state_dir: &files.copy_dir,
            name: last_good::JSON,
            of: &files.json,
        };
        let json = self.take_json(&mut loading, &json_kept, optional);
        if json.is_lost {
            lost.push(files.json.display().to_string());
        }
        let mut good = Good {
            json: json.good,
            uci: None,
        };
        if let Some(package) = &uci.package {
            loading.take_uci(package);
            let usable = loading.hold(|| Earlier::uci(uci_kept.copy())) && named.is_ok();
            if let Err(Misnamed { file, error }) = named {
                let effect = match (&self.file, file) {
                    (Some(_), _) => "it has no effect beside --config",
                    (None, Some(_)) => "until this is mended its last good value holds",
                    (None, None) => {
                        lost.push(format!("the file that option '{CONFIG}' should name"));
                        LOST
                    }
                };
                let line = main.and_then(|main| Some(main.entry(CONFIG)?.line));
                let reason = format!("{error}; {effect}");
                let problem = loading.problem(Some(CONFIG), At(Source::Uci, line), reason);
                loading.errors.push(problem);
            }
            good.uci = match uci.file {
                Some(file) => {
                    warn_of_readers(&mut loading, Source::Uci, &file);
                    let copy = || Copy {
                        of: uci_file.clone(),
                        bytes: file.bytes.into(),
                    };
                    match usable {
                        true => Some(copy()),
                        false => uci_kept.copy(),
                    }
                }
                None => uci_kept.copy(),
            };
        }
        loading.take_command_line(&self.command_line);
        for file in &lost {
            loading.close_all(file);
        }
        loading.finish(good, files.clone())
    }

    /// Takes the right to write the settings files from others. For the first start of a version alone:
    /// what they say may be theirs, and only the package before did not look.
    pub fn mend(&self) -> Vec<Problem> {
        let mut mended = Vec::new();
        let mut mend = |path: &Path| {
            let reason = match mend(path) {
                Ok(false) => return,
                Ok(true) => "could be written by others: its mode is 600 now; look at what it says",
                // Reading it says why.
                Err(_) => return,
            };
            mended.push(Problem {
                option: None,
                source: path.display().to_string(),
                line: None,
                reason: reason.into(),
            });
        };
        mend(&self.uci.file(PACKAGE));
        // Only now can be read which file it names.
        mend(&self.load(None).files.json);
        mended
    }

    /// The state directory as the command line, else `main`, else the default has it.
    fn state_dir(&self, main: Option<&Section>) -> PathBuf {
        let row = find("state_dir").expect("the table has it");
        let mut config = Config::defaults(&self.root, self.pace);
        if let Some(entry) = main.and_then(|main| main.entry(row.name)) {
            // A bad value leaves the default, and is an error when the options are taken.
            let _ = with(&entry.value, |written| {
                row.kind.store(written, &mut config, &self.root)
            });
        }
        for (_, value) in self
            .command_line
            .iter()
            .filter(|(it, _)| it.name == row.name)
        {
            if let Err(_bad) = row
                .kind
                .store(Written::Text(value), &mut config, &self.root)
            {
                config.reset(row, &self.root);
            }
        }
        directories::of_state(&config, &self.root)
    }

    /// The config.json that `main` names, if it names one. An unusable name may stand for a file that
    /// guards: the last good name holds.
    ///
    /// # Errors
    ///
    /// The name cannot be used.
    fn named_file(
        &self,
        main: Option<&Section>,
        kept: &Kept<'_>,
    ) -> Result<Option<PathBuf>, Misnamed> {
        let named = |main: &Section| {
            let entry = main.entry(CONFIG)?;
            Some(with(&entry.value, |written| {
                let path = value::path(value::text(written)?)?;
                Ok(under(&self.root, path))
            }))
        };
        match main.and_then(named) {
            None => Ok(None),
            Some(Ok(path)) => Ok(Some(path)),
            Some(Err(error)) => {
                let before = kept
                    .copy()
                    .and_then(|copy| Package::parse(&copy.bytes).ok());
                let before = before.as_ref().and_then(main_section).and_then(named);
                Err(Misnamed {
                    file: before.and_then(Result::ok),
                    error,
                })
            }
        }
    }

    /// Reads config.json, which need not be there if it is `optional`.
    fn take_json(&self, loading: &mut Loading<'_>, kept: &Kept<'_>, optional: bool) -> JsonRead {
        let read = SettingsFile::read(kept.of, json::MAX_FILE).map_err(DocumentError::from);
        let taken = read.and_then(|file| {
            self.take_document(loading, &file.bytes)?;
            Ok(file)
        });
        let error = match taken {
            Ok(file) => {
                warn_of_readers(loading, Source::File, &file);
                let good = match loading.hold(|| Earlier::json(kept.copy())) {
                    true => Some(Copy {
                        of: kept.of.to_owned(),
                        bytes: file.bytes.into(),
                    }),
                    false => kept.copy(),
                };
                return JsonRead {
                    good,
                    is_lost: false,
                };
            }
            Err(error) => error,
        };
        let refuse = |loading: &mut Loading<'_>, effect: &str| {
            let at = At(Source::File, error.line());
            let problem = loading.problem(None, at, format!("{error}{effect}"));
            loading.errors.push(problem);
        };
        if error.is_absent() {
            // Who takes the file away means it.
            if !optional {
                refuse(loading, "");
            }
            return JsonRead {
                good: None,
                is_lost: false,
            };
        }
        let good = kept.copy();
        let taken = good
            .as_ref()
            .map(|copy| self.take_document(loading, &copy.bytes));
        let is_lost = !matches!(taken, Some(Ok(())));
        match is_lost {
            false => refuse(loading, &format!("; {IN_PLACE}")),
            true => refuse(loading, &format!("; {LOST}")),
        }
        loading.hold(|| Earlier::json(good.clone()));
        JsonRead { good, is_lost }
    }

    fn take_document(&self, loading: &mut Loading<'_>, bytes: &[u8]) -> Result<(), DocumentError> {
        let _handling = self.crashes.handle(KIND, bytes)?;
        loading.take_json(json::parse(bytes)?);
        Ok(())
    }

    /// Reads the UCI package; if it cannot be read, its last good copy. One that is not there is no
    /// problem.
    fn read_uci(&self, kept: &Kept<'_>) -> UciRead {
        let error = match self.read_package(kept) {
            Ok((package, file, handling)) => {
                return UciRead {
                    package: Some(package),
                    handling: Some(handling),
                    file: Some(file),
                    error: None,
                }
            }
            Err(PackageError::File(error)) if error.is_absent() => return UciRead::default(),
            Err(error) => error,
        };
        let package = kept.copy().and_then(|copy| {
            let handling = self.crashes.handle(KIND, &copy.bytes).ok()?;
            Some((Package::parse(&copy.bytes).ok()?, handling))
        });
        let (package, handling) = package.unzip();
        UciRead {
            package,
            handling,
            file: None,
            error: Some(error),
        }
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

/// The end of an error about a file that cannot be read while there is a copy.
const IN_PLACE: &str = "its last good copy is used";

/// The end of such an error where there is no copy.
const LOST: &str =
    "until this is mended there is no link to the broker and no job but root's own runs";

/// Adds the warning that others can read the secrets in `file`.
fn warn_of_readers(loading: &mut Loading<'_>, source: Source, file: &SettingsFile) {
    if file.is_readable && loading.has_secret(source) {
        let reason = "others can read the secrets in it: chmod 600 it".to_owned();
        let problem = loading.problem(None, At(source, None), reason);
        loading.warnings.push(problem);
    }
}
