//! An .ipk, opened as opkg does.

use std::fs;
use std::path::Path;

use super::archive::{entries, unzip, Entry};

/// A package for opkg.
#[derive(Debug, Clone)]
pub(crate) struct Ipk {
    /// Names of the members of the outer archive.
    pub(crate) members: Vec<String>,
    /// Everything that it puts on a device.
    pub(crate) data: Vec<Entry>,
    /// Bytes of that, as the control field Installed-Size counts them.
    pub(crate) data_size: usize,
    /// control, conffiles, scripts.
    pub(crate) control: Vec<Entry>,
    /// Every entry of the three archives.
    pub(crate) all: Vec<Entry>,
}

impl Ipk {
    pub(crate) fn open(path: &Path) -> Self {
        let outer = entries(&unzip(&fs::read(path).unwrap()));
        let inner = |name: &str| {
            let member = outer.iter().find(|entry| entry.path == name).unwrap();
            unzip(&member.bytes)
        };
        let (tar, control) = (inner("./data.tar.gz"), inner("./control.tar.gz"));
        let (data, control) = (entries(&tar), entries(&control));
        Ipk {
            members: outer.iter().map(|entry| entry.path.clone()).collect(),
            data_size: tar.len(),
            all: [&outer[..], &data, &control].concat(),
            data,
            control,
        }
    }

    /// A file of the control archive; empty if it is not there.
    pub(crate) fn control(&self, name: &str) -> String {
        let path = format!("./{name}");
        let entry = self.control.iter().find(|entry| entry.path == path);
        entry.map_or_else(String::new, |entry| {
            String::from_utf8(entry.bytes.clone()).unwrap()
        })
    }

    /// A field of the control file.
    pub(crate) fn field(&self, name: &str) -> String {
        let start = format!("{name}: ");
        let control = self.control("control");
        let line = control.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("{name}: is missing in {control}"))
            .to_owned()
    }

    /// A file that it puts on a device, at this path there.
    pub(crate) fn file(&self, path: &str) -> &Entry {
        let found = self.data.iter().find(|entry| entry.path[1..] == *path);
        found.unwrap_or_else(|| panic!("{path}: is missing"))
    }
}
