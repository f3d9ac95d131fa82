//! Options that guard and whose value cannot be used: they keep their last good value, or are held at
//! their strictest.

use super::chosen::{Chosen, Source};
use super::earlier::Earlier;
use super::load::{position, Loading};
use super::options::OPTIONS;
use super::row::{Guard, Row};
use super::strict::Strict;
use super::value::Written;

/// An option that guards, whose value cannot be used.
pub(super) struct Failed {
    pub(super) row: &'static Row,
    pub(super) guard: Guard,
    pub(super) source: Source,
    pub(super) why: String,
    /// Index of the option's error among the others.
    pub(super) error: Option<usize>,
}

impl Loading<'_> {
    /// Ends a source: gives each option that guards, and whose value cannot be used, its last good value
    /// of the same source, or else the strictest. Says whether none of them had to be.
    pub(super) fn hold(&mut self, earlier: &dyn Fn() -> Earlier) -> bool {
        let failed = std::mem::take(&mut self.failed);
        if failed.is_empty() {
            return true;
        }
        let earlier = earlier();
        for Failed {
            row,
            guard,
            source,
            why,
            error,
        } in failed
        {
            // A last good value that can no longer be used counts as missing.
            let kept = earlier.value(row).and_then(Result::ok);
            let kept = kept.and_then(|held| self.store(row, held.written()).ok());
            let effect = match kept {
                Some(value) => {
                    self.put(row, value, source.copy());
                    "until this is mended its last good value holds".to_owned()
                }
                None => {
                    self.close(row, guard, &why);
                    self.closed.option(row.name, guard, &why);
                    guard.effect()
                }
            };
            self.errors.amend(error, &format!("; {effect}"));
        }
        false
    }

    /// Closes every way, because `file` could hold the setting that guards it and cannot be read.
    pub(super) fn close_all(&mut self, file: &str) {
        let apart = Strict::with(&self.config, &self.closed);
        for row in OPTIONS {
            if let Some(guard) = row.guard {
                self.close(row, guard, file);
            }
        }
        self.closed.file(file, apart);
    }

    /// Brings the option of `row` to its strictest.
    pub(super) fn close(&mut self, row: &'static Row, guard: Guard, why: &str) {
        let value = match guard {
            Guard::Value(strictest) => Some(strictest),
            Guard::Link(_) | Guard::Jobs => None,
        };
        let written = Written::Text(value.unwrap_or_default());
        row.kind
            .store(written, &mut self.config, self.root)
            .expect("the strictest value of the table is a value of its kind");
        self.options[position(row)] = Chosen::closed(row, value, why);
    }
}
