//! Directories beside other users and other programs.

use std::fs;
use std::os::unix::fs::{chown, PermissionsExt};
use std::path::Path;
use std::process::Command;

use super::{Directory, Disk};

/// Gives `path` to another user, for which we have to be root. False if we are not.
fn give_away(path: &Path) -> bool {
    rustix::process::geteuid().is_root() && chown(path, Some(65534), None).is_ok()
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn directories_and_files_of_another_user_are_refused_but_where_anybodys_are_read() {
    let tmp = tempfile::tempdir().unwrap();
    let [theirs, ours] = ["theirs", "ours"].map(|name| tmp.path().join(name));
    fs::create_dir(&theirs).unwrap();
    if !give_away(&theirs) {
        return;
    }
    let refusal = |opened: std::io::Result<Directory>| opened.unwrap_err().to_string();
    chmod(&theirs, 0o700);
    assert_eq!(refusal(Directory::open(&theirs)), "belongs to another user");
    for mode in [0o700, 0o1777] {
        chmod(&theirs, mode);
        let why = "is in a directory of another user";
        assert_eq!(refusal(Directory::open(&theirs.join("below"))), why);
        assert_eq!(refusal(Directory::of_system(&theirs)), why);
    }
    Directory::of_others(&theirs).unwrap();

    Directory::open(&ours).unwrap();
    fs::write(ours.join("file"), "12345").unwrap();
    chmod(&ours.join("file"), 0o600);
    let size = |directory: std::io::Result<Directory>| {
        let size = directory.unwrap().size("file");
        size.map_err(|error| error.to_string())
    };
    let all = [Directory::open, Directory::of_system, Directory::of_others];
    assert_eq!(all.map(|open| size(open(&ours))), [Ok(5), Ok(5), Ok(5)]);
    give_away(&ours.join("file"));
    let refused = Err("belongs to another user".to_owned());
    let expected = [refused.clone(), refused, Ok(5)];
    assert_eq!(all.map(|open| size(open(&ours))), expected);
}

#[test]
fn a_file_is_no_directory_of_others_and_one_that_is_missing_is_not_made() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("etc");
    assert!(Directory::of_others(&path).is_err());
    fs::write(&path, "").unwrap();
    assert!(Directory::of_others(&path).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"");
}

#[test]
fn a_program_that_is_started_inherits_no_directory() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("own");
    let all = [Directory::open, Directory::of_system, Directory::of_others];
    let _opened = all.map(|open| open(&path).unwrap());
    let ls = |of: &str| {
        let output = Command::new("ls").args(["-l", of]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let own = path.to_str().unwrap();
    let ours = ls(&format!("/proc/{}/fd", std::process::id()));
    assert_eq!(ours.matches(own).count(), 3, "{ours}");
    assert!(!ls("/proc/self/fd").contains(own));
}
