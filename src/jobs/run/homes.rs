//! Where cgroups of jobs are made: below the agent's own cgroup if that may be written, else below the
//! root.
//!
//! ```text
//! /sys/fs/cgroup/services/socketman/instance1/socketman-PID-RANDOM
//! ```
//!
//! PID is the process that made it, and removes it when it is empty; one that outlives its maker is
//! removed by the next.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::process::Pid;

use super::cgroup::{remove, Cgroup};

/// Set in the environment of a test, it lets jobs run as on a kernel without cgroups.
pub(super) const WITHOUT: &str = "SOCKETMAN_WITHOUT_CGROUPS";

const PREFIX: &str = "socketman-";

/// Where cgroups of jobs are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Homes {
    /// The cgroup of this process.
    own: Option<PathBuf>,
    root: Option<PathBuf>,
}

impl Homes {
    /// Finds the cgroup of this process and the root; neither without a cgroup2 mount.
    pub(super) fn find() -> &'static Self {
        static FOUND: OnceLock<Homes> = OnceLock::new();
        FOUND.get_or_init(|| {
            if std::env::var_os(WITHOUT).is_some() {
                return Homes::default();
            }
            // Somebody else's mount may have a name that is not UTF-8.
            let read = |path| fs::read(path).unwrap_or_default();
            let text = |path| String::from_utf8_lossy(&read(path)).into_owned();
            let homes = Homes::parse(&text("/proc/self/mountinfo"), &text("/proc/self/cgroup"));
            homes.all().for_each(sweep);
            homes
        })
    }

    /// No place for a cgroup.
    #[cfg(test)]
    pub(super) const fn none() -> Self {
        Homes {
            own: None,
            root: None,
        }
    }

    /// The root alone, which nothing that ends the agent's own cgroup reaches.
    pub(super) fn outside(&self) -> Self {
        Homes {
            own: None,
            root: self.root.clone(),
        }
    }

    fn parse(mounts: &str, own: &str) -> Self {
        // ID PARENT MAJOR:MINOR ROOT MOUNT-POINT OPTIONS… - TYPE SOURCE …
        let mount = mounts.lines().find_map(|line| {
            let (mount, kind) = line.split_once(" - ")?;
            let mut fields = mount.split(' ').skip(3);
            let (root, point) = (fields.next()?, fields.next()?);
            kind.starts_with("cgroup2 ").then_some((root, point))
        });
        let Some((root, point)) = mount else {
            return Homes::default();
        };
        let own = own.lines().find_map(|line| line.strip_prefix("0::"));
        let below = own.and_then(|own| Path::new(own).strip_prefix(root).ok());
        Homes {
            own: below.map(|below| Path::new(point).join(below)),
            root: Some(point.into()),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Path> {
        [&self.own, &self.root]
            .into_iter()
            .flatten()
            .map(PathBuf::as_path)
    }

    /// Makes a cgroup in the first place that takes one; `None` if none does.
    pub(super) fn make(&self) -> Option<Cgroup> {
        self.all().find_map(|home| {
            let name = format!("{PREFIX}{}-{:016x}", std::process::id(), fastrand::u64(..));
            let path = home.join(name);
            fs::create_dir(&path).ok()?;
            Cgroup::open(path.clone())
                .inspect_err(|error| log::warn!("{}: {error}", path.display()))
                .ok()
        })
    }

    /// The cgroups that a process has made.
    pub(super) fn made_by(&self, maker: Pid) -> Vec<Cgroup> {
        let maker = maker.as_raw_nonzero().get().cast_unsigned();
        // A cgroup that cannot be opened is being removed.
        let made = self.all().flat_map(of_jobs);
        let made = made.filter(|(_, pid)| *pid == maker);
        let made = made.filter_map(|(path, _)| Cgroup::open(path).ok());
        made.collect()
    }

    /// Moves this process out of the agent's cgroup to the root.
    pub(super) fn leave(&self) -> io::Result<()> {
        match &self.root {
            Some(root) => fs::write(root.join("cgroup.procs"), "0"),
            None => Ok(()),
        }
    }
}

/// Removes the empty cgroups of processes that have ended.
fn sweep(home: &Path) {
    for (path, maker) in of_jobs(home) {
        if !Path::new(&format!("/proc/{maker}")).exists() {
            // A cgroup with processes is busy; a later agent removes it.
            let _ = remove(&path);
        }
    }
}

/// Cgroups as [`Homes::make`] names them, and the processes that made them.
fn of_jobs(home: &Path) -> Vec<(PathBuf, u32)> {
    // A place that cannot be read has nothing of ours.
    let entries = fs::read_dir(home).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let name = entry.file_name();
        let (maker, _) = name.to_str()?.strip_prefix(PREFIX)?.split_once('-')?;
        Some((entry.path(), maker.parse().ok()?))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroups_of_version_2_are_found_wherever_they_are_mounted() {
        let homes = |own: Option<&str>, root: &str| Homes {
            own: own.map(PathBuf::from),
            root: Some(root.into()),
        };
        // OpenWrt: procd puts services into cgroups of their own.
        let openwrt = "20 1 0:18 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw,nsdelegate\n";
        assert_eq!(
            Homes::parse(openwrt, "0::/services/socketman/instance1\n"),
            homes(
                Some("/sys/fs/cgroup/services/socketman/instance1"),
                "/sys/fs/cgroup"
            )
        );
        let hybrid = "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            Homes::parse(hybrid, "8:pids:/\n0::/\n"),
            homes(Some("/sys/fs/cgroup/unified"), "/sys/fs/cgroup/unified")
        );
        // A container sees a part of it, and may itself be outside.
        let part = "20 1 0:18 /docker/a /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        assert_eq!(
            Homes::parse(part, "0::/docker/a/b\n"),
            homes(Some("/sys/fs/cgroup/b"), "/sys/fs/cgroup")
        );
        assert_eq!(
            Homes::parse(part, "0::/other\n"),
            homes(None, "/sys/fs/cgroup")
        );
        assert_eq!(
            Homes::parse("1 2 3:4 / / rw - ext4 x rw\n", "0::/\n"),
            Homes::none()
        );
    }
}
