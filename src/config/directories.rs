//! Directories of ours: three different ones, none inside another.
//!
//! Each part repairs and tidies up its own, and would take the files of another part for damage.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::chosen::{Chosen, Source};
use super::load::{position, At, Loading};
use super::options::find;
use super::row::Row;
use super::Config;

impl Loading<'_> {
    /// Takes the directories apart: state_dir has to leave room for the default of spool_dir, so its
    /// own default holds if it does not; then archive_dir is off, then spool_dir has its default.
    pub(super) fn settle_directories(&mut self) {
        let state = of_state(&self.config, self.root);
        if state != self.config.state_dir {
            self.refuse_directory("state_dir", "that of spool_dir, whose default it takes");
        }
        let spool = &self.config.spool.dir;
        let archive = self.config.spool.archive_dir.as_deref();
        let other = match archive {
            Some(archive) if overlap(archive, &state) => Some("state_dir"),
            Some(archive) if overlap(archive, spool) => Some("spool_dir"),
            _ => None,
        };
        let spool = overlap(spool, &state);
        let mut left = Vec::new();
        if let Some(other) = other {
            left.extend(self.config.spool.archive_dir.take());
            self.refuse_directory("archive_dir", other);
        }
        if spool {
            left.push(self.config.spool.dir.clone());
            self.refuse_directory("spool_dir", "state_dir");
        }
        left.dedup();
        left.retain(|dir| *dir != self.config.spool.dir);
        self.config.spool.left_dirs = left;
    }

    fn refuse_directory(&mut self, name: &str, other: &str) {
        let row = row(name);
        let place = position(row);
        let at = At(self.options[place].source, None);
        let reason = format!("is the same as, inside or above {other}; its default is used");
        let problem = self.problem(Some(name), at, reason);
        self.errors.push(problem);
        self.config.reset(row, self.root);
        self.options[place] = Chosen::default_of(row);
        debug_assert_eq!(self.options[place].source, Source::Default);
    }
}

/// The state directory that `config` comes to: the default where its own would overlap with the default
/// of spool_dir.
pub(super) fn of_state(config: &Config, root: &Path) -> PathBuf {
    let defaults = Config::defaults(root, config.pace);
    match overlap(&config.state_dir, &defaults.spool.dir) {
        true => defaults.state_dir,
        false => config.state_dir.clone(),
    }
}

/// Is one of two directories the other, or inside it? Links on the way are followed: /var is one on
/// OpenWrt.
fn overlap(a: &Path, b: &Path) -> bool {
    let (a, b) = (resolved(a), resolved(b));
    a.starts_with(&b) || b.starts_with(&a)
}

/// `path` without links, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let mut missing: Vec<OsString> = Vec::new();
    let mut there = path;
    loop {
        if let Ok(real) = fs::canonicalize(there) {
            return missing
                .iter()
                .rev()
                .fold(real, |path, name| path.join(name));
        }
        match (there.parent(), there.file_name()) {
            (Some(parent), Some(name)) => {
                missing.push(name.to_owned());
                there = parent;
            }
            _ => return path.to_owned(),
        }
    }
}

fn row(name: &str) -> &'static Row {
    find(name).expect("the table has it")
}
