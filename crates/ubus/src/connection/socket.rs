//! The socket, in two halves that wake up as rarely as they can.
//!
//! The daemon sends each frame by itself, and an answer is two frames or more. Ten calls at once are thus twenty
//! wake-ups of a reader that is faster than the callees. While many answers are due, the reader lets them gather for
//! a moment, with the socket out of epoll, for even an event that nobody waits for is a wake-up. The same goes for
//! room to write: it is waited for only while the daemon takes nothing.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::unix::AsyncFd;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::time::{sleep_until, Instant};

/// Read at a time once answers have gathered.
const GATHERED: usize = 32 << 10;

/// Read at a time otherwise; a larger frame makes the buffer grow, and the buffer is let go afterwards.
const READ_CHUNK: usize = 16 << 10;

/// Answers due from which on the first lets others gather.
const MANY: usize = 3;

/// The time they have.
const GATHER: Duration = Duration::from_millis(2);

/// Both halves of a connected socket.
pub(super) fn halves(stream: UnixStream) -> io::Result<(Reader, Writer)> {
    let stream = Arc::new(stream.into_std()?);
    let reader = Reader {
        stream: Arc::clone(&stream),
        readable: None,
        gathered: None,
    };
    let writer = Writer {
        stream,
        writable: None,
    };
    Ok((reader, writer))
}

#[derive(Debug)]
pub(super) struct Reader {
    stream: Arc<net::UnixStream>,
    /// `None` while nobody waits for more bytes.
    readable: Option<AsyncFd<Arc<net::UnixStream>>>,
    /// Reading goes on then, without waiting for more.
    gathered: Option<Instant>,
}

impl Reader {
    /// Appends what has come to `input`; `due` answers are waited for. 0 if the daemon has closed its side. Safe to
    /// drop.
    pub(super) async fn read(&mut self, input: &mut BytesMut, due: usize) -> io::Result<usize> {
        loop {
            if let Some(at) = self.gathered {
                sleep_until(at).await;
                let read = self.take(input, GATHERED);
                // The rest behind a full chunk is read at once.
                if !matches!(read, Ok(GATHERED)) {
                    self.gathered = None;
                }
                if !is_too_early(&read) {
                    return read;
                }
            }
            let readable = match &self.readable {
                Some(readable) => readable,
                None => {
                    let stream = Arc::clone(&self.stream);
                    self.readable.insert(watched(stream, Interest::READABLE)?)
                }
            };
            let mut ready = readable.readable().await?;
            if due >= MANY {
                drop(ready);
                self.readable = None;
                self.gathered = Some(Instant::now() + GATHER);
                continue;
            }
            ready.clear_ready();
            let read = self.take(input, READ_CHUNK);
            // Without an event for it, there may be more.
            if matches!(read, Ok(READ_CHUNK)) {
                self.gathered = Some(Instant::now());
            }
            if !is_too_early(&read) {
                return read;
            }
        }
    }

    fn take(&self, input: &mut BytesMut, most: usize) -> io::Result<usize> {
        let len = input.len();
        input.resize(len + most, 0);
        let read = (&*self.stream).read(&mut input[len..]);
        input.truncate(len + *read.as_ref().unwrap_or(&0));
        read
    }
}

#[derive(Debug)]
pub(super) struct Writer {
    stream: Arc<net::UnixStream>,
    /// The same socket once more, while it takes nothing.
    writable: Option<AsyncFd<OwnedFd>>,
}

impl Writer {
    /// Writes as much of `out` as the socket takes, once it takes any. Safe to drop.
    pub(super) async fn write(&mut self, out: &[u8]) -> io::Result<usize> {
        loop {
            if let Some(writable) = &self.writable {
                writable.writable().await?.clear_ready();
            }
            let written = (&*self.stream).write(out);
            if !is_too_early(&written) {
                self.writable = None;
                return written;
            }
            if self.writable.is_none() {
                let again = self.stream.as_fd().try_clone_to_owned()?;
                self.writable = Some(watched(again, Interest::WRITABLE)?);
            }
        }
    }
}

fn is_too_early(done: &io::Result<usize>) -> bool {
    let error = done.as_ref().err();
    error.is_some_and(|error| error.kind() == ErrorKind::WouldBlock)
}

fn watched<T: AsRawFd>(inner: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // Deprecated for types whose descriptor may change under it; the call in its place is unsafe.
    #[allow(deprecated)]
    AsyncFd::with_interest(inner, interest)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_answers_are_read_together_and_a_single_one_at_once() {
        let (stream, mut peer) = UnixStream::pair().unwrap();
        let (mut reader, _writer) = halves(stream).unwrap();
        let mut input = BytesMut::new();
        for round in 0..3 {
            let answers = async {
                peer.write_all(b"1").await.unwrap();
                sleep(GATHER / 2).await;
                peer.write_all(b"2").await.unwrap();
            };
            let (read, ()) = tokio::join!(reader.read(&mut input, MANY), answers);
            assert_eq!(read.unwrap(), 2, "round {round}");
            let began = Instant::now();
            peer.write_all(b"3").await.unwrap();
            assert_eq!(reader.read(&mut input, MANY - 1).await.unwrap(), 1);
            assert_eq!(began.elapsed(), Duration::ZERO);
        }
        assert_eq!(&input[..], b"123123123");
        drop(peer);
        assert_eq!(reader.read(&mut input, MANY).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_megabyte_passes_each_way_whatever_is_due() {
        const LENGTH: usize = 1 << 20;
        for due in [0, MANY] {
            let (stream, peer) = UnixStream::pair().unwrap();
            let (mut reader, mut writer) = halves(stream).unwrap();
            let (mut theirs, mut ours) = peer.into_split();
            let bytes: Vec<u8> = (0..LENGTH).map(|n| (n % 251) as u8).collect();
            let writing = async {
                let mut out = &bytes[..];
                while !out.is_empty() {
                    let written = writer.write(out).await.unwrap();
                    out = &out[written..];
                }
            };
            let echoing = async {
                let mut chunk = vec![0; 10_000];
                let mut left = LENGTH;
                while left > 0 {
                    let read = theirs.read(&mut chunk).await.unwrap();
                    ours.write_all(&chunk[..read]).await.unwrap();
                    left -= read;
                }
            };
            let reading = async {
                let mut input = BytesMut::new();
                while input.len() < LENGTH {
                    assert_ne!(reader.read(&mut input, due).await.unwrap(), 0);
                }
                input
            };
            let ((), (), input) = tokio::join!(writing, echoing, reading);
            assert!(input == bytes, "{due} due");
        }
    }
}
