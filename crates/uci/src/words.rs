//! Words of a command: quotes, escapes, comments and lines that go on.
//!
//! Works on one logical line in place, as libuci does, because what libuci loses and keeps follows
//! from that: a word is written over its own raw text, and the zero byte that ends it may fall on the
//! byte that ended it. The file itself holds no zero byte, so that one always means "ends here".

use super::error::Reason;

/// The file as lines, and the logical line at hand.
pub(super) struct Words<'a> {
    /// The bytes not read yet.
    rest: &'a [u8],
    line: Vec<u8>,
    at: usize,
    /// Line ends read so far.
    pub(super) lines_read: usize,
}

/// A word of the line at hand: where it starts. Ends at the next zero byte.
#[derive(Clone, Copy)]
pub(super) struct Word(usize);

/// A keyword and where its arguments begin; nowhere if the line ends with it.
pub(super) struct Keyword<'a> {
    pub(super) text: &'a [u8],
    pub(super) next: Option<usize>,
}

/// A white-space byte of C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, 9..=13 | b' ')
}

impl<'a> Words<'a> {
    /// Words of `bytes`, which hold no zero byte.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Words {
            rest: bytes,
            line: Vec::new(),
            at: 0,
            lines_read: 0,
        }
    }

    /// Goes to the next line; false at the end of the file.
    pub(super) fn next_line(&mut self) -> bool {
        self.at = 0;
        self.go_on();
        self.skip_space();
        !self.line.is_empty()
    }

    /// Offset in the logical line.
    pub(super) fn byte(&self) -> usize {
        self.at
    }

    /// The keyword here, which ends only at space, tab or the end of the line; none at the end of it.
    pub(super) fn keyword(&self) -> Option<Keyword<'_>> {
        let from = self.line.get(self.at..).unwrap_or_default();
        let start = from.iter().position(|b| !matches!(b, b' ' | b'\t'))?;
        let word = &from[start..];
        // A zero byte stands where the last word ended, and nowhere behind.
        if word.starts_with(&[0]) {
            return None;
        }
        let end = word.iter().position(|b| matches!(b, b' ' | b'\t'));
        Some(Keyword {
            text: &word[..end.unwrap_or(word.len())],
            next: end.map(|end| self.at + start + end + 1),
        })
    }

    /// Goes behind a keyword.
    pub(super) fn go_to(&mut self, next: usize) {
        self.at = next;
    }

    /// The next word, empty at the end.
    pub(super) fn next(&mut self) -> Result<Word, Reason> {
        self.skip_space();
        let start = self.at;
        if self.here() == b';' {
            self.set(start, 0);
            self.at += 1;
        } else {
            self.join(start)?;
        }
        Ok(Word(start))
    }

    pub(super) fn text(&self, word: Word) -> &[u8] {
        let from = self.line.get(word.0..).unwrap_or_default();
        let end = from.iter().position(|b| *b == 0).unwrap_or(from.len());
        &from[..end]
    }

    fn here(&self) -> u8 {
        self.byte_at(self.at)
    }

    fn byte_at(&self, at: usize) -> u8 {
        self.line.get(at).copied().unwrap_or(0)
    }

    fn set(&mut self, at: usize, byte: u8) {
        if let Some(place) = self.line.get_mut(at) {
            *place = byte;
        }
    }

    /// Reads a further physical line over everything from here on.
    fn go_on(&mut self) {
        self.line.truncate(self.at);
        let len = match self.rest.iter().position(|b| *b == b'\n') {
            Some(end) => {
                self.lines_read += 1;
                end + 1
            }
            None => self.rest.len(),
        };
        let (line, rest) = self.rest.split_at(len);
        self.line.extend_from_slice(line);
        self.rest = rest;
    }

    fn skip_space(&mut self) {
        while is_space(self.here()) {
            self.at += 1;
        }
    }

    /// Copies the byte here to the end of the word.
    fn keep(&mut self, end: &mut usize) {
        self.set(*end, self.here());
        *end += 1;
        self.at += 1;
    }

    /// Joins the pieces of the word that starts here.
    fn join(&mut self, start: usize) -> Result<(), Reason> {
        let mut end = start;
        loop {
            match self.here() {
                b'\'' => self.single_quoted(&mut end)?,
                b'"' => self.double_quoted(&mut end)?,
                b'#' => {
                    self.set(self.at, 0);
                    break;
                }
                0 | b';' => break,
                b'\\' => {
                    if self.escapes() {
                        self.keep(&mut end);
                    }
                }
                _ => self.keep(&mut end),
            }
            if self.here() == 0 || is_space(self.here()) {
                break;
            }
        }
        // The white space after the word is where its zero byte may go.
        if !matches!(self.here(), 0 | b';') {
            self.at += 1;
        }
        self.set(end, 0);
        Ok(())
    }

    /// Skips a backslash. False if a line end followed, which is gone: the next line goes on here.
    fn escapes(&mut self) -> bool {
        self.at += 1;
        let at_line_end = match self.here() {
            0 | b'\n' => true,
            // A line end is the last of what was read.
            b'\r' => self.byte_at(self.at + 1) == b'\n',
            _ => false,
        };
        if at_line_end {
            self.go_on();
        }
        !at_line_end
    }

    fn single_quoted(&mut self, end: &mut usize) -> Result<(), Reason> {
        self.at += 1;
        loop {
            match self.here() {
                b'\'' => break,
                0 => self.must_go_on(Reason::OpenSingleQuote)?,
                _ => self.keep(end),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn double_quoted(&mut self, end: &mut usize) -> Result<(), Reason> {
        self.at += 1;
        loop {
            match self.here() {
                b'"' => break,
                0 => self.must_go_on(Reason::OpenDoubleQuote)?,
                b'\\' => {
                    if self.escapes() {
                        self.keep(end);
                    }
                }
                _ => self.keep(end),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Goes on with the next line inside quotes.
    fn must_go_on(&mut self, otherwise: Reason) -> Result<(), Reason> {
        self.go_on();
        match self.here() {
            0 => Err(otherwise),
            _ => Ok(()),
        }
    }
}
