//! Noticing that a file has changed, without looking at it all the time.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::time::{sleep_until, Instant};

/// Programs write a file in several steps, and several files one after the other.
const DEBOUNCE: Duration = Duration::from_secs(1);

/// Events that may have put other content behind a name, or changed whether that is believed.
const EVENTS: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);

/// Signs that a directory is no longer the one that is watched, or that an event was missed.
const LOST: ReadFlags = ReadFlags::DELETE_SELF
    .union(ReadFlags::MOVE_SELF)
    .union(ReadFlags::UNMOUNT)
    .union(ReadFlags::QUEUE_OVERFLOW);

/// Watches the directories of some files. Says nothing until [`FileWatch::look_at`].
#[derive(Debug, Default)]
pub(super) struct FileWatch {
    /// None while the kernel refuses to watch.
    watched: Option<Watched>,
    /// A file may have changed, and is to be read then.
    settles: Option<Instant>,
    said: bool,
}

#[derive(Debug)]
struct Watched {
    fd: AsyncFd<OwnedFd>,
    /// A directory, and the name in it that counts.
    names: Vec<(i32, OsString)>,
}

impl FileWatch {
    /// Watches these files from here on, and no others. A read after this call misses no change.
    pub(super) fn look_at(&mut self, files: &[PathBuf]) {
        self.settles = None;
        self.watched = match Watched::new(files) {
            Ok(watched) => Some(watched),
            Err(error) => {
                if !std::mem::replace(&mut self.said, true) {
                    log::warn!(
                        "files of the settings cannot be watched: {error}; SIGHUP reads them again"
                    );
                }
                None
            }
        };
    }

    /// Completes [`DEBOUNCE`] after one of the files may have changed. Cancel safe: a change is not forgotten before
    /// the files are looked at again.
    pub(super) async fn settled(&mut self) {
        let at = match self.settles {
            Some(at) => at,
            None => {
                self.changed().await;
                *self.settles.insert(Instant::now() + DEBOUNCE)
            }
        };
        sleep_until(at).await;
    }

    /// Completes when one of the files may have changed.
    pub(super) async fn changed(&mut self) {
        match &mut self.watched {
            Some(watched) => watched.changed().await,
            None => std::future::pending().await,
        }
    }
}

impl Watched {
    fn new(files: &[PathBuf]) -> io::Result<Self> {
        let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let mut names = Vec::new();
        for file in files {
            names.extend(watch(&fd, file)?);
            // A link may lead elsewhere; its target changes there.
            if let Some(target) = fs::canonicalize(file).ok().filter(|target| target != file) {
                names.extend(watch(&fd, &target)?);
            }
        }
        // Deprecated for types whose descriptor may change under it; an OwnedFd's does not, and the
        // call in its place is unsafe.
        #[allow(deprecated)]
        let fd = AsyncFd::new(fd)?;
        Ok(Watched { fd, names })
    }

    async fn changed(&mut self) {
        loop {
            let mut ready = match self.fd.readable().await {
                Ok(ready) => ready,
                // The runtime ends.
                Err(_) => std::future::pending().await,
            };
            let mut room = [MaybeUninit::uninit(); 4096];
            let mut events = Reader::new(ready.get_inner(), &mut room);
            let mut counts = false;
            loop {
                match events.next() {
                    Ok(event) => counts |= is_one_of(&self.names, &event),
                    Err(Errno::INTR) => {}
                    Err(Errno::AGAIN) => {
                        ready.clear_ready();
                        break;
                    }
                    // Nothing is left to read it with: look again.
                    Err(_) => return,
                }
            }
            if counts {
                return;
            }
        }
    }
}

fn is_one_of(names: &[(i32, OsString)], event: &inotify::Event<'_>) -> bool {
    let here = event.file_name().map(|name| name.to_bytes());
    event.events().intersects(LOST)
        || names
            .iter()
            .any(|(wd, name)| *wd == event.wd() && here == Some(name.as_bytes()))
}

/// Watches the directory of `file`; while it does not exist the nearest one above it, in which the next
/// directory on the way may appear.
fn watch(fd: &OwnedFd, file: &Path) -> io::Result<Option<(i32, OsString)>> {
    let mut path = file;
    while let (Some(dir), Some(name)) = (path.parent(), path.file_name()) {
        let dir = match dir.as_os_str().is_empty() {
            true => Path::new("."),
            false => dir,
        };
        match inotify::add_watch(fd, dir, EVENTS | WatchFlags::ONLYDIR) {
            Ok(wd) => return Ok(Some((wd, name.to_owned()))),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::LOOP) => path = dir,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}
