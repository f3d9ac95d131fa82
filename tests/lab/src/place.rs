//! The directory a lab lives in.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{flock, FlockOperation};
use rustix::io::Errno;
use tempfile::TempDir;

/// The greatest length of a unix socket's path, bytes.
const SOCKET_PATH_MAX: usize = 107;

/// Tells a directory of ours, and is locked while a lab uses it.
const MARK: &str = ".socketman-lab";

/// Files that an earlier lab left behind.
const OURS: [&str; 7] = [
    "root",
    "collector",
    "agent.log",
    "ubus.sock",
    "clock",
    "agent",
    "resolv.conf",
];

/// Why a directory does not serve.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error("{0}: is not empty and no lab of ours; give --dir an empty or a new directory")]
    Foreign(PathBuf),
    #[error("{0}: another lab is using it")]
    InUse(PathBuf),
    #[error(
        "{path}: {len} bytes are too many for a socket's path, which may have {SOCKET_PATH_MAX}; \
         give --dir a shorter one"
    )]
    TooLong { path: PathBuf, len: usize },
}

/// A directory for one lab at a time, which nobody else can look into: whoever reaches the bus can
/// run jobs. A temporary one is removed when this is dropped.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    temporary: Option<TempDir>,
    _lock: File,
}

impl Place {
    /// `dir`, made if it is missing and cleared of what an earlier lab left; without it a temporary
    /// directory.
    ///
    /// # Errors
    ///
    /// It holds files that are not ours, another lab is using it, or its path is too long.
    pub fn open(dir: Option<&Path>) -> Result<Self, PlaceError> {
        let (path, temporary) = match dir {
            Some(dir) => (make(dir)?, None),
            None => {
                let made = tempfile::Builder::new()
                    .prefix("socketman-lab-")
                    .permissions(Permissions::from_mode(0o700))
                    .tempdir();
                let made = made.map_err(|error| PlaceError::Io {
                    path: std::env::temp_dir(),
                    error,
                })?;
                (made.path().to_owned(), Some(made))
            }
        };
        let lock = lock(&path)?;
        let place = Place {
            path,
            temporary,
            _lock: lock,
        };
        let socket = place.socket();
        let len = socket.as_os_str().len();
        if len > SOCKET_PATH_MAX {
            return Err(PlaceError::TooLong { path: socket, len });
        }
        for name in OURS {
            place.clear(name)?;
        }
        Ok(place)
    }

    fn clear(&self, name: &str) -> Result<(), PlaceError> {
        let path = self.path.join(name);
        let removed = match path.symlink_metadata() {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        removed.map_err(|error| PlaceError::Io { path, error })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Does it go with the lab?
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// Keeps a temporary directory, for somebody to look into.
    pub fn keep(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            self.path = temporary.keep();
        }
    }

    /// Prefix of the agent's paths.
    pub fn root(&self) -> PathBuf {
        self.path.join("root")
    }

    /// Has /etc of the router on a file system of its own with so many bytes, until this is dropped. Needs
    /// root.
    ///
    /// # Errors
    ///
    /// It cannot be mounted.
    pub fn limit_etc(&self, size: u64) -> Result<(), PlaceError> {
        let path = self.root().join("etc");
        let failed = |error| PlaceError::Io {
            path: path.clone(),
            error,
        };
        fs::create_dir_all(&path).map_err(failed)?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=755"), "etc"])
            .arg(&path)
            .status()
            .map_err(failed)?;
        match mounted.success() {
            true => Ok(()),
            false => Err(failed(io::Error::other(format!("mount: {mounted}")))),
        }
    }

    /// Unmounts what [`Place::limit_etc`] mounted.
    fn unlimit_etc(&self) {
        let etc = self.root().join("etc");
        let outer = etc.parent().and_then(|outer| outer.metadata().ok());
        let (Some(outer), Ok(inner)) = (outer, etc.metadata()) else {
            return;
        };
        if outer.dev() != inner.dev() {
            let unmounted = Command::new("umount").arg("-l").arg(&etc).status();
            if !unmounted.is_ok_and(|status| status.success()) {
                eprintln!("{} stays mounted", etc.display());
            }
        }
    }

    /// Socket of the bus.
    pub fn socket(&self) -> PathBuf {
        self.path.join("ubus.sock")
    }

    /// The file that tells the agent the time.
    pub fn clock(&self) -> PathBuf {
        self.path.join("clock")
    }

    /// The program that starts the agent in a network namespace.
    pub fn agent(&self) -> PathBuf {
        self.path.join("agent")
    }

    /// The agent's log.
    pub fn log(&self) -> PathBuf {
        self.path.join("agent.log")
    }

    /// Reports that the API accepted, one a line.
    pub fn reports(&self) -> PathBuf {
        self.path.join("collector/reports.ndjson")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.unlimit_etc();
    }
}

fn make(dir: &Path) -> Result<PathBuf, PlaceError> {
    let failed = |error| PlaceError::Io {
        path: dir.to_owned(),
        error,
    };
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(failed)?;
    let path = dir.canonicalize().map_err(failed)?;
    let is_empty = path.read_dir().map_err(failed)?.next().is_none();
    if !is_empty && !path.join(MARK).is_file() {
        return Err(PlaceError::Foreign(path));
    }
    fs::set_permissions(&path, Permissions::from_mode(0o700)).map_err(failed)?;
    Ok(path)
}

fn lock(dir: &Path) -> Result<File, PlaceError> {
    let path = dir.join(MARK);
    let mut open = OpenOptions::new();
    let opened = open.create(true).truncate(false).write(true).open(&path);
    let failed = |error| PlaceError::Io {
        path: path.clone(),
        error,
    };
    let file = opened.map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(PlaceError::InUse(dir.to_owned())),
        Err(errno) => Err(failed(errno.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(dir: &Path) -> String {
        Place::open(Some(dir)).unwrap_err().to_string()
    }

    #[test]
    fn a_temporary_place_goes_with_the_lab_unless_somebody_wants_to_look() {
        let place = Place::open(None).unwrap();
        let path = place.path().to_owned();
        assert!(place.is_temporary());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(place);
        assert!(!path.exists());

        let mut place = Place::open(None).unwrap();
        place.keep();
        let path = place.path().to_owned();
        drop(place);
        assert!(path.is_dir());
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_place_of_ours_is_cleared_and_one_of_others_is_left_alone() {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("new/lab");
        let place = Place::open(Some(&dir)).unwrap();
        let mode = fs::metadata(&dir).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::create_dir_all(place.root().join("etc")).unwrap();
        fs::write(place.log(), "old").unwrap();
        assert!(refused(&dir).ends_with("another lab is using it"));
        drop(place);

        let place = Place::open(Some(&dir)).unwrap();
        assert!(!place.root().exists() && !place.log().exists());
        drop(place);
        assert!(dir.is_dir());

        let foreign = outer.path().join("home");
        fs::create_dir_all(foreign.join("root")).unwrap();
        assert!(refused(&foreign).contains("is not empty and no lab of ours"));
        assert!(foreign.join("root").is_dir());
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused_in_words() {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("x".repeat(100));
        let message = refused(&dir);
        assert!(
            message.contains("too many for a socket's path, which may have 107"),
            "{message}"
        );
    }
}
