//! A board on which a machine writes what the host reads: a part of its memory that is a file of the host.
//!
//! A line is there when [`Board::write`] returns. A port of the machine would do for no cut: what is written to one is
//! on its way for a while, and a medium could be further than anything that was said of it.
//!
//! ```text
//!  0       4096
//!  +-------+---------------------------------------------+
//!  | bytes | lines, in a ring                            |
//!  | u64   |                                             |
//!  +-------+---------------------------------------------+
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Where the board begins in the memory of the machine.
pub const AT: u64 = 136 << 20;

/// Bytes of the board.
const LEN: u64 = 8 << 20;

/// Bytes before the ring.
const HEAD: u64 = 4096;

/// Bytes of the ring.
const RING: u64 = LEN - HEAD;

/// Bytes that the host may be behind: the machine does not ask.
const BEHIND: u64 = RING / 2;

/// The board, written in the machine or read on the host.
#[derive(Debug)]
pub struct Board {
    memory: File,
    /// Bytes written, or read, since the machine started.
    done: u64,
}

impl Board {
    /// The board in `memory`, with nothing on it.
    pub fn new(memory: File) -> Self {
        Board { memory, done: 0 }
    }

    /// Adds a line, which has no end of line in it.
    ///
    /// # Errors
    ///
    /// The memory cannot be written.
    pub fn write(&mut self, line: &[u8]) -> io::Result<()> {
        for part in [line, b"\n"] {
            let at = self.done % RING;
            let first = part.len().min((RING - at) as usize);
            self.memory.write_all_at(&part[..first], AT + HEAD + at)?;
            self.memory.write_all_at(&part[first..], AT + HEAD)?;
            self.done += part.len() as u64;
        }
        self.memory.write_all_at(&self.done.to_le_bytes(), AT)
    }

    /// Bytes of all lines that were ever written.
    ///
    /// # Errors
    ///
    /// The memory cannot be read.
    pub fn written(&self) -> io::Result<u64> {
        let mut written = [0; 8];
        self.memory.read_exact_at(&mut written, AT)?;
        Ok(u64::from_le_bytes(written))
    }

    /// Bytes of all lines that were read, or written here.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// The bytes of all lines since the last call.
    ///
    /// # Errors
    ///
    /// The memory cannot be read, or the machine has written more than there is room for.
    pub fn read(&mut self) -> io::Result<Vec<u8>> {
        let new = self.written()?.wrapping_sub(self.done);
        if new > BEHIND {
            return Err(io::Error::other("the machine says more than anybody reads"));
        }
        let mut bytes = vec![0; new as usize];
        let at = self.done % RING;
        let first = bytes.len().min((RING - at) as usize);
        let (head, tail) = bytes.split_at_mut(first);
        self.memory.read_exact_at(head, AT + HEAD + at)?;
        self.memory.read_exact_at(tail, AT + HEAD)?;
        self.done += new;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written_however_often_the_ring_is_full() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(AT + LEN).unwrap();
        let mut writer = Board::new(file.try_clone().unwrap());
        let mut reader = Board::new(file);
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..50 {
            let line = vec![b'x'; rng.usize(..1 << 20)];
            writer.write(&line).unwrap();
            assert_eq!(reader.read().unwrap(), [&line[..], b"\n"].concat());
            assert_eq!(reader.written().unwrap(), reader.done());
        }
        assert!(reader.read().unwrap().is_empty());
        for _ in 0..5 {
            writer.write(&vec![b'x'; 1 << 20]).unwrap();
        }
        assert!(reader.read().is_err());
    }
}
