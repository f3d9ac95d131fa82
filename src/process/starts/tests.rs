//! Starts one after the other, in simulated time.

use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::process::shutdown::shutdown;

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
    // A part that restarts later does not wait again.
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

#[test]
fn the_time_of_a_start_is_read_whoever_wrote_its_decimals() {
    for (text, millis) in [
        ("99", 99_000),
        ("99.5", 99_500),
        ("0.000000001", 0),
        ("7.250000000", 7_250),
    ] {
        assert_eq!(seconds(text).unwrap().as_millis(), millis, "{text}");
    }
    for strange in [
        "",
        ".",
        "1.",
        ".5",
        "-1",
        "NaN",
        "1e5",
        "1.0000000001",
        "18446744073709551615.999999999x",
    ] {
        assert_eq!(seconds(strange), None, "{strange}");
    }
}
