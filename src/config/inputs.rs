//! Where settings are looked for, and what was found there: from command line, UCI and config.json to
//! a [`Config`], with everything that is wrong noted.

use std::path::{Path, PathBuf};

use uci::{Directories, Section};

use super::directories;
use super::file::mend;
use super::last_good::{self, Kept};
use super::load::Loading;
use super::loaded::Good;
use super::main_section::{held, PACKAGE};
use super::options::find;
use super::value::Written;
use super::{Checks, Config, Files, Loaded, Problem, Settings, DEFAULT_FILE};
use crate::process::clock::Pace;
use crate::process::crash::Crashes;
use crate::process::file::under;

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
    /// Looks at the files that options name.
    pub checks: Checks,
    /// Notes which file is read, and skips one that ended earlier agents.
    pub crashes: Crashes,
}

/// The name of settings files in the record of crashes.
pub(super) const KIND: &str = "config";

impl Inputs {
    /// The usual places below `root`, without a command line and without a record of crashes.
    pub fn below(root: &Path, checks: Checks) -> Self {
        Inputs {
            command_line: Settings::default(),
            file: None,
            uci: Directories::of(root, None),
            root: root.to_owned(),
            pace: Pace::REAL,
            checks,
            crashes: Crashes::default(),
        }
    }

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
        let mut uci = self.read_uci(&uci_kept);
        files.copy_dir = self.state_dir(uci.main());
        let named = uci.file_named();
        let optional = self.file.is_none() && uci.main().is_some() && !uci.names_a_file();
        let json_file = self.file.clone().or(named);
        files.json = json_file.unwrap_or_else(|| under(&self.root, Path::new(DEFAULT_FILE)));
        // What comes is of another file, and the package is only taken once more.
        drop(uci.handling.take());

        let mut loading = Loading::new(self, &files, before);
        let mut lost = uci.tell(&mut loading, &uci_kept, self.file.is_some());
        let json_kept = Kept {
            remembered: before.and_then(|before| before.good.json.as_ref()),
            state_dir: &files.copy_dir,
            name: last_good::JSON,
            of: &files.json,
        };
        let json = self.take_json(&mut loading, &json_kept, optional);
        lost.extend(json.lost);
        let (uci, uci_is_usable) = uci.take(&mut loading, &uci_kept);
        let good = Good {
            json: json.good,
            uci,
            is_usable: json.is_usable && uci_is_usable,
        };
        loading.take_command_line(&self.command_line);
        for file in &lost {
            loading.close_all(file);
        }
        loading.tighten();
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
            let _ = held(&entry.value)
                .and_then(|held| row.kind.store(held.written(), &mut config, &self.root));
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
}
