//! The files in /etc/config by name, each with a digest.

use std::fmt;
use std::io;

use ring::digest::{Context, SHA256};

use super::files::Files;
use super::folder::{Access, Folder};

/// Bytes read at once.
const READ: usize = 8192;

/// The first half of a SHA-256.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest([u8; 16]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(bytes);
        Digest::end(context)
    }

    fn end(context: Context) -> Self {
        let whole = context.finish();
        Digest(whole.as_ref().first_chunk().copied().unwrap_or_default())
    }

    /// Reads 32 hex digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let number = u128::from_str_radix(text, 16).ok()?;
        (text.len() == 32).then_some(Digest(number.to_be_bytes()))
    }
}

impl fmt::Display for Digest {
    /// 32 hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Access and digest of a file; `None` for anything but a regular file.
pub type Print = Option<(Access, Digest)>;

/// The files of a folder by name.
pub type Picture = Files<Print>;

/// Files that differ, each with its print at the end of the command; `None` if it was gone.
pub type Changes = Files<Option<Print>>;

/// Does a name belong to the settings? Programs write a file under a hidden name first.
pub(super) fn counts(name: &str) -> bool {
    !name.starts_with('.') && !name.contains('\n')
}

/// All files of `folder`.
pub fn picture(folder: &mut dyn Folder) -> io::Result<Picture> {
    let mut all = Picture::default();
    for name in folder.list()?.into_iter().filter(|name| counts(name)) {
        if let Some(print) = print(folder, &name)? {
            all.insert(name, print);
        }
    }
    Ok(all)
}

/// The print of one file; `None` if it is not there.
pub fn print(folder: &mut dyn Folder, name: &str) -> io::Result<Option<Print>> {
    let read = |folder: &mut dyn Folder| -> io::Result<Print> {
        let Some(access) = folder.access(name)? else {
            return Ok(None);
        };
        let mut context = Context::new(&SHA256);
        let mut buf = vec![0; READ];
        let mut offset = 0;
        loop {
            let len = folder.read(name, offset, &mut buf)?;
            context.update(&buf[..len]);
            offset += len as u64;
            if len < READ {
                return Ok(Some((access, Digest::end(context))));
            }
        }
    };
    match read(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        print => print.map(Some),
    }
}

/// The files that differ in `after`.
pub fn changes(before: &Picture, after: &Picture) -> Changes {
    let names = before.names().chain(after.names());
    let differs = names.filter(|name| before.get(name) != after.get(name));
    differs
        .map(|name| (name.clone(), after.get(name).copied()))
        .collect()
}
