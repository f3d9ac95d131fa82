//! The memory of the machine, a file that both sides see. A part of it is flash, and a part the board for words.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::power::board::Board;

/// Bytes of memory.
pub const MEMORY: u64 = 256 << 20;

/// Where flash begins and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    pub at: u64,
    pub len: usize,
}

/// Flash of the kind that JFFS2 lies on, in 64 KiB blocks.
pub const NOR: Region = Region {
    at: 128 << 20,
    len: 8 << 20,
};

/// Flash of the kind that UBI lies on, in 128 KiB blocks and 2 KiB pages.
pub const NAND: Region = Region {
    at: 144 << 20,
    len: 16 << 20,
};

/// The part of the memory that the kernel leaves alone: both regions, and the board between them.
pub const RESERVED: &str = "memmap=32M$0x8000000";

/// Words for the module `flash`.
pub fn parameters() -> String {
    format!(
        "nor_at={} nor_size={} nand_at={} nand_size={}",
        NOR.at, NOR.len, NAND.at, NAND.len
    )
}

/// The memory.
#[derive(Debug)]
pub struct Memory(File);

impl Memory {
    /// Makes the file.
    ///
    /// # Errors
    ///
    /// There is no room for it.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        let file = options.read(true).write(true).create_new(true).open(path)?;
        file.set_len(MEMORY)?;
        Ok(Memory(file))
    }

    /// The board on which the machine writes.
    ///
    /// # Errors
    ///
    /// This process has too many files open.
    pub fn board(&self) -> io::Result<Board> {
        Ok(Board::new(self.0.try_clone()?))
    }

    /// The bytes of a region. The machine has to stand still.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn read(&self, region: Region) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; region.len];
        self.0.read_exact_at(&mut bytes, region.at)?;
        Ok(bytes)
    }

    /// Puts other flash in. Nobody may have it mounted.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&self, region: Region, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, region.at)
    }
}
