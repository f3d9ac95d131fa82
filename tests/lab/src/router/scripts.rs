//! The router's programs: init scripts and commands below the router's root, which pass orders on to the
//! lab through a named pipe.
//!
//! `sbin/lab WORDS` writes its words and the path of a pipe of its own to `tmp/orders`, and exits with what
//! it reads there. The scripts that OpenWrt has are this one under their names.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{mknodat, FileType, Mode, CWD};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::unix::pipe;

/// Time that a script has to fetch its answer.
const FETCHED_WITHIN: Duration = Duration::from_secs(10);

const COMMAND: &str = r#"#!/bin/sh
# Passes an order on to the lab's router; exits with what came of it.
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
[ -p "$root/tmp/orders" ] || exit 1
answer=$root/tmp/answer.$$
mkfifo "$answer" || exit 1
echo "$answer $*" > "$root/tmp/orders"
read -r code < "$answer"
rm -f "$answer"
exit "${code:-1}"
"#;

/// Path below the root, and the words before those of the caller.
const SCRIPTS: [(&str, &str); 8] = [
    ("etc/init.d/network", "network"),
    ("etc/init.d/firewall", "firewall"),
    ("etc/init.d/dnsmasq", "dnsmasq"),
    ("etc/init.d/socketman", "socketman"),
    ("sbin/reload_config", "reload_config"),
    ("sbin/reboot", "reboot"),
    ("sbin/ifup", "ifup"),
    ("sbin/ifdown", "ifdown"),
];

/// Programs that are more than an order.
const PROGRAMS: [(&str, &str); 2] = [
    ("sbin/sysupgrade", include_str!("../../device/sysupgrade")),
    ("bin/opkg", include_str!("../../device/opkg")),
];

/// A question of a script.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) words: Vec<String>,
    answer: PathBuf,
}

impl Asked {
    /// Lets the script end with this code.
    pub(super) fn answer(self, code: u8) {
        // Opened so, it does not wait for the script, which may be dead.
        let opened = pipe::OpenOptions::new()
            .read_write(true)
            .open_sender(&self.answer);
        let Ok(mut pipe) = opened else {
            return;
        };
        tokio::spawn(async move {
            let _ = pipe.write_all(format!("{code}\n").as_bytes()).await;
            // What is in a pipe that nobody has open is lost.
            tokio::time::sleep(FETCHED_WITHIN).await;
        });
    }
}

/// The end of the pipe at which orders come in.
#[derive(Debug)]
pub(super) struct Scripts {
    lines: Lines<BufReader<pipe::Receiver>>,
}

impl Scripts {
    /// Plants the scripts below `root`. One that is there already stays as it is.
    pub(super) fn plant(root: &Path) -> io::Result<()> {
        plant(&root.join("sbin/lab"), COMMAND)?;
        for (path, words) in SCRIPTS {
            let path = root.join(path);
            let command = root.join("sbin/lab");
            let text = format!("#!/bin/sh\nexec {} {words} \"$@\"\n", command.display());
            plant(&path, &text)?;
        }
        for (path, text) in PROGRAMS {
            plant(&root.join(path), text)?;
        }
        Ok(())
    }

    /// Makes the pipe and opens it. Needs a tokio runtime.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let path = root.join("tmp/orders");
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        // Open for writing too, it does not end with the first script.
        let pipe = pipe::OpenOptions::new()
            .read_write(true)
            .open_receiver(&path)?;
        Ok(Scripts {
            lines: BufReader::new(pipe).lines(),
        })
    }

    /// The next order. Nothing is lost if the wait is given up.
    pub(super) async fn next(&mut self) -> io::Result<Asked> {
        loop {
            let line = self.lines.next_line().await?;
            let line = line.ok_or(io::ErrorKind::UnexpectedEof)?;
            let mut words = line.split_whitespace().map(str::to_owned);
            if let Some(answer) = words.next() {
                return Ok(Asked {
                    words: words.collect(),
                    answer: answer.into(),
                });
            }
        }
    }
}

fn plant(path: &Path, text: &str) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, text)?;
    fs::set_permissions(path, Permissions::from_mode(0o755))
}
