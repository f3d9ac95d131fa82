//! From command line and config.json to a [`Config`], with everything that is wrong noted.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::json;
use super::options::{find, OPTIONS};
use super::problem::Problems;
use super::row::{Preset, Row};
use super::value::{quoted, ValueError, Written};
use super::{Config, Problem, Settings};
use crate::clock::Pace;

/// Source of a [`Problem`] that stands on the command line.
const COMMAND_LINE: &str = "command line";

/// Shortest time offline before a reboot.
const REBOOT_MIN: Duration = Duration::from_secs(300);

/// Where the value of an option comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Default,
    File,
    CommandLine,
}

/// A configuration together with what was found wrong on the way to it.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Arc<Config>,
    /// Values that were not used.
    pub errors: Vec<Problem>,
    /// Unknown keys, repeated keys, and values that were changed.
    pub warnings: Vec<Problem>,
    /// Source of each option of [`OPTIONS`], in its order.
    pub sources: Vec<(&'static str, Source)>,
}

/// Where `path` lies for an agent whose files are below `root`.
pub fn under(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Reads `file` (as it is, not below `root`) and puts `cli` over it.
///
/// Never fails: what cannot be used is in [`Loaded::errors`]. If the command line gives an option a
/// bad value, the default is used and not the file's value.
pub fn load(cli: &Settings, file: &Path, root: &Path, pace: Pace) -> Loaded {
    let file_name = file.display().to_string();
    let mut loading = Loading {
        config: Config::defaults(root, pace),
        root,
        sources: vec![Source::Default; OPTIONS.len()],
        errors: Problems::default(),
        warnings: Problems::default(),
    };
    loading.take_file(file, &file_name);
    loading.take_command_line(cli);
    loading.settle(&file_name);
    Loaded {
        config: Arc::new(loading.config),
        errors: loading.errors.finish(&file_name),
        warnings: loading.warnings.finish(&file_name),
        sources: OPTIONS
            .iter()
            .map(|row| row.name)
            .zip(loading.sources)
            .collect(),
    }
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

struct Loading<'a> {
    config: Config,
    root: &'a Path,
    /// In the order of [`OPTIONS`].
    sources: Vec<Source>,
    errors: Problems,
    warnings: Problems,
}

impl Loading<'_> {
    fn take_file(&mut self, path: &Path, name: &str) {
        let entries = match json::read(path) {
            Ok(entries) => entries,
            Err(error) => {
                self.errors.push(Problem {
                    option: None,
                    source: name.into(),
                    line: error.line(),
                    reason: error.to_string(),
                });
                return;
            }
        };
        let mut seen = vec![false; OPTIONS.len()];
        for entry in entries {
            let problem = |option: &str, reason: String| Problem {
                option: Some(option.into()),
                source: name.into(),
                line: Some(entry.line),
                reason,
            };
            let Some(row) = find(&entry.key) else {
                self.warnings
                    .push(problem(&quoted(&entry.key), "is not known".into()));
                continue;
            };
            if std::mem::replace(&mut seen[position(row)], true) {
                let reason = "is given twice, the last one holds";
                self.warnings.push(problem(row.name, reason.into()));
            }
            let outcome =
                entry.with(|written| row.kind.store(written, &mut self.config, self.root));
            if let Err(error) = self.note(row, Source::File, outcome) {
                self.errors.push(problem(row.name, error.to_string()));
            }
        }
    }

    fn take_command_line(&mut self, cli: &Settings) {
        for (row, value) in cli.iter() {
            let outcome = row
                .kind
                .store(Written::Text(value), &mut self.config, self.root);
            if let Err(error) = self.note(row, Source::CommandLine, outcome) {
                self.errors.push(Problem {
                    option: Some(row.name.into()),
                    source: COMMAND_LINE.into(),
                    line: None,
                    reason: error.to_string(),
                });
            }
        }
    }

    /// Notes where the value of `row` comes from now; a bad value brings back the default.
    fn note(
        &mut self,
        row: &Row,
        source: Source,
        outcome: Result<(), ValueError>,
    ) -> Result<(), ValueError> {
        let source = match outcome {
            Ok(()) => source,
            Err(_) => {
                self.config.reset(row, self.root);
                Source::Default
            }
        };
        self.sources[position(row)] = source;
        outcome
    }

    /// What follows from several options together.
    fn settle(&mut self, file: &str) {
        if self.source("port") == Source::Default {
            self.config.port = default_port(self.config.tls);
        }
        self.settle_heartbeat(file);
        self.settle_reboot(file);
        if !self.config.job_pubkey.is_empty() {
            self.switch_off("web_jobs", file, |config| &mut config.web_jobs);
            self.switch_off("api_commands", file, |config| &mut config.api_commands);
        }
        for row in OPTIONS.iter().filter(|row| row.without_effect) {
            if self.source(row.name) != Source::Default {
                self.warn(row.name, file, "has no effect in this version".into());
            }
        }
    }

    /// Delivery has to be rarer than collection.
    fn settle_heartbeat(&mut self, file: &str) {
        let (monitor, heartbeat) = (self.config.monitor, self.config.heartbeat);
        if self.source("heartbeat") == Source::Default {
            self.config.heartbeat = default_heartbeat(monitor);
        } else if heartbeat <= monitor {
            let (short, monitor, used) = (
                heartbeat.as_secs(),
                monitor.as_secs(),
                (monitor * 2).as_secs(),
            );
            let reason = format!("{short} s is not above monitor ({monitor} s), {used} s is used");
            self.warn("heartbeat", file, reason);
            self.config.heartbeat = self.config.monitor * 2;
        }
    }

    /// A network restart takes longer than a short wait for the reboot.
    fn settle_reboot(&mut self, file: &str) {
        let asked = self.config.reboot;
        if !asked.is_zero() && asked < REBOOT_MIN {
            let (asked, used) = (asked.as_secs(), REBOOT_MIN.as_secs());
            self.warn(
                "reboot",
                file,
                format!("{asked} s is too soon, {used} s is used"),
            );
            self.config.reboot = REBOOT_MIN;
        }
    }

    /// Unsigned ways in are closed where signatures are asked for.
    fn switch_off(&mut self, name: &str, file: &str, field: fn(&mut Config) -> &mut bool) {
        if std::mem::take(field(&mut self.config)) && self.source(name) != Source::Default {
            self.warn(name, file, "is off while job_pubkey is set".into());
        }
    }

    fn source(&self, name: &str) -> Source {
        self.sources[position(find(name).expect("the table has it"))]
    }

    fn warn(&mut self, name: &str, file: &str, reason: String) {
        let source = match self.source(name) {
            Source::CommandLine => COMMAND_LINE,
            Source::File | Source::Default => file,
        };
        self.warnings.push(Problem {
            option: Some(name.into()),
            source: source.into(),
            line: None,
            reason,
        });
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

fn position(row: &Row) -> usize {
    OPTIONS
        .iter()
        .position(|other| other.name == row.name)
        .expect("rows come from the table")
}
