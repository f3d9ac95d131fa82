//! A real broker: Debian's mosquitto, as a process of ours.

use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Where Debian has it, which is not on everybody's path.
const PATH: &str = "/usr/sbin:/usr/local/sbin:/usr/bin:/bin";

/// Starts mosquitto with the configuration file `conf`, which says `log_dest stderr` and
/// `log_type all`; returns when it serves. It is killed when the child is dropped.
///
/// # Errors
///
/// It is not installed, or ended at once.
pub async fn start(conf: &Path) -> io::Result<Child> {
    let mut broker = Command::new("mosquitto")
        .arg("-c")
        .arg(conf)
        .env("PATH", PATH)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            let text = format!("mosquitto does not start: {error}; install Debian's package");
            io::Error::new(error.kind(), text)
        })?;
    let log = broker.stderr.take();
    let mut log = BufReader::new(log.expect("it is a pipe")).lines();
    let mut last = String::new();
    while let Some(line) = log.next_line().await? {
        if line.ends_with("running") {
            // Its log goes on and has to be read.
            tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
            return Ok(broker);
        }
        last = line;
    }
    Err(io::Error::other(format!("mosquitto ended at once: {last}")))
}
