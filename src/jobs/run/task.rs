//! A command as a shell gets it, and as one process passes it on to another.
//!
//! ```text
//! id op_42
//! timeout_ms 300000
//! output_max 65536
//!
//! the command, to the end
//! ```

use std::ffi::{CString, NulError};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::process;
use std::time::Duration;

use rustix::fs::{fcntl_add_seals, memfd_create, MemfdFlags, SealFlags};

use super::Limits;

/// Longest command passed as an argument, bytes. The kernel's limit is 32 pages with the final NUL.
const ARGUMENT_MAX: usize = 124 * 1024;

/// Longest [`Task`] as text, bytes: a job of 1 MiB, and what stands before its command.
pub(super) const TASK_MAX: u64 = (1 << 20) + 4096;

/// A command, its id and its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    /// Without control characters.
    pub(super) id: String,
    pub(super) command: String,
    pub(super) limits: Limits,
}

impl Task {
    pub(super) fn to_text(&self) -> String {
        let Limits {
            timeout,
            output_max,
        } = self.limits;
        format!(
            "id {}\ntimeout_ms {}\noutput_max {output_max}\n\n{}",
            self.id,
            timeout.as_millis(),
            self.command
        )
    }

    /// `None` if it is no task as [`Task::to_text`] writes it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (id, rest) = text.strip_prefix("id ")?.split_once("\ntimeout_ms ")?;
        let (timeout, rest) = rest.split_once("\noutput_max ")?;
        let (output_max, command) = rest.split_once("\n\n")?;
        Some(Task {
            id: id.to_owned(),
            command: command.to_owned(),
            limits: Limits {
                timeout: Duration::from_millis(timeout.parse().ok()?),
                output_max: output_max.parse().ok()?,
            },
        })
    }
}

/// The arguments with which /bin/sh runs a command. Has to be kept while the shell runs, which reads
/// a long command from it.
#[derive(Debug)]
pub(super) struct Script {
    arguments: [String; 2],
    _memory: Option<File>,
}

impl Script {
    pub(super) fn new(command: &str) -> io::Result<Self> {
        if command.len() <= ARGUMENT_MAX {
            return Ok(Script {
                arguments: ["-c".to_owned(), command.to_owned()],
                _memory: None,
            });
        }
        let memory = sealed(command.as_bytes())?;
        // Opened by the shell itself through our descriptor, which closes on exec: nothing is
        // inherited.
        let path = format!("/proc/{}/fd/{}", process::id(), memory.as_raw_fd());
        Ok(Script {
            arguments: ["--".to_owned(), path],
            _memory: Some(memory),
        })
    }

    /// Without the name of the shell.
    pub(super) fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// With the name of the shell.
    pub(super) fn c_arguments(&self) -> Result<[CString; 3], NulError> {
        let [first, second] = self.arguments.clone();
        Ok([
            CString::new("sh")?,
            CString::new(first)?,
            CString::new(second)?,
        ])
    }
}

/// All variables of a job's environment.
pub(super) fn environment(id: &str) -> [(&'static str, &str); 3] {
    [
        ("PATH", crate::jobs::PATH),
        ("HOME", "/root"),
        ("SOCKETMAN_JOB_ID", id),
    ]
}

/// A file in memory that holds `bytes` and can never change.
pub(super) fn sealed(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(
        "socketman-job",
        MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
    )?);
    file.write_all(bytes)?;
    fcntl_add_seals(
        &file,
        SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
    )?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_as_it_was_written() {
        let task = Task {
            id: "op 42\u{e9}".to_owned(),
            command: "id x\n\noutput_max 1\n\ntimeout_ms 2\n".to_owned(),
            limits: Limits {
                timeout: Duration::from_millis(1500),
                output_max: 65_536,
            },
        };
        let text = task.to_text();
        assert!(text.starts_with("id op 42\u{e9}\ntimeout_ms 1500\noutput_max 65536\n\nid x\n"));
        assert_eq!(Task::parse(&text), Some(task));
        for damaged in [
            "",
            "id x",
            "id x\ntimeout_ms y\noutput_max 1\n\n",
            "idx\n\n",
        ] {
            assert_eq!(Task::parse(damaged), None, "{damaged}");
        }
    }
}
