//! Flash on which a sync takes its time: the disk of the machine that tests is fast.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Stands before the C library's call in a program that is started with it.
const SOURCE: &str = r#"
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fdatasync(int fd)
{
    usleep(atoi(getenv("SLOW_SYNC_US")));
    return syscall(SYS_fdatasync, fd);
}
"#;

/// Has each sync of a file's bytes take longer.
#[derive(Debug, Clone)]
pub struct SlowSync {
    library: PathBuf,
    by: Duration,
}

impl SlowSync {
    /// Builds what it takes in `dir`, with the C compiler that Rust links with.
    ///
    /// # Errors
    ///
    /// There is no C compiler, or `dir` cannot be written.
    pub fn new(dir: &Path, by: Duration) -> io::Result<Self> {
        let (source, library) = (dir.join("slow_sync.c"), dir.join("slow_sync.so"));
        std::fs::write(&source, SOURCE)?;
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]);
        let built = compiler.arg(&library).arg(&source).output()?;
        match built.status.success() {
            true => Ok(SlowSync { library, by }),
            false => Err(io::Error::other(
                String::from_utf8_lossy(&built.stderr).into_owned(),
            )),
        }
    }

    /// Variables of the environment of the program.
    pub(crate) fn environment(&self) -> [(&'static str, OsString); 2] {
        let microseconds = self.by.as_micros().to_string();
        [
            ("LD_PRELOAD", self.library.clone().into()),
            ("SLOW_SYNC_US", microseconds.into()),
        ]
    }
}
