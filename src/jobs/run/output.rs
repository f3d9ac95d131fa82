//! The output of a job: both streams read to their ends, kept up to a limit, readable meanwhile.

use std::fs::File;
use std::future::pending;
use std::io::Write;
use std::mem::take;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

use super::detached;
use super::kept::Kept;
use super::tap::Tap;
use crate::jobs::live::StreamName;

/// Bytes read at once.
const CHUNK: usize = 4096;

/// The output of a job so far; its clones are the same one.
#[derive(Debug, Clone)]
pub(in crate::jobs) struct Output(Arc<Mutex<Place>>);

#[derive(Debug)]
enum Place {
    /// Standard output and standard error.
    Memory([Kept; 2]),
    /// The directory in which a detached job leaves it.
    Files(PathBuf),
    /// The supervisor of a detached job writes it as it is.
    Writing([Written; 2]),
}

/// A file that takes the beginning of a stream.
#[derive(Debug)]
struct Written {
    file: File,
    len: usize,
    dropped: bool,
}

impl Output {
    /// An output for a job that is about to start.
    pub(in crate::jobs) fn new() -> Self {
        Output(Arc::new(Mutex::new(Place::Memory(Default::default()))))
    }

    /// The output of the detached job in `directory`.
    pub(super) fn in_files(directory: PathBuf) -> Self {
        Output(Arc::new(Mutex::new(Place::Files(directory))))
    }

    /// An output that is written to these two files.
    pub(super) fn written_to(files: [File; 2]) -> Self {
        let written = files.map(|file| Written {
            file,
            len: 0,
            dropped: false,
        });
        Output(Arc::new(Mutex::new(Place::Writing(written))))
    }

    /// Has the output read from the files of a detached job from now on.
    pub(super) fn move_to_files(&self, directory: PathBuf) {
        *self.place() = Place::Files(directory);
    }

    /// Standard output and standard error so far, and whether something of them was dropped.
    pub(in crate::jobs) fn snapshot(&self) -> (String, String, bool) {
        let directory = match &*self.place() {
            Place::Memory([stdout, stderr]) => {
                let dropped = stdout.dropped || stderr.dropped;
                return (stdout.text.clone(), stderr.text.clone(), dropped);
            }
            Place::Files(directory) => directory.clone(),
            Place::Writing(_) => return Default::default(),
        };
        detached::output_so_far(&directory)
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, stream: StreamName, bytes: &[u8], max: usize) {
        match &mut *self.place() {
            Place::Memory(kept) => kept[stream as usize].push(bytes, max),
            Place::Writing(files) => files[stream as usize].push(bytes, max),
            Place::Files(_) => {}
        }
    }

    /// Ends a stream; says what was kept of it, and whether something was dropped.
    fn take(&self, stream: StreamName, max: usize) -> (String, bool) {
        match &mut *self.place() {
            Place::Memory(kept) => take(&mut kept[stream as usize]).finish(max),
            Place::Writing(files) => (String::new(), files[stream as usize].dropped),
            Place::Files(_) => Default::default(),
        }
    }
}

impl Written {
    /// Writes what has room in `max` bytes; after an error nothing more.
    fn push(&mut self, bytes: &[u8], max: usize) {
        if self.dropped {
            return;
        }
        let room = max.saturating_sub(self.len).min(bytes.len());
        let written = self.file.write_all(&bytes[..room]);
        self.dropped = written.is_err() || room < bytes.len();
        self.len += room;
    }
}

/// A pipe that is always drained, so that the writer is neither blocked nor killed for talking.
#[derive(Debug)]
pub(super) struct Stream {
    name: StreamName,
    pipe: Receiver,
    /// Its end was not read yet.
    is_open: bool,
    output: Output,
    max: usize,
    tap: Option<Tap>,
    broken: bool,
}

impl Stream {
    /// Keeps the first `max` bytes of `pipe` in `output`.
    pub(super) fn new(
        name: StreamName,
        pipe: Receiver,
        (output, max): (Output, usize),
        tap: Option<Tap>,
    ) -> Self {
        Stream {
            name,
            pipe,
            is_open: true,
            output,
            max,
            tap,
            broken: false,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Reads what is there next; never returns once the stream has ended. Cancel safe.
    pub(super) async fn pump(&mut self) {
        if !self.is_open {
            return pending().await;
        }
        let mut chunk = [0; CHUNK];
        match self.pipe.read(&mut chunk).await {
            Ok(0) => self.is_open = false,
            Ok(n) => {
                let bytes = &chunk[..n];
                self.output.keep(self.name, bytes, self.max);
                if let Some(tap) = &self.tap {
                    tap.heard(self.name, bytes);
                }
            }
            Err(error) => {
                log::warn!("the output of a job cannot be read: {error}");
                self.broken = true;
                self.is_open = false;
            }
        }
    }

    /// Reads to the end of the stream, keeping what has room.
    pub(super) async fn pump_to_end(&mut self) {
        while self.is_open() {
            self.pump().await;
        }
    }

    /// Takes what was kept out of the output, and whether something was dropped. The stream goes on
    /// without memory.
    pub(super) fn take(&mut self) -> (String, bool) {
        self.tap = None;
        let (text, dropped) = self.output.take(self.name, self.max);
        // Later output is read and dropped.
        self.output = Output::new();
        self.max = 0;
        (text, dropped || self.broken)
    }

    /// The pipe, if it is open.
    pub(super) fn into_pipe(self) -> Option<Receiver> {
        self.is_open.then_some(self.pipe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_is_read_to_its_end_kept_up_to_the_limit_and_heard_by_a_tap() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let reader = Receiver::from_owned_fd(reader.into()).unwrap();
        let output = Output::new();
        let (tap, mut pieces) = Tap::new(1);
        let place = (output.clone(), 3);
        let mut stream = Stream::new(StreamName::Stderr, reader, place, Some(tap));
        writer.write_all(b"abcd").unwrap();
        stream.pump().await;
        assert_eq!(output.snapshot(), (String::new(), "abc".into(), true));
        let piece = pieces.recv().await.unwrap();
        assert_eq!(
            (piece.stream, &*piece.bytes),
            (StreamName::Stderr, &b"abcd"[..])
        );
        drop(writer);
        stream.pump_to_end().await;
        assert_eq!(stream.take(), ("abc".into(), true));
        assert!(!stream.is_open());
    }
}
