//! As much of opkg as a package's life depends on: order, settings that are kept, scripts.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::device::{write_with_mode, Device};
use super::ipk::Ipk;

/// Installs a package, or puts it in the place of an older one.
///
/// # Errors
///
/// opkg would refuse it: it is for another architecture, or wants a package that is not there.
pub(crate) fn install(device: &Device, ipk: &Ipk, installed: &[&str]) -> Result<(), String> {
    let arch = ipk.field("Architecture");
    if !["all", "noarch", "x86_64"].contains(&arch.as_str()) {
        return Err(format!("architecture {arch}"));
    }
    let depends = ipk.field("Depends");
    let mut depends = depends.split(", ");
    if let Some(missing) = depends.find(|wanted| !installed.contains(wanted)) {
        return Err(format!("{missing} is not installed"));
    }
    let name = ipk.field("Package");
    let before = device.read(&info(&name, "list"));
    let environment: &[(&str, &str)] = match before {
        Some(_) => &[("PKG_UPGRADE", "1")],
        None => &[],
    };
    if before.is_some() {
        script(device, &name, "prerm", "upgrade", environment);
    }
    // What the package before brought as settings, to see whether somebody changed them.
    let originals = device.read(&info(&name, "originals")).unwrap_or_default();
    for entry in ipk.control.iter().filter(|entry| !entry.is_dir) {
        let to = device.path(&info(&name, entry.path.trim_start_matches("./")));
        write_with_mode(&to, &entry.bytes, entry.mode);
    }
    let settings = ipk.control("conffiles");
    let mut list = String::new();
    for entry in &ipk.data {
        let path = &entry.path[1..];
        let to = device.path(path);
        if entry.is_dir {
            if !to.is_dir() {
                fs::create_dir(&to).unwrap();
                fs::set_permissions(&to, Permissions::from_mode(entry.mode)).unwrap();
            }
            continue;
        }
        list += &format!("{path}\n");
        let is_setting = settings.lines().any(|line| line == path);
        let there = fs::read(&to).ok();
        let changed = there.is_some_and(|bytes| {
            bytes != entry.bytes && !originals.contains(&fingerprint(path, &bytes))
        });
        let to = match is_setting && changed {
            true => device.path(&format!("{path}-opkg")),
            false => to,
        };
        write_with_mode(&to, &entry.bytes, entry.mode);
    }
    for gone in before.iter().flat_map(|list| list.lines()) {
        if !list.lines().any(|path| path == gone) {
            // Files that install themselves away are gone already.
            let _ = fs::remove_file(device.path(gone));
        }
    }
    device.write(&info(&name, "list"), &list);
    let originals: String = settings
        .lines()
        .map(|path| fingerprint(path, &ipk.file(path).bytes))
        .collect();
    device.write(&info(&name, "originals"), &originals);
    script(device, &name, "postinst", "configure", environment);
    Ok(())
}

/// Removes a package; settings that somebody changed stay.
pub(crate) fn remove(device: &Device, name: &str) {
    script(device, name, "prerm", "remove", &[]);
    let settings = device.read(&info(name, "conffiles")).unwrap_or_default();
    let originals = device.read(&info(name, "originals")).unwrap();
    for path in device.read(&info(name, "list")).unwrap().lines() {
        let is_setting = settings.lines().any(|line| line == path);
        if let Ok(bytes) = fs::read(device.path(path)) {
            if !is_setting || originals.contains(&fingerprint(path, &bytes)) {
                fs::remove_file(device.path(path)).unwrap();
            }
        }
    }
    device.sh(&format!("rm /usr/lib/opkg/info/{name}.*"));
}

/// Path of what opkg keeps of a package.
fn info(name: &str, kind: &str) -> String {
    format!("/usr/lib/opkg/info/{name}.{kind}")
}

/// Stands for the bytes of a file, one line.
fn fingerprint(path: &str, bytes: &[u8]) -> String {
    format!("{path} {:?}\n", String::from_utf8_lossy(bytes))
}

fn script(device: &Device, package: &str, name: &str, why: &str, environment: &[(&str, &str)]) {
    let command = format!("{} {why}", info(package, name));
    let output = device.try_sh(&command, environment);
    assert!(output.status.success(), "{command}: {output:?}");
    assert!(
        output.stderr.is_empty(),
        "{command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
