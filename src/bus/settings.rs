//! Methods `config` and `reload`.

use serde::ser::{Serialize, SerializeMap, Serializer};
use ubus::{Request, Status};

use super::waits::Open;
use crate::config::reload::{Current, Facts, Gone, Handle};
use crate::config::{Chosen, Files};

/// The answer of method `config`.
#[derive(serde::Serialize)]
struct Settings<'a> {
    options: Options<'a>,
    #[serde(flatten)]
    facts: &'a Facts,
}

/// Options by their names.
struct Options<'a> {
    chosen: &'a [Chosen],
    files: &'a Files,
}

impl Serialize for Options<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.chosen.len()))?;
        for chosen in self.chosen {
            let shown = Shown {
                value: chosen.shown(),
                source: self.files.name_of(chosen.source),
                closed: chosen.is_closed(),
            };
            map.serialize_entry(chosen.row.name, &shown)?;
        }
        map.end()
    }
}

#[derive(serde::Serialize)]
struct Shown {
    /// As a person would write it; `***` for a secret that is set.
    value: String,
    /// A file, `command line`, `default` or `strictest value`.
    source: String,
    /// The option guards, and its value cannot be used: the strictest holds.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    closed: bool,
}

/// Replies every option with its value and source, and what is wrong.
pub(super) fn config(request: Request, settings: &Handle) {
    let current = settings.current().borrow().clone();
    let Current { loaded, facts, .. } = &*current;
    request.reply(&Settings {
        options: Options {
            chosen: &loaded.options,
            files: &loaded.files,
        },
        facts,
    });
}

/// Has everything read again, and replies what is wrong and what changed.
pub(super) fn reload(request: Request, settings: &Handle, open: &mut Open) {
    let settings = settings.clone();
    let work = async move { settings.reload().await };
    open.wait(request, work, |request, outcome| match outcome {
        Some(Ok(outcome)) => request.reply(&outcome),
        Some(Err(Gone)) => request.finish(Status::NO_DATA),
        None => request.finish(super::ENDING),
    });
}
