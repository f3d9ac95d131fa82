//! The process that installs a package: the old program, copied to RAM, in a session of its own.
//!
//! The package replaces the agent and ends it, so somebody else has to see it through. The watcher is alone: it holds
//! the lock `watcher` in state_dir/upgrade as long as it lives, and nobody else writes the record meanwhile. An agent
//! that finds a record without a decision and the lock free starts the next watcher, which goes on from the record.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use durable::Directory;
use ring::digest::{Context, SHA256};
use rustix::fs::{flock, FlockOperation, Mode, OFlags};
use rustix::process::{setsid, umask};

use super::record::{is_version, tail, Event, Packages, Phase, Record};
use super::request::to_hex;
use super::store::{self, Alive};
use super::tools;
use crate::jobs;
use crate::kernel;

/// Name of the watcher, as a program and in the list of processes.
pub(super) const NAME: &str = "socketman-upgrade";

/// Begins an installation.
pub(super) const INSTALL: &str = "--install-package";

/// Goes on with one whose watcher is gone.
pub(super) const RESUME: &str = "--resume-installation";

/// The words of opkg for a version that it does not install again; its exit code is 0 then.
const LEFT_ALONE: &str = "is up to date";

const LOCK: &str = "watcher";

/// Output of the package manager, in RAM.
const LOG: &str = "log";

/// Between two looks for a sign of life.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// The package before is installed in this many attempts at most: a package manager whose watcher was killed may still
/// be at work, and let no other begin. The time between them is this part of its longest run.
const UNDO_ATTEMPTS: u32 = 6;
const UNDO_AGAIN: u32 = 60;

/// A record is written in this many attempts, with this time between them.
const WRITE_ATTEMPTS: u32 = 3;
const WRITE_AGAIN: Duration = Duration::from_secs(10);

/// Longest wait for a watcher that is ending.
const LOCK_WITHIN: Duration = Duration::from_secs(2);

/// Does what the arguments say, if they are those of a watcher, and then returns its exit code.
pub fn watcher(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter();
    if arguments.next()? != NAME {
        return None;
    }
    let verb = arguments.next()?;
    let directory = arguments.next()?;
    kernel::outlive_signals();
    umask(Mode::RWXG | Mode::RWXO);
    // It fails for the leader of a process group, which a child of the agent is not.
    let _ = setsid();
    // procd ends the agent's cgroup with the agent; a root that may not be written has none.
    let _ = jobs::leave_cgroup();
    Some(match watch(Path::new(&directory), verb == RESUME) {
        Ok(()) => ExitCode::SUCCESS,
        // The agent finds the lock free.
        Err(_) => ExitCode::FAILURE,
    })
}

/// Starts a watcher for the upgrade in `directory`: the program at `program`, by the name of a watcher.
pub(super) fn start(program: &Path, verb: &str, directory: &Path) -> io::Result<()> {
    let mut command = Command::new(program);
    command
        .arg0(NAME)
        .arg(verb)
        .arg(std::path::absolute(directory)?)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = tokio::process::Command::from(command).spawn()?;
    // The runtime waits for it when it has ended.
    drop(child);
    Ok(())
}

/// Copies this program into `directory`, for a watcher.
pub(super) fn copy_program(directory: &Directory) -> io::Result<PathBuf> {
    let path = directory.path().join(NAME);
    let mut to = directory.file(NAME, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)?;
    io::copy(&mut File::open("/proc/self/exe")?, &mut to)?;
    to.set_permissions(fs::Permissions::from_mode(0o700))?;
    Ok(path)
}

/// SHA-256 of the file at `path`, in hex.
pub(super) fn hash_of(path: &Path) -> io::Result<String> {
    struct Hashing(Context);
    impl io::Write for Hashing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hashing = Hashing(Context::new(&SHA256));
    io::copy(&mut File::open(path)?, &mut hashing)?;
    Ok(to_hex(hashing.0.finish().as_ref()))
}

/// The lock of the watcher of `directory`; `None` while somebody has it.
fn lock(directory: &Directory) -> io::Result<Option<File>> {
    let file = directory.file(LOCK, OFlags::RDWR | OFlags::CREATE)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// True if a watcher of `directory` lives.
pub(super) fn is_watched(directory: &Directory) -> bool {
    // Without an answer it is taken to live: two of them would be worse than none.
    lock(directory).map_or(true, |lock| lock.is_none())
}

fn watch(path: &Path, is_resumed: bool) -> io::Result<()> {
    let mut directory = Directory::open(path)?;
    let until = Instant::now() + LOCK_WITHIN;
    let _lock = loop {
        match lock(&directory)? {
            Some(lock) => break lock,
            None if Instant::now() < until => sleep(LOOK_AGAIN),
            None => return Ok(()),
        }
    };
    let read = store::read(&mut directory, store::RECORD);
    let read = read.map_err(|error| io::Error::other(error.to_string()))?;
    let Some(record) = read else {
        return Ok(());
    };
    let Some(packages) = record.packages.clone() else {
        return Ok(());
    };
    drive(record, &packages, &mut directory, is_resumed);
    if let Some(ram) = Path::new(&packages.new).parent() {
        // It is in RAM: a reboot takes it away as well.
        let _ = fs::remove_dir_all(ram);
    }
    Ok(())
}

/// Goes from the record to a decision.
fn drive(mut record: Record, packages: &Packages, directory: &mut Directory, is_resumed: bool) {
    if is_resumed {
        record = step(record, Event::Cut, directory).0;
    }
    while !record.phase.is_decided() {
        let event = match record.phase {
            Phase::Ready => Event::Begins,
            Phase::Installing => {
                let new = packages.new.clone();
                match install(&mut record, packages, &new, 1) {
                    Event::Installed if record.output.contains(LEFT_ALONE) => Event::NotInstalled(
                        format!("opkg installs nothing: this version {LEFT_ALONE}"),
                    ),
                    event => event,
                }
            }
            Phase::Undoing => undo(&mut record, packages),
            Phase::Trial => trial(&record, packages, directory),
            _ => return,
        };
        let (next, is_written) = step(record, event, directory);
        if next.phase == Phase::Installing && !is_written {
            // By its record nothing has begun, and nothing does.
            return;
        }
        record = next;
    }
}

/// The record after `event`, and whether it is on flash.
fn step(record: Record, event: Event, directory: &mut Directory) -> (Record, bool) {
    let record = record.after(event);
    for attempt in 0..WRITE_ATTEMPTS {
        if store::write(directory, store::RECORD, &record).is_ok() {
            return (record, true);
        }
        // A disk that is full may not stay so. Without its record the work goes on all the same: the device has to
        // end with an agent.
        if attempt + 1 < WRITE_ATTEMPTS {
            sleep(WRITE_AGAIN);
        }
    }
    (record, false)
}

/// The package manager and its arguments for a package.
pub(super) fn manager(package: &str) -> (&'static str, &'static [&'static str]) {
    match package.ends_with(".apk") {
        // A file by itself is not signed; its hash was in the job.
        true => ("apk", &["add", "--allow-untrusted"]),
        // An older one may be what the sender wants. The same one again opkg leaves alone; --force-reinstall
        // does not change that for a file, and would remove the agent first where it does.
        false => ("opkg", &["install", "--force-downgrade"]),
    }
}

/// The arguments that remove the agent.
fn removal(manager: &str) -> &'static [&'static str] {
    match manager {
        "apk" => &["del", "socketman"],
        _ => &["remove", "--force-depends", "socketman"],
    }
}

/// Installs the package before, and sees to it that its program is in place: a package manager that was cut before it
/// had written what it did takes that package for the installed one, and leaves the new files alone.
fn undo(record: &mut Record, packages: &Packages) -> Event {
    let package = packages.undo.clone().unwrap_or_default();
    let is_back = || {
        let program = hash_of(Path::new(OsStr::new(&packages.program)));
        packages.program_before.is_empty()
            || program.is_ok_and(|program| program == packages.program_before)
    };
    match install(record, packages, &package, UNDO_ATTEMPTS) {
        Event::Installed if !is_back() => {}
        event => return event,
    }
    let (name, _) = manager(&package);
    let root = Path::new(&packages.root);
    let within = Duration::from_millis(packages.install_ms);
    let log = ram(packages).join(LOG);
    let removed = tools::run(root, &log, name, removal(name), within);
    record.output.push_str(&removed.output);
    match install(record, packages, &package, UNDO_ATTEMPTS) {
        Event::Installed if !is_back() => {
            Event::NotInstalled(format!("{name} leaves another program in place"))
        }
        event => event,
    }
}

/// The directory in RAM.
fn ram(packages: &Packages) -> &Path {
    let parent = Path::new(&packages.new).parent();
    parent.unwrap_or(Path::new("/tmp"))
}

fn install(record: &mut Record, packages: &Packages, package: &str, attempts: u32) -> Event {
    let (name, options) = manager(package);
    let arguments: Vec<&str> = options.iter().copied().chain([package]).collect();
    let ram = ram(packages);
    // A watcher of another boot finds nothing there.
    let _ = fs::create_dir_all(ram);
    let within = Duration::from_millis(packages.install_ms);
    let mut failed = String::new();
    for attempt in 0..attempts {
        if attempt > 0 {
            sleep(within / UNDO_AGAIN);
        }
        let root = Path::new(&packages.root);
        let ended = tools::run(root, &ram.join(LOG), name, &arguments, within);
        record.output.push_str(&ended.output);
        record.output = tail(&record.output, 8 << 10).to_owned();
        match ended.error {
            None => return Event::Installed,
            Some(error) => failed = error,
        }
    }
    Event::NotInstalled(failed)
}

/// Waits for the sign of life of what is installed now.
fn trial(record: &Record, packages: &Packages, directory: &mut Directory) -> Event {
    let lasts = Duration::from_millis(packages.trial_ms);
    let until = Instant::now() + lasts;
    let mut seen: Option<Alive> = None;
    let s = lasts.as_secs();
    let mut why = format!("the new agent gave no sign of life within {s} s");
    while Instant::now() < until {
        let alive = store::read_alive(directory).filter(|alive| alive.key == record.key);
        if alive.is_some() && alive != seen {
            let installed = hash_of(Path::new(OsStr::new(&packages.program)));
            match &alive {
                Some(alive) if installed.is_ok_and(|hash| hash == alive.program) => {
                    if is_version(&alive.version, record.wanted.as_deref()) {
                        return Event::Alive;
                    }
                    why = format!("version {} runs", alive.version);
                }
                _ => "the agent that lives is not the one that is installed".clone_into(&mut why),
            }
            seen = alive;
        }
        sleep(LOOK_AGAIN);
    }
    Event::Late(why)
}
