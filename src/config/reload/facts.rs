//! Faults of the settings, for the log and for status.

use std::path::Path;

use serde::Serialize;

use crate::config::{Checks, Loaded, Problem};

/// Faults of the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Values and files that are not used.
    pub errors: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

impl Facts {
    /// The faults of `loaded` wherever it is used. Looks at the files it names.
    pub fn found(loaded: &Loaded, checks: Checks) -> Self {
        let mut warnings = loaded.warnings.clone();
        warnings.extend((checks.warnings)(&loaded.config));
        Facts {
            errors: loaded.errors.clone(),
            warnings,
        }
    }

    /// The faults of `loaded` for an agent that uses `state_dir` until it ends. `standing` are faults whatever
    /// is loaded, `more` are errors of using it.
    pub(super) fn of(
        (loaded, checks): (&Loaded, Checks),
        standing: &Facts,
        more: Vec<Problem>,
        state_dir: &Path,
    ) -> Self {
        let Facts {
            mut errors,
            mut warnings,
        } = Facts::found(loaded, checks);
        errors.extend_from_slice(&standing.errors);
        errors.extend(more);
        warnings.extend_from_slice(&standing.warnings);
        if loaded.config.state_dir != state_dir {
            warnings.push(Problem {
                option: Some("state_dir".into()),
                source: loaded.source_of("state_dir"),
                line: None,
                reason: "has another value now, which holds for the record of jobs at once, for the rest \
                         from the next start of the agent on"
                    .into(),
            });
        }
        Facts { errors, warnings }
    }

    /// Logs all of it.
    pub(super) fn tell(&self) {
        for problem in &self.errors {
            log::error!("{problem}");
        }
        for problem in &self.warnings {
            log::warn!("{problem}");
        }
    }
}
