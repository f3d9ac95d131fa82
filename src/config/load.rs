//! What the sources say, one over the other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chosen::{canonical, Chosen, Source};
use super::inputs::{Files, Good, Loaded};
use super::main_section::{find_uci, main_section, other_sections, with, CONFIG, ENABLED};
use super::options::{find, OPTIONS};
use super::problem::Problems;
use super::row::{Preset, Row};
use super::uci::Package;
use super::value::{self, quoted, ValueError, Written};
use super::{json, Config, Problem, Settings};
use crate::clock::Pace;

/// Where `path` lies for an agent whose files are below `root`.
pub fn under(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Where a value stands: its source and line.
#[derive(Clone, Copy)]
pub(super) struct At(pub(super) Source, pub(super) Option<usize>);

/// Options that a source has given already.
#[derive(Default)]
struct Seen(Vec<&'static str>);

/// A configuration on its way. Sources are taken from the one that is preceded by all others on.
pub(super) struct Loading<'a> {
    pub(super) config: Config,
    root: &'a Path,
    files: &'a Files,
    /// In the order of the table.
    pub(super) options: Vec<Chosen>,
    pub(super) errors: Problems,
    warnings: Problems,
}

impl<'a> Loading<'a> {
    /// The defaults, in which nothing is wrong.
    pub(super) fn new(root: &'a Path, pace: Pace, files: &'a Files) -> Self {
        Loading {
            config: Config::defaults(root, pace),
            root,
            files,
            options: OPTIONS.iter().map(Chosen::default_of).collect(),
            errors: Problems::default(),
            warnings: Problems::default(),
        }
    }

    pub(super) fn state_dir(&self) -> &Path {
        &self.config.state_dir
    }

    pub(super) fn take_json(&mut self, entries: Vec<json::Entry>) {
        let mut seen = Seen::default();
        for entry in entries {
            let at = At(Source::File, Some(entry.line));
            match find(&entry.key) {
                None => self.warn(&quoted(&entry.key), at, "is not known"),
                Some(row) => {
                    self.take_once(row, at, &mut seen);
                    self.take(row, at, |read| entry.with(read));
                }
            }
        }
    }

    pub(super) fn take_uci(&mut self, package: &Package) {
        for (line, reason) in other_sections(package) {
            self.warnings
                .push(self.problem(None, At(Source::Uci, Some(line)), reason));
        }
        let mut seen = Seen::default();
        for entry in main_section(package).map_or(&[][..], |main| main.options()) {
            let at = At(Source::Uci, Some(entry.line));
            let value = &entry.value;
            match (&*entry.name, find_uci(&entry.name)) {
                (_, Some(row)) => {
                    self.take_once(row, at, &mut seen);
                    self.take(row, at, |read| with(value, read));
                }
                (CONFIG, None) => {
                    let path = with(value, |written| {
                        value::path(value::text(written)?).map(drop)
                    });
                    self.refuse(CONFIG, at, path);
                }
                (ENABLED, None) => {
                    let enabled = with(value, |written| value::truth(written).map(drop));
                    self.refuse(ENABLED, at, enabled);
                }
                (name, None) => self.warn(&quoted(name), at, "is not known"),
            }
        }
    }

    pub(super) fn take_command_line(&mut self, settings: &Settings) {
        for (row, value) in settings.iter() {
            let at = At(Source::CommandLine, None);
            self.take(row, at, |read| read(Written::Text(value)));
        }
    }

    /// Settles what follows from several options, and is done.
    pub(super) fn finish(mut self, good: Good, files: Files) -> Loaded {
        self.settle();
        let file = files.json.display().to_string();
        Loaded {
            config: Arc::new(self.config),
            errors: self.errors.finish(&file),
            warnings: self.warnings.finish(&file),
            options: self.options,
            files,
            good,
        }
    }

    fn take_once(&mut self, row: &'static Row, at: At, seen: &mut Seen) {
        if seen.0.contains(&row.name) {
            self.warn(row.name, at, "is given twice, the last one holds");
        }
        seen.0.push(row.name);
    }

    /// Takes the value that `with` hands over for the option of `row`; a bad one brings back the default.
    fn take(
        &mut self,
        row: &'static Row,
        at: At,
        with: impl FnOnce(
            &mut dyn FnMut(Written<'_>) -> Result<String, ValueError>,
        ) -> Result<String, ValueError>,
    ) {
        let (config, root) = (&mut self.config, self.root);
        let mut store = |written: Written<'_>| {
            row.kind.store(written, config, root)?;
            canonical(row.kind, written)
        };
        let outcome = with(&mut store);
        let place = position(row);
        match outcome {
            Ok(value) => {
                self.options[place].set(value);
                self.options[place].source = at.0;
            }
            Err(error) => {
                self.config.reset(row, self.root);
                self.options[place] = Chosen::default_of(row);
                self.refuse(row.name, at, Err(error));
            }
        }
    }

    fn refuse(&mut self, name: &str, at: At, outcome: Result<(), ValueError>) {
        if let Err(error) = outcome {
            self.errors
                .push(self.problem(Some(name), at, error.to_string()));
        }
    }

    pub(super) fn warn(&mut self, name: &str, at: At, reason: &str) {
        self.warnings
            .push(self.problem(Some(name), at, reason.into()));
    }

    fn problem(&self, option: Option<&str>, At(source, line): At, reason: String) -> Problem {
        Problem {
            option: option.map(str::to_owned),
            source: self.files.name_of(source),
            line,
            reason,
        }
    }
}

impl Config {
    /// Gives the option of `row` its default; one that follows from another option is left alone.
    pub(super) fn reset(&mut self, row: &Row, root: &Path) {
        if let Preset::Fixed(default) = row.default {
            row.kind
                .store(Written::Text(default), self, root)
                .expect("a default of the table is a value of its kind");
        }
    }
}

pub(super) fn position(row: &Row) -> usize {
    OPTIONS
        .iter()
        .position(|other| other.name == row.name)
        .expect("rows come from the table")
}
