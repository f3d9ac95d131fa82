//! Options that stay stricter than written, because an undo may not loosen them.
//!
//! A job whose settings were undone had closed a way into the device: it stays closed until somebody changes the
//! settings again. The cell `strict` in the state directory holds text:
//!
//! ```text
//! uci DIGEST           of the file, as it was put back; - is none
//! json DIGEST          the same; further lines of either for changes that no person makes
//! key BASE64           job_pubkey: these keys alone, as far as they are written too; one line each
//! closed               job_pubkey: set, and no key matches; `closed lost` in the place of a record that was damaged
//! web_jobs             0 holds
//! api_commands         0 holds
//! insecure             0 holds
//! ```
//!
//! While nobody knows the text, because it is damaged or a start cannot read it, the strictest is held for the files as
//! they are then. In memory such a text is empty until the files are known.

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::io;
use std::path::Path;

use base64::prelude::{Engine, BASE64_STANDARD};
use durable::{Cell, CellError, Directory};
use ring::digest::{digest, SHA256};

use super::chosen::Source;
use super::load::{At, Loading};
use super::options::find;
use super::row::Guard;
use super::value::Written;
use super::{Config, Files, Loaded, PublicKey};
use crate::process::file::read_small;

/// The cell in the state directory.
const NAME: &str = "strict";

/// The reason of it, for people.
const WHY: &str =
    "a job had set it, and what else that job had set was undone; it holds until the settings \
                   are changed again";

/// The same where nobody knows what the job had set.
const LOST: &str =
    "what a job that was undone had set cannot be read (the log says why); the strictest holds \
                    until that is mended or the settings are changed";

/// Values of a job that stay in force where they are stricter than what is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strict {
    /// The only keys; none: as written.
    keys: Vec<PublicKey>,
    /// No key matches.
    closed: bool,
    /// Switches that are held at 0.
    off: Vec<&'static str>,
    /// The values of a job that were kept are not known.
    is_lost: bool,
}

/// Switches whose strictest value is 0.
const SWITCHES: [&str; 3] = ["web_jobs", "api_commands", "insecure"];

impl Strict {
    /// The values that a job has left.
    pub fn of(job: &Config) -> Self {
        let (keys, closed) = (job.jobs.pubkey.clone(), job.closed.jobs().is_some());
        // Two of them are off with the keys, and stay so with them.
        let follow = closed || !keys.is_empty();
        let values = [
            follow || job.jobs.from_web,
            follow || job.api.commands,
            job.api.insecure,
        ];
        let off = SWITCHES.into_iter().zip(values);
        Strict {
            keys,
            closed,
            off: off.filter(|(_, on)| !on).map(|(name, _)| name).collect(),
            is_lost: false,
        }
    }

    /// The values in the place of those that nobody knows.
    fn strictest() -> Self {
        Strict {
            keys: Vec::new(),
            closed: true,
            off: SWITCHES.into(),
            is_lost: true,
        }
    }

    /// The strictest in the place of those that the disk does not give.
    fn instead(home: &Path, error: &io::Error) -> Self {
        log::warn!("{}/{NAME}: {error}; the strictest holds", home.display());
        Strict::strictest()
    }

    /// Keeps it for as long as each of the settings files is as it is or has these bytes, so that they may be put back one
    /// by one, together with what is kept for them already.
    ///
    /// # Errors
    ///
    /// The disk does not take it: then nothing looser may be put back.
    pub fn keep(
        mut self,
        files: &Files,
        uci: Option<&[u8]>,
        json: Option<&[u8]>,
    ) -> io::Result<()> {
        let home = &files.home;
        let now = [digest_of(&files.uci), digest_of(&files.json)];
        let then = [hash(uci), hash(json)];
        match text(home) {
            Ok(text) => {
                let known = [&now, &then].map(|files| Strict::decode(text.as_ref()?, files));
                known
                    .into_iter()
                    .flatten()
                    .for_each(|known| self.add(known));
            }
            Err(error) => self.add(Strict::instead(home, &error)),
        }
        let ([uci, json], [uci_then, json_then]) = (now, then);
        self.write(home, &[uci, uci_then], &[json, json_then])
    }

    /// Is as strict as another, too.
    fn add(&mut self, other: Strict) {
        self.closed |= other.closed;
        self.is_lost |= other.is_lost;
        self.narrow(&other.keys);
        let more = other.off.into_iter();
        let more: Vec<_> = more.filter(|name| !self.off.contains(name)).collect();
        self.off.extend(more);
    }

    fn write(&self, home: &Path, uci: &[String], json: &[String]) -> io::Result<()> {
        write(home, &self.encode(uci, json))
    }

    /// Leaves of two sets of keys those that are in both; with none left, no key matches.
    fn narrow(&mut self, others: &[PublicKey]) {
        if self.keys.is_empty() {
            self.keys = others.to_vec();
        } else if !others.is_empty() {
            self.keys.retain(|key| others.contains(key));
            self.closed |= self.keys.is_empty();
        }
    }

    fn encode(&self, uci: &[String], json: &[String]) -> String {
        let mut text = String::new();
        for (word, digests) in [("uci", uci), ("json", json)] {
            for digest in digests {
                writeln!(text, "{word} {digest}").expect("a String takes everything");
            }
        }
        for PublicKey(key) in &self.keys {
            writeln!(text, "key {}", BASE64_STANDARD.encode(key))
                .expect("a String takes everything");
        }
        if self.closed {
            text.push_str(if self.is_lost {
                "closed lost\n"
            } else {
                "closed\n"
            });
        }
        for word in &self.off {
            writeln!(text, "{word}").expect("a String takes everything");
        }
        text
    }

    /// `None` if it is no text of ours, or of other files.
    fn decode(text: &str, [uci, json]: &[String; 2]) -> Option<Self> {
        let mut strict = Strict::default();
        let (mut is_uci, mut is_json) = (false, false);
        for line in text.lines() {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("uci", digest) => is_uci |= digest == uci,
                ("json", digest) => is_json |= digest == json,
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
        (is_uci && is_json).then_some(strict)
    }
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
fn text(home: &Path) -> io::Result<Option<String>> {
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
pub(super) fn renew(loaded: &Loaded) {
    let home = &loaded.files.home;
    let held = loaded.strict.as_ref().filter(|held| !held.is_empty());
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
    let digests = [digest_of(&files.uci), hash(before)];
    let home = &files.home;
    let strict = match text(home) {
        Ok(text) => text.and_then(|text| Strict::decode(&text, &digests)),
        Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
        Err(damaged) => Some(Strict::instead(home, &damaged)),
    };
    let [uci, json] = digests;
    strict.map_or(Ok(()), |strict| {
        strict.write(home, &[uci], &[json, hash(after)])
    })
}

/// Has every value of `config` that is stricter hold when `uci` is in the place of the package, and until then.
///
/// # Errors
///
/// The disk does not take it: then `uci` may not be put there.
pub fn hold_with(config: &Config, files: &Files, uci: Option<&[u8]>) -> io::Result<()> {
    let json = read_small(&files.json, uci::MAX_FILE).ok();
    Strict::of(config).keep(files, uci, json.as_deref())
}

/// Removes what is kept, unless it is of the settings files as they are, or the disk does not say.
pub fn forget(files: &Files) {
    let now = || [digest_of(&files.uci), digest_of(&files.json)];
    let is_stale = match text(&files.home) {
        Ok(text) => text.is_none_or(|text| Strict::decode(&text, &now()).is_none()),
        Err(error) => error.kind() == io::ErrorKind::InvalidData,
    };
    if !is_stale {
        return;
    }
    match super::last_good::forget(&files.home, NAME) {
        Ok(()) => log::info!("the settings were changed: every option holds as it is written"),
        Err(error) => log::warn!("{}/{NAME}: {error}", files.home.display()),
    }
}

/// The text that is kept, as it was read last, and the settings files as they count: read, or replaced by their copies.
pub(super) struct Kept {
    pub(super) text: Option<String>,
    /// Of the UCI package and of config.json.
    digests: [String; 2],
    /// Somebody has changed the settings since.
    pub(super) is_outdated: bool,
}

impl Kept {
    /// Reads the text. If the disk does not give it, that of `before` holds, or else the strictest.
    pub(super) fn read(home: &Path, before: Option<&Loaded>) -> Self {
        let text = text(home).unwrap_or_else(|error| {
            let is_damaged = error.kind() == io::ErrorKind::InvalidData;
            let known = before.map(|before| before.strict.clone());
            let known = known.filter(|text| text.is_some() || !is_damaged);
            let effect = match known {
                Some(_) => "what it held before holds on",
                None => "the strictest holds",
            };
            log::warn!("{}/{NAME}: {error}; {effect}", home.display());
            known.unwrap_or_else(|| Some(String::new()))
        });
        Kept {
            text,
            digests: [hash(None), hash(None)],
            is_outdated: false,
        }
    }

    /// Notes the bytes of a settings file.
    pub(super) fn counts(&mut self, source: Source, bytes: &[u8]) {
        if self.text.is_some() {
            self.digests[usize::from(source != Source::Uci)] = hash(Some(bytes));
        }
    }
}

fn digest_of(file: &Path) -> String {
    hash(read_small(file, uci::MAX_FILE).ok().as_deref())
}

/// The digest of a file; `-` for one that is not there.
fn hash(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else {
        return "-".to_owned();
    };
    let hash = digest(&SHA256, bytes);
    let digits = hash.as_ref().iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}

impl Loading<'_> {
    /// Holds options stricter than written.
    pub(super) fn tighten(&mut self) {
        let Some(text) = &self.strict.text else {
            return;
        };
        let is_unknown = text.is_empty();
        let strict = match is_unknown {
            true => Some(Strict::strictest()),
            false => Strict::decode(text, &self.strict.digests),
        };
        let Some(mut strict) = strict else {
            // A file that cannot be read may be as it was.
            self.strict.is_outdated = self.unreadable.is_none();
            return;
        };
        if is_unknown && self.unreadable.is_none() {
            let [uci, json] = self.strict.digests.each_ref().map(std::slice::from_ref);
            self.strict.text = Some(strict.encode(uci, json));
        }
        let why = if strict.is_lost { LOST } else { WHY };
        strict.narrow(&self.config.jobs.pubkey);
        if self.closed.jobs().is_some() {
            // Nothing is stricter.
        } else if strict.closed {
            let row = find("job_pubkey").expect("the table has it");
            self.close(row, Guard::Jobs, why);
            self.closed.option(row.name, Guard::Jobs, why);
            self.tightened("job_pubkey", why);
        } else if strict.keys != self.config.jobs.pubkey {
            let keys = strict.keys.iter();
            let keys: Vec<_> = keys.map(|key| BASE64_STANDARD.encode(key.0)).collect();
            self.hold_at("job_pubkey", &keys.join(" "), why);
        }
        for name in strict.off {
            let is_on = match name {
                "web_jobs" => self.config.jobs.from_web,
                "api_commands" => self.config.api.commands,
                _ => self.config.api.insecure,
            };
            if is_on {
                self.hold_at(name, "0", why);
            }
        }
    }

    fn hold_at(&mut self, name: &'static str, value: &str, why: &str) {
        let row = find(name).expect("the table has it");
        if let Ok(value) = self.store(row, Written::Text(value)) {
            self.put(row, value, Source::Closed);
            self.tightened(name, why);
        }
    }

    fn tightened(&mut self, name: &'static str, why: &str) {
        let at = At(Source::Closed, None);
        self.warn(name, at, &format!("is held stricter than written: {why}"));
        self.tightened.push(name);
    }
}
