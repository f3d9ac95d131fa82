//! The output of a running job as it comes, for who listens.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::jobs::live::{Piece, StreamName};

/// Bytes of one [`Piece`] at most.
pub(crate) const PIECE_MAX: usize = 4096;

/// A listener to a job; its clones are the same one. Never waits for who reads.
#[derive(Debug, Clone)]
pub(crate) struct Tap(Arc<Wire>);

#[derive(Debug)]
struct Wire {
    pieces: mpsc::Sender<Piece>,
    skipped: Mutex<u64>,
}

impl Tap {
    /// A tap and what comes out of it, of which at most `room` pieces wait.
    pub(crate) fn new(room: usize) -> (Self, mpsc::Receiver<Piece>) {
        let (pieces, receiver) = mpsc::channel(room.max(1));
        let wire = Wire {
            pieces,
            skipped: Mutex::new(0),
        };
        (Tap(Arc::new(wire)), receiver)
    }

    /// Passes on what was read from `stream`; what has no room is dropped and counted.
    pub(crate) fn heard(&self, stream: StreamName, bytes: &[u8]) {
        for bytes in bytes.chunks(PIECE_MAX) {
            self.0.offer(stream, bytes);
        }
    }
}

impl Wire {
    fn offer(&self, stream: StreamName, bytes: &[u8]) {
        let mut skipped = self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        match self.pieces.try_reserve() {
            Ok(permit) => permit.send(Piece {
                stream,
                bytes: Bytes::copy_from_slice(bytes),
                skipped: std::mem::take(&mut skipped),
            }),
            Err(_) => *skipped = skipped.saturating_add(bytes.len() as u64),
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let skipped = self.skipped.get_mut();
        if *skipped.unwrap_or_else(PoisonError::into_inner) > 0 {
            self.offer(StreamName::Stdout, &[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(stream: StreamName, bytes: &'static [u8], skipped: u64) -> Piece {
        Piece {
            stream,
            bytes: Bytes::from_static(bytes),
            skipped,
        }
    }

    #[tokio::test]
    async fn what_has_no_room_is_counted_in_the_next_piece() {
        let (tap, mut pieces) = Tap::new(2);
        tap.heard(StreamName::Stdout, b"one");
        tap.clone().heard(StreamName::Stderr, b"two");
        tap.heard(StreamName::Stdout, b"three");
        tap.heard(StreamName::Stderr, b"four");
        assert_eq!(
            pieces.recv().await,
            Some(piece(StreamName::Stdout, b"one", 0))
        );
        tap.heard(StreamName::Stdout, b"five");
        tap.heard(StreamName::Stdout, b"six");
        assert_eq!(
            pieces.recv().await,
            Some(piece(StreamName::Stderr, b"two", 0))
        );
        assert_eq!(
            pieces.recv().await,
            Some(piece(StreamName::Stdout, b"five", 9))
        );
        drop(tap);
        // The last one says what nobody heard any more.
        assert_eq!(pieces.recv().await, Some(piece(StreamName::Stdout, b"", 3)));
        assert_eq!(pieces.recv().await, None);
    }

    #[tokio::test]
    async fn long_output_comes_in_pieces() {
        let (tap, mut pieces) = Tap::new(3);
        tap.heard(StreamName::Stdout, &[b'x'; 2 * PIECE_MAX + 1]);
        drop(tap);
        let mut lengths = Vec::new();
        while let Some(piece) = pieces.recv().await {
            lengths.push(piece.bytes.len());
        }
        assert_eq!(lengths, [PIECE_MAX, PIECE_MAX, 1]);
    }

    #[test]
    fn nobody_has_to_listen() {
        let (tap, pieces) = Tap::new(1);
        drop(pieces);
        tap.heard(StreamName::Stdout, b"x");
    }
}
