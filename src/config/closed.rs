//! Ways into the device that stay closed because what guards them cannot be read.

use super::row::Guard;
use super::strict::Strict;

/// The end of an error about a settings file that cannot be read while there is a copy.
pub(super) const IN_PLACE: &str = "its last good copy is used";

/// The end of such an error where there is no copy.
pub(super) const LOST: &str =
    "until this is mended there is no link to the broker and no job but root's own runs";

/// The ways that are closed, each with its reason for people to read. Nothing opens them but a setting
/// that can be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closed {
    /// Options that are held, with the reason of each.
    options: Vec<(&'static str, Guard, String)>,
    /// Settings files that can be read neither themselves nor by their last good copies.
    files: Vec<String>,
    /// The options that guard, as they were before the first of these files closed all of them.
    apart: Option<Box<Strict>>,
}

impl Closed {
    pub(super) fn option(&mut self, name: &'static str, guard: Guard, why: &str) {
        self.mended(name);
        self.options.push((name, guard, why.to_owned()));
    }

    /// A value that can be used has come after the one that could not.
    pub(super) fn mended(&mut self, name: &str) {
        self.options.retain(|(held, ..)| *held != name);
    }

    /// A file is lost. The options that guard were `apart` from it.
    pub(super) fn file(&mut self, name: &str, apart: Strict) {
        self.files.push(name.to_owned());
        self.apart.get_or_insert_with(|| Box::new(apart));
    }

    /// The options that guard, as strict as they are apart from files that are lost; `None` if none is.
    pub(super) fn apart_from_files(&self) -> Option<&Strict> {
        self.apart.as_deref()
    }

    /// Is a way closed because of the option `name`?
    pub fn is_held(&self, name: &str) -> bool {
        self.options.iter().any(|(held, ..)| *held == name)
    }

    /// Why there is no link to the broker.
    pub fn link(&self) -> Option<String> {
        let reason = self.reason(|guard| matches!(guard, Guard::Link(_)))?;
        Some(format!("no link to the broker: {reason}"))
    }

    /// Why no job runs but root's own.
    pub fn jobs(&self) -> Option<String> {
        let reason = self.reason(|guard| guard == Guard::Jobs)?;
        Some(format!("no job but root's own runs: {reason}"))
    }

    fn reason(&self, is_way: impl Fn(Guard) -> bool) -> Option<String> {
        let option = || {
            let mut options = self.options.iter();
            let (name, _, why) = options.find(|(_, guard, _)| is_way(*guard))?;
            Some(format!("option '{name}': {why}"))
        };
        let file = self.files.first();
        let file = file.map(|file| format!("the settings in {file} cannot be read"));
        file.or_else(option)
    }
}
