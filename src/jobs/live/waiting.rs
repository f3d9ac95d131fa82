//! Output of one job that waits to be published. No I/O.
//!
//! The newest output is worth most: when there is no room, the oldest goes and is counted. A character that
//! is cut between two pieces is put together again.

use std::collections::VecDeque;

use bytes::{Buf, BytesMut};

use super::piece::{Piece, StreamName};

/// Bytes that wait at most.
pub(super) const WAITING_MAX: usize = 16 * 1024;

/// Output of one stream without a gap in it.
#[derive(Debug)]
struct Part {
    stream: StreamName,
    /// Bytes of the stream that were dropped before these.
    skipped: u64,
    bytes: BytesMut,
}

/// Text of one stream, ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) stream: StreamName,
    pub(super) data: String,
    /// Bytes of the stream that were dropped before it.
    pub(super) skipped: u64,
}

/// The end of a stream, beyond its parts.
#[derive(Debug, Default)]
struct Ending {
    /// The beginning of a character whose other bytes have not come yet.
    tail: BytesMut,
    /// Bytes dropped behind the last part.
    skipped: u64,
}

/// Parts in the order they came.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    parts: VecDeque<Part>,
    len: usize,
    stdout: Ending,
    stderr: Ending,
}

impl Waiting {
    /// True if more has to wait than fits, once another piece comes.
    pub(super) fn is_full(&self) -> bool {
        self.len >= WAITING_MAX
    }

    /// True if there is text to publish.
    pub(super) fn has_text(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Adds a piece; the oldest output goes where there is no room.
    pub(super) fn push(&mut self, piece: &Piece) {
        if piece.skipped > 0 {
            self.close(piece.stream);
            self.ending(piece.stream).skipped += piece.skipped;
        }
        let mut bytes = std::mem::take(&mut self.ending(piece.stream).tail);
        bytes.extend_from_slice(&piece.bytes);
        let whole = bytes.len() - incomplete(&bytes);
        self.ending(piece.stream).tail = bytes.split_off(whole);
        self.append(piece.stream, bytes);
        self.make_room();
    }

    /// Counts a piece that is not published.
    pub(super) fn skip(&mut self, piece: &Piece) {
        self.close(piece.stream);
        self.ending(piece.stream).skipped += piece.skipped + piece.bytes.len() as u64;
        self.make_room();
    }

    /// Drops what waits, and counts it.
    pub(super) fn skip_all(&mut self) {
        for stream in [StreamName::Stdout, StreamName::Stderr] {
            self.close(stream);
        }
        while let Some(part) = self.parts.pop_front() {
            self.ending(part.stream).skipped += part.skipped + part.bytes.len() as u64;
        }
        self.len = 0;
    }

    /// Nothing more comes: what is left of a cut character stands for itself.
    pub(super) fn end(&mut self) {
        for stream in [StreamName::Stdout, StreamName::Stderr] {
            self.close(stream);
        }
        self.make_room();
    }

    /// The oldest text, of at most `room` bytes as JSON writes it; `None` if nothing waits or not one
    /// character fits.
    pub(super) fn take(&mut self, room: usize) -> Option<Text> {
        let part = self.parts.front_mut()?;
        let (data, used) = decode(&part.bytes, room);
        if used == 0 {
            return None;
        }
        part.bytes.advance(used);
        self.len -= used;
        let text = Text {
            stream: part.stream,
            data,
            skipped: std::mem::take(&mut part.skipped),
        };
        if part.bytes.is_empty() {
            self.parts.pop_front();
        }
        Some(text)
    }

    /// The count of bytes dropped at the end of a stream, once nothing waits any more.
    pub(super) fn take_skipped(&mut self) -> Option<Text> {
        if self.has_text() {
            return None;
        }
        let streams = [StreamName::Stdout, StreamName::Stderr].into_iter();
        let mut texts = streams.map(|stream| Text {
            stream,
            data: String::new(),
            skipped: std::mem::take(&mut self.ending(stream).skipped),
        });
        let text = texts.next().filter(|text| text.skipped > 0);
        text.or_else(|| texts.next().filter(|text| text.skipped > 0))
    }

    /// True if bytes were dropped that no text tells of yet.
    pub(super) fn has_skipped(&self) -> bool {
        self.stdout.skipped > 0 || self.stderr.skipped > 0
    }

    fn ending(&mut self, stream: StreamName) -> &mut Ending {
        match stream {
            StreamName::Stdout => &mut self.stdout,
            StreamName::Stderr => &mut self.stderr,
        }
    }

    /// A gap follows in `stream`, or its end.
    fn close(&mut self, stream: StreamName) {
        let tail = std::mem::take(&mut self.ending(stream).tail);
        self.append(stream, tail);
    }

    fn append(&mut self, stream: StreamName, bytes: BytesMut) {
        if bytes.is_empty() {
            return;
        }
        self.len += bytes.len();
        let skipped = std::mem::take(&mut self.ending(stream).skipped);
        match self.parts.back_mut() {
            Some(part) if part.stream == stream && skipped == 0 => part.bytes.unsplit(bytes),
            _ => self.parts.push_back(Part {
                stream,
                skipped,
                bytes,
            }),
        }
    }

    /// Drops the oldest output that is too much.
    fn make_room(&mut self) {
        while self.len > WAITING_MAX {
            let over = self.len - WAITING_MAX;
            let Some(part) = self.parts.front_mut() else {
                return;
            };
            let count = boundary(&part.bytes, over);
            part.bytes.advance(count);
            part.skipped += count as u64;
            self.len -= count;
            if part.bytes.is_empty() {
                let Part {
                    stream, skipped, ..
                } = *part;
                self.parts.pop_front();
                match self.parts.iter_mut().find(|part| part.stream == stream) {
                    Some(next) => next.skipped += skipped,
                    None => self.ending(stream).skipped += skipped,
                }
            }
        }
    }
}

/// Bytes at the end that begin a character and do not end it.
fn incomplete(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(3);
    (from..bytes.len())
        .find(|at| {
            let rest = std::str::from_utf8(&bytes[*at..]);
            rest.is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .map_or(0, |at| bytes.len() - at)
}

/// The first place from `at` on that is not inside a character.
fn boundary(bytes: &[u8], at: usize) -> usize {
    let inside = |byte: &&u8| **byte & 0xc0 == 0x80;
    let at = at.min(bytes.len());
    at + bytes[at..].iter().take(3).take_while(inside).count()
}

/// The beginning of `bytes` as text that JSON writes in at most `room` bytes, and how many bytes that is.
fn decode(bytes: &[u8], room: usize) -> (String, usize) {
    let (mut text, mut written, mut used) = (String::new(), 0, 0);
    for chunk in bytes.utf8_chunks() {
        let invalid = Some(chunk.invalid().len()).filter(|len| *len > 0);
        let invalid = invalid.map(|len| (char::REPLACEMENT_CHARACTER, len));
        let valid = chunk.valid().chars().map(|c| (c, c.len_utf8()));
        for (c, len) in valid.chain(invalid) {
            written += escaped_len(c);
            if written > room {
                return (text, used);
            }
            text.push(c);
            used += len;
        }
    }
    (text, used)
}

/// Bytes that a character takes in a JSON string, as serde_json writes it.
fn escaped_len(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => c.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    use StreamName::{Stderr, Stdout};

    fn piece(stream: StreamName, bytes: impl Into<Vec<u8>>, skipped: u64) -> Piece {
        Piece {
            stream,
            bytes: bytes.into().into(),
            skipped,
        }
    }

    fn all(waiting: &mut Waiting, room: usize) -> Vec<(StreamName, String, u64)> {
        waiting.end();
        let mut texts = Vec::new();
        while let Some(text) = waiting.take(room).or_else(|| waiting.take_skipped()) {
            texts.push((text.stream, text.data, text.skipped));
        }
        texts
    }

    #[test]
    fn a_character_cut_between_two_pieces_stays_whole_also_with_the_other_stream_between() {
        for text in ["é", "€", "😀"] {
            let bytes = text.as_bytes();
            for at in 1..bytes.len() {
                let mut waiting = Waiting::default();
                waiting.push(&piece(Stdout, &bytes[..at], 0));
                assert!(!waiting.has_text());
                waiting.push(&piece(Stderr, "x", 0));
                waiting.push(&piece(Stdout, &bytes[at..], 0));
                let expected = [(Stderr, "x".into(), 0), (Stdout, text.to_owned(), 0)];
                assert_eq!(all(&mut waiting, 100), expected);
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_and_cut_characters_become_one_sign_each() {
        let mut waiting = Waiting::default();
        waiting.push(&piece(Stdout, b"a\xff\xe2\x82", 0));
        // The rest of the character was dropped.
        waiting.push(&piece(Stdout, b"b", 1));
        waiting.push(&piece(Stdout, b"\xf0\x9f", 0));
        let expected = [
            (Stdout, "a\u{fffd}\u{fffd}".to_owned(), 0),
            (Stdout, "b\u{fffd}".to_owned(), 1),
        ];
        assert_eq!(all(&mut waiting, 100), expected);
    }

    #[test]
    fn a_text_is_as_long_as_json_may_be_and_the_rest_comes_with_the_next() {
        let mut waiting = Waiting::default();
        waiting.push(&piece(Stdout, "ab\n\u{1}é", 0));
        let texts: Vec<String> = all(&mut waiting, 6)
            .into_iter()
            .map(|text| text.1)
            .collect();
        assert_eq!(texts, ["ab\n", "\u{1}", "é"]);
        waiting.push(&piece(Stdout, "\u{1}", 0));
        assert_eq!(waiting.take(5), None);
    }

    #[test]
    fn the_oldest_output_goes_where_there_is_no_room_and_is_counted() {
        let mut waiting = Waiting::default();
        waiting.push(&piece(Stderr, "old", 2));
        for _ in 0..10 {
            waiting.push(&piece(Stdout, "é".repeat(2000), 0));
            assert!(waiting.len <= WAITING_MAX);
        }
        let texts = all(&mut waiting, usize::MAX);
        let kept = "é".repeat(WAITING_MAX / 2);
        let dropped = 40_000 - WAITING_MAX as u64;
        assert_eq!(texts, [(Stdout, kept, dropped), (Stderr, String::new(), 5)]);
    }

    proptest! {
        #[test]
        fn every_byte_is_published_or_counted(
            pieces in proptest::collection::vec(
                (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..3000), 0..3u64), 0..30),
            room in 6usize..5000,
        ) {
            let mut waiting = Waiting::default();
            let mut sums = [0, 0];
            for (at, (first, bytes, skipped)) in pieces.iter().enumerate() {
                let stream = if *first { Stdout } else { Stderr };
                sums[usize::from(!first)] += skipped + bytes.len() as u64;
                let piece = piece(stream, bytes.as_slice(), *skipped);
                match at % 7 {
                    6 => waiting.skip(&piece),
                    _ => waiting.push(&piece),
                }
                prop_assert!(waiting.len <= WAITING_MAX);
            }
            waiting.end();
            let before: usize = waiting.parts.iter().map(|part| part.bytes.len()).sum();
            prop_assert_eq!(before, waiting.len);
            let mut counted = [0, 0];
            loop {
                let len = waiting.len;
                let Some(text) = waiting.take(room).or_else(|| waiting.take_skipped()) else {
                    break;
                };
                let json = serde_json::to_string(&text.data).unwrap();
                prop_assert!(json.len() - 2 <= room);
                let of = usize::from(text.stream == Stderr);
                counted[of] += text.skipped + (len - waiting.len) as u64;
            }
            prop_assert_eq!(counted, sums);
        }

        #[test]
        fn text_that_fits_is_the_lossy_text_however_it_is_cut(
            bytes in proptest::collection::vec(
                prop_oneof![Just(b'a'), Just(0xc3), Just(0xa9), Just(0xe2), Just(0x82), Just(0xac), Just(0xff)],
                0..200),
            cuts in 1usize..9,
        ) {
            let mut waiting = Waiting::default();
            for part in bytes.chunks(cuts) {
                waiting.push(&piece(Stdout, part, 0));
            }
            let text: String = all(&mut waiting, 1000).into_iter().map(|text| text.1).collect();
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}
