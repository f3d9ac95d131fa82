//! Traces of the boot before: files that the kernel, the firmware and the init script left.
//!
//! All of them may be missing or hostile: they are read up to a bound, links to devices and FIFOs are not
//! waited for, and what cannot be read is absent.

use std::fs;
use std::path::Path;

use durable::{read_whole, Directory};

use super::pstore::{self, Record};
use crate::process::file::read_up_to;
use crate::process::file::under;

/// Where the kernel says why the hardware reset the device.
const WATCHDOGS: &str = "/sys/class/watchdog";

/// The flag of `bootstatus` for a reset by the watchdog (linux/watchdog.h, WDIOF_CARDRESET).
const CARD_RESET: u32 = 0x20;

/// The firmware.
const RELEASE: &str = "/etc/openwrt_release";

/// The init script notes the boot that it shuts down here, in `state_dir`.
pub(super) const SHUTDOWN: &str = "shutdown";

/// Longest file of one word or a few, bytes.
const SMALL: u64 = 4096;

/// Watchdogs that are looked at.
const WATCHDOGS_MAX: usize = 16;

/// Everything that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    /// Panics that pstore holds.
    pub(super) panics: Vec<Record>,
    /// The kernel's last words before this boot, if a console in RAM has kept them.
    pub(super) console: Option<String>,
    /// The hardware says that the watchdog reset the device.
    pub(super) watchdog: bool,
    /// Version and revision of the firmware.
    pub(super) release: Option<String>,
    /// The boot that the init script noted last.
    pub(super) shutdown: Option<String>,
}

impl Evidence {
    /// Looks at the device below `root`, and into `state` if that can be opened.
    pub(super) fn look(root: &Path, state: Option<&mut Directory>) -> Self {
        let (panics, console) = pstore::look(root);
        let shutdown = state.and_then(|dir| read_whole(dir, SHUTDOWN, SMALL).ok());
        let shutdown = shutdown.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        Evidence {
            panics,
            console,
            watchdog: was_reset_by_watchdog(root),
            release: release(root),
            shutdown,
        }
    }
}

fn small(path: &Path) -> Option<String> {
    let (bytes, _more) = read_up_to(path, SMALL).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn was_reset_by_watchdog(root: &Path) -> bool {
    let Ok(found) = fs::read_dir(under(root, Path::new(WATCHDOGS))) else {
        return false;
    };
    let statuses = found
        .take(WATCHDOGS_MAX)
        .filter_map(|entry| small(&entry.ok()?.path().join("bootstatus")));
    let mut numbers = statuses.filter_map(|text| number(text.trim()));
    numbers.any(|status| status & CARD_RESET != 0)
}

/// A number as drivers print it: decimal, or hexadecimal with 0x.
fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Version and revision of the firmware below `root`.
pub fn release(root: &Path) -> Option<String> {
    release_of(&small(&under(root, Path::new(RELEASE)))?)
}

/// Version and revision, of the lines `DISTRIB_RELEASE='…'` and `DISTRIB_REVISION='…'`.
fn release_of(text: &str) -> Option<String> {
    let value = |key: &str| {
        let mut values = text.lines().filter_map(|line| line.strip_prefix(key));
        let value = values.next()?.strip_prefix('=')?;
        let value = value.trim().trim_matches(['\'', '"']);
        let is_plain = |c: char| c.is_ascii_graphic() || c == ' ';
        (!value.is_empty() && value.len() <= 64 && value.chars().all(is_plain)).then_some(value)
    };
    let words = [value("DISTRIB_RELEASE"), value("DISTRIB_REVISION")];
    let words: Vec<&str> = words.into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(" "))
}
