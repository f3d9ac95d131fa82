//! A file in the place of another, whole.

use std::io;

use super::disk::Disk;

/// Puts `bytes` in the place of the file `name`, whole: after a power cut it has either its old bytes
/// or these.
///
/// For files that people read. What nobody reads but us is better off in a [`Cell`](super::Cell),
/// which notices damage.
///
/// # Errors
///
/// After an error the file has its old bytes, or these without certainty that they survive.
pub fn replace(disk: &mut dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    put(disk, name, &mut |disk, fresh| {
        append_whole(disk, fresh, bytes)
    })?;
    disk.sync_names()
}

/// The name of a file until it takes the place of `name`.
pub(super) fn fresh(name: &str) -> String {
    format!("{name}.new")
}

/// Makes a new file, has it filled, syncs it and puts it in the place of `name`. That it is there is
/// certain only after `sync_names`, which is left to the caller; after an error nothing has changed.
pub(super) fn put(
    disk: &mut dyn Disk,
    name: &str,
    fill: &mut dyn FnMut(&mut dyn Disk, &str) -> io::Result<()>,
) -> io::Result<()> {
    let fresh = fresh(name);
    // One that a crash left behind may be anything.
    remove_if_there(disk, &fresh)?;
    let mut write = || {
        disk.create(&fresh)?;
        fill(disk, &fresh)?;
        disk.sync(&fresh)?;
        disk.rename(&fresh, name)
    };
    let written = write();
    if written.is_err() {
        // What is written in part takes room from others; the first error is the one to tell.
        let _ = disk.remove(&fresh);
    }
    written
}

/// Removes a file, which need not be there.
pub(super) fn remove_if_there(disk: &mut dyn Disk, name: &str) -> io::Result<()> {
    match disk.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Adds all of `bytes` to a file; after an error a part of them may be there.
pub(super) fn append_whole(disk: &mut dyn Disk, name: &str, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match disk.append(name, bytes)? {
            0 => return Err(io::ErrorKind::StorageFull.into()),
            taken => bytes = &bytes[taken..],
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::{read_whole, Directory};
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_whatever_lies_in_the_way() {
        let tmp = tempfile::tempdir().unwrap();
        let mut dir = Directory::open(&tmp.path().join("own")).unwrap();
        let victim = tmp.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, dir.path().join("value")).unwrap();
        symlink(&victim, dir.path().join("value.new")).unwrap();
        replace(&mut dir, "value", b"first, and longer").unwrap();
        replace(&mut dir, "value", b"second").unwrap();
        assert_eq!(read_whole(&mut dir, "value", 6).unwrap(), b"second");
        assert_eq!(dir.list().unwrap(), ["value"]);
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }

    #[test]
    fn what_cannot_be_put_in_place_leaves_nothing_behind() {
        let tmp = tempfile::tempdir().unwrap();
        let mut dir = Directory::open(&tmp.path().join("own")).unwrap();
        fs::create_dir(dir.path().join("value")).unwrap();
        assert!(replace(&mut dir, "value", b"bytes").is_err());
        assert_eq!(dir.list().unwrap(), ["value"]);
    }
}
