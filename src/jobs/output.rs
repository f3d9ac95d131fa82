//! One output stream of a job: read to its end, kept up to a limit.

use std::future::pending;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes read at once.
const CHUNK: usize = 4096;

/// A pipe that is always drained, so that the writer is neither blocked nor killed for talking.
#[derive(Debug)]
pub(super) struct Stream<R> {
    /// None once the end was read.
    pipe: Option<R>,
    kept: Vec<u8>,
    max: usize,
    dropped: bool,
}

impl<R: AsyncRead + Unpin> Stream<R> {
    /// Keeps the first `max` bytes of `pipe`.
    pub(super) fn new(pipe: Option<R>, max: usize) -> Self {
        Stream {
            pipe,
            kept: Vec::new(),
            max,
            dropped: false,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    /// Reads what is there next; never returns once the stream has ended. Cancel safe.
    pub(super) async fn pump(&mut self) {
        let Some(pipe) = &mut self.pipe else {
            return pending().await;
        };
        let mut chunk = [0; CHUNK];
        match pipe.read(&mut chunk).await {
            Ok(0) => self.pipe = None,
            Ok(n) => self.keep(&chunk[..n]),
            Err(error) => {
                log::warn!("output of a job cannot be read: {error}");
                self.dropped = true;
                self.pipe = None;
            }
        }
    }

    /// Reads to the end of the stream, keeping what has room.
    pub(super) async fn pump_to_end(&mut self) {
        while self.is_open() {
            self.pump().await;
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.max - self.kept.len();
        self.dropped |= bytes.len() > room;
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// What was kept, as text, and whether something was dropped. The stream goes on without memory.
    pub(super) fn take(&mut self) -> (String, bool) {
        self.max = 0;
        let kept = std::mem::take(&mut self.kept);
        // A character that the limit cut in two would be replaced like a foreign byte: leave it out.
        let whole = if self.dropped {
            whole_characters(&kept)
        } else {
            &kept
        };
        (String::from_utf8_lossy(whole).into_owned(), self.dropped)
    }
}

/// `bytes` without an unfinished UTF-8 sequence at their end.
fn whole_characters(bytes: &[u8]) -> &[u8] {
    for back in 1..=bytes.len().min(3) {
        let at = bytes.len() - back;
        let length = match bytes[at] {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => return bytes,
        };
        return if length > back { &bytes[..at] } else { bytes };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8], max: usize) -> (String, bool) {
        let mut stream = Stream::new(Some(bytes), max);
        stream.pump_to_end().await;
        stream.take()
    }

    #[tokio::test]
    async fn a_stream_is_read_to_its_end_and_kept_up_to_the_limit() {
        assert_eq!(read(b"abc", 3).await, ("abc".into(), false));
        assert_eq!(read(b"abcd", 3).await, ("abc".into(), true));
        assert_eq!(read(&[b'x'; 100_000], 70_000).await.0.len(), 70_000);
        assert_eq!(read(b"", 3).await, (String::new(), false));
    }

    // Row 6: bytes that are no UTF-8 made the result invalid JSON.
    #[tokio::test]
    async fn bytes_that_are_no_utf8_are_replaced() {
        assert_eq!(
            read(b"a\xffb\0c", 10).await,
            ("a\u{fffd}b\0c".into(), false)
        );
    }

    #[tokio::test]
    async fn the_limit_does_not_cut_a_character_in_two() {
        for (max, kept) in [(1, ""), (2, "é"), (4, "é"), (5, "é€"), (7, "é€")] {
            assert_eq!(read("é€€".as_bytes(), max).await, (kept.into(), true));
        }
    }
}
