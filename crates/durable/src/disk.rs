//! The few file calls that everything durable is made of.

use std::io;

/// Flat files of one directory.
///
/// A call is complete or fails, but that [`append`](Disk::append) may take less than it was given.
/// Nothing is certain to survive a power cut before [`sync`](Disk::sync) (a file's bytes and its
/// length) and [`sync_names`](Disk::sync_names) (that it exists, under which name). What was not
/// synced may survive in part: cut at any byte, or with zeros in the place of any of its bytes, those
/// before others that are there too.
pub trait Disk {
    /// The names of everything there, in no order.
    fn list(&mut self) -> io::Result<Vec<String>>;

    /// Bytes in a file.
    fn size(&mut self, name: &str) -> io::Result<u64>;

    /// Bytes from `offset` on, as many as `buf` holds; fewer only at the end of the file.
    fn read(&mut self, name: &str, offset: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Makes an empty file; fails if there is one of that name.
    fn create(&mut self, name: &str) -> io::Result<()>;

    /// Adds `bytes` to the end of a file with one write; returns how many were taken. One that fails
    /// has taken none.
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize>;

    /// Cuts a file off behind its first `len` bytes.
    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()>;

    /// Gives a file another name, replacing what has it.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Takes a file away.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Waits until the bytes of a file are on the medium. After an error none of those since the last
    /// sync are certain, even if a later sync succeeds.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Waits until it is on the medium which files there are, and under which names.
    fn sync_names(&mut self) -> io::Result<()>;
}

/// Methods of a [`Disk`] that pass their calls on to another disk: `self => that disk; methods`.
///
/// ```
/// use durable::{Directory, Disk};
///
/// /// A directory that counts its syncs.
/// struct Counting {
///     directory: Directory,
///     syncs: u32,
/// }
///
/// impl Disk for Counting {
///     durable::pass_on!(self => self.directory; list size read create append truncate rename remove);
///
///     fn sync(&mut self, name: &str) -> std::io::Result<()> {
///         self.syncs += 1;
///         self.directory.sync(name)
///     }
///
///     fn sync_names(&mut self) -> std::io::Result<()> {
///         self.syncs += 1;
///         self.directory.sync_names()
///     }
/// }
/// ```
#[macro_export]
macro_rules! pass_on {
    ($self:ident => $disk:expr; $($method:ident)+) => {
        $($crate::pass_on!(@$method $self $disk);)+
    };
    (@list $self:ident $disk:expr) => {
        fn list(&mut $self) -> std::io::Result<Vec<String>> {
            $disk.list()
        }
    };
    (@size $self:ident $disk:expr) => {
        fn size(&mut $self, name: &str) -> std::io::Result<u64> {
            $disk.size(name)
        }
    };
    (@read $self:ident $disk:expr) => {
        fn read(&mut $self, name: &str, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
            $disk.read(name, offset, buf)
        }
    };
    (@create $self:ident $disk:expr) => {
        fn create(&mut $self, name: &str) -> std::io::Result<()> {
            $disk.create(name)
        }
    };
    (@append $self:ident $disk:expr) => {
        fn append(&mut $self, name: &str, bytes: &[u8]) -> std::io::Result<usize> {
            $disk.append(name, bytes)
        }
    };
    (@truncate $self:ident $disk:expr) => {
        fn truncate(&mut $self, name: &str, len: u64) -> std::io::Result<()> {
            $disk.truncate(name, len)
        }
    };
    (@rename $self:ident $disk:expr) => {
        fn rename(&mut $self, from: &str, to: &str) -> std::io::Result<()> {
            $disk.rename(from, to)
        }
    };
    (@remove $self:ident $disk:expr) => {
        fn remove(&mut $self, name: &str) -> std::io::Result<()> {
            $disk.remove(name)
        }
    };
    (@sync $self:ident $disk:expr) => {
        fn sync(&mut $self, name: &str) -> std::io::Result<()> {
            $disk.sync(name)
        }
    };
    (@sync_names $self:ident $disk:expr) => {
        fn sync_names(&mut $self) -> std::io::Result<()> {
            $disk.sync_names()
        }
    };
}

/// All bytes of a file, of which there may be `max`.
///
/// # Errors
///
/// [`io::ErrorKind::FileTooLarge`] for a file that has more.
pub fn read_whole(disk: &mut dyn Disk, name: &str, max: u64) -> io::Result<Vec<u8>> {
    let size = disk.size(name)?;
    if size > max {
        let why = format!("is too large: {size} bytes, where {max} are allowed");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    let mut bytes = vec![0; size as usize];
    let len = disk.read(name, 0, &mut bytes)?;
    bytes.truncate(len);
    Ok(bytes)
}
