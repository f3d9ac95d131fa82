use std::fs;
use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};

use durable::{Directory, Disk};

use super::super::folder;
use super::super::picture::picture;
use super::*;

fn saved(mode: u32, text: &[u8]) -> Option<Saved> {
    Some(Saved {
        access: Access {
            mode,
            uid: 0,
            gid: 101,
        },
        bytes: text.to_vec(),
    })
}

fn snapshot(files: Vec<(&str, Option<Saved>)>) -> Snapshot {
    let files = files.into_iter();
    Snapshot(
        files
            .map(|(name, saved)| (name.to_owned(), saved))
            .collect(),
    )
}

#[test]
fn a_snapshot_has_the_bytes_drawn_above_and_reads_back() {
    let all = snapshot(vec![
        ("empty", saved(0o600, b"")),
        ("link", None),
        ("network", saved(0o644, b"file 1 2 3\nother x\n")),
        ("with a space", saved(0o4755, b"\xff\0")),
    ]);
    let bytes = all.encode();
    let expected =
        b"file 600 0 101 0 empty\nother link\nfile 644 0 101 19 network\nfile 1 2 3\nother x\n\
                     file 4755 0 101 2 with a space\n\xff\0";
    assert_eq!(bytes, expected);
    assert_eq!(Snapshot::decode(&bytes), Some(all));
    assert_eq!(Snapshot::decode(b""), Some(Snapshot::default()));
}

#[test]
fn the_largest_snapshot_that_can_be_taken_is_read_back() {
    let access = Access {
        mode: 0o7777,
        uid: u32::MAX,
        gid: u32::MAX,
    };
    let bytes = vec![b'#'; BYTES_MAX as usize / FILES_MAX];
    let files = (0..FILES_MAX).map(|n| {
        let longest_name = format!("{n:0255}");
        let bytes = bytes.clone();
        (longest_name, Some(Saved { access, bytes }))
    });
    let encoded = Snapshot(files.collect()).encode().len() as u64;
    assert!(encoded <= ENCODED_MAX, "{encoded}");
    assert!(ENCODED_MAX < encoded + encoded / 8, "{encoded}");
}

#[test]
fn what_is_cut_or_of_another_kind_is_no_snapshot() {
    let bytes = snapshot(vec![("network", saved(0o644, b"12345"))]).encode();
    for len in 1..bytes.len() {
        assert_eq!(Snapshot::decode(&bytes[..len]), None, "{len}");
    }
    for bytes in [
        &b"dir 644 0 0 0 x\n"[..],
        b"file 648 0 0 0 x\n",
        b"file 644 0 0 x\n",
        b"file 644 0 0 -1 x\n",
        b"file\n",
        b"\xff\n",
    ] {
        assert_eq!(Snapshot::decode(bytes), None, "{bytes:?}");
    }
}

#[test]
fn every_file_is_taken_with_its_mode_and_what_programs_have_not_finished_is_not() {
    let tmp = tempfile::tempdir().unwrap();
    let path = |name| tmp.path().join(name);
    for (name, mode) in [
        ("network", 0o640),
        ("dhcp", 0o600),
        (".network.uci-1", 0o600),
    ] {
        fs::write(path(name), name).unwrap();
        fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::create_dir(path("directory")).unwrap();
    symlink("network", path("link")).unwrap();
    let taken = Snapshot::take(&mut folder::open(tmp.path()).unwrap()).unwrap();
    let names: Vec<&str> = taken.0.names().map(String::as_str).collect();
    assert_eq!(names, ["dhcp", "directory", "link", "network"]);
    let network = taken.0.get("network").unwrap().as_ref().unwrap();
    let owner = path("network").metadata().unwrap();
    let access = Access {
        mode: 0o640,
        uid: owner.uid(),
        gid: owner.gid(),
    };
    assert_eq!(
        (network.access, &network.bytes[..]),
        (access, &b"network"[..])
    );
    assert_eq!(taken.0.get("link"), Some(&None));
    let picture = taken.picture();
    let print = (access, Digest::of(b"network"));
    assert_eq!(picture.get("network"), Some(&Some(print)));
    assert_eq!(picture.get("directory"), Some(&None));
}

#[test]
fn too_many_bytes_and_too_many_files_are_refused() {
    let take = |files: usize, bytes: u64| {
        let tmp = tempfile::tempdir().unwrap();
        for n in 0..files {
            fs::write(tmp.path().join(n.to_string()), "").unwrap();
        }
        for half in ["a", "b"] {
            fs::write(tmp.path().join(half), vec![b'x'; bytes as usize / 2]).unwrap();
        }
        Snapshot::take(&mut folder::open(tmp.path()).unwrap())
    };
    assert_eq!(take(FILES_MAX - 2, BYTES_MAX).unwrap().0.len(), FILES_MAX);
    assert!(matches!(take(FILES_MAX - 1, 0), Err(TakeError::TooLarge)));
    assert!(matches!(take(0, BYTES_MAX + 2), Err(TakeError::TooLarge)));
}

/// A directory with one more file, which gives an error.
struct Failing(Directory, io::ErrorKind);

impl Disk for Failing {
    durable::pass_on!(self => self.0; size read create append truncate rename remove sync sync_names);

    fn list(&mut self) -> io::Result<Vec<String>> {
        let mut names = self.0.list()?;
        names.push("failing".into());
        Ok(names)
    }
}

impl Folder for Failing {
    fn access(&mut self, name: &str) -> io::Result<Option<Access>> {
        match name {
            "failing" => Err(self.1.into()),
            _ => self.0.access(name),
        }
    }

    fn create_as(&mut self, name: &str, access: Access) -> io::Result<()> {
        self.0.create_as(name, access)
    }
}

#[test]
fn a_file_that_goes_meanwhile_is_left_out_and_one_that_cannot_be_read_is_an_error() {
    let tmp = tempfile::tempdir().unwrap();
    fs::write(tmp.path().join("network"), "config interface 'lan'").unwrap();
    let failing = |kind| Failing(folder::open(tmp.path()).unwrap(), kind);
    let mut gone = failing(io::ErrorKind::NotFound);
    let taken = Snapshot::take(&mut gone).unwrap();
    assert_eq!(taken.0.names().collect::<Vec<_>>(), ["network"]);
    assert_eq!(picture(&mut gone).unwrap(), taken.picture());
    let mut unreadable = failing(io::ErrorKind::PermissionDenied);
    let taken = Snapshot::take(&mut unreadable);
    assert!(matches!(taken, Err(TakeError::Io(_))), "{taken:?}");
    assert!(picture(&mut unreadable).is_err());
}
