//! A small value that is replaced whole, and that knows whether it is damaged.
//!
//! ```text
//!  0         1         5         9
//!  +---------+---------+---------+----------------+
//!  | version | length  | CRC-32C | value          |
//!  | u8, 1   | u32     | u32     | `length` bytes |
//!  +---------+---------+---------+----------------+
//! ```
//!
//! Numbers are little-endian, on every processor. The checksum is that of version, length and value.
//! A value is written to a file of its own, `NAME.new`, which then takes the name.

use std::io;

use super::checksum::crc32c;
use super::disk::{read_whole, Disk};
use super::replace::{fresh, replace};

/// The layout drawn above.
const VERSION: u8 = 1;

/// Bytes before the value.
const HEAD: usize = 9;

/// Bytes of the longest value.
pub const VALUE_MAX: usize = 64 << 10;

/// Why a cell has no value to give.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CellError {
    /// There is a value, and it is not what was written.
    #[error("{0} is damaged")]
    Damaged(String),
    /// The disk refused a call.
    #[error("{name}: {source}")]
    Disk {
        /// The file.
        name: String,
        /// The refusal.
        source: io::Error,
    },
}

/// A value on a disk, of which there is always the old or the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    name: String,
}

impl Cell {
    /// The cell in the file `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Cell { name: name.into() }
    }

    /// The value that was written last; `None` if there never was one.
    ///
    /// After a kill it may be one whose [`Cell::write`] had not returned: who acts on it calls
    /// [`Disk::sync_names`] first, or a power cut may bring the one before it back.
    ///
    /// # Errors
    ///
    /// A damaged value, unless the one that was about to replace it is whole; a disk that does not
    /// read.
    pub fn read(&self, disk: &mut dyn Disk) -> Result<Option<Vec<u8>>, CellError> {
        match self.read_file(disk, &self.name) {
            // Only a value newer than this one can lie beside it.
            Err(damaged @ CellError::Damaged(_)) => {
                match self.read_file(disk, &fresh(&self.name)) {
                    Ok(Some(value)) => Ok(Some(value)),
                    _ => Err(damaged),
                }
            }
            read => read,
        }
    }

    fn read_file(&self, disk: &mut dyn Disk, name: &str) -> Result<Option<Vec<u8>>, CellError> {
        let failed = |source| CellError::Disk {
            name: name.to_owned(),
            source,
        };
        let damaged = || CellError::Damaged(name.to_owned());
        let max = (HEAD + VALUE_MAX) as u64;
        match read_whole(disk, name, max) {
            Ok(bytes) => decode(bytes).map(Some).ok_or_else(damaged),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(damaged()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Replaces the value. When this returns, the new one survives a power cut.
    ///
    /// # Errors
    ///
    /// A value longer than [`VALUE_MAX`]; a disk that fails: then the cell has its old value, or the
    /// new one without certainty that it survives.
    pub fn write(&self, disk: &mut dyn Disk, value: &[u8]) -> Result<(), CellError> {
        let failed = |source| CellError::Disk {
            name: self.name.clone(),
            source,
        };
        if value.len() > VALUE_MAX {
            let why = "is longer than a cell holds";
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, why)));
        }
        replace(disk, &self.name, &encode(value)).map_err(failed)
    }
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    // What the checksum covers does not lie in one piece.
    let (before, value) = (&bytes[..5], &bytes[HEAD..]);
    crc32c(&[before, value].concat()).to_le_bytes()
}

fn encode(value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + value.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(value);
    let sum = checksum(&bytes);
    bytes[5..HEAD].copy_from_slice(&sum);
    bytes
}

fn decode(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let &[version, l0, l1, l2, l3, ref sum @ ..] = bytes.first_chunk::<HEAD>()?;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let is_whole = version == VERSION && length == bytes.len() - HEAD && checksum(&bytes) == *sum;
    is_whole.then(|| bytes.split_off(HEAD))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Directory;
    use super::*;

    #[test]
    fn a_cell_is_empty_whole_or_damaged_and_says_which() {
        let tmp = tempfile::tempdir().unwrap();
        let mut dir = Directory::open(&tmp.path().join("own")).unwrap();
        let cell = Cell::new("floor");
        assert_eq!(cell.read(&mut dir).unwrap(), None);
        for value in [&b""[..], b"first", &[7; VALUE_MAX], b"last"] {
            cell.write(&mut dir, value).unwrap();
            assert_eq!(cell.read(&mut dir).unwrap().unwrap(), value);
        }
        let file = dir.path().join("floor");
        let whole = fs::read(&file).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(&file, bytes).unwrap();
            let error = cell.read(&mut dir).unwrap_err();
            assert_eq!(error.to_string(), "floor is damaged", "bit {bit}");
        }
        for len in 0..whole.len() {
            fs::write(&file, &whole[..len]).unwrap();
            assert!(matches!(cell.read(&mut dir), Err(CellError::Damaged(_))));
        }
        fs::write(&file, vec![0; HEAD + VALUE_MAX + 1]).unwrap();
        assert!(matches!(cell.read(&mut dir), Err(CellError::Damaged(_))));
    }

    #[test]
    fn a_value_too_long_is_refused_and_the_old_one_stays() {
        let tmp = tempfile::tempdir().unwrap();
        let mut dir = Directory::open(&tmp.path().join("own")).unwrap();
        let cell = Cell::new("floor");
        cell.write(&mut dir, b"old").unwrap();
        let error = cell.write(&mut dir, &[0; VALUE_MAX + 1]).unwrap_err();
        assert_eq!(error.to_string(), "floor: is longer than a cell holds");
        assert_eq!(cell.read(&mut dir).unwrap().unwrap(), b"old");
    }

    #[test]
    fn beside_a_damaged_value_the_whole_one_that_was_to_follow_is_taken() {
        let tmp = tempfile::tempdir().unwrap();
        let mut dir = Directory::open(&tmp.path().join("own")).unwrap();
        let (cell, other) = (Cell::new("floor"), Cell::new("other"));
        other.write(&mut dir, b"newer").unwrap();
        dir.rename("other", "floor.new").unwrap();
        assert_eq!(cell.read(&mut dir).unwrap(), None, "it was never written");
        cell.write(&mut dir, b"older").unwrap();
        other.write(&mut dir, b"newer").unwrap();
        dir.rename("other", "floor.new").unwrap();
        assert_eq!(cell.read(&mut dir).unwrap().unwrap(), b"older");
        fs::write(dir.path().join("floor"), "garbage").unwrap();
        assert_eq!(cell.read(&mut dir).unwrap().unwrap(), b"newer");
        fs::write(dir.path().join("floor.new"), "garbage").unwrap();
        let error = cell.read(&mut dir).unwrap_err();
        assert_eq!(error.to_string(), "floor is damaged");
    }
}
