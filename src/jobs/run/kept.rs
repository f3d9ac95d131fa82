//! The beginning of a stream as text, decoded as it comes.

use std::mem::take;

/// The beginning of a stream as text, bytes that are no UTF-8 replaced.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) text: String,
    /// The beginning of a character whose rest was not read yet.
    unfinished: Vec<u8>,
    /// Something had no room; nothing is added any more.
    pub(super) dropped: bool,
}

impl Kept {
    /// Adds what has room in `max` bytes of text.
    pub(super) fn push(&mut self, bytes: &[u8], max: usize) {
        let joined;
        let mut rest = match self.unfinished.is_empty() {
            true => bytes,
            false => {
                joined = [&take(&mut self.unfinished), bytes].concat();
                &joined
            }
        };
        while !rest.is_empty() && !self.dropped {
            match std::str::from_utf8(rest) {
                Ok(text) => return self.add(text, max),
                Err(error) => {
                    let (text, odd) = rest.split_at(error.valid_up_to());
                    self.add(&String::from_utf8_lossy(text), max);
                    let Some(length) = error.error_len() else {
                        self.unfinished = odd.to_vec();
                        return;
                    };
                    self.add("\u{fffd}", max);
                    rest = &odd[length..];
                }
            }
        }
    }

    /// The text, and whether something of it was dropped.
    pub(super) fn finish(mut self, max: usize) -> (String, bool) {
        if !self.unfinished.is_empty() {
            self.add("\u{fffd}", max);
        }
        self.text.shrink_to_fit();
        (self.text, self.dropped)
    }

    fn add(&mut self, text: &str, max: usize) {
        if self.dropped {
            return;
        }
        let room = max.saturating_sub(self.text.len());
        self.dropped = text.len() > room;
        let end = if self.dropped {
            (0..=room).rev().find(|end| text.is_char_boundary(*end))
        } else {
            Some(text.len())
        };
        self.text.push_str(&text[..end.unwrap_or(0)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes `bytes` in chunks of every size; returns what is kept, which must be the same each time.
    fn kept(bytes: &[u8], max: usize) -> (String, bool) {
        let whole = {
            let mut kept = Kept::default();
            kept.push(bytes, max);
            kept.finish(max)
        };
        for size in 1..=bytes.len().min(5) {
            let mut kept = Kept::default();
            for chunk in bytes.chunks(size) {
                kept.push(chunk, max);
            }
            assert_eq!(kept.finish(max), whole, "{size}");
        }
        whole
    }

    #[test]
    fn the_first_bytes_are_kept_up_to_the_limit() {
        assert_eq!(kept(b"abc", 3), ("abc".into(), false));
        assert_eq!(kept(b"abcd", 3), ("abc".into(), true));
        assert_eq!(kept(b"", 3), (String::new(), false));
    }

    // Row 6: bytes that are no UTF-8 made the result invalid JSON.
    #[test]
    fn bytes_that_are_no_utf8_are_replaced_as_the_standard_library_does() {
        for bytes in [
            &b"a\xffb\0c"[..],
            b"\xe2\x82",
            b"\xe2\x82x\xf0\x9f\x98\xff",
            b"\xed\xa0\x80 \xc0\xaf \xf8\x88",
            "é€😀".as_bytes(),
        ] {
            let expected = String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(kept(bytes, 100), (expected, false), "{bytes:x?}");
        }
    }

    #[test]
    fn the_limit_does_not_cut_a_character_in_two() {
        for (max, text) in [(1, ""), (2, "é"), (4, "é"), (5, "é€"), (7, "é€")] {
            assert_eq!(kept("é€€".as_bytes(), max), (text.into(), true));
        }
        // A replacement is a character too.
        assert_eq!(kept(b"a\xff", 3), ("a".into(), true));
    }
}
