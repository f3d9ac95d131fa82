//! Where dnsmasq keeps its leases: option `leasefile` of every section `dnsmasq` of the UCI package
//! `dhcp`.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use log::debug;
use uci::{Directories, Package, MAX_FILE};

use super::leases::Leases;
use crate::collect::kernel::files::Files;
use crate::process::file::read_small;

/// Where an instance keeps them by default.
const USUAL: &str = "/tmp/dhcp.leases";

/// Instances whose files are read.
const MAX_INSTANCES: usize = 16;

/// The places of the lease files, reread when the package changes.
#[derive(Debug)]
pub(crate) struct LeaseFiles {
    directories: Directories,
    /// The state of the package that was read.
    read: Option<(PathBuf, Marks)>,
    paths: Vec<PathBuf>,
    /// Instances beyond [`MAX_INSTANCES`].
    beyond: usize,
}

/// Tells one state of a file from the next; a commit makes a new file.
type Marks = (u64, u64, i64, i64);

/// A lease file, and what is in it if it can be read.
#[derive(Debug)]
pub(crate) struct LeaseFile {
    /// Its name in the list of missing sources.
    pub(crate) source: String,
    pub(crate) leases: Option<Leases>,
}

impl LeaseFiles {
    pub(crate) fn configured_in(directories: Directories) -> Self {
        LeaseFiles {
            directories,
            read: None,
            paths: vec![PathBuf::from(USUAL)],
            beyond: 0,
        }
    }

    /// Reads all of them; `now` in seconds since the epoch. Tells `missing` of those that are not read.
    pub(crate) fn read(
        &mut self,
        files: &Files,
        now: u64,
        missing: &mut Vec<String>,
    ) -> Vec<LeaseFile> {
        let paths = self.paths().iter();
        let file = |path: &PathBuf| LeaseFile {
            source: match path == Path::new(USUAL) {
                true => "dhcp.leases".to_owned(),
                false => path.display().to_string(),
            },
            leases: files.leases(path, now),
        };
        let read = paths.map(file).collect();
        if self.beyond > 0 {
            let beyond = self.beyond;
            missing.push(format!("{beyond} sections dnsmasq beyond {MAX_INSTANCES}"));
        }
        read
    }

    /// Their paths on the device, absolute, each once; at least one.
    fn paths(&mut self) -> &[PathBuf] {
        let file = self.directories.file("dhcp");
        let marks = |of: Metadata| (of.ino(), of.size(), of.mtime(), of.mtime_nsec());
        let found = file.metadata().ok().map(marks);
        let found = found.map(|marks| (file, marks));
        if found != self.read {
            (self.paths, self.beyond) = match &found {
                Some((file, _)) => leasefiles(file),
                None => (Vec::new(), 0),
            };
            if self.paths.is_empty() {
                self.paths.push(PathBuf::from(USUAL));
            }
            self.read = found;
        }
        &self.paths
    }
}

/// The places that a package names, and the number of sections that were not looked at.
fn leasefiles(file: &Path) -> (Vec<PathBuf>, usize) {
    let mut paths = Vec::new();
    let told = |error: &dyn Display| debug!("{}: {error}", file.display());
    let bytes = read_small(file, MAX_FILE).inspect_err(|error| told(error));
    let package = bytes.map(|bytes| Package::parse(&bytes).inspect_err(|error| told(error)));
    let Ok(Ok(package)) = package else {
        return (paths, 0);
    };
    let mut instances = package.of_kind("dnsmasq");
    for instance in instances.by_ref().take(MAX_INSTANCES) {
        let path = instance
            .option("leasefile")
            .map(|path| Path::new(OsStr::from_bytes(path)));
        let path = path.filter(|path| path.is_absolute());
        let path = path.unwrap_or(Path::new(USUAL)).to_owned();
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    (paths, instances.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dnsmasq_of_the_configuration_says_where_its_leases_are() {
        let root = tempfile::tempdir().unwrap();
        let directories = Directories::of(root.path(), None);
        let config = directories.committed.clone();
        std::fs::create_dir_all(&config).unwrap();
        let mut place = LeaseFiles::configured_in(directories);
        assert_eq!(place.paths(), [Path::new(USUAL)]);

        let mut expect = |text: &str, paths: &[&str]| {
            // As a commit does it.
            std::fs::write(config.join("new"), text).unwrap();
            std::fs::rename(config.join("new"), config.join("dhcp")).unwrap();
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            assert_eq!(place.paths(), paths, "{text}");
            assert_eq!(place.paths(), paths, "{text}");
        };
        expect(
            "config host\n\toption leasefile '/no'\n\
             config dnsmasq\n\toption leasefile '/mnt/usb/dhcp.leases'\n\
             config dnsmasq 'guest'\n\toption leasefile '/tmp/guest.leases'\n\
             config dnsmasq\n\toption leasefile '/mnt/usb/dhcp.leases'\n",
            &["/mnt/usb/dhcp.leases", "/tmp/guest.leases"],
        );
        expect("config dnsmasq\n\toption domain 'lan'\n", &[USUAL]);
        expect("config dnsmasq\n\toption leasefile '/a/b'\n", &["/a/b"]);
        expect("config dnsmasq\n\toption leasefile 'b'\n", &[USUAL]);
        expect("config dnsmasq\n\toption leasefile '/c\n", &[USUAL]);
        expect("", &[USUAL]);
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
        let mut place = LeaseFiles::configured_in(directories);
        assert_eq!(place.paths(), [Path::new("/b")]);
    }
}
