//! Merges the sources, one over the other.

use std::path::Path;
use std::sync::Arc;

use uci::Package;

use super::chosen::{canonical, Chosen, Source};
use super::closed::Closed;
use super::earlier::Earlier;
use super::file::SettingsFile;
use super::hold::Failed;
use super::loaded::Good;
use super::main_section::{find_uci, held, main_section, other_sections, CONFIG, ENABLED};
use super::options::{find, OPTIONS};
use super::problem::Problems;
use super::row::{Guard, Preset, Row};
use super::strict::Kept;
use super::value::{self, quoted, Held, ValueError, Written};
use super::{json, Checks, Config, Files, Inputs, Loaded, Problem, SecretPath, Settings};

/// Where a value stands: its source and line.
#[derive(Clone, Copy)]
pub(super) struct At(pub(super) Source, pub(super) Option<usize>);

/// Options that a source has given already.
#[derive(Default)]
struct Seen(Vec<&'static str>);

/// A configuration on its way. Sources are taken from the one that is preceded by all others on.
pub(super) struct Loading<'a> {
    pub(super) config: Config,
    pub(super) root: &'a Path,
    checks: Checks,
    files: &'a Files,
    /// In the order of the table.
    pub(super) options: Vec<Chosen>,
    pub(super) errors: Problems,
    pub(super) warnings: Problems,
    /// Of the source that is being taken.
    pub(super) failed: Vec<Failed>,
    pub(super) closed: Closed,
    /// Files that options which guard name.
    named: Vec<SecretPath>,
    /// Sources in which a secret stands.
    secrets: Vec<Source>,
    /// Options that are held stricter than written, since a job's change was undone.
    pub(super) tightened: Vec<&'static str>,
    /// The first settings file that cannot be read.
    pub(super) unreadable: Option<String>,
    pub(super) strict: Kept,
}

impl<'a> Loading<'a> {
    /// The defaults, in which nothing is wrong.
    pub(super) fn new(inputs: &'a Inputs, files: &'a Files, before: Option<&Loaded>) -> Self {
        Loading {
            config: Config::defaults(&inputs.root, inputs.pace),
            root: &inputs.root,
            checks: inputs.checks,
            files,
            options: OPTIONS.iter().map(Chosen::default_of).collect(),
            errors: Problems::default(),
            warnings: Problems::default(),
            failed: Vec::new(),
            closed: Closed::default(),
            named: Vec::new(),
            secrets: Vec::new(),
            tightened: Vec::new(),
            unreadable: None,
            strict: Kept::read(&files.home, before),
        }
    }

    pub(super) fn take_json(&mut self, entries: Vec<json::Entry>) {
        let mut seen = Seen::default();
        for entry in entries {
            let at = At(Source::File, Some(entry.line));
            match find(&entry.key) {
                None => self.warn(&quoted(&entry.key), at, "is not known"),
                Some(row) => {
                    self.take_once(row, at, &mut seen);
                    self.take(row, at, entry.held());
                }
            }
        }
    }

    pub(super) fn take_uci(&mut self, package: &Package) {
        for (line, reason) in other_sections(package) {
            let problem = self.problem(None, At(Source::Uci, Some(line)), reason);
            self.warnings.push(problem);
        }
        let mut seen = Seen::default();
        for entry in main_section(package).map_or(&[][..], |main| main.options()) {
            let at = At(Source::Uci, Some(entry.line));
            let value = held(&entry.value);
            match (&*entry.name, find_uci(&entry.name)) {
                (_, Some(row)) => {
                    self.take_once(row, at, &mut seen);
                    self.take(row, at, value);
                }
                // The file it names was read already.
                (CONFIG, None) => {}
                (ENABLED, None) => {
                    let enabled = value.and_then(|held| value::truth(held.written()));
                    self.refuse(ENABLED, at, enabled);
                }
                (name, None) => self.warn(&quoted(name), at, "is not known"),
            }
        }
    }

    pub(super) fn take_command_line(&mut self, settings: &Settings) {
        for (row, value) in settings.iter() {
            let at = At(Source::CommandLine, None);
            self.take(row, at, Ok(Held::Text(value.into())));
        }
        self.hold(&|| Earlier::None);
    }

    /// Warns if others can read the secrets in `file`, which is the source that was taken last.
    pub(super) fn warn_of_readers(&mut self, source: Source, file: &SettingsFile) {
        if file.is_readable && self.secrets.contains(&source) {
            let reason = "others can read the secrets in it: chmod 600 it".to_owned();
            let problem = self.problem(None, At(source, None), reason);
            self.warnings.push(problem);
        }
    }

    /// Notes an error of a file as a whole, or of an option that is not in the table.
    pub(super) fn refuse_file(&mut self, option: Option<&str>, at: At, reason: String) {
        let problem = self.problem(option, at, reason);
        self.errors.push(problem);
    }

    /// Notes that `file` cannot be read itself, and returns it.
    pub(super) fn unreadable(&mut self, file: String) -> String {
        self.unreadable.get_or_insert_with(|| file.clone());
        file
    }

    /// Settles what follows from several options, and is done.
    pub(super) fn finish(mut self, good: Good, files: Files) -> Loaded {
        self.settle();
        self.config.closed = self.closed;
        let file = files.json.display().to_string();
        Loaded {
            config: Arc::new(self.config),
            errors: self.errors.finish(&file),
            warnings: self.warnings.finish(&file),
            options: self.options,
            named: self.named,
            tightened: self.tightened,
            files,
            unreadable: self.unreadable,
            strict: self.strict,
            good,
        }
    }

    fn take_once(&mut self, row: &'static Row, at: At, seen: &mut Seen) {
        if seen.0.contains(&row.name) {
            self.warn(row.name, at, "is given twice, the last one holds");
        }
        seen.0.push(row.name);
    }

    /// Takes a value of the option of `row`. A bad one brings back the default, or waits for
    /// [`Loading::hold`] if the option guards.
    fn take(&mut self, row: &'static Row, at: At, value: Result<Held<'_>, ValueError>) {
        let outcome = value.and_then(|held| self.store(row, held.written()));
        self.failed.retain(|failed| failed.row.name != row.name);
        let error = match outcome {
            Ok(value) => return self.put(row, value, at.0),
            Err(error) => error,
        };
        let problem = self.problem(Some(row.name), at, error.to_string());
        let place = self.errors.push(problem);
        match row.guard {
            Some(guard) => self.failed.push(Failed {
                row,
                guard,
                source: at.0,
                why: error.to_string(),
                error: place,
            }),
            None => {
                self.config.reset(row, self.root);
                self.options[position(row)] = Chosen::default_of(row);
            }
        }
    }

    /// Reads a value into its field, and returns it in its one form. The file it names, if it guards,
    /// has to be usable.
    pub(super) fn store(&mut self, row: &Row, written: Written<'_>) -> Result<String, ValueError> {
        row.kind.store(written, &mut self.config, self.root)?;
        let value = canonical(row.kind, written)?;
        if let (Some(Guard::Link(pem)), Some(file)) = (row.guard, row.kind.file(&mut self.config)) {
            let usable = (self.checks.look)(pem, &file);
            let file = SecretPath(file);
            if !self.named.contains(&file) {
                self.named.push(file);
            }
            usable.map_err(ValueError::File)?;
        }
        Ok(value)
    }

    pub(super) fn put(&mut self, row: &'static Row, value: String, source: Source) {
        if !value.is_empty() && (row.kind.is_secret() || value::has_login(&value)) {
            self.secrets.push(source);
        }
        self.closed.mended(row.name);
        let chosen = &mut self.options[position(row)];
        chosen.set(value);
        chosen.source = source;
    }

    fn refuse(&mut self, name: &str, at: At, outcome: Result<bool, ValueError>) {
        if let Err(error) = outcome {
            let problem = self.problem(Some(name), at, error.to_string());
            self.errors.push(problem);
        }
    }

    pub(super) fn warn(&mut self, name: &str, at: At, reason: &str) {
        let problem = self.problem(Some(name), at, reason.into());
        self.warnings.push(problem);
    }

    pub(super) fn problem(
        &self,
        option: Option<&str>,
        At(source, line): At,
        reason: String,
    ) -> Problem {
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
