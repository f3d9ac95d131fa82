//! How often the agent had to be started because it had ended by itself, and what follows from that.
//!
//! An agent that dies again and again must not beat on broker and API with every start. The count is a
//! line in a file in RAM, written at a start and removed by an orderly end:
//!
//! ```text
//! BOOT_ID COUNT AT      AT = uptime of the device at this start, s
//! ```
//!
//! What stands there at a start was left by an agent that ended without SIGTERM. It counts on if that
//! agent had been started less than 10 min before; so do 10 min of running clear it, and so does a reboot.

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;
use serde::Serialize;
use tokio::time::Instant;

use crate::clock::{epoch_seconds, Pace};
use crate::durable::Directory;
use crate::shutdown::Shutdown;

/// Where the count is kept, below the root; in RAM, so that a crash loop wears no flash.
pub const DIR: &str = "/var/run/socketman";

const FILE: &str = "starts";

/// A start counts on if the one before was less than this ago.
const MEMORY: Duration = Duration::from_secs(600);

/// From this count on broker and API wait.
const FIRST_TO_WAIT: u32 = 4;

/// Longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Longest file that is read, bytes.
const FILE_MAX: u64 = 256;

/// What there is to tell of this start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Starts in a row, this one included, that followed an end without SIGTERM; 0 after 10 min.
    pub count: u32,
    /// Until when broker and API wait because of that, seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_until: Option<u64>,
    /// Why starts are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// This start of the agent.
#[derive(Debug)]
pub struct Starts {
    dir: Option<Directory>,
    count: u32,
    error: Option<String>,
    pace: Pace,
    at: Instant,
    epoch: u64,
}

/// Holds broker and API back after too many starts.
#[derive(Debug, Clone, Copy)]
pub struct Hold {
    until: Option<Instant>,
}

impl Starts {
    /// Counts this start in `dir`. `uptime` is the device's.
    pub fn count(dir: io::Result<Directory>, boot_id: &str, uptime: Duration, pace: Pace) -> Self {
        let counted = dir.and_then(|dir| {
            let count = next_count(&read(&dir)?, boot_id, uptime, pace);
            let line = format!("{boot_id} {count} {}\n", uptime.as_secs_f64());
            dir.replace(FILE, line.as_bytes())?;
            Ok((dir, count))
        });
        let (dir, count, error) = match counted {
            Ok((dir, count)) => (Some(dir), count, None),
            Err(error) => {
                log::warn!("{DIR}/{FILE}: {error}; starts are not counted");
                (None, 0, Some(format!("{DIR}/{FILE}: {error}")))
            }
        };
        let starts = Starts {
            dir,
            count,
            error,
            pace,
            at: Instant::now(),
            epoch: epoch_seconds(),
        };
        if starts.count > 0 {
            let wait = starts.wait().as_secs();
            log::warn!(
                "started after an end without SIGTERM, {} in a row; broker and API wait {wait} s",
                starts.count
            );
        }
        starts
    }

    /// How long broker and API wait from the start on.
    fn wait(&self) -> Duration {
        if self.count < FIRST_TO_WAIT {
            return Duration::ZERO;
        }
        let doubled = Duration::from_secs(1 << self.count.min(9));
        self.pace.of(doubled.min(LONGEST_WAIT))
    }

    /// What those who wait wait for.
    pub fn hold(&self) -> Hold {
        let wait = self.wait();
        Hold {
            until: (wait > Duration::ZERO).then(|| self.at + wait),
        }
    }

    /// The facts as of now.
    pub fn facts(&self) -> Facts {
        let running = self.at.elapsed();
        let wait = self.wait();
        Facts {
            count: match running < self.pace.of(MEMORY) {
                true => self.count,
                false => 0,
            },
            held_until: (running < wait).then(|| self.epoch + wait.as_secs_f64().ceil() as u64),
            error: self.error.clone(),
        }
    }

    /// The agent ends because it was told to: the next start does not count.
    pub fn ended(&self) {
        let Some(dir) = &self.dir else {
            return;
        };
        match dir.remove(FILE) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                log::warn!("{DIR}/{FILE}: {error}");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

impl Hold {
    /// Waits until broker and API may be reached; false if the agent ends before.
    pub async fn over(self, ends: &mut Shutdown) -> bool {
        let Some(until) = self.until else {
            return true;
        };
        tokio::select! {
            () = ends.requested() => false,
            () = tokio::time::sleep_until(until) => true,
        }
    }
}

fn read(dir: &Directory) -> io::Result<String> {
    match dir.file(FILE, OFlags::RDONLY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
        Ok(_) => {
            let bytes = dir.read(FILE, FILE_MAX)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
    }
}

/// What the count is now, after what was left behind.
fn next_count(left: &str, boot_id: &str, uptime: Duration, pace: Pace) -> u32 {
    if left.is_empty() {
        return 0;
    }
    // An end without SIGTERM there was, whatever the line says.
    let words: Vec<&str> = left.split_ascii_whitespace().collect();
    let before = match words[..] {
        [boot, count, at] if boot == boot_id => count.parse().ok().zip(at.parse::<f64>().ok()),
        [_, _, _] => return 0,
        _ => None,
    };
    let Some((count, at)) = before else {
        return 1;
    };
    let since = uptime.as_secs_f64() - at;
    let recent = (0.0..pace.of(MEMORY).as_secs_f64()).contains(&since);
    1 + if recent { u32::min(count, 1 << 16) } else { 0 }
}

/// The directory of the count, below `root`.
pub fn directory(root: &Path) -> io::Result<Directory> {
    Directory::open(&crate::config::under(root, Path::new(DIR)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{symlink, PermissionsExt};

    use tempfile::TempDir;
    use tokio::time::timeout;

    use super::*;
    use crate::shutdown::shutdown;

    const BOOT: &str = "3c5a";

    /// A device on which agents start.
    struct Machine {
        root: TempDir,
        boot_id: &'static str,
        uptime: u64,
    }

    impl Machine {
        fn new() -> Self {
            Machine {
                root: tempfile::tempdir().unwrap(),
                boot_id: BOOT,
                uptime: 100,
            }
        }

        fn start(&self) -> Starts {
            Starts::count(
                directory(self.root.path()),
                self.boot_id,
                Duration::from_secs(self.uptime),
                Pace::REAL,
            )
        }

        fn file(&self) -> std::path::PathBuf {
            self.root.path().join("var/run/socketman/starts")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn starts_after_a_crash_are_counted_and_from_the_fourth_on_held_back() {
        let mut machine = Machine::new();
        let mut seen = Vec::new();
        for _ in 0..11 {
            let starts = machine.start();
            assert_eq!(starts.facts().error, None);
            seen.push((starts.facts().count, starts.wait().as_secs()));
            // It lives for a moment after it was held back.
            machine.uptime += starts.wait().as_secs() + 5;
        }
        let waits = [0, 0, 0, 0, 16, 32, 64, 128, 256, 300, 300];
        assert_eq!(seen, (0..).zip(waits).collect::<Vec<_>>());
        let mode = fs::metadata(machine.file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test(start_paused = true)]
    async fn an_orderly_end_and_ten_minutes_of_running_and_a_reboot_clear_the_count() {
        let mut machine = Machine::new();
        let crashes = |machine: &mut Machine| {
            (0..6).for_each(|_| drop(machine.start()));
            machine.start()
        };
        let last = crashes(&mut machine);
        assert!(last.facts().count >= 6);
        last.ended();
        assert!(!machine.file().exists());
        assert_eq!(machine.start().facts().count, 0);

        let last = crashes(&mut machine);
        assert!(last.facts().held_until.is_some());
        tokio::time::advance(MEMORY).await;
        assert_eq!(last.facts(), Facts::default());
        machine.uptime += 600;
        assert_eq!(machine.start().facts().count, 1);

        crashes(&mut machine);
        machine.boot_id = "another";
        machine.uptime = 20;
        assert_eq!(machine.start().facts().count, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_held_back_waits_until_then_or_until_the_end() {
        let machine = Machine::new();
        let (trigger, mut ends) = shutdown();
        let start = Instant::now();
        assert!(machine.start().hold().over(&mut ends).await);
        assert_eq!(start.elapsed(), Duration::ZERO);
        (0..3).for_each(|_| drop(machine.start()));
        let hold = machine.start().hold();
        assert!(hold.over(&mut ends).await);
        assert_eq!(start.elapsed(), Duration::from_secs(16));
        // A part that is made anew later does not wait again.
        assert!(hold.over(&mut ends).await);
        assert_eq!(start.elapsed(), Duration::from_secs(16));

        let hold = machine.start().hold();
        trigger.fire();
        assert!(!timeout(MEMORY, hold.over(&mut ends)).await.unwrap());
        assert_eq!(start.elapsed(), Duration::from_secs(16));
    }

    #[test]
    fn what_nobody_wrote_counts_as_one_end_and_never_panics() {
        let at = Duration::from_secs(100);
        let count = |left: &str| next_count(left, BOOT, at, Pace::REAL);
        assert_eq!(count(""), 0);
        for left in [
            "\n",
            "3c5a",
            "3c5a x 1",
            "3c5a 2 y",
            "3c5a 2 NaN",
            "3c5a 2 inf",
            "3c5a 7 101",
            "3c5a -1 99",
            "3c5a 1 99 more",
            "\u{fffd}\0",
        ] {
            assert_eq!(count(left), 1, "{left:?}");
        }
        assert_eq!(count("3c5a 4294967295 99"), 65_537);
    }

    #[tokio::test]
    async fn a_place_that_is_not_ours_alone_is_not_used_and_told() {
        let machine = Machine::new();
        drop(machine.start());
        fs::remove_file(machine.file()).unwrap();
        let victim = machine.root.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, machine.file()).unwrap();
        let starts = machine.start();
        let error = starts.facts().error.unwrap();
        assert_eq!(error, "/var/run/socketman/starts: is a link");
        assert_eq!(starts.wait(), Duration::ZERO);
        starts.ended();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }
}
