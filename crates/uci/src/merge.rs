//! The sum of all commands: sections that are opened again, options that are set again.

use super::error::Reason;
use super::{Entry, Package, Section, Value};

/// Most sections of a package.
pub const MAX_SECTIONS: usize = 8192;

/// Most options and list items of a package, together.
pub const MAX_VALUES: usize = 65536;

/// A package while it is read.
#[derive(Default)]
pub(super) struct Merge {
    package: Package,
    /// The section that options belong to.
    current: Option<usize>,
    /// Options and list items so far.
    values: usize,
}

/// Text of bytes that were found to be ASCII.
fn ascii(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn count(values: &mut usize) -> Result<(), Reason> {
    if *values == MAX_VALUES {
        return Err(Reason::TooManyValues);
    }
    *values += 1;
    Ok(())
}

impl Merge {
    pub(super) fn in_section(&self) -> bool {
        self.current.is_some()
    }

    pub(super) fn finish(self) -> Package {
        self.package
    }

    /// Opens the section of this name, which is new or goes on.
    pub(super) fn named(&mut self, kind: &[u8], name: &[u8], line: usize) -> Result<(), Reason> {
        let name = ascii(name);
        let sections = &self.package.sections;
        match self.package.by_id.find(&name, |at| &sections[at].id) {
            Ok(at) if sections[at].kind.as_bytes() != kind => Err(Reason::OtherType),
            Ok(at) => {
                self.current = Some(at);
                Ok(())
            }
            Err(_) => self.open(kind, name, false, line),
        }
    }

    /// Opens a new section, with an id as libuci makes it.
    pub(super) fn anonymous(&mut self, kind: &[u8], line: usize) -> Result<(), Reason> {
        let hash = kind.iter().fold(5381u32, |hash, byte| {
            hash.wrapping_mul(33).wrapping_add((*byte).into())
        });
        let n = self.package.sections.len() + 1;
        let id = format!("cfg{n:02x}{:04x}", hash & 0xffff);
        self.open(kind, id, true, line)
    }

    fn open(
        &mut self,
        kind: &[u8],
        id: String,
        anonymous: bool,
        line: usize,
    ) -> Result<(), Reason> {
        let sections = &mut self.package.sections;
        let at = sections.len();
        if at == MAX_SECTIONS {
            return Err(Reason::TooManySections);
        }
        // A section may carry the id that a later one gets: names find the first.
        if let Err(place) = self.package.by_id.find(&id, |at| &sections[at].id) {
            self.package.by_id.enter(place, at);
        }
        sections.push(Section {
            kind: ascii(kind).into(),
            id: id.into(),
            anonymous,
            line,
            options: Vec::new(),
            by_name: Default::default(),
        });
        self.current = Some(at);
        Ok(())
    }

    /// Sets an option; an empty value changes nothing.
    pub(super) fn set(&mut self, name: &[u8], value: &[u8], line: usize) -> Result<(), Reason> {
        if value.is_empty() {
            return Ok(());
        }
        let entry = self.entry(name, line)?;
        entry.value = Value::Text(value.into());
        Ok(())
    }

    /// Adds an item to a list; a value that was no list becomes its first item.
    pub(super) fn add(&mut self, name: &[u8], item: &[u8], line: usize) -> Result<(), Reason> {
        count(&mut self.values)?;
        let entry = self.entry(name, line)?;
        let mut items = match std::mem::replace(&mut entry.value, Value::List(Vec::new())) {
            Value::List(items) => items,
            Value::Text(text) => vec![text],
        };
        items.push(item.into());
        entry.value = Value::List(items);
        Ok(())
    }

    /// The option of this name in the current section; an empty list if it is new.
    fn entry(&mut self, name: &[u8], line: usize) -> Result<&mut Entry, Reason> {
        let section = self.current.ok_or(Reason::NoSection)?;
        let section = &mut self.package.sections[section];
        let name = ascii(name);
        let options = &mut section.options;
        let at = match section.by_name.find(&name, |at| &options[at].name) {
            Ok(at) => at,
            Err(place) => {
                count(&mut self.values)?;
                section.by_name.enter(place, options.len());
                options.push(Entry {
                    name: name.into(),
                    value: Value::List(Vec::new()),
                    line,
                });
                options.len() - 1
            }
        };
        options[at].line = line;
        Ok(&mut options[at])
    }
}
