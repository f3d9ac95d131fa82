//! Which files there are: on the medium, and now.

use std::collections::{BTreeMap, BTreeSet};

use super::chooser::Chooser;

/// A number that a file keeps whatever it is called.
pub(super) type Id = u64;

/// The names of a directory.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    durable: BTreeMap<String, Id>,
    /// The changes since then, in order.
    changes: Vec<Change>,
    now: BTreeMap<String, Id>,
}

#[derive(Debug, Clone)]
enum Change {
    Create(String, Id),
    Rename(String, String),
    Remove(String),
}

impl Change {
    fn names(&self) -> impl Iterator<Item = &str> {
        let (one, other) = match self {
            Change::Create(name, _) | Change::Remove(name) => (name, None),
            Change::Rename(from, to) => (from, Some(to)),
        };
        std::iter::once(one).chain(other).map(String::as_str)
    }

    fn apply(&self, names: &mut BTreeMap<String, Id>) {
        match self {
            Change::Create(name, id) => {
                names.insert(name.clone(), *id);
            }
            Change::Rename(from, to) => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
            Change::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl Names {
    /// The names that are there now, with their files.
    pub(super) fn now(&self) -> &BTreeMap<String, Id> {
        &self.now
    }

    pub(super) fn get(&self, name: &str) -> Option<Id> {
        self.now.get(name).copied()
    }

    pub(super) fn create(&mut self, name: &str, id: Id) {
        self.change(Change::Create(name.to_owned(), id));
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        self.change(Change::Rename(from.to_owned(), to.to_owned()));
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.change(Change::Remove(name.to_owned()));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.changes.push(change);
    }

    pub(super) fn sync(&mut self) {
        self.durable.clone_from(&self.now);
        self.changes.clear();
    }

    /// True if `id` can be a file's after a power cut.
    pub(super) fn can_have(&self, id: Id) -> bool {
        let is_new = |change: &Change| matches!(change, Change::Create(_, new) if *new == id);
        self.durable.values().any(|known| *known == id) || self.changes.iter().any(is_new)
    }

    /// A directory that a power cut may leave of this one.
    pub(super) fn crash(&self, chooser: &mut Chooser) -> Names {
        let mut names = self.durable.clone();
        let mut held_back = BTreeSet::new();
        for change in &self.changes {
            // One cannot have happened without those before it that concern the same names.
            let possible = !change.names().any(|name| held_back.contains(name));
            if possible && chooser.choose(2) == 1 {
                change.apply(&mut names);
            } else {
                held_back.extend(change.names());
            }
        }
        Names {
            durable: names.clone(),
            changes: Vec::new(),
            now: names,
        }
    }
}
