//! From command line and config.json to a [`Config`], with everything that is wrong noted.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::json;
use super::options::{find, Preset, Row, OPTIONS};
use super::problem::Problems;
use super::value::{quoted, ValueError, Written};
use super::{Config, Problem, Settings};
use crate::clock::Pace;

/// Source of a [`Problem`] that stands on the command line.
const COMMAND_LINE: &str = "command line";

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
    loading.settle_heartbeat(&file_name);
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
            if let Err(error) = self.settle(row, Source::File, outcome) {
                self.errors.push(problem(row.name, error.to_string()));
            }
        }
    }

    fn take_command_line(&mut self, cli: &Settings) {
        for (row, value) in cli.iter() {
            let outcome = row
                .kind
                .store(Written::Text(value), &mut self.config, self.root);
            if let Err(error) = self.settle(row, Source::CommandLine, outcome) {
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
    fn settle(
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

    /// Delivery has to be rarer than collection.
    fn settle_heartbeat(&mut self, file: &str) {
        let twice = self.config.monitor * 2;
        let row = find("heartbeat").expect("the table has it");
        let source = match self.sources[position(row)] {
            Source::Default => {
                self.config.heartbeat = default_heartbeat(self.config.monitor);
                return;
            }
            Source::File => file,
            Source::CommandLine => COMMAND_LINE,
        };
        if self.config.heartbeat > self.config.monitor {
            return;
        }
        self.warnings.push(Problem {
            option: Some(row.name.into()),
            source: source.into(),
            line: None,
            reason: format!(
                "{} s is not above monitor ({} s), {} s is used",
                self.config.heartbeat.as_secs(),
                self.config.monitor.as_secs(),
                twice.as_secs()
            ),
        });
        self.config.heartbeat = twice;
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
