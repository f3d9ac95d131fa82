//! The syslog daemon: hidden behind a connection that outlives it.

use std::io;
use std::path::PathBuf;

use log::Level;
use syslog::{Facility, LogFormat, LoggerBackend, Severity};

use super::{date_and_time, to_terminal, OURS};
use crate::process::clock::epoch_seconds;

/// A connection to the syslog daemon that comes back when the daemon does.
pub(super) struct Syslog {
    /// Instead of the usual sockets.
    socket: Option<PathBuf>,
    logger: Option<syslog::Logger<LoggerBackend, Head>>,
    /// Has the terminal been told that there is no syslog?
    complained: bool,
}

impl Syslog {
    pub(super) fn new(socket: Option<PathBuf>) -> Self {
        Syslog {
            socket,
            logger: None,
            complained: false,
        }
    }

    /// Sends one line, over a new connection if the old one is dead; without a daemon the line goes
    /// to the terminal, which procd reads. Never waits for a daemon that does not read.
    pub(super) fn send(&mut self, level: Level, message: &str) {
        if self.try_send(level, message).is_ok() {
            self.complained = false;
            return;
        }
        self.logger = None;
        match self.try_send(level, message) {
            Ok(()) => self.complained = false,
            Err(error) => {
                self.logger = None;
                if !self.complained {
                    self.complained = true;
                    to_terminal(Level::Warn, &format!("no syslog: {error}"));
                }
                to_terminal(level, message);
            }
        }
    }

    fn try_send(&mut self, level: Level, message: &str) -> syslog::Result<()> {
        let logger = match &mut self.logger {
            Some(logger) => logger,
            none => none.insert(connect(self.socket.as_ref())?),
        };
        match level {
            Level::Error => logger.err(message),
            Level::Warn => logger.warning(message),
            Level::Info => logger.info(message),
            Level::Debug | Level::Trace => logger.debug(message),
        }
    }
}

fn connect(socket: Option<&PathBuf>) -> syslog::Result<syslog::Logger<LoggerBackend, Head>> {
    let head = Head {
        pid: std::process::id(),
    };
    let logger = match socket {
        Some(path) => syslog::unix_custom(head, path),
        None => syslog::unix(head),
    }?;
    // A daemon that hangs must not hang the agent: a line that does not fit is an error.
    match &logger.backend {
        LoggerBackend::Unix(socket) => socket.set_nonblocking(true)?,
        LoggerBackend::UnixStream(stream) => stream.get_ref().set_nonblocking(true)?,
        LoggerBackend::Udp(..) | LoggerBackend::Tcp(_) => {}
    }
    Ok(logger)
}

/// Head of a line as libc's syslog() writes it, in UTC. The crate's own formatter asks for the local
/// offset at each line and panics if that is not known.
#[derive(Clone)]
struct Head {
    pid: u32,
}

impl LogFormat<&str> for Head {
    fn format<W: io::Write>(
        &self,
        writer: &mut W,
        severity: Severity,
        message: &str,
    ) -> syslog::Result<()> {
        let priority = Facility::LOG_DAEMON as u8 | severity as u8;
        let (date, time) = date_and_time(epoch_seconds());
        let pid = self.pid;
        write!(writer, "<{priority}>{date} {time} {OURS}[{pid}]: {message}")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    fn daemon(path: &Path) -> UnixDatagram {
        let socket = UnixDatagram::bind(path).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        socket
    }

    fn line(daemon: &UnixDatagram) -> String {
        let mut bytes = [0; 2048];
        let len = loop {
            // A wait with a time limit ends at each signal, and children of other tests end too.
            match daemon.recv(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                received => break received.unwrap(),
            }
        };
        String::from_utf8(bytes[..len].to_vec()).unwrap()
    }

    #[test]
    fn a_line_has_facility_daemon_our_tag_and_its_severity() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let socket = daemon(&path);
        let mut syslog = Syslog::new(Some(path));
        for (level, priority) in [
            (Level::Error, 27),
            (Level::Warn, 28),
            (Level::Info, 30),
            (Level::Debug, 31),
        ] {
            syslog.send(level, "hello");
            let line = line(&socket);
            assert!(line.starts_with(&format!("<{priority}>")), "{line}");
            let tail = format!(" socketman[{}]: hello", std::process::id());
            assert!(line.ends_with(&tail), "{line}");
        }
    }

    #[test]
    fn logging_goes_on_when_the_syslog_daemon_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut syslog = Syslog::new(Some(path.clone()));
        syslog.send(Level::Info, "before there is a daemon");
        assert!(syslog.complained);

        let first = daemon(&path);
        syslog.send(Level::Info, "one");
        assert!(line(&first).ends_with("one"));
        assert!(!syslog.complained);
        // A child that another test is just starting may hold the socket open still.
        first.shutdown(std::net::Shutdown::Both).unwrap();
        drop(first);
        std::fs::remove_file(&path).unwrap();
        let second = daemon(&path);
        syslog.send(Level::Info, "two");
        assert!(line(&second).ends_with("two"));
    }

    #[test]
    fn a_syslog_daemon_that_does_not_read_does_not_stop_the_agent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let _silent = daemon(&path);
        let mut syslog = Syslog::new(Some(path));
        // More than any socket queue takes; a blocking socket would never get here.
        while syslog.try_send(Level::Info, "x").is_ok() {}
    }
}
