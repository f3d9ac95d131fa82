//! A job whose output is followed: its messages, and when the next may go. No clock of its own.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::piece::{Piece, StreamName};
use super::waiting::{Text, Waiting};

/// Longest message, bytes.
pub const MESSAGE_MAX: usize = 4096;

/// Bytes of messages of one job.
const JOB_MAX: usize = 256 * 1024;

/// The part of [`JOB_MAX`] that is kept for saying how much was dropped at the end.
const LAST_WORDS: usize = 2048;

/// Time between two messages of one job.
const BETWEEN: Duration = Duration::from_millis(250);

/// Time for which the last output of an ended job is of use: its result has all of it.
const LINGER: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct Message<'a> {
    id: &'a str,
    seq: u64,
    stream: StreamName,
    data: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<u64>,
}

/// A job, and its output that was not published yet.
#[derive(Debug)]
pub(super) struct Followed {
    id: Arc<str>,
    pieces: mpsc::Receiver<Piece>,
    waiting: Waiting,
    seq: u64,
    /// Bytes that its messages may still have.
    left: usize,
    /// When the next message may go.
    next: Instant,
    /// When its output ended.
    ended: Option<Instant>,
}

impl Followed {
    pub(super) fn new(id: Arc<str>, pieces: mpsc::Receiver<Piece>, now: Instant) -> Self {
        Followed {
            id,
            pieces,
            waiting: Waiting::default(),
            seq: 0,
            left: JOB_MAX,
            next: now,
            ended: None,
        }
    }

    /// Reads what has come while there is room for it; ready if there was something.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        let mut read = Poll::Pending;
        while self.ended.is_none() && !self.waiting.is_full() {
            let Poll::Ready(piece) = self.pieces.poll_recv(cx) else {
                break;
            };
            self.take_in(piece, now);
            read = Poll::Ready(());
        }
        read
    }

    /// Reads everything that has come: the newest output stays.
    pub(super) fn read_all(&mut self, now: Instant) {
        while self.ended.is_none() {
            match self.pieces.try_recv() {
                Ok(piece) => self.take_in(Some(piece), now),
                Err(mpsc::error::TryRecvError::Disconnected) => self.take_in(None, now),
                Err(mpsc::error::TryRecvError::Empty) => return,
            }
        }
    }

    /// Nobody publishes now: drops what waits, and counts it.
    pub(super) fn skip_all(&mut self, now: Instant) {
        self.read_all(now);
        self.waiting.skip_all();
    }

    fn take_in(&mut self, piece: Option<Piece>, now: Instant) {
        match piece {
            Some(piece) if self.is_used_up() => self.waiting.skip(&piece),
            Some(piece) => self.waiting.push(&piece),
            None => {
                self.waiting.end();
                self.ended = Some(now);
            }
        }
    }

    /// The job has had as much as one may.
    fn is_used_up(&self) -> bool {
        self.left <= LAST_WORDS
    }

    /// When a message may go; `None` if there is nothing to say.
    pub(super) fn due(&self) -> Option<Instant> {
        let last_words = self.ended.is_some() && self.waiting.has_skipped();
        (self.waiting.has_text() || last_words).then_some(self.next)
    }

    /// When nothing of it is of use any more, if that is known.
    pub(super) fn over(&self) -> Option<Instant> {
        let ended = self.ended?;
        Some(self.due().map_or(ended, |_| ended + LINGER))
    }

    /// The next message, of at most `room` bytes; `None` if nothing fits.
    pub(super) fn take(&mut self, room: usize, now: Instant) -> Option<Vec<u8>> {
        self.read_all(now);
        self.next = now + BETWEEN;
        let room = room.min(MESSAGE_MAX);
        if self.is_used_up() {
            self.waiting.skip_all();
        }
        // With the longest number that `skipped` can have.
        let frame = self.encode("", StreamName::Stdout, Some(u64::MAX)).len();
        let most = self.left.saturating_sub(LAST_WORDS).min(room);
        let text = match self.waiting.take(most.saturating_sub(frame)) {
            Some(text) => text,
            None if self.ended.is_some() && frame <= room.min(self.left) => {
                self.waiting.take_skipped()?
            }
            None => return None,
        };
        let Text {
            stream,
            data,
            skipped,
        } = text;
        self.seq += 1;
        let message = self.encode(&data, stream, Some(skipped).filter(|skipped| *skipped > 0));
        self.left = self.left.saturating_sub(message.len());
        Some(message)
    }

    fn encode(&self, data: &str, stream: StreamName, skipped: Option<u64>) -> Vec<u8> {
        let message = Message {
            id: &self.id,
            seq: self.seq,
            stream,
            data,
            skipped,
        };
        serde_json::to_vec(&message).expect("strings and numbers always encode")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// A job that says `bytes` in pieces and ends.
    fn job(id: &str, bytes: &[u8], skipped: u64) -> Followed {
        let (sender, pieces) = mpsc::channel(1024);
        for (at, part) in bytes.chunks(4096).enumerate() {
            let piece = Piece {
                stream: StreamName::Stdout,
                bytes: part.to_vec().into(),
                skipped: if at == 0 { skipped } else { 0 },
            };
            sender.try_send(piece).unwrap();
        }
        Followed::new(id.into(), pieces, Instant::now())
    }

    fn read(followed: &mut Followed, now: Instant) {
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        let _ = followed.poll_read(cx, now);
    }

    #[test]
    fn a_message_says_which_job_which_stream_and_in_which_order() {
        let now = Instant::now();
        let mut followed = job("op_1", "one\n".as_bytes(), 0);
        read(&mut followed, now);
        let first = followed.take(MESSAGE_MAX, now).unwrap();
        let expected = r#"{"id":"op_1","seq":1,"stream":"stdout","data":"one\n"}"#;
        assert_eq!(String::from_utf8(first).unwrap(), expected);

        let mut followed = job("op_1", b"x", 17);
        read(&mut followed, now);
        let first = followed.take(MESSAGE_MAX, now).unwrap();
        let expected = r#"{"id":"op_1","seq":1,"stream":"stdout","data":"x","skipped":17}"#;
        assert_eq!(String::from_utf8(first).unwrap(), expected);
    }

    #[test]
    fn four_messages_a_second_and_256_kib_are_the_most_whatever_a_job_says() {
        let mut now = Instant::now();
        for (id, byte) in [("a", b'x'), (&"\"".repeat(256), 0x01)] {
            let mut followed = job(id, &vec![byte; 600_000], 3);
            let (mut messages, mut sum, mut data, mut skipped) = (0, 0, 0, 0);
            for turn in 0..100 {
                read(&mut followed, now);
                let Some(due) = followed.due() else { break };
                if turn > 0 {
                    assert!(due >= now + BETWEEN);
                }
                now = due;
                let room = if turn % 2 == 0 { 1024 } else { MESSAGE_MAX };
                let Some(message) = followed.take(room, now) else {
                    continue;
                };
                assert!(message.len() <= room);
                let value: Value = serde_json::from_slice(&message).unwrap();
                messages += 1;
                assert_eq!(value["seq"], messages);
                sum += message.len();
                data += value["data"].as_str().unwrap().len() as u64;
                skipped += value["skipped"].as_u64().unwrap_or(0);
            }
            assert!(sum <= JOB_MAX && messages > 3, "{sum}");
            assert_eq!(data + skipped, 600_003);
            assert!(followed.over().is_some_and(|over| over <= now));
        }
    }

    #[test]
    fn an_id_that_leaves_no_room_says_nothing_and_is_forgotten() {
        let now = Instant::now();
        let mut followed = job(&"\"".repeat(256), b"x", 0);
        read(&mut followed, now);
        assert_eq!(followed.take(512, now), None);
        assert_eq!(followed.due(), Some(now + BETWEEN));
        assert_eq!(followed.over(), Some(now + LINGER));
    }
}
