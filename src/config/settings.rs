//! Options given on the command line, before they are judged.

use std::fmt;

use super::options::find;
use super::row::Row;

/// Options and the values they were given, in the order they stand. `Debug` hides secrets.
#[derive(Default, Clone)]
pub struct Settings(Vec<(&'static Row, String)>);

impl Settings {
    /// Adds `value` for the option named `name`; false if there is no such option.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> bool {
        match find(name) {
            Some(row) => {
                self.0.push((row, value.into()));
                true
            }
            None => false,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static Row, &str)> {
        self.0.iter().map(|(row, value)| (*row, value.as_str()))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.iter().map(|(row, value)| {
            let value = match row.kind {
                kind if kind.is_secret() => "***".into(),
                super::Kind::Url(_) => super::shown_url(value),
                _ => value.to_owned(),
            };
            (row.name, value)
        });
        f.debug_map().entries(shown).finish()
    }
}
