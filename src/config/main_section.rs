//! Section `config socketman 'main'` of the UCI package `socketman`: the options in their UCI form.

use uci::{Package, Section, Value};

use super::options::OPTIONS;
use super::row::Row;
use super::value::{quoted, Held, ValueError};

/// Name of our package, and type of its sections.
pub const PACKAGE: &str = "socketman";

/// Name of the section that counts.
const MAIN: &str = "main";

/// Options of the section that are none of the agent's: what the file of config.json is, and whether
/// the init script starts the agent.
pub(super) const CONFIG: &str = "config";
pub(super) const ENABLED: &str = "enabled";

/// The section of the options.
pub(super) fn main_section(package: &Package) -> Option<&Section> {
    package
        .named(MAIN)
        .filter(|section| &*section.kind == PACKAGE)
}

/// Sections that do not count, with the line of each and the reason.
pub(super) fn other_sections(package: &Package) -> impl Iterator<Item = (usize, String)> + '_ {
    let others = package
        .sections()
        .iter()
        .filter(|section| &*section.id != MAIN || &*section.kind != PACKAGE);
    others.map(|section| {
        let (kind, id) = (quoted(&section.kind), quoted(&section.id));
        let reason = format!(
            "section '{id}' of type '{kind}' has no effect, options belong to '{MAIN}' of type '{PACKAGE}'"
        );
        (section.line, reason)
    })
}

/// The option with this UCI name, in which `_` stands for `-`.
pub(super) fn find_uci(key: &str) -> Option<&'static Row> {
    let is_key = |name: &str| {
        let name = name.bytes().map(|b| if b == b'-' { b'_' } else { b });
        name.eq(key.bytes())
    };
    OPTIONS
        .iter()
        .find(|row| is_key(row.name) || row.aliases.iter().any(|alias| is_key(alias)))
}

/// The value, if it is UTF-8.
pub(super) fn held(value: &Value) -> Result<Held<'_>, ValueError> {
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| ValueError::NotUtf8);
    match value {
        Value::Text(bytes) => Ok(Held::Text(text(bytes)?.into())),
        Value::List(items) => {
            let mut texts = Vec::with_capacity(items.len());
            for item in items {
                texts.push(text(item)?.to_owned());
            }
            Ok(Held::List(texts))
        }
    }
}
