//! Model and load of the device: procd's `system` object, else /proc and /etc.

use super::reply::Place::{Field as Any, Text, U64};
use super::reply::{Field, Fields};
use crate::collect::kernel::files::Files;
use crate::collect::report::Device;

/// Reply of `system board`; constant between sysupgrades but for the host name.
#[derive(Debug, Default)]
pub(crate) struct Board {
    kernel: Option<String>,
    hostname: Option<String>,
    model: Option<String>,
    release: Release,
}

#[derive(Debug, Default)]
struct Release {
    version: Option<String>,
    revision: Option<String>,
    target: Option<String>,
}

/// Reply of `system info`.
#[derive(Debug, Default)]
pub(crate) struct Info {
    /// s.
    uptime: Option<u64>,
    /// Load × 65536, over 1, 5 and 15 minutes.
    load: Option<[u64; 3]>,
    /// Bytes.
    total_ram: Option<u64>,
    /// Bytes.
    free_ram: Option<u64>,
}

/// The release of OpenWrt, as far as shapes of replies depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    year: u32,
    month: u32,
}

impl Version {
    /// hostapd's glue multiplies rates by 100 from here on.
    const V23_05: Version = Version { year: 23, month: 5 };

    fn parse(version: &str) -> Option<Self> {
        let (year, month) = numbers(version)?;
        let version = Version { year, month };
        // Vendors count their own versions; only the years there were releases say anything.
        (17..=99).contains(&version.year).then_some(version)
    }
}

/// The first two numbers of a version.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let number = |part: &str| {
        let end = part.find(|c: char| !c.is_ascii_digit());
        part[..end.unwrap_or(part.len())].parse().ok()
    };
    let mut parts = version.split('.');
    Some((number(parts.next()?)?, number(parts.next()?)?))
}

impl Board {
    /// `None` if nothing of it is as expected.
    pub(crate) fn read(reply: Fields<'_>) -> Option<Self> {
        let mut board = Board::default();
        let mut release = Field::default();
        reply.read(&mut [
            ("kernel", Text(&mut board.kernel)),
            ("hostname", Text(&mut board.hostname)),
            ("model", Text(&mut board.model)),
            ("release", Any(&mut release)),
        ]);
        release.fields().read(&mut [
            ("version", Text(&mut board.release.version)),
            ("revision", Text(&mut board.release.revision)),
            ("target", Text(&mut board.release.target)),
        ]);
        let release = &board.release;
        let known = board.kernel.is_some() || board.hostname.is_some() || board.model.is_some();
        (known || release.version.is_some() || release.revision.is_some()).then_some(board)
    }

    /// True if hostapd's glue multiplies rates by 100.
    ///
    /// Forks count their own versions; their kernel is older than 5.15 where their hostapd is older
    /// than that of 23.05. Where neither says anything, the system counts as a recent one.
    pub(crate) fn multiplies_rates(&self) -> bool {
        let version = self.release.version.as_deref().and_then(Version::parse);
        if let Some(version) = version {
            return version >= Version::V23_05;
        }
        let kernel = self.kernel.as_deref().and_then(numbers);
        kernel.is_none_or(|kernel| kernel >= (5, 15))
    }

    pub(crate) fn hostname(&self) -> Option<&str> {
        self.hostname.as_deref()
    }
}

impl Info {
    /// `None` if nothing of it is as expected.
    pub(crate) fn read(reply: Fields<'_>) -> Option<Self> {
        let mut info = Info::default();
        let (mut load, mut memory) = (Field::default(), Field::default());
        reply.read(&mut [
            ("uptime", U64(&mut info.uptime)),
            ("load", Any(&mut load)),
            ("memory", Any(&mut memory)),
        ]);
        let loads = load.fields().list(|_, load| load.u64());
        info.load = loads.items.try_into().ok();
        memory.fields().read(&mut [
            ("total", U64(&mut info.total_ram)),
            ("free", U64(&mut info.free_ram)),
        ]);
        let known = info.uptime.is_some() || info.load.is_some() || info.total_ram.is_some();
        known.then_some(info)
    }
}

impl Release {
    /// `24.10.2`; a snapshot is distinguished by its revision: `SNAPSHOT r28739-d9340319c6`.
    fn firmware(self) -> Option<String> {
        match (self.version, self.revision) {
            (Some(version), Some(revision)) if version.ends_with("SNAPSHOT") => {
                Some(format!("{version} {revision}"))
            }
            (version, revision) => version.or(revision),
        }
    }
}

/// Fills in what `system` said.
pub(crate) fn from_bus(device: &mut Device, board: Board, info: Info) {
    device.kernel = board.kernel;
    device.hostname = board.hostname;
    device.machine_type = board.model;
    let mut release = board.release;
    device.target = release.target.take();
    device.firmware = release.firmware();
    device.uptime = info.uptime;
    if let Some([one, five, fifteen]) = info.load {
        let load = |fixed: u64| Some(hundredths(fixed as f64 / 65536.0));
        (device.load_1, device.load_5, device.load_15) = (load(one), load(five), load(fifteen));
    }
    (device.total_ram, device.free_ram) = (info.total_ram, info.free_ram);
}

/// The kernel itself gives loads with two digits; more would be noise in every report.
fn hundredths(load: f64) -> f64 {
    (load * 100.0).round() / 100.0
}

/// A load of /proc/loadavg, `0.52`.
fn two_decimals(load: &str) -> Option<f64> {
    let (whole, decimals) = load.split_once('.').filter(|(_, of)| of.len() == 2)?;
    let whole: u32 = whole.parse().ok()?;
    let decimals: u32 = decimals.parse().ok()?;
    Some((f64::from(whole) * 100.0 + f64::from(decimals)) / 100.0)
}

/// Fills in what is still absent from /proc, /sys and /etc.
pub(crate) fn from_files(device: &mut Device, files: &Files) {
    if let Some(load) = files.text("proc/loadavg") {
        let mut words = load.split_ascii_whitespace();
        let mut next = || words.next().and_then(two_decimals);
        let (one, five, fifteen) = (next(), next(), next());
        device.load_1 = device.load_1.or(one);
        device.load_5 = device.load_5.or(five);
        device.load_15 = device.load_15.or(fifteen);
        // "running/all", as sysinfo(2) counts them.
        device.procs = words
            .next()
            .and_then(|counts| counts.split_once('/')?.1.parse().ok());
    }
    if device.uptime.is_none() {
        device.uptime = files
            .text("proc/uptime")
            .and_then(|uptime| uptime.split(['.', ' ']).next()?.parse().ok());
    }
    if device.total_ram.is_none() || device.free_ram.is_none() {
        if let Some(memory) = files.text("proc/meminfo") {
            let bytes = |name| meminfo(&memory, name);
            device.total_ram = device.total_ram.or_else(|| bytes("MemTotal:"));
            device.free_ram = device.free_ram.or_else(|| bytes("MemFree:"));
        }
    }
    let or_file = |value: &mut Option<String>, path| {
        if value.is_none() {
            *value = files.text(path).map(super::reply::cut);
        }
    };
    or_file(&mut device.kernel, "proc/sys/kernel/osrelease");
    or_file(&mut device.hostname, "proc/sys/kernel/hostname");
    or_file(&mut device.machine_type, "tmp/sysinfo/model");
    or_file(&mut device.machine_type, "proc/device-tree/model");
    if device.firmware.is_none() || device.machine_type.is_none() || device.target.is_none() {
        if let Some(release) = files.text("etc/os-release") {
            let value = |name| os_release(&release, name);
            let openwrt = value("ID").as_deref() == Some("openwrt");
            if device.firmware.is_none() {
                device.firmware = match openwrt {
                    true => Release {
                        version: value("VERSION"),
                        revision: value("BUILD_ID"),
                        target: None,
                    }
                    .firmware(),
                    false => value("PRETTY_NAME"),
                };
            }
            device.machine_type = device.machine_type.take().or_else(|| value("NAME"));
            device.target = device.target.take().or_else(|| value("OPENWRT_BOARD"));
        }
    }
}

/// A line of /proc/meminfo, in bytes.
fn meminfo(memory: &str, name: &str) -> Option<u64> {
    let line = memory.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// A value of /etc/os-release, without its quotes.
fn os_release(release: &str, name: &str) -> Option<String> {
    let value = release
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?
        .trim();
    let value = ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value);
    (!value.is_empty()).then(|| super::reply::cut(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart_and_what_is_no_release_is_unknown() {
        let later = |version: &str| Version::parse(version).map(|v| v >= Version::V23_05);
        assert_eq!(later("21.02.3"), Some(false));
        assert_eq!(later("22.03-SNAPSHOT"), Some(false));
        assert_eq!(later("23.05.0-rc1"), Some(true));
        assert_eq!(later("25.12.5"), Some(true));
        for strange in ["SNAPSHOT", "", "4.5.16", "24", "r28739-d9340319c6", "x.y"] {
            assert_eq!(later(strange), None, "{strange}");
        }
    }

    #[test]
    fn a_snapshot_is_named_with_its_revision() {
        let firmware = |version: Option<&str>, revision: Option<&str>| {
            Release {
                version: version.map(Into::into),
                revision: revision.map(Into::into),
                target: None,
            }
            .firmware()
        };
        assert_eq!(firmware(Some("24.10.2"), Some("r1")).unwrap(), "24.10.2");
        assert_eq!(
            firmware(Some("SNAPSHOT"), Some("r1")).unwrap(),
            "SNAPSHOT r1"
        );
        assert_eq!(firmware(None, Some("r1")).unwrap(), "r1");
        assert_eq!(firmware(None, None), None);
    }

    #[test]
    fn os_release_values_lose_their_quotes() {
        let release = "NAME=\"OpenWrt\"\nVERSION_ID=12\nID='openwrt'\nEMPTY=\"\"\nODD=\"\n";
        let value = |name| os_release(release, name);
        assert_eq!(value("NAME").unwrap(), "OpenWrt");
        assert_eq!(value("VERSION_ID").unwrap(), "12");
        assert_eq!(value("ID").unwrap(), "openwrt");
        assert_eq!(value("EMPTY"), None);
        assert_eq!(value("ODD").unwrap(), "\"");
        assert_eq!(value("VERSION"), None);
    }
}
