//! Where upgrades keep their files, and the one that an earlier agent left.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use durable::{Directory, Disk};

use super::record::Record;
use super::store;
use crate::guard::place::Place;
use crate::process::file::under;
use crate::tasks::aside;
use crate::terminal::safe;

/// Longest wait for a look at an upgrade that an earlier agent left. Until then a disk may come back to it.
const LOOK_WITHIN: Duration = Duration::from_secs(3600);

/// Longest wait for the disk; flash that erases blocks takes seconds.
const DISK_WITHIN: Duration = Duration::from_secs(60);

/// The files in RAM, below the root.
const RAM: &str = "/tmp/socketman-upgrade";

/// The directories of upgrades.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) root: PathBuf,
    pub(super) state_dir: PathBuf,
}

impl Places {
    /// Of files that are fetched, and of the watcher's program.
    pub(super) fn ram(&self) -> PathBuf {
        under(&self.root, Path::new(RAM))
    }

    /// Of a package's record.
    pub(super) fn own(&self) -> PathBuf {
        self.state_dir.join("upgrade")
    }

    /// Of what sysupgrade keeps.
    fn keep(&self) -> PathBuf {
        self.state_dir.join("keep")
    }

    /// The program of socketman in the firmware itself.
    pub(super) fn in_firmware(&self) -> PathBuf {
        under(&self.root, Path::new("/rom/usr/sbin/socketman"))
    }

    fn of(&self, is_image: bool) -> (PathBuf, &'static str, &'static [&'static str]) {
        match is_image {
            true => (self.keep(), store::KEPT, store::KEPT_FILES),
            false => (self.own(), store::RECORD, store::FILES),
        }
    }

    fn read(&self, is_image: bool) -> io::Result<Option<Record>> {
        let (path, name, _) = self.of(is_image);
        // A disk that does not say whether there is one may have it.
        if !path.try_exists()? {
            return Ok(None);
        }
        let read = store::read(&mut Directory::open(&path)?, name);
        read.map_err(|error| io::Error::other(error.to_string()))
    }

    /// The record of a package.
    pub(super) fn of_package(&self) -> io::Result<Option<Record>> {
        self.read(false)
    }

    /// Writes a record where it belongs. Waits for the disk.
    pub(super) fn write(&self, record: &Record) -> io::Result<()> {
        let (path, name, _) = self.of(record.is_image());
        let written = store::write(&mut Directory::open(&path)?, name, record);
        written.map_err(|error| io::Error::other(error.to_string()))
    }

    /// Takes away everything that is left of an upgrade on flash. Waits for the disk.
    pub(super) fn clear(&self, is_image: bool) -> io::Result<()> {
        let (path, name, others) = self.of(is_image);
        if !path.try_exists()? {
            return Ok(());
        }
        store::clear(&mut Directory::open(&path)?, name, others)
    }

    /// Takes away what is left of upgrades that are decided. Waits for the disk.
    pub(super) fn clear_decided(&self) -> io::Result<()> {
        for is_image in [true, false] {
            let record = self.read(is_image)?;
            if record.is_none_or(|record| record.phase.is_decided()) {
                self.clear(is_image)?;
            }
        }
        Ok(())
    }

    /// An empty directory in RAM.
    pub(super) fn fresh_ram(&self) -> io::Result<Directory> {
        let path = self.ram();
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Directory::open(&path),
        }
    }

    /// Has the ledger go along with an image. Waits for the disk.
    pub(super) fn keep_ledger(&self) -> io::Result<()> {
        let mut keep = Directory::open(&self.keep())?;
        store::keep_ledger(&mut Directory::open(&self.state_dir)?, &mut keep)
    }

    fn bring_ledger_back(&self) -> io::Result<()> {
        let mut keep = Directory::open(&self.keep())?;
        let back = store::bring_ledger_back(&mut Directory::open(&self.state_dir)?, &mut keep);
        self.or_moved(back)
    }

    /// A ledger that was read and has no room beside its copy takes the place of that copy, which takes none. Without
    /// it an empty one would be begun.
    fn or_moved(&self, back: io::Result<()>) -> io::Result<()> {
        if back.as_ref().map_err(io::Error::kind) != Err(io::ErrorKind::StorageFull) {
            return back;
        }
        let ledger = self.state_dir.join(store::JOBS);
        std::fs::rename(self.keep().join(store::LEDGER), ledger)?;
        Directory::open(&self.state_dir)?.sync_names()?;
        Directory::open(&self.keep())?.sync_names()
    }
}

/// Does `work` on a thread of its own; an error in words.
pub(super) async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, String> {
    match aside("upgrade", Some(DISK_WITHIN), work).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// An upgrade that an earlier agent left, looked for before the ledger of jobs is read.
#[derive(Debug, Clone)]
pub struct Found {
    pub(super) places: Places,
    /// This device now.
    pub(super) place: Place,
    pub(super) release: String,
    pub(super) record: Option<Record>,
    /// The disk could not be read.
    pub(super) is_unread: bool,
}

/// Looks for an upgrade in `state_dir` of the device below `root`, in the boot that the kernel names `boot`; has the
/// ledger of jobs back that came along with an image. Waits for the disk.
pub fn find(state_dir: &Path, root: &Path, boot: &str) -> Found {
    let places = Places {
        root: root.to_owned(),
        state_dir: state_dir.to_owned(),
    };
    let mut found = Found {
        place: Place::look(root, boot),
        release: crate::boot::release(root).unwrap_or_default(),
        record: None,
        is_unread: false,
        places,
    };
    if let Err(error) = found.look_for() {
        log::error!("upgrade: {error}: what came of the last one is not known");
        found.is_unread = true;
    }
    found
}

impl Found {
    fn look_for(&mut self) -> io::Result<()> {
        self.record = match self.look(true)? {
            None => self.look(false)?,
            record => record,
        };
        if self.record.is_none() {
            self.tidy();
        }
        Ok(())
    }

    /// Looks for the upgrade once more. Nothing else may use the ledger before this has ended.
    pub(super) async fn look_again(mut self) -> io::Result<Option<Record>> {
        let look = move || self.look_for().map(|()| self.record);
        let looked = aside("upgrade", Some(LOOK_WITHIN), look).await;
        looked.map_err(|error| io::Error::other(error.to_string()))?
    }

    /// Takes away the files of an upgrade that was cut before there was a record.
    fn tidy(&self) {
        for is_image in [true, false] {
            if let Err(error) = self.places.clear(is_image) {
                log::warn!("upgrade: what is left of one cannot be removed: {error}");
            }
        }
        let ram = self.places.ram();
        // What the next one finds there it removes.
        let _ = std::fs::remove_dir_all(ram);
    }

    fn look(&self, is_image: bool) -> io::Result<Option<Record>> {
        let Some(record) = self.places.read(is_image)? else {
            return Ok(None);
        };
        let id = safe(&record.id);
        if !record.is_of(&self.place.macs) {
            log::warn!("upgrade: the record of job '{id}' is of other hardware, and ignored");
            self.places.clear(is_image)?;
            return Ok(None);
        }
        log::info!(
            "upgrade: an earlier agent left job '{id}' ({:?})",
            record.phase
        );
        if is_image && record.boot != self.place.boot {
            self.places.bring_ledger_back()?;
        }
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::record::tests::record;
    use super::super::record::{Packages, Phase};
    use super::*;

    /// A device with a wired interface, and an upgrade on flash.
    struct Device(tempfile::TempDir);

    impl Device {
        fn new(mac: &str) -> Self {
            let device = Device(tempfile::tempdir().unwrap());
            device.card(mac);
            device.write(
                "etc/openwrt_release",
                "DISTRIB_RELEASE='24.10.2'\nDISTRIB_REVISION='r2'\n",
            );
            device
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn card(&self, mac: &str) {
            self.write("sys/class/net/eth0/address", &format!("{mac}\n"));
            self.write("sys/class/net/eth0/type", "1\n");
            self.write("sys/class/net/eth0/device/uevent", "");
        }

        fn places(&self) -> Places {
            Places {
                root: self.0.path().to_owned(),
                state_dir: self.0.path().join("state"),
            }
        }

        fn find(&self, boot: &str) -> Found {
            find(&self.places().state_dir, self.0.path(), boot)
        }

        fn left(&self) -> Vec<String> {
            let names = |dir: &str| {
                let entries = fs::read_dir(self.0.path().join(dir)).into_iter().flatten();
                let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
                names.collect::<Vec<_>>()
            };
            let mut left = [names("state/upgrade"), names("state/keep")].concat();
            left.sort();
            left
        }
    }

    #[test]
    fn the_ledger_comes_back_with_a_new_firmware() {
        let device = Device::new("94:83:c4:a1:b2:00");
        let places = device.places();
        drop(Directory::open(&places.state_dir).unwrap());
        let ledger = places.state_dir.join(store::JOBS);
        let own = || std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::write(&ledger, "the ledger").unwrap();
        fs::set_permissions(&ledger, own()).unwrap();
        places.keep_ledger().unwrap();
        let written = record(Phase::Flashing, None);
        places.write(&written).unwrap();
        // Nothing was flashed: the ledger has gone on.
        fs::write(&ledger, "the ledger, and more").unwrap();
        let found = device.find("boot-1");
        assert_eq!(found.record.as_ref(), Some(&written));
        assert_eq!(found.release, "24.10.2 r2");
        assert!(device.find("boot-2").record.is_some());
        assert_eq!(fs::read_to_string(&ledger).unwrap(), "the ledger, and more");
        // All but what sysupgrade keeps is gone.
        fs::remove_file(&ledger).unwrap();
        assert_eq!(device.find("boot-2").record, Some(written));
        assert_eq!(fs::read_to_string(&ledger).unwrap(), "the ledger");
        places.clear(true).unwrap();
        assert_eq!(device.left(), [""; 0]);
    }

    #[tokio::test]
    async fn an_upgrade_that_could_not_be_looked_for_is_found_later() {
        let device = Device::new("94:83:c4:a1:b2:00");
        let places = device.places();
        let own = || std::os::unix::fs::PermissionsExt::from_mode(0o700);
        let open = || std::os::unix::fs::PermissionsExt::from_mode(0o777);
        let written = record(Phase::Flashing, None);
        places.write(&written).unwrap();
        let mut keep = Directory::open(&places.keep()).unwrap();
        durable::replace(&mut keep, "upgrade-jobs", b"the ledger").unwrap();
        fs::set_permissions(&places.state_dir, open()).unwrap();
        let found = device.find("boot-2");
        assert!(found.is_unread && found.record.is_none());
        assert!(found.clone().look_again().await.is_err());
        fs::set_permissions(&places.state_dir, own()).unwrap();
        assert_eq!(found.look_again().await.unwrap(), Some(written));
        let ledger = fs::read_to_string(places.state_dir.join(store::JOBS)).unwrap();
        assert_eq!(ledger, "the ledger");
        assert!(!device.find("boot-2").is_unread);
    }

    #[test]
    fn a_ledger_without_room_beside_its_copy_comes_back_all_the_same() {
        let device = Device::new("94:83:c4:a1:b2:00");
        let places = device.places();
        let mut keep = Directory::open(&places.keep()).unwrap();
        durable::replace(&mut keep, store::LEDGER, b"the ledger").unwrap();
        let ledger = places.state_dir.join(store::JOBS);
        let denied = || Err(io::ErrorKind::PermissionDenied.into());
        assert!(places.or_moved(denied()).is_err() && !ledger.exists());
        places
            .or_moved(Err(io::ErrorKind::StorageFull.into()))
            .unwrap();
        assert_eq!(fs::read_to_string(&ledger).unwrap(), "the ledger");
        assert_eq!(device.left(), [""; 0]);
    }

    #[tokio::test]
    async fn an_upgrade_behind_a_path_that_cannot_be_followed_is_found_later() {
        let device = Device::new("94:83:c4:a1:b2:00");
        let places = device.places();
        let written = record(Phase::Flashing, None);
        places.write(&written).unwrap();
        let away = device.0.path().join("away");
        fs::rename(&places.state_dir, &away).unwrap();
        fs::write(&places.state_dir, "a file in its place").unwrap();
        let found = device.find("boot-2");
        assert!(found.is_unread && found.record.is_none());
        assert!(places.clear(true).is_err());
        fs::remove_file(&places.state_dir).unwrap();
        fs::rename(&away, &places.state_dir).unwrap();
        assert_eq!(found.look_again().await.unwrap(), Some(written));
    }

    #[test]
    fn a_backup_that_was_restored_on_another_device_is_ignored() {
        let device = Device::new("94:83:c4:a1:b2:00");
        device
            .places()
            .write(&record(Phase::Flashing, None))
            .unwrap();
        device.card("94:83:c4:a1:b2:77");
        assert_eq!(device.find("boot-2").record, None);
        assert_eq!(device.left(), [""; 0]);
    }

    #[test]
    fn files_of_an_upgrade_that_was_cut_before_its_record_go() {
        let device = Device::new("94:83:c4:a1:b2:00");
        let places = device.places();
        drop(places.fresh_ram().unwrap());
        let mut own = Directory::open(&places.own()).unwrap();
        durable::replace(&mut own, "undo.ipk", b"package").unwrap();
        assert_eq!(device.find("boot-1").record, None);
        assert_eq!(device.left(), [""; 0]);
        assert!(!places.ram().exists());
        // One with a record stays.
        durable::replace(&mut own, "undo.ipk", b"package").unwrap();
        let ready = record(Phase::Ready, Some(Packages::default()));
        places.write(&ready).unwrap();
        assert_eq!(device.find("boot-1").record, Some(ready));
        assert_eq!(device.left(), ["record", "undo.ipk"]);
    }
}
