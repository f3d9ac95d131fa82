//! The places where a broker may keep a presence of ours, noted for the next agent.
//!
//! In the file `presence` of `state_dir`, a [cell](durable::Cell) that holds JSON: `[["broker:1883", "status/…"], …]`. A
//! topic has the key in it, which is a secret; the directory is root's alone. It is written on a thread of
//! its own, which starts with the first change: most agents never have one.

use std::path::Path;

use crate::process::kept::Kept;

/// The cell.
const NAME: &str = "presence";

/// Longest topic that is noted, bytes.
const TOPIC_MAX: usize = 8 << 10;

/// A broker as `host:port`, and a topic.
pub(super) type Place = (String, String);

/// The notes of one agent.
#[derive(Debug)]
pub(super) struct Notes(Kept);

impl Notes {
    pub(super) fn of(state_dir: &Path) -> Self {
        Notes(Kept::of(state_dir, NAME))
    }

    /// The places that were noted, at most `max`. Notes that cannot be read are none.
    pub(super) fn read(&self, max: usize) -> Vec<Place> {
        let mut places: Vec<Place> = match self.0.read() {
            Ok(bytes) => bytes
                .and_then(|bytes| serde_json::from_slice(&bytes).ok())
                .unwrap_or_default(),
            Err(error) => {
                log::warn!("{}: {error}", self.0.path().display());
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
        let path = self.0.path();
        let writer = match self.0.writer() {
            Ok(writer) => writer,
            Err(error) => return log::warn!("{}: not written: {error}", path.display()),
        };
        crate::tasks::spawn(async move {
            if let Err(error) = writer.write(bytes).await {
                log::warn!("{}: not written: {error}", path.display());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
