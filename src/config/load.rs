//! What the sources say, one over the other, and what follows from several options together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::chosen::{canonical, flag, Chosen, Source};
use super::inputs::{Files, Good, Loaded};
use super::main_section::{find_uci, main_section, other_sections, with, CONFIG, ENABLED};
use super::options::{find, OPTIONS};
use super::problem::Problems;
use super::row::{Preset, Row};
use super::uci::Package;
use super::value::{self, quoted, ValueError, Written};
use super::{json, Config, Problem, Settings};
use crate::clock::Pace;

/// Shortest time offline before a reboot.
const REBOOT_MIN: Duration = Duration::from_secs(300);

/// Where `path` lies for an agent whose files are below `root`.
pub fn under(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Port of the broker when none is given.
pub(super) fn default_port(tls: bool) -> u16 {
    match tls {
        true => 8883,
        false => 1883,
    }
}

/// Delivery interval when none is given.
pub(super) fn default_heartbeat(monitor: Duration) -> Duration {
    Duration::from_secs(60).max(monitor * 2)
}

/// A configuration on its way. Sources are taken from the one that is preceded by all others on.
pub(super) struct Loading<'a> {
    config: Config,
    root: &'a Path,
    files: &'a Files,
    /// In the order of the table.
    options: Vec<Chosen>,
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

    fn warn(&mut self, name: &str, at: At, reason: &str) {
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

    fn settle(&mut self) {
        if self.source("port") == Source::Default {
            self.config.port = default_port(self.config.tls);
        }
        self.settle_heartbeat();
        self.settle_reboot();
        if !self.config.job_pubkey.is_empty() {
            self.switch_off("web_jobs", |config| &mut config.web_jobs);
            self.switch_off("api_commands", |config| &mut config.api_commands);
        }
        for row in OPTIONS.iter().filter(|row| row.without_effect) {
            if self.source(row.name) != Source::Default {
                self.warn_settled(row.name, "has no effect in this version");
            }
        }
        let settled = [
            ("port", self.config.port.to_string()),
            ("heartbeat", self.config.heartbeat.as_secs().to_string()),
            ("reboot", self.config.reboot.as_secs().to_string()),
            ("web_jobs", flag(self.config.web_jobs)),
            ("api_commands", flag(self.config.api_commands)),
        ];
        for (name, value) in settled {
            self.chosen(name).set(value);
        }
    }

    /// Delivery has to be rarer than collection.
    fn settle_heartbeat(&mut self) {
        let (monitor, heartbeat) = (self.config.monitor, self.config.heartbeat);
        if self.source("heartbeat") == Source::Default {
            self.config.heartbeat = default_heartbeat(monitor);
        } else if heartbeat <= monitor {
            let used = monitor * 2;
            let (short, monitor) = (heartbeat.as_secs(), monitor.as_secs());
            let reason = format!(
                "{short} s is not above monitor ({monitor} s), {} s is used",
                used.as_secs()
            );
            self.warn_settled("heartbeat", &reason);
            self.config.heartbeat = used;
        }
    }

    /// A network restart takes longer than a short wait for the reboot.
    fn settle_reboot(&mut self) {
        let asked = self.config.reboot;
        if !asked.is_zero() && asked < REBOOT_MIN {
            let (asked, used) = (asked.as_secs(), REBOOT_MIN.as_secs());
            self.warn_settled(
                "reboot",
                &format!("{asked} s is too soon, {used} s is used"),
            );
            self.config.reboot = REBOOT_MIN;
        }
    }

    /// Unsigned ways in are closed where signatures are asked for.
    fn switch_off(&mut self, name: &str, field: fn(&mut Config) -> &mut bool) {
        if std::mem::take(field(&mut self.config)) && self.source(name) != Source::Default {
            self.warn_settled(name, "is off while job_pubkey is set");
        }
    }

    fn warn_settled(&mut self, name: &str, reason: &str) {
        let at = At(self.source(name), None);
        self.warn(name, at, reason);
    }

    fn source(&self, name: &str) -> Source {
        self.options[position(find(name).expect("the table has it"))].source
    }

    fn chosen(&mut self, name: &str) -> &mut Chosen {
        &mut self.options[position(find(name).expect("the table has it"))]
    }
}

/// Where a value stands: its source and line.
#[derive(Clone, Copy)]
struct At(Source, Option<usize>);

/// Options that a source has given already.
#[derive(Default)]
struct Seen(Vec<&'static str>);

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

fn position(row: &Row) -> usize {
    OPTIONS
        .iter()
        .position(|other| other.name == row.name)
        .expect("rows come from the table")
}
