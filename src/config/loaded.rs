//! A configuration as it was read: values, sources, problems and files.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::last_good::{self, Copy};
use super::{strict, Chosen, Config, Problem, SecretPath, Source};
use crate::process::file::read_small;

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
    /// Files that options name and that have to be usable: when one changes, settings are to be read
    /// again.
    pub named: Vec<SecretPath>,
    /// Options that are held stricter than written, since a job's change was undone.
    pub tightened: Vec<&'static str>,
    pub files: Files,
    /// A settings file that is there and cannot be read, whatever stands in for it.
    pub unreadable: Option<String>,
    /// The record of options that are held strict, for the day the disk does not give it.
    pub(super) strict: strict::Kept,
    pub(super) good: Good,
}

/// The files that were looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// config.json
    pub json: PathBuf,
    /// The UCI package.
    pub uci: PathBuf,
    /// Where the last good copy of config.json is: the state directory, for all that config.json does
    /// not say.
    pub copy_dir: PathBuf,
    /// Where that of the UCI package is: the state directory, for all that no file says.
    pub home: PathBuf,
}

impl Files {
    /// The name of this source for people.
    pub fn name_of(&self, source: Source) -> String {
        match source {
            Source::Default => "default".into(),
            Source::File => self.json.display().to_string(),
            Source::Uci => self.uci.display().to_string(),
            Source::CommandLine => COMMAND_LINE.into(),
            Source::FileCopy => format!("{} (last good copy)", self.json.display()),
            Source::UciCopy => format!("{} (last good copy)", self.uci.display()),
            Source::Closed => "strictest value".into(),
        }
    }
}

/// Source of a [`Problem`] that stands on the command line.
const COMMAND_LINE: &str = "command line";

/// The newest contents in which everything that guards could be used. They hold secrets: `Debug` says nothing of them.
#[derive(Clone, Default)]
pub(super) struct Good {
    pub(super) json: Option<Copy>,
    pub(super) uci: Option<Copy>,
    /// Both files have the same content as these.
    pub(super) is_usable: bool,
}

/// The last good bytes of a settings file. `Debug` says nothing of them.
#[derive(Clone)]
pub struct GoodCopy {
    pub of: PathBuf,
    pub bytes: Arc<[u8]>,
}

impl GoodCopy {
    /// Does the file say something else now?
    pub fn differs(&self) -> bool {
        let now = read_small(&self.of, self.bytes.len() as u64);
        now.map_or(true, |now| now[..] != self.bytes[..])
    }
}

impl fmt::Debug for GoodCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "copy of {}", self.of.display())
    }
}

impl fmt::Debug for Good {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
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

    /// The name of the source of an option's value, for people.
    pub fn source_of(&self, name: &str) -> String {
        let chosen = self.options.iter().find(|chosen| chosen.row.name == name);
        self.files
            .name_of(chosen.map_or(Source::Default, |chosen| chosen.source))
    }

    /// Has the disk given what is held strict?
    pub fn knows_strict(&self) -> bool {
        !self.strict.is_unread
    }

    /// Can both files be read, and everything in them that guards be used?
    pub fn is_usable(&self) -> bool {
        self.good.is_usable && self.config.closed.link().is_none()
    }

    /// The last good copies of the UCI package and of config.json.
    pub fn good_copies(&self) -> [Option<GoodCopy>; 2] {
        [&self.good.uci, &self.good.json].map(|copy| {
            let copy = copy.as_ref()?;
            Some(GoodCopy {
                of: copy.of.clone(),
                bytes: Arc::clone(&copy.bytes),
            })
        })
    }

    /// Goes on with the copies that are on the disk, in place of what the files say now, where the disk gives one.
    pub fn with_kept_copies(mut self) -> Self {
        let read = |dir: &PathBuf, name, of: &PathBuf| {
            let kept = last_good::Kept {
                remembered: None,
                state_dir: dir,
                name,
                of,
            };
            kept.copy()
        };
        let uci = read(&self.files.home, last_good::UCI, &self.files.uci);
        let json = read(&self.files.copy_dir, last_good::JSON, &self.files.json);
        self.good.uci = uci.or(self.good.uci);
        self.good.json = json.or(self.good.json);
        self
    }

    /// Goes on with the copies that `before` had.
    pub fn with_copies_of(mut self, before: &Loaded) -> Self {
        let is_usable = self.good.is_usable;
        self.good = Good {
            is_usable,
            ..before.good.clone()
        };
        self
    }

    /// Does a file differ from its copy on the disk? A file without one does not.
    pub fn differs_from_kept_copies(&self) -> bool {
        let copies = self.clone().with_kept_copies().good_copies();
        copies.iter().flatten().any(GoodCopy::differs)
    }

    /// Keeps a copy of each settings file for the day it cannot be read. Says what kept it from that.
    pub fn keep_good_copies(&self) -> Vec<Problem> {
        self.copies().keep()
    }

    /// The last good copies, and where they are kept.
    pub fn copies(&self) -> Copies {
        Copies {
            files: self.files.clone(),
            good: self.good.clone(),
        }
    }
}

/// The last good copies, and where they are kept. `Debug` says nothing of them.
#[derive(Debug)]
pub struct Copies {
    pub files: Files,
    good: Good,
}

impl Copies {
    /// Writes those that are not there yet. Says what kept it from that.
    pub fn keep(&self) -> Vec<Problem> {
        let copies = [
            (&self.files.copy_dir, last_good::JSON, &self.good.json),
            (&self.files.home, last_good::UCI, &self.good.uci),
        ];
        let kept = copies.into_iter().map(|(dir, name, copy)| {
            let kept = match copy {
                Some(copy) => last_good::keep(dir, name, copy),
                None => Ok(()),
            };
            kept.map_err(|error| Problem {
                option: Some("state_dir".into()),
                source: dir.display().to_string(),
                line: None,
                reason: error.to_string(),
            })
        });
        kept.filter_map(Result::err).collect()
    }
}
