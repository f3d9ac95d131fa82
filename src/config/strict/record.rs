//! The record of what is held, in the cell `strict` of the state directory. It is text:
//!
//! ```text
//! uci DIGEST           of the package it holds for; - is none, * is any while an undo is under way
//! json DIGEST          the same of config.json; further lines of either for changes that no person makes
//! key BASE64           job_pubkey: these keys alone, as far as they are written too; one line each
//! closed               job_pubkey: set, and no key matches; `closed lost` in the place of a record that was damaged
//! web_jobs             0 holds
//! api_commands         0 holds
//! insecure             0 holds
//! ```
//!
//! An undo puts the files back one by one, and config.json may be another one with each. So the record holds for any files
//! until the undo is over, and then for the files that count.
//!
//! While nobody knows the text, because it is damaged or a start cannot read it, the strictest is held for the files as
//! they are then. In memory such a text is empty until the files are known.

use std::fmt::Write;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::prelude::{Engine, BASE64_STANDARD};
use durable::{Cell, CellError, Directory};
use ring::digest::{digest, SHA256};

use super::{Strict, SWITCHES};
use crate::config::chosen::Source;
use crate::config::{last_good, Files, Loaded, PublicKey};
use crate::process::file::read_small;

/// The cell in the state directory.
pub(super) const NAME: &str = "strict";

/// In the place of a digest: any file.
const ANY: &str = "*";

/// Held by threads that read the record to write another one.
static TURN: Mutex<()> = Mutex::new(());

fn in_turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Values, and the files they hold for.
#[derive(Debug, Default)]
pub(super) struct Record {
    uci: Vec<String>,
    json: Vec<String>,
    pub(super) strict: Strict,
}

impl Record {
    /// `None` if it is no text of ours.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let mut record = Record::default();
        let strict = &mut record.strict;
        for line in text.lines() {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("uci", digest) => record.uci.push(digest.to_owned()),
                ("json", digest) => record.json.push(digest.to_owned()),
                ("key", key) => {
                    let key = BASE64_STANDARD.decode(key).ok()?;
                    strict.keys.push(PublicKey(key.try_into().ok()?));
                }
                ("closed", word) => (strict.closed, strict.is_lost) = (true, word == "lost"),
                (word, _) => strict
                    .off
                    .push(SWITCHES.into_iter().find(|name| *name == word)?),
            }
        }
        Some(record)
    }

    fn encode(&self) -> String {
        let mut text = String::new();
        for (word, digests) in [("uci", &self.uci), ("json", &self.json)] {
            for digest in digests {
                writeln!(text, "{word} {digest}").expect("a String takes everything");
            }
        }
        let strict = &self.strict;
        for PublicKey(key) in &strict.keys {
            writeln!(text, "key {}", BASE64_STANDARD.encode(key))
                .expect("a String takes everything");
        }
        if strict.closed {
            text.push_str(match strict.is_lost {
                true => "closed lost\n",
                false => "closed\n",
            });
        }
        for word in &strict.off {
            writeln!(text, "{word}").expect("a String takes everything");
        }
        text
    }

    /// Does it hold for a package with one of these digests?
    fn is_of_package(&self, digests: &[String]) -> bool {
        is_one_of(&self.uci, digests)
    }

    fn is_of(&self, [uci, json]: &[String; 2]) -> bool {
        is_one_of(&self.uci, std::slice::from_ref(uci))
            && is_one_of(&self.json, std::slice::from_ref(json))
    }

    /// True until the undo that it was written for is over.
    fn is_of_an_undo(&self) -> bool {
        let mut digests = self.uci.iter().chain(&self.json);
        digests.any(|digest| digest == ANY)
    }
}

fn is_one_of(lines: &[String], digests: &[String]) -> bool {
    let mut lines = lines.iter();
    lines.any(|line| line == ANY || digests.contains(line))
}

impl Strict {
    /// The values that `text` has for these files.
    pub(super) fn decode(text: &str, digests: &[String; 2]) -> Option<Self> {
        let record = Record::decode(text)?;
        record.is_of(digests).then_some(record.strict)
    }

    /// The text that holds for these files.
    pub(super) fn encode_for(&self, [uci, json]: &[String; 2]) -> String {
        let record = Record {
            uci: vec![uci.clone()],
            json: vec![json.clone()],
            strict: self.clone(),
        };
        record.encode()
    }

    /// Keeps it, whatever the settings files say, until [`Settled`] says for which, together with what is kept already for
    /// the package as it is, with the bytes `uci` or as its last good copy is.
    ///
    /// # Errors
    ///
    /// The disk does not take it, or does not give what is kept already: then nothing looser may be put back. Damage counts
    /// as the strictest.
    pub fn keep(mut self, files: &Files, uci: Option<&[u8]>) -> io::Result<()> {
        let _turn = in_turn();
        let home = &files.home;
        match text(home) {
            Ok(text) => {
                // A package that cannot be read is not the one that counts.
                let copy = last_good::Kept {
                    remembered: None,
                    state_dir: home,
                    name: last_good::UCI,
                    of: &files.uci,
                };
                let copy = copy.copy().map(|copy| copy.bytes);
                let packages = [digest_of(&files.uci), hash(uci), hash(copy.as_deref())];
                let known = text.as_deref().and_then(Record::decode);
                let known = known.filter(|known| known.is_of_package(&packages));
                known.into_iter().for_each(|known| self.add(known.strict));
            }
            Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
            Err(damaged) => self.add(instead(home, &damaged)),
        }
        let any = || vec![ANY.to_owned()];
        let record = Record {
            uci: any(),
            json: any(),
            strict: self,
        };
        write(home, &record.encode())
    }
}

/// The strictest in the place of what is damaged.
fn instead(home: &Path, error: &io::Error) -> Strict {
    log::warn!("{}/{NAME}: {error}; the strictest holds", home.display());
    Strict::strictest()
}

/// Can a record be kept there?
///
/// # Errors
///
/// The state directory cannot be used.
pub fn can_be_kept(files: &Files) -> io::Result<()> {
    Directory::open(&files.home).map(drop)
}

fn write(home: &Path, text: &str) -> io::Result<()> {
    let mut directory = Directory::open(home)?;
    let written = Cell::new(NAME).write(&mut directory, text.as_bytes());
    written.map_err(|error| match error {
        // Its kind tells whether room helps.
        CellError::Disk { source, .. } => source,
        other => io::Error::other(other.to_string()),
    })
}

/// The text that is kept.
///
/// # Errors
///
/// The disk does not give it; it is damaged, [`io::ErrorKind::InvalidData`].
pub(super) fn text(home: &Path) -> io::Result<Option<String>> {
    if !home.join(NAME).try_exists()? {
        return Ok(None);
    }
    match Cell::new(NAME).read(&mut Directory::open(home)?) {
        Ok(bytes) => Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())),
        Err(CellError::Disk { source, .. }) => Err(source),
        Err(damaged) => Err(io::Error::new(io::ErrorKind::InvalidData, damaged)),
    }
}

/// Writes what `loaded` holds in the place of a text that is damaged: for the next agent it ends as for this one.
pub(in crate::config) fn renew(loaded: &Loaded) {
    let _turn = in_turn();
    let home = &loaded.files.home;
    let held = loaded.strict.text.as_ref().filter(|held| !held.is_empty());
    if let (Some(held), Err(error)) = (held, text(home)) {
        if error.kind() != io::ErrorKind::InvalidData {
            // It may be whole.
            return;
        }
        if let Err(error) = write(home, held) {
            log::warn!("{}/{NAME}: {error}", home.display());
        }
    }
}

/// Has the values kept for these settings files hold with config.json as it is `after`, too, and not only as it was
/// `before`: no person changes it. `None` is a file that does not exist.
///
/// # Errors
///
/// The disk does not give the values, or does not take them. Damaged ones count as the strictest.
pub fn keep_for(files: &Files, before: Option<&[u8]>, after: Option<&[u8]>) -> io::Result<()> {
    let _turn = in_turn();
    let digests = [digest_of(&files.uci), hash(before)];
    let home = &files.home;
    let strict = match text(home) {
        Ok(text) => text.and_then(|text| Strict::decode(&text, &digests)),
        Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
        Err(damaged) => Some(instead(home, &damaged)),
    };
    let [uci, json] = digests;
    strict.map_or(Ok(()), |strict| {
        let record = Record {
            uci: vec![uci],
            json: vec![json, hash(after)],
            strict,
        };
        write(home, &record.encode())
    })
}

/// Removes what is kept, unless it is of the settings files as they are, or the disk does not say.
pub fn forget(files: &Files) {
    let _turn = in_turn();
    let now = || [digest_of(&files.uci), digest_of(&files.json)];
    let is_stale = match text(&files.home) {
        Ok(text) => text.is_none_or(|text| Strict::decode(&text, &now()).is_none()),
        Err(error) => error.kind() == io::ErrorKind::InvalidData,
    };
    if !is_stale {
        return;
    }
    match last_good::forget(&files.home, NAME) {
        Ok(()) => log::info!("the settings were changed: every option holds as it is written"),
        Err(error) => log::warn!("{}/{NAME}: {error}", files.home.display()),
    }
}

/// A record whose undo is over.
#[derive(Debug)]
pub(in crate::config) struct Settled {
    /// The text of the undo.
    during: String,
    /// The text from now on.
    from_now_on: String,
}

impl Settled {
    /// The record of `loaded`, if it is one of an undo, and the files it counted are known.
    pub(in crate::config) fn of(loaded: &Loaded) -> Option<Self> {
        let kept = &loaded.strict;
        let during = kept.text.as_ref().filter(|_| !kept.is_unread)?;
        let record = Record::decode(during).filter(Record::is_of_an_undo)?;
        let are_known = loaded.config.closed.apart_from_files().is_none();
        are_known.then(|| Settled {
            during: during.clone(),
            from_now_on: record.strict.encode_for(&kept.digests),
        })
    }

    /// Writes it, unless another undo has begun meanwhile.
    pub(in crate::config) fn keep(&self, home: &Path) {
        let _turn = in_turn();
        let is_there = |text: Option<String>| text.as_ref() == Some(&self.during);
        let kept = text(home).and_then(|text| match is_there(text) {
            true => write(home, &self.from_now_on),
            false => Ok(()),
        });
        if let Err(error) = kept {
            log::warn!("{}/{NAME}: {error}", home.display());
        }
    }
}

/// The text that is kept, as it was read last, and the settings files as they count: read, or replaced by their copies.
#[derive(Debug, Clone)]
pub(in crate::config) struct Kept {
    pub(super) text: Option<String>,
    /// The disk has not given it.
    pub(in crate::config) is_unread: bool,
    /// Of the UCI package and of config.json.
    pub(super) digests: [String; 2],
    /// Somebody has changed the settings since.
    pub(in crate::config) is_outdated: bool,
}

impl Kept {
    /// Reads the text. If the disk does not give it, that of `before` holds, or else the strictest.
    pub(in crate::config) fn read(home: &Path, before: Option<&Loaded>) -> Self {
        let mut is_unread = false;
        let text = text(home).unwrap_or_else(|error| {
            let is_damaged = error.kind() == io::ErrorKind::InvalidData;
            let known = before.map(|before| &before.strict);
            let known = known.filter(|kept| kept.text.is_some() || !is_damaged);
            let effect = match known {
                Some(_) => "what it held before holds on",
                None => "the strictest holds",
            };
            log::warn!("{}/{NAME}: {error}; {effect}", home.display());
            is_unread = !is_damaged && known.is_none_or(|known| known.is_unread);
            known.map_or_else(|| Some(String::new()), |known| known.text.clone())
        });
        Kept {
            text,
            is_unread,
            digests: [hash(None), hash(None)],
            is_outdated: false,
        }
    }

    /// Notes the bytes of a settings file.
    pub(in crate::config) fn counts(&mut self, source: Source, bytes: &[u8]) {
        if self.text.is_some() {
            self.digests[usize::from(source != Source::Uci)] = hash(Some(bytes));
        }
    }
}

fn digest_of(file: &Path) -> String {
    hash(read_small(file, uci::MAX_FILE).ok().as_deref())
}

/// The digest of a file; `-` for one that is not there.
pub(super) fn hash(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else {
        return "-".to_owned();
    };
    let hash = digest(&SHA256, bytes);
    let digits = hash.as_ref().iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}
