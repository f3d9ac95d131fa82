//! The end of a detached job as a file.
//!
//! ```text
//! exited 3
//! duration_ms 1234
//! truncated 0
//! reason timed out after 5 s
//! ```

use std::io;
use std::time::Duration;

use durable::{read_whole, replace, Directory, Disk};

use super::END;
use crate::jobs::outcome;
use crate::jobs::run::child::Status;
use crate::jobs::run::shell::Finished;

/// Longest file, bytes.
const END_MAX: u64 = 4096;

/// Puts the end in place, whole.
pub(super) fn write(disk: &mut dyn Disk, finished: &Finished) -> io::Result<()> {
    replace(disk, END, to_text(finished).as_bytes())
}

/// Reads the end, without the streams; `None` while the job has not ended.
pub(super) fn read(directory: &mut Directory) -> io::Result<Option<Finished>> {
    let text = match read_whole(directory, END, END_MAX) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let parsed = parse(&String::from_utf8_lossy(&text));
    let odd = || io::Error::new(io::ErrorKind::InvalidData, "it is not what was written");
    parsed.ok_or_else(odd).map(Some)
}

fn to_text(finished: &Finished) -> String {
    let status = match finished.status {
        Some(Status::Exited(code)) => format!("exited {code}"),
        Some(Status::Killed(signal)) => format!("killed {signal}"),
        None => "unknown".to_owned(),
    };
    let mut text = format!(
        "{status}\nduration_ms {}\ntruncated {}\n",
        finished.duration.as_millis(),
        u8::from(finished.truncated)
    );
    if let Some(reason) = &finished.reason {
        let line: String = reason
            .chars()
            .filter(|c| !c.is_control())
            .take(1000)
            .collect();
        text.push_str(&format!("reason {line}\n"));
    }
    text
}

fn parse(text: &str) -> Option<Finished> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let status = match lines.next()?.split_once(' ') {
        Some(("exited", code)) => Some(Status::Exited(code.parse().ok()?)),
        Some(("killed", signal)) => Some(Status::Killed(signal.parse().ok()?)),
        _ => None,
    };
    let duration = lines.next()?.strip_prefix("duration_ms ")?.parse().ok()?;
    let truncated = lines.next()?.strip_prefix("truncated ")? == "1";
    let reason = match lines.next() {
        Some(line) => Some(line.strip_prefix("reason ")?.to_owned()),
        None => None,
    };
    Some(Finished {
        end: outcome::End::Processed,
        status,
        duration: Duration::from_millis(duration),
        stdout: String::new(),
        stderr: String::new(),
        truncated,
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(status: Option<Status>, reason: Option<&str>) -> Finished {
        Finished {
            end: outcome::End::Processed,
            status,
            duration: Duration::from_millis(1234),
            stdout: String::new(),
            stderr: String::new(),
            truncated: true,
            reason: reason.map(str::to_owned),
        }
    }

    #[test]
    fn an_end_is_read_as_it_was_written() {
        let tmp = tempfile::tempdir().unwrap();
        let mut directory = Directory::open(&tmp.path().join("job")).unwrap();
        assert!(read(&mut directory).unwrap().is_none());
        for (status, reason) in [
            (Some(Status::Exited(0)), None),
            (Some(Status::Killed(9)), Some("timed out after 5 s")),
            (None, Some("cancelled")),
        ] {
            let written = finished(status, reason);
            write(&mut directory, &written).unwrap();
            let read = read(&mut directory).unwrap().unwrap();
            assert_eq!(format!("{read:?}"), format!("{written:?}"));
        }
        std::fs::write(tmp.path().join("job/end"), "exited 0\ndur").unwrap();
        assert!(read(&mut directory).is_err());
    }
}
