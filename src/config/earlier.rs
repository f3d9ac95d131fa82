//! The last good copy of a source, option by option.

use uci::Package;

use super::json;
use super::last_good::Copy;
use super::main_section::{find_uci, held, main_section};
use super::options::find;
use super::row::Row;
use super::value::{Held, ValueError};

/// The last good copy of a source.
pub(super) enum Earlier {
    None,
    Json(Vec<json::Entry>),
    Uci(Package),
}

impl Earlier {
    /// A copy of config.json; nothing if it cannot be read.
    pub(super) fn json(copy: Option<Copy>) -> Self {
        let entries = copy.and_then(|copy| json::parse(&copy.bytes).ok());
        entries.map_or(Earlier::None, Earlier::Json)
    }

    /// A copy of the UCI package; nothing if it cannot be read.
    pub(super) fn uci(copy: Option<Copy>) -> Self {
        let package = copy.and_then(|copy| Package::parse(&copy.bytes).ok());
        package.map_or(Earlier::None, Earlier::Uci)
    }

    /// The value of the option of `row`, if it is set there.
    pub(super) fn value(&self, row: &Row) -> Option<Result<Held<'_>, ValueError>> {
        let is_it = |found: Option<&Row>| found.is_some_and(|found| found.name == row.name);
        match self {
            Earlier::None => None,
            Earlier::Json(entries) => {
                let mut entries = entries.iter().rev();
                let entry = entries.find(|entry| is_it(find(&entry.key)))?;
                Some(entry.held())
            }
            Earlier::Uci(package) => {
                let mut options = main_section(package)?.options().iter().rev();
                let entry = options.find(|entry| is_it(find_uci(&entry.name)))?;
                Some(held(&entry.value))
            }
        }
    }
}
