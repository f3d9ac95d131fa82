//! The MAC address by which broker and API know this device.

use std::fmt;
use std::fs;
use std::path::Path;

use thiserror::Error;

use crate::config::{is_mac, read_small, under, Config, FileError};
use crate::mac::Mac;

/// Most entries of /sys/class/net looked at.
const MAX_INTERFACES: usize = 1024;

/// Largest mac_file and sysfs attribute, bytes; a page is what sysfs gives at most.
const MAX_FILE: u64 = 4096;

/// ARPHRD_ETHER, as /sys/class/net/*/type writes it.
const ETHERNET: &str = "1";

/// Who this device is, and how we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// As configured; from the device in the original's spelling, `AA-BB-CC-DD-EE-FF`.
    pub mac: String,
    pub source: Source,
}

/// Where an identity was found, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Option `mac`.
    Option,
    /// Option `mac_file`.
    File,
    /// The device behind the WAN interface.
    Wan,
    /// The network interface of this name.
    Interface(String),
}

impl Source {
    /// Somebody said who this device is; nothing had to be found out.
    pub fn is_configured(&self) -> bool {
        matches!(self, Source::Option | Source::File)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Option => f.write_str("option mac"),
            Source::File => f.write_str("mac_file"),
            Source::Wan => f.write_str("WAN device"),
            Source::Interface(name) => write!(f, "interface {name}"),
        }
    }
}

/// This device has no MAC address we could go by.
#[derive(Debug, Error)]
#[error("no MAC address in option mac, {mac_file}, the WAN device or {interfaces}; set option mac")]
pub struct IdentityError {
    mac_file: String,
    interfaces: String,
}

/// The identity: option `mac`, else the first line of `mac_file`, else `wan` (the MAC of the WAN
/// device, if the bus told us), else that of the first physical interface below `root`.
///
/// A mac_file or a WAN device with something else in it is logged and passed over.
pub fn identify(config: &Config, wan: Option<Mac>, root: &Path) -> Result<Identity, IdentityError> {
    let identity = |mac: String, source| Ok(Identity { mac, source });
    if !config.mac.is_empty() {
        return identity(config.mac.clone(), Source::Option);
    }
    if let Some(mac) = from_file(&config.mac_file) {
        return identity(mac, Source::File);
    }
    if let Some(wan) = wan {
        if wan.is_individual() {
            return identity(wan.dashed(), Source::Wan);
        }
        log::warn!("WAN device: {wan} does not identify a device");
    }
    let interfaces = under(root, Path::new("/sys/class/net"));
    match first_interface(&interfaces) {
        Some((name, mac)) => identity(mac, Source::Interface(name)),
        None => Err(IdentityError {
            mac_file: config.mac_file.display().to_string(),
            interfaces: interfaces.display().to_string(),
        }),
    }
}

fn from_file(path: &Path) -> Option<String> {
    let bytes = match read_small(path, MAX_FILE) {
        Ok(bytes) => bytes,
        Err(FileError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            log::warn!("{}: {error}", path.display());
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next().unwrap_or_default().trim();
    if is_mac(line) {
        return Some(line.into());
    }
    log::warn!("{}: the first line is not a MAC address", path.display());
    None
}

/// The MAC of a device in the spelling the original asked for; none if it is zero or a group's.
fn device_mac(text: &str) -> Option<String> {
    let mac = Mac::parse(text.trim())?;
    mac.is_individual().then(|| mac.dashed())
}

/// Name and MAC of the interface that stands for the device. Physical ones come before virtual ones
/// (a container has no other), addresses of the hardware before random ones (these change at each
/// boot), wired ones before wireless ones, then the name decides.
fn first_interface(dir: &Path) -> Option<(String, String)> {
    let entries = fs::read_dir(dir).ok()?;
    entries
        .take(MAX_INTERFACES)
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let path = entry.path();
            if attribute(&path, "type")? != ETHERNET {
                return None;
            }
            let mac = device_mac(&attribute(&path, "address")?)?;
            let is_virtual = !path.join("device").exists();
            // NET_ADDR_RANDOM
            let random = attribute(&path, "addr_assign_type").as_deref() == Some("1");
            let wireless = path.join("phy80211").exists() || path.join("wireless").exists();
            Some(((is_virtual, random, wireless, name), mac))
        })
        .min()
        .map(|((.., name), mac)| (name, mac))
}

/// A sysfs attribute; none if it is not there or cannot be read, which is common there.
fn attribute(interface: &Path, name: &str) -> Option<String> {
    let bytes = read_small(&interface.join(name), MAX_FILE).ok()?;
    Some(String::from_utf8(bytes).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::clock::Pace;

    struct Device {
        root: TempDir,
        config: Config,
    }

    impl Device {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let config = Config::defaults(root.path(), Pace::REAL);
            Device { root, config }
        }

        fn mac_file(&self, bytes: &[u8]) {
            fs::create_dir_all(self.root.path().join("etc")).unwrap();
            fs::write(&self.config.mac_file, bytes).unwrap();
        }

        fn interface(&self, name: &str, address: &str, with: &[&str]) -> PathBuf {
            let path = self.root.path().join("sys/class/net").join(name);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("address"), format!("{address}\n")).unwrap();
            fs::write(path.join("type"), "1\n").unwrap();
            for part in with {
                fs::create_dir(path.join(part)).unwrap();
            }
            path
        }

        fn identity(&self, wan: Option<&str>) -> Result<(String, Source), String> {
            identify(&self.config, wan.and_then(Mac::parse), self.root.path())
                .map(|identity| (identity.mac, identity.source))
                .map_err(|error| error.to_string())
        }
    }

    #[test]
    fn option_then_file_then_wan_then_interface_identify_the_device() {
        let mut device = Device::new();
        let error = device.identity(None).unwrap_err();
        assert!(
            error.starts_with("no MAC address in option mac, /"),
            "{error}"
        );
        assert!(error.contains("/etc/mac, the WAN device or /"), "{error}");

        device.interface("eth0", "02:00:00:00:00:01", &["device"]);
        let found = |device: &Device| device.identity(Some("02:00:00:aa:00:02")).unwrap();
        assert_eq!(
            device.identity(None).unwrap(),
            ("02-00-00-00-00-01".into(), Source::Interface("eth0".into()))
        );
        assert_eq!(found(&device), ("02-00-00-AA-00-02".into(), Source::Wan));
        device.mac_file(b"aa:bb:cc:dd:ee:03\r\nsecond line\n");
        assert_eq!(found(&device), ("aa:bb:cc:dd:ee:03".into(), Source::File));
        device.config.mac = "aabbccddee04".into();
        assert_eq!(found(&device), ("aabbccddee04".into(), Source::Option));
    }

    #[test]
    fn a_mac_file_that_is_garbage_huge_or_no_file_is_passed_over() {
        let device = Device::new();
        let wan = || device.identity(Some("02:00:00:00:00:02")).unwrap().1;
        for garbage in [
            &b""[..],
            b"\n",
            b"DNE\n",
            b"\xff\xfe",
            b"02:00:00:00:00",
            &[b'x'; 9999],
        ] {
            device.mac_file(garbage);
            assert_eq!(wan(), Source::Wan, "{garbage:?}");
        }
        fs::remove_file(&device.config.mac_file).unwrap();
        fs::create_dir(&device.config.mac_file).unwrap();
        assert_eq!(wan(), Source::Wan);
    }

    #[test]
    fn a_wan_device_without_a_usable_address_is_passed_over() {
        let device = Device::new();
        device.interface("eth0", "02:00:00:00:00:01", &["device"]);
        for useless in [
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "01:00:5e:00:00:01",
        ] {
            let (mac, _) = device.identity(Some(useless)).unwrap();
            assert_eq!(mac, "02-00-00-00-00-01", "{useless}");
        }
    }

    #[test]
    fn the_first_physical_wired_interface_with_an_address_of_its_own_wins() {
        let device = Device::new();
        let winner = || device.identity(None).unwrap().1;
        let named = |name: &str| Source::Interface(name.into());

        let tunnel = device.interface("aaa0", "02:00:00:00:00:09", &["device"]);
        fs::write(tunnel.join("type"), "65534\n").unwrap();
        device.interface("lo", "00:00:00:00:00:00", &[]);
        assert!(device.identity(None).is_err());

        device.interface("br-lan", "02:00:00:00:00:08", &[]);
        assert_eq!(winner(), named("br-lan"));
        let random = device.interface("eth9", "02:00:00:00:00:07", &["device"]);
        fs::write(random.join("addr_assign_type"), "1\n").unwrap();
        assert_eq!(winner(), named("eth9"));
        device.interface("ath0", "02:00:00:00:00:06", &["device", "phy80211"]);
        assert_eq!(winner(), named("ath0"));
        device.interface("wan", "02:00:00:00:00:05", &["device"]);
        assert_eq!(winner(), named("wan"));
        device.interface("lan1", "02:00:00:00:00:04", &["device"]);
        assert_eq!(winner(), named("lan1"));
    }
}
