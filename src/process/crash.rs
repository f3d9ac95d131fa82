//! Remembers the input that was handled when the agent panicked, so that it is skipped after two panics.
//!
//! A message whose handling ends the agent comes again with the next session, and ends the next agent.
//! So it is noted before it is handled; a panic writes the note as a line into a file in RAM, and ends
//! the process. What has two lines is not handled any more. A kill or a power cut writes none.
//!
//! ```text
//! KIND DIGEST PLACE      the hash of what was handled, the source line that panicked
//! ```

use std::error::Error;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use durable::{read_whole, Directory};
use rustix::fs::OFlags;
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};

const FILE: &str = "crashes";

/// Panics on one thing after which it is skipped.
const TOO_OFTEN: usize = 2;

/// A longer file is started over, bytes: so many panics say nothing new.
const FILE_MAX: u64 = 16 << 10;

/// Handling this has ended the agent too often.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("handling it has ended the agent {TOO_OFTEN} times; it is skipped")]
pub struct Skipped;

/// The record of earlier panics, and the note of what is being handled.
#[derive(Debug, Clone, Default)]
pub struct Crashes {
    /// `KIND DIGEST` of each panic since the device started.
    known: Arc<Vec<String>>,
    record: Option<Arc<File>>,
    notes: Arc<Mutex<Notes>>,
}

/// The inputs all threads handle, the innermost of each last.
#[derive(Debug, Default)]
struct Notes {
    next: usize,
    all: Vec<Note>,
}

#[derive(Debug)]
struct Note {
    number: usize,
    thread: ThreadId,
    what: String,
}

/// Something is being handled until this is dropped.
#[derive(Debug)]
pub struct Handling {
    notes: Arc<Mutex<Notes>>,
    number: usize,
}

impl Crashes {
    /// Reads the record in `dir`, and tells the log of the newest panic in it.
    pub fn read(dir: io::Result<Directory>) -> Self {
        let read = dir.and_then(|mut dir| {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND;
            let record = dir.file(FILE, flags)?;
            if record.metadata()?.len() > FILE_MAX {
                record.set_len(0)?;
            }
            let text = read_whole(&mut dir, FILE, FILE_MAX)?;
            Ok((record, String::from_utf8_lossy(&text).into_owned()))
        });
        let (record, text) = match read {
            Ok((record, text)) => (Some(Arc::new(record)), text),
            Err(error) => {
                log::warn!(
                    "{}/{FILE}: {error}; panics are not recorded",
                    crate::process::starts::DIR
                );
                (None, String::new())
            }
        };
        if let Some(last) = text.lines().last() {
            let last: String = last.chars().flat_map(char::escape_debug).collect();
            log::warn!("the agent has panicked since the device started, last: {last}");
        }
        let known = text
            .lines()
            .filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()));
        Crashes {
            known: Arc::new(known.collect()),
            record,
            notes: Arc::default(),
        }
    }

    /// From here on a panic, on any thread, is recorded and ends the process (SIGABRT).
    pub fn end_on_panic(&self) {
        let crashes = self.clone();
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let recorded = crashes.record(info);
            usual(info);
            if let Err(error) = recorded {
                // The thread that panicked may hold the log's own lock.
                eprintln!("the panic is not recorded: {error}");
            }
            process::abort();
        }));
    }

    /// Notes that `bytes` are handled from now on; `kind` is a word for what they are.
    ///
    /// # Errors
    ///
    /// Two panics while the same bytes were handled.
    pub fn handle(&self, kind: &str, bytes: &[u8]) -> Result<Handling, Skipped> {
        let what = named(kind, bytes);
        if self.known.iter().filter(|known| **known == what).count() >= TOO_OFTEN {
            return Err(Skipped);
        }
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let number = notes.next;
        notes.next = number.wrapping_add(1);
        notes.all.push(Note {
            number,
            thread: thread::current().id(),
            what,
        });
        drop(notes);
        Ok(Handling {
            notes: Arc::clone(&self.notes),
            number,
        })
    }

    /// A record of as many panics on this as are too many.
    #[cfg(test)]
    pub(crate) fn of(kind: &str, bytes: &[u8]) -> Self {
        Crashes {
            known: Arc::new(vec![named(kind, bytes); TOO_OFTEN]),
            ..Crashes::default()
        }
    }

    /// The inputs that are being handled, `KIND DIGEST` of each.
    #[cfg(test)]
    pub(crate) fn handled(&self) -> Vec<String> {
        let notes = self.notes.lock().unwrap();
        notes.all.iter().map(|note| note.what.clone()).collect()
    }

    fn record(&self, info: &PanicHookInfo<'_>) -> io::Result<()> {
        let Some(mut record) = self.record.as_deref() else {
            return Ok(());
        };
        let place = match info.location() {
            Some(at) => format!(
                "{}:{}",
                at.file().replace(char::is_whitespace, "_"),
                at.line()
            ),
            None => "unknown".to_owned(),
        };
        // Not waited for: the thread that panics may hold it.
        let what = self.notes.try_lock().ok().and_then(|notes| {
            let this = thread::current().id();
            let mut ours = notes.all.iter().filter(|note| note.thread == this);
            ours.next_back().map(|note| note.what.clone())
        });
        let what = what.unwrap_or_else(|| "nothing -".to_owned());
        record.write_all(format!("{what} {place}\n").as_bytes())
    }
}

/// Has the kernel write no memory of this process and its jobs to a file when one ends badly: it holds
/// passwords, and flash is small.
///
/// # Errors
///
/// The kernel does not take the limit.
pub fn without_core_dumps() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        ..getrlimit(Resource::Core)
    };
    Ok(setrlimit(Resource::Core, none)?)
}

fn named(kind: &str, bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("{kind} {:016x}", hasher.finish())
}

impl spool::Crashes for Crashes {
    fn handle(
        &self,
        kind: &str,
        bytes: &[u8],
    ) -> Result<spool::Handling, Box<dyn Error + Send + Sync>> {
        Ok(spool::Handling::new(Crashes::handle(self, kind, bytes)?))
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.all.retain(|note| note.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::process::ExitStatusExt;
    use std::path::{Path, PathBuf};
    use std::process::{Command, ExitStatus, Stdio};

    use durable::replace;

    use super::*;

    /// Tells the child where the record is, and what to do.
    const PLACE: &str = "SOCKETMAN_CRASH_TEST";

    const POISON: &[u8] = b"poison";

    fn read(dir: &Path) -> Crashes {
        Crashes::read(Directory::open(dir))
    }

    fn text(dir: &Path) -> String {
        fs::read_to_string(dir.join(FILE)).unwrap()
    }

    /// Runs the child below, a process of its own, for a panic ends it.
    fn child(dir: &Path, what: &str) -> ExitStatus {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args([
                "--exact",
                "process::crash::tests::a_child_that_panics",
                "--ignored",
            ])
            .env(PLACE, format!("{what}:{}", dir.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().unwrap()
    }

    #[test]
    #[ignore = "the other tests run it as a process"]
    fn a_child_that_panics() {
        let place = env::var(PLACE).unwrap();
        let (what, dir) = place.split_once(':').unwrap();
        let crashes = read(&PathBuf::from(dir));
        crashes.end_on_panic();
        match what {
            "while" => {
                let _handling = crashes.handle("message", POISON);
                panic!("on purpose");
            }
            "after" => {
                drop(crashes.handle("message", POISON));
                panic!("on purpose");
            }
            "beside" => {
                let _handling = crashes.handle("message", POISON);
                let other = thread::spawn(|| panic!("on purpose"));
                let _ended = other.join();
            }
            "inner" => {
                let _outer = crashes.handle("message", POISON);
                let _inner = crashes.handle("report", b"inner");
                panic!("on purpose");
            }
            "outer" => {
                let _outer = crashes.handle("message", POISON);
                drop(crashes.handle("report", b"inner"));
                panic!("on purpose");
            }
            "other thread" => {
                let _handling = crashes.handle("message", POISON);
                let other = crashes.clone();
                let other = thread::spawn(move || drop(other.handle("report", b"inner")));
                let _ended = other.join();
                panic!("on purpose");
            }
            "killed" => {
                let _handling = crashes.handle("message", POISON);
                process::abort();
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn what_ended_the_agent_twice_is_skipped_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("run");
        for panics in 0..2 {
            assert!(read(&dir).handle("message", POISON).is_ok(), "{panics}");
            let ended = child(&dir, "while");
            assert_eq!(ended.signal(), Some(6), "{ended}");
            assert_eq!(text(&dir).lines().count(), panics + 1);
        }
        let crashes = read(&dir);
        assert_eq!(crashes.handle("message", POISON).unwrap_err(), Skipped);
        assert!(crashes.handle("message", b"poison ").is_ok());
        assert!(crashes.handle("config", POISON).is_ok());
        assert!(
            text(&dir).contains(" src/process/crash.rs:"),
            "{}",
            text(&dir)
        );
    }

    #[test]
    fn of_things_within_each_other_the_innermost_is_held_responsible() {
        for (what, kind) in [
            ("inner", "report"),
            ("outer", "message"),
            ("other thread", "message"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let dir = dir.path().join("run");
            assert_eq!(child(&dir, what).signal(), Some(6), "{what}");
            assert!(text(&dir).starts_with(kind), "{what}: {}", text(&dir));
        }
    }

    #[test]
    fn a_panic_of_somebody_else_and_a_kill_are_not_held_against_a_message() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("run");
        for what in ["after", "beside", "killed"] {
            for _ in 0..2 {
                assert_eq!(child(&dir, what).signal(), Some(6), "{what}");
            }
        }
        assert_eq!(text(&dir).lines().count(), 4);
        assert!(text(&dir)
            .lines()
            .all(|line| line.starts_with("nothing - ")));
        assert!(read(&dir).handle("message", POISON).is_ok());
    }

    #[test]
    fn rubbish_in_the_record_is_no_panic_and_a_long_one_starts_over() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("run");
        let again = |bytes: &[u8]| {
            replace(&mut Directory::open(&dir).unwrap(), FILE, bytes).unwrap();
            read(&dir).handle("message", POISON).is_ok()
        };
        for rubbish in [
            &b"\n\n \n"[..],
            b"\xff\0\n",
            b"message",
            b"message  x\nmessage  x\n",
        ] {
            assert!(again(rubbish), "{rubbish:?}");
        }
        assert!(again(&b"message x y\n".repeat(2000)));
        assert_eq!(text(&dir), "");
    }

    #[test]
    fn a_record_that_is_not_ours_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        read(&run);
        fs::remove_file(run.join(FILE)).unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, run.join(FILE)).unwrap();
        assert_eq!(child(&run, "while").signal(), Some(6));
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }
}
