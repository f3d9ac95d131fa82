//! A cell: of a number there is always the last that was certain, or one that was about to follow it.

use durable::{Cell, Disk};
use serde::{Deserialize, Serialize};

use super::ensure;
use super::medium::Medium;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Said {
    Begins(u64),
    Certain(u64),
}

/// The number, 0 if there never was one.
pub type Found = u64;

/// The cell in the machine.
#[derive(Debug)]
pub struct Number {
    disk: Medium,
    last: u64,
}

impl Number {
    /// Opens the cell.
    ///
    /// # Errors
    ///
    /// The cell cannot be read or has other bytes than were written.
    pub fn open(mut disk: Medium) -> Result<(Self, Found), String> {
        let read = Cell::new("cell").read(&mut disk);
        let last = match read.map_err(|error| format!("cell: {error}"))? {
            None => 0,
            Some(value) => number(&value).ok_or("cell: a value that nobody wrote")?,
        };
        disk.sync_names()
            .map_err(|error| format!("cell: {error}"))?;
        Ok((Number { disk, last }, last))
    }

    pub fn act(&mut self, say: &mut dyn FnMut(Said)) {
        let next = self.last + 1;
        say(Said::Begins(next));
        let written = Cell::new("cell").write(&mut self.disk, &value(next));
        // On a full disk it may have either.
        if written.is_ok() {
            say(Said::Certain(next));
        }
        self.last = next;
    }
}

/// The bytes of a number: up to 6 KiB.
fn value(number: u64) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    let noise = fastrand::Rng::with_seed(number).u8(..);
    bytes.extend((0..number * 997 % 6000).map(|at| noise.wrapping_add(at as u8)));
    bytes
}

fn number(bytes: &[u8]) -> Option<u64> {
    let number = u64::from_le_bytes(*bytes.first_chunk()?);
    (value(number) == bytes).then_some(number)
}

/// The cell as the host knows it.
#[derive(Debug, Clone, Default)]
pub struct Account {
    begun: u64,
    certain: u64,
}

impl Account {
    pub fn hear(&mut self, said: Said) {
        match said {
            Said::Begins(number) => self.begun = self.begun.max(number),
            Said::Certain(number) => self.certain = self.certain.max(number),
        }
    }

    /// # Errors
    ///
    /// The cell has another value than it may have.
    pub fn judge(&self, found: Found) -> Result<(), String> {
        let Account { begun, certain } = *self;
        ensure((certain..=begun).contains(&found), || {
            format!("cell: {found}, where {certain} is certain and {begun} the last")
        })
    }

    /// Goes on from a start whose findings were right.
    pub fn go_on(&mut self, found: Found) {
        self.certain = found;
    }
}
