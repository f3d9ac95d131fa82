//! The one program of the machine: takes orders, and has media live or be checked.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::board::Board;
use super::life::Life;
use super::word::{Line, Live, Order, Start, Word};
use super::Kind;

/// The name of the port to the host.
pub const PORT: &str = "power";

/// Noise that fills a medium, bytes at a time.
const PIECE: usize = 64 << 10;

/// Words that the host hears.
#[derive(Clone)]
struct Voice(Arc<Mutex<Board>>);

impl Voice {
    /// The host has the word when this returns.
    fn say(&self, kind: Option<Kind>, word: Word) {
        let Ok(line) = serde_json::to_vec(&Line { kind, word }) else {
            return;
        };
        let Ok(mut board) = self.0.lock() else {
            return;
        };
        if let Err(error) = board.write(&line) {
            // On the console.
            eprintln!("/dev/mem: {error}");
        }
    }
}

/// A life under way.
struct Living {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Takes orders until the power goes.
///
/// # Errors
///
/// There is no host.
pub fn run() -> io::Result<()> {
    let memory = OpenOptions::new().read(true).write(true).open("/dev/mem")?;
    let voice = Voice(Arc::new(Mutex::new(Board::new(memory))));
    let orders = BufReader::new(File::open(find_port()?)?);
    voice.say(None, Word::Ready);
    let mut lives: BTreeMap<Kind, Living> = BTreeMap::new();
    for line in orders.lines() {
        match serde_json::from_str(&line?)? {
            Order::Live(live) => {
                let ends = Arc::new(AtomicBool::new(false));
                let (kind, voice, flag) = (live.start.kind, voice.clone(), Arc::clone(&ends));
                let thread = thread::spawn(move || {
                    let lived = catch_unwind(AssertUnwindSafe(|| live_on(&live, &voice, &flag)));
                    let words = match lived {
                        Ok(Ok(())) => return,
                        Ok(Err(words)) => words,
                        Err(_) => "the life panics".to_owned(),
                    };
                    voice.say(Some(live.start.kind), Word::Failed(words));
                });
                lives.insert(kind, Living { ends, thread });
            }
            Order::Stop(kind) => {
                if let Some(living) = lives.remove(&kind) {
                    living.ends.store(true, Ordering::Relaxed);
                    let _ = living.thread.join();
                }
                if let Err(words) = unmount(kind) {
                    voice.say(Some(kind), Word::Failed(words));
                }
                voice.say(Some(kind), Word::Stopped);
            }
            Order::Check(start) => {
                let kind = start.kind;
                let checked = thread::spawn(move || check(&start)).join();
                let word = match checked {
                    Ok(Ok(word)) => word,
                    Ok(Err(words)) => Word::Failed(words),
                    Err(_) => Word::Failed("the start panics".to_owned()),
                };
                voice.say(Some(kind), word);
            }
        }
    }
    Ok(())
}

fn find_port() -> io::Result<PathBuf> {
    for entry in fs::read_dir("/sys/class/virtio-ports")? {
        let entry = entry?;
        let name = fs::read_to_string(entry.path().join("name"))?;
        if name.trim() == PORT {
            return Ok(Path::new("/dev").join(entry.file_name()));
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

fn check(start: &Start) -> Result<Word, String> {
    let mounted = mount(start);
    if mounted.is_err() {
        // A part of it may be.
        let _ = unmount(start.kind);
    }
    mounted?;
    let begun = Life::begin(&root(start), ram(start.kind), start, true);
    let found = begun.map(|(_, found)| Word::Found(Box::new(found)));
    let unmounted = unmount(start.kind);
    let found = found?;
    unmounted?;
    Ok(found)
}

fn live_on(live: &Live, voice: &Voice, ends: &AtomicBool) -> Result<(), String> {
    let start = &live.start;
    mount(start)?;
    let root = root(start);
    if let Some(leave) = live.leave {
        fill(&root, leave).map_err(|error| format!("cannot fill the medium: {error}"))?;
    }
    let (mut life, found) = Life::begin(&root, ram(start.kind), start, live.syncs)?;
    voice.say(Some(start.kind), Word::Found(Box::new(found)));
    let mut rng = fastrand::Rng::with_seed(live.seed);
    while !ends.load(Ordering::Relaxed) {
        life.act(&mut rng, &mut |word| voice.say(Some(start.kind), word))?;
    }
    Ok(())
}

/// Leaves about `leave` bytes free.
fn fill(root: &Path, leave: u64) -> io::Result<()> {
    let mut rng = fastrand::Rng::with_seed(leave);
    let mut piece = vec![0; PIECE];
    let path = root.join("noise");
    let mut noise = OpenOptions::new().create(true).append(true).open(&path)?;
    loop {
        let room = rustix::fs::statvfs(root)?;
        if room.f_bavail.saturating_mul(room.f_bsize) < leave + PIECE as u64 {
            return noise.sync_all();
        }
        rng.fill(&mut piece);
        match noise.write_all(&piece).and_then(|()| noise.sync_data()) {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                // Some file systems count more than there is.
                let len = noise.metadata()?.len();
                return noise.set_len(len.saturating_sub(leave));
            }
            written => written?,
        }
    }
}

fn point(kind: Kind) -> PathBuf {
    Path::new("/mnt").join(kind.name())
}

fn ram(kind: Kind) -> PathBuf {
    Path::new("/tmp/ram").join(kind.name())
}

fn root(start: &Start) -> PathBuf {
    match start.overlay {
        true => Path::new("/mnt/overlay").join(start.kind.name()),
        false => point(start.kind),
    }
}

fn run_program(words: &[&str]) -> Result<(), String> {
    let output = Command::new(words[0]).args(&words[1..]).output();
    let output = output.map_err(|error| format!("{words:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{words:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

fn mount(start: &Start) -> Result<(), String> {
    let kind = start.kind;
    let point = point(kind);
    let made = fs::create_dir_all(&point);
    made.map_err(|error| format!("{}: {error}", point.display()))?;
    let device = match kind {
        Kind::Ext4 => "/dev/vda",
        Kind::F2fs => "/dev/vdb",
        Kind::Jffs2 => "mtd:nor",
        Kind::Ubifs => {
            run_program(&["/bin/ubiattach", "-m", "1"])?;
            "ubi0:data"
        }
    };
    let at = point.display().to_string();
    let mut words = vec!["/bin/busybox", "mount", "-t", kind.name(), device, &at];
    if !start.mount.is_empty() {
        words.extend(["-o", &start.mount]);
    }
    run_program(&words)?;
    // What is not mounted would be written to RAM, and nobody would notice.
    let mounts =
        fs::read_to_string("/proc/mounts").map_err(|error| format!("/proc/mounts: {error}"))?;
    let is_it = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        words.get(1..4).is_some_and(|words| {
            words[0] == at
                && words[1] == kind.name()
                && words[2].split(',').any(|word| word == "rw")
        })
    };
    if !mounts.lines().any(is_it) {
        return Err(format!("{at} is not mounted for writing"));
    }
    match start.overlay {
        true => mount_overlay(kind),
        false => Ok(()),
    }
}

fn mount_overlay(kind: Kind) -> Result<(), String> {
    let name = kind.name();
    let over = format!("/mnt/overlay/{name}");
    for path in [
        &over,
        &format!("/mnt/{name}/upper"),
        &format!("/mnt/{name}/work"),
    ] {
        fs::create_dir_all(path).map_err(|error| format!("{path}: {error}"))?;
    }
    let options = format!("lowerdir=/rom,upperdir=/mnt/{name}/upper,workdir=/mnt/{name}/work");
    run_program(&[
        "/bin/busybox",
        "mount",
        "-t",
        "overlay",
        "-o",
        &options,
        "overlay",
        &over,
    ])
}

fn unmount(kind: Kind) -> Result<(), String> {
    let over = Path::new("/mnt/overlay").join(kind.name());
    if over.exists() {
        // It need not be mounted.
        let _ = run_program(&["/bin/busybox", "umount", &over.display().to_string()]);
    }
    let at = point(kind).display().to_string();
    patiently(&["/bin/busybox", "umount", &at])?;
    if kind == Kind::Ubifs {
        patiently(&["/bin/ubidetach", "-m", "1"])?;
    }
    Ok(())
}

/// Tries for 2 s: the kernel may still hold what a thread has just let go.
fn patiently(words: &[&str]) -> Result<(), String> {
    let mut tried = run_program(words);
    for _ in 0..20 {
        if tried.is_ok() {
            break;
        }
        thread::sleep(Duration::from_millis(100));
        tried = run_program(words);
    }
    tried
}
