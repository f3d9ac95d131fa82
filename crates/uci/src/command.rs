//! Commands of a package: `package`, `config`, `option`, `list`.

use super::error::{ParseError, Reason};
use super::merge::Merge;
use super::words::{Word, Words};
use super::Package;

enum Command {
    Package,
    Config,
    Option,
    List,
}

impl Command {
    fn of(keyword: &[u8]) -> Option<Self> {
        Some(match keyword {
            b"package" | b"p" => Command::Package,
            b"config" | b"c" => Command::Config,
            b"option" | b"o" => Command::Option,
            b"list" | b"l" => Command::List,
            _ => return None,
        })
    }

    /// The error of a file that ends after the keyword.
    fn without_name(&self) -> Reason {
        match self {
            Command::Package => Reason::PackageWithoutName,
            Command::Config => Reason::ConfigWithoutName,
            Command::Option | Command::List => Reason::OptionWithoutName,
        }
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<Package, ParseError> {
    if let Some(at) = bytes.iter().position(|b| *b == 0) {
        let before = &bytes[..at];
        let lines_read = before.iter().filter(|b| **b == b'\n').count();
        let start = before
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |n| n + 1);
        return Err(ParseError {
            reason: Reason::Nul,
            line: lines_read + 1,
            lines_read,
            byte: at - start,
        });
    }
    let mut parser = Parser {
        words: Words::of(bytes),
        merge: Merge::default(),
        line: 1,
    };
    while parser.words.next_line() {
        parser.line().map_err(|reason| ParseError {
            reason,
            line: parser.line,
            lines_read: parser.words.lines_read,
            byte: parser.words.byte(),
        })?;
        parser.line = parser.words.lines_read + 1;
    }
    Ok(parser.merge.finish())
}

struct Parser<'a> {
    words: Words<'a>,
    merge: Merge,
    /// Where the logical line begins, counted from 1.
    line: usize,
}

impl Parser<'_> {
    /// Every command of the logical line.
    fn line(&mut self) -> Result<(), Reason> {
        loop {
            let (command, next) = match self.words.keyword() {
                None => return Ok(()),
                Some(word) if word.text.starts_with(b"#") => return Ok(()),
                Some(word) => (Command::of(word.text), word.next),
            };
            let command = command.ok_or(Reason::InvalidCommand)?;
            if matches!(command, Command::Option | Command::List) && !self.merge.in_section() {
                return Err(Reason::NoSection);
            }
            self.words.go_to(next.ok_or(command.without_name())?);
            match command {
                Command::Package => {
                    self.name(is_package_name)?
                        .ok_or(Reason::InsufficientArguments)?;
                    self.no_more()?;
                }
                Command::Config => self.config()?,
                Command::Option => self.option(false)?,
                Command::List => self.option(true)?,
            }
        }
    }

    fn config(&mut self) -> Result<(), Reason> {
        let kind = self.words.next()?;
        match self.words.text(kind) {
            [] => return Err(Reason::InsufficientArguments),
            kind if !kind.iter().all(u8::is_ascii_graphic) => return Err(Reason::InvalidType),
            _ => {}
        }
        let name = self.name(is_name)?;
        self.no_more()?;
        let kind = self.words.text(kind);
        match name {
            Some(name) => self.merge.named(kind, self.words.text(name), self.line),
            None => self.merge.anonymous(kind, self.line),
        }
    }

    fn option(&mut self, list: bool) -> Result<(), Reason> {
        let name = self.name(is_name)?.ok_or(Reason::InsufficientArguments)?;
        let value = self.words.next()?;
        self.no_more()?;
        let name = self.words.text(name);
        let value = self.words.text(value);
        match list {
            true => self.merge.add(name, value, self.line),
            false => self.merge.set(name, value, self.line),
        }
    }

    /// A word that is a name; none if it is empty.
    fn name(&mut self, is_valid: fn(u8) -> bool) -> Result<Option<Word>, Reason> {
        let word = self.words.next()?;
        match self.words.text(word) {
            [] => Ok(None),
            text if text.iter().copied().all(is_valid) => Ok(Some(word)),
            _ => Err(Reason::InvalidName),
        }
    }

    fn no_more(&mut self) -> Result<(), Reason> {
        let word = self.words.next()?;
        match self.words.text(word) {
            [] => Ok(()),
            _ => Err(Reason::TooManyArguments),
        }
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_package_name(byte: u8) -> bool {
    is_name(byte) || byte == b'-'
}
