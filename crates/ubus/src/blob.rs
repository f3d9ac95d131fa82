//! The blob attribute, the one building block of the protocol.
//!
//! ```text
//!  bit 31      30..24   23..0
//! +----------+--------+-------------------------------+---------+-----------+
//! | extended | id     | length (this word + payload)  | payload | 0 to 3 x 0|
//! +----------+--------+-------------------------------+---------+-----------+
//! ```
//!
//! The word is big endian. The padding up to the next multiple of 4 is not counted in the
//! attribute's own length, but in that of the attribute around it.

use super::error::Malformed;

/// Bytes of the word in front of each payload.
pub const WORD: usize = 4;

/// Longest blob, word included and rounded up to 4, that the bus daemon takes.
pub const MAX_BLOB: usize = 1 << 20;

/// `len` rounded up to the next multiple of 4.
pub const fn padded(len: usize) -> usize {
    (len + 3) & !3
}

/// An attribute, borrowed from the frame it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attr<'a> {
    /// 0-127; what it means depends on where the attribute stands.
    pub id: u8,
    /// Set on blobmsg members, clear on the attributes of a message.
    pub extended: bool,
    /// Its bytes, without padding.
    pub payload: &'a [u8],
}

/// Splits a payload into its attributes; ends after the first one that is malformed.
#[derive(Debug, Clone)]
pub struct Attrs<'a> {
    rest: &'a [u8],
}

impl<'a> Attrs<'a> {
    /// Splits this payload.
    pub fn new(payload: &'a [u8]) -> Self {
        Attrs { rest: payload }
    }

    fn take(&mut self) -> Result<Attr<'a>, Malformed> {
        let (word, _) = self
            .rest
            .split_first_chunk::<WORD>()
            .ok_or(Malformed::Leftover)?;
        let word = u32::from_be_bytes(*word);
        let len = (word & 0x00ff_ffff) as usize;
        if len < WORD {
            return Err(Malformed::AttributeLength);
        }
        // The padding of the last attribute has to be there too: the daemon counts it.
        let whole = self.rest.get(..padded(len)).ok_or(Malformed::Overrun)?;
        self.rest = &self.rest[padded(len)..];
        Ok(Attr {
            id: ((word >> 24) & 0x7f) as u8,
            extended: word >> 31 == 1,
            payload: &whole[WORD..len],
        })
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Result<Attr<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let taken = self.take();
        if taken.is_err() {
            self.rest = &[];
        }
        Some(taken)
    }
}

/// Writes attributes one after the other, nested ones between [`Writer::open`] and
/// [`Writer::close`].
#[derive(Debug, Default)]
pub struct Writer {
    buf: Vec<u8>,
}

/// An attribute that is still being written.
#[derive(Debug)]
#[must_use = "an opened attribute has to be closed"]
pub struct Open {
    start: usize,
}

impl Writer {
    /// Nothing is written yet.
    pub fn new() -> Self {
        Writer::default()
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.buf.len()
    }

    /// True if nothing is written yet.
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// All that was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.buf
    }

    /// Starts an attribute; its length is filled in by [`Writer::close`].
    pub fn open(&mut self, id: u8, extended: bool) -> Open {
        let start = self.buf.len();
        let word = (u32::from(extended) << 31) | (u32::from(id & 0x7f) << 24);
        self.buf.extend_from_slice(&word.to_be_bytes());
        Open { start }
    }

    /// Adds bytes to the attribute opened last.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// Pads what was written so far to a multiple of 4.
    pub fn pad(&mut self) {
        self.buf.resize(padded(self.buf.len()), 0);
    }

    /// Ends `open`: writes its length and pads it.
    ///
    /// A length beyond 24 bits cannot be written; it is cut, and the caller's check against
    /// [`MAX_BLOB`], which is far below, refuses the frame.
    pub fn close(&mut self, open: Open) {
        let len = (self.buf.len() - open.start) as u32 & 0x00ff_ffff;
        let head = &mut self.buf[open.start..open.start + WORD];
        let id = head[0];
        head.copy_from_slice(&len.to_be_bytes());
        head[0] = id;
        self.pad();
    }

    /// Writes a whole attribute.
    pub fn attr(&mut self, id: u8, extended: bool, payload: &[u8]) {
        let open = self.open(id, extended);
        self.bytes(payload);
        self.close(open);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_a_word_a_payload_and_padding() {
        let mut writer = Writer::new();
        writer.attr(2, false, b"system\0");
        assert_eq!(writer.into_bytes(), b"\x02\0\0\x0bsystem\0\0");
    }

    #[test]
    fn what_was_written_reads_back() {
        let mut writer = Writer::new();
        writer.attr(1, false, &[]);
        let outer = writer.open(7, true);
        writer.attr(3, false, b"abcde");
        writer.close(outer);
        let bytes = writer.into_bytes();
        let attrs: Vec<_> = Attrs::new(&bytes).collect::<Result<_, _>>().unwrap();
        assert_eq!((attrs[0].id, attrs[0].payload), (1, &[][..]));
        assert_eq!((attrs[1].id, attrs[1].extended), (7, true));
        let inner: Vec<_> = Attrs::new(attrs[1].payload).collect();
        assert_eq!(
            inner,
            [Ok(Attr {
                id: 3,
                extended: false,
                payload: b"abcde"
            })]
        );
    }

    #[test]
    fn a_malformed_attribute_ends_the_walk_with_its_reason() {
        for (bytes, reason) in [
            (&b"\x01\0"[..], Malformed::Leftover),
            (b"\x01\0\0\x03", Malformed::AttributeLength),
            (b"\x01\0\0\x0cabcd", Malformed::Overrun),
            (b"\x01\0\0\x05a", Malformed::Overrun),
            (b"\x01\xff\xff\xffabcd", Malformed::Overrun),
        ] {
            let mut attrs = Attrs::new(bytes);
            assert_eq!(attrs.next(), Some(Err(reason)));
            assert_eq!(attrs.next(), None);
        }
    }
}
