//! Where dnsmasq keeps its leases: option `leasefile` of the first section `dnsmasq` of the UCI
//! package `dhcp`.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use log::debug;

use crate::config::uci::{Directories, Package};

/// Where it keeps them unless it is told otherwise.
const USUAL: &str = "/tmp/dhcp.leases";

/// The lease file's place, read anew when the package changes.
#[derive(Debug)]
pub(super) struct LeaseFile {
    directories: Directories,
    /// The state of the package that was read.
    read: Option<(PathBuf, Stamp)>,
    path: PathBuf,
}

/// Tells one state of a file from the next; a commit makes a new file.
type Stamp = (u64, u64, i64, i64);

impl LeaseFile {
    pub(super) fn configured_in(directories: Directories) -> Self {
        LeaseFile {
            directories,
            read: None,
            path: PathBuf::from(USUAL),
        }
    }

    /// Its path on the device, absolute.
    pub(super) fn path(&mut self) -> &Path {
        let file = self.directories.file("dhcp");
        let stamp = |of: Metadata| (of.ino(), of.size(), of.mtime(), of.mtime_nsec());
        let found = file.metadata().ok().map(stamp);
        let found = found.map(|stamp| (file, stamp));
        if found != self.read {
            let configured = found.as_ref().and_then(|(file, _)| leasefile(file));
            self.path = configured.unwrap_or_else(|| PathBuf::from(USUAL));
            self.read = found;
        }
        &self.path
    }
}

fn leasefile(file: &Path) -> Option<PathBuf> {
    let package = Package::read_file(file);
    let package = package
        .inspect_err(|error| debug!("{}: {error}", file.display()))
        .ok()?;
    let path = package.nth("dnsmasq", 0)?.option("leasefile")?;
    let path = Path::new(OsStr::from_bytes(path));
    path.is_absolute().then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_dnsmasq_of_the_configuration_says_where_its_leases_are() {
        let root = tempfile::tempdir().unwrap();
        let directories = Directories::of(root.path(), None);
        let config = directories.committed.clone();
        std::fs::create_dir_all(&config).unwrap();
        let mut place = LeaseFile::configured_in(directories);
        assert_eq!(place.path(), Path::new(USUAL));

        let mut expect = |text: &str, path: &str| {
            // As a commit does it.
            std::fs::write(config.join("new"), text).unwrap();
            std::fs::rename(config.join("new"), config.join("dhcp")).unwrap();
            assert_eq!(place.path(), Path::new(path), "{text}");
            assert_eq!(place.path(), Path::new(path), "{text}");
        };
        expect(
            "config host\n\toption leasefile '/no'\n\
             config dnsmasq\n\toption leasefile '/mnt/usb/dhcp.leases'\n\
             config dnsmasq 'guest'\n\toption leasefile '/tmp/guest.leases'\n",
            "/mnt/usb/dhcp.leases",
        );
        expect("config dnsmasq\n\toption domain 'lan'\n", USUAL);
        expect("config dnsmasq\n\toption leasefile '/a/b'\n", "/a/b");
        expect("config dnsmasq\n\toption leasefile 'b'\n", USUAL);
        expect("config dnsmasq\n\toption leasefile '/c\n", USUAL);
        expect("", USUAL);
    }

    #[test]
    fn a_file_in_var_run_uci_replaces_the_configuration() {
        let root = tempfile::tempdir().unwrap();
        let directories = Directories::of(root.path(), None);
        for (dir, path) in [
            (&directories.committed, "/a"),
            (&directories.replacing, "/b"),
        ] {
            std::fs::create_dir_all(dir).unwrap();
            let text = format!("config dnsmasq\n\toption leasefile '{path}'\n");
            std::fs::write(dir.join("dhcp"), text).unwrap();
        }
        let mut place = LeaseFile::configured_in(directories);
        assert_eq!(place.path(), Path::new("/b"));
    }
}
