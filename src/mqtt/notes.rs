//! The places where a broker may keep a presence of ours, noted for the next agent.
//!
//! In the file `presence` of `state_dir`, a [`Cell`] that holds JSON: `[["broker:1883", "status/…"], …]`. A
//! topic has the key in it, which is a secret; the directory is root's alone. It is written on a thread of
//! its own, which starts with the first change: most agents never have one.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use durable::{Cell, Directory, Handle, Latest};

/// The cell.
const NAME: &str = "presence";

/// Longest topic that is noted, bytes.
const TOPIC_MAX: usize = 8 << 10;

/// Longest wait for the disk.
const WITHIN: Duration = Duration::from_secs(60);

/// A broker as `host:port`, and a topic.
pub(super) type Place = (String, String);

/// The notes of one agent.
#[derive(Debug)]
pub(super) struct Notes {
    directory: PathBuf,
    thread: Option<Handle<Latest>>,
}

impl Notes {
    pub(super) fn of(state_dir: &Path) -> Self {
        Notes {
            directory: state_dir.to_owned(),
            thread: None,
        }
    }

    /// The places that were noted, at most `max`. Notes that cannot be read are none.
    pub(super) fn read(&self, max: usize) -> Vec<Place> {
        let path = self.directory.join(NAME);
        if !path.exists() {
            return Vec::new();
        }
        let read = Directory::open(&self.directory)
            .map_err(|error| error.to_string())
            .and_then(|mut directory| {
                let read = Cell::new(NAME).read(&mut directory);
                read.map_err(|error| error.to_string())
            });
        let mut places: Vec<Place> = match read {
            Ok(bytes) => bytes
                .and_then(|bytes| serde_json::from_slice(&bytes).ok())
                .unwrap_or_default(),
            Err(error) => {
                log::warn!("{}: {error}", path.display());
                Vec::new()
            }
        };
        places.truncate(max);
        places
    }

    /// Notes `places` in the place of those before. Needs a tokio runtime.
    pub(super) fn write<'a>(&mut self, places: impl Iterator<Item = (&'a str, &'a str)>) {
        let places: Vec<_> = places
            .filter(|(_, topic)| topic.len() <= TOPIC_MAX)
            .collect();
        let bytes = serde_json::to_vec(&places).expect("strings always encode");
        let path = self.directory.join(NAME);
        let thread = match self.thread() {
            Ok(thread) => thread,
            Err(error) => return log::warn!("{}: not written: {error}", path.display()),
        };
        crate::tasks::spawn(async move {
            let failed = match thread.ask(bytes, WITHIN).await {
                Ok(answer) => answer.synced.err().map(|error| error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(error) = failed {
                log::warn!("{}: not written: {error}", path.display());
            }
        });
    }

    fn thread(&mut self) -> io::Result<Handle<Latest>> {
        if let Some(thread) = &self.thread {
            return Ok(thread.clone());
        }
        let thread = Latest::start(self.directory.clone(), NAME)?;
        Ok(self.thread.insert(thread).clone())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;

    /// Waits until the notes in `dir` are `places`.
    async fn noted(dir: &Path, places: &[(&str, &str)]) {
        let wanted: Vec<Place> = places
            .iter()
            .map(|(broker, topic)| ((*broker).to_owned(), (*topic).to_owned()))
            .collect();
        let noted = async {
            while Notes::of(dir).read(9) != wanted {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(60), noted)
            .await
            .expect("noted");
    }

    #[tokio::test]
    async fn the_next_agent_reads_what_was_noted_last() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("state");
        assert!(Notes::of(&dir).read(9).is_empty());
        let mut notes = Notes::of(&dir);
        let long = "x".repeat(TOPIC_MAX + 1);
        notes.write([("a:1", "old"), ("a:1", &long), ("b:1", "new")].into_iter());
        noted(&dir, &[("a:1", "old"), ("b:1", "new")]).await;
        assert_eq!(Notes::of(&dir).read(1).len(), 1);
        notes.write([("b:1", "new")].into_iter());
        noted(&dir, &[("b:1", "new")]).await;
        notes.write(std::iter::empty());
        noted(&dir, &[]).await;
    }

    #[test]
    fn notes_that_cannot_be_read_are_none() {
        let tmp = tempfile::tempdir().unwrap();
        std::fs::write(tmp.path().join(NAME), "rubbish").unwrap();
        assert!(Notes::of(tmp.path()).read(9).is_empty());
    }
}
