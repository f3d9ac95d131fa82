//! Options that stay stricter than written, because an undo may not loosen them.
//!
//! A job whose settings were undone had closed a way into the device: it stays closed until somebody changes the
//! settings again. The [`record`] of that is of the settings files as they are when the undo is over.

mod record;

#[cfg(test)]
mod tests;

use std::io;

use base64::prelude::{Engine, BASE64_STANDARD};

use super::chosen::Source;
use super::closed::Closed;
use super::load::{At, Loading};
use super::options::find;
use super::row::Guard;
use super::value::Written;
use super::{Config, Loaded, PublicKey};

pub use record::{can_be_kept, forget, keep_for};
pub(super) use record::{renew, Kept, Settled};

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
    /// The values that `config` has.
    pub fn of(config: &Config) -> Self {
        config
            .closed
            .apart_from_files()
            .cloned()
            .unwrap_or_else(|| Strict::with(config, &config.closed))
    }

    /// The values of `config`, with those options `closed` that are so for themselves.
    pub(super) fn with(config: &Config, closed: &Closed) -> Self {
        let (keys, closed) = (config.jobs.pubkey.clone(), closed.is_held("job_pubkey"));
        // Two of them are off with the keys, and stay so with them.
        let follow = closed || !keys.is_empty();
        let values = [
            follow || config.jobs.from_web,
            follow || config.api.commands,
            config.api.insecure,
        ];
        let off = SWITCHES.into_iter().zip(values);
        Strict {
            keys,
            closed,
            off: off.filter(|(_, on)| !on).map(|(name, _)| name).collect(),
            is_lost: false,
        }
    }

    /// The values of the settings that a job has left.
    ///
    /// # Errors
    ///
    /// The disk has not given what was held strict for them: nobody knows the values until they are read again.
    pub fn left_in(loaded: &Loaded) -> io::Result<Self> {
        match loaded.knows_strict() {
            false => Err(io::Error::other(format!(
                "options that are held strict cannot be read in {}",
                loaded.files.home.display()
            ))),
            true => Ok(Strict::of(&loaded.config)),
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

    /// Is as strict as another, too.
    fn add(&mut self, other: Strict) {
        self.closed |= other.closed;
        self.is_lost |= other.is_lost;
        self.narrow(&other.keys);
        let more = other.off.into_iter();
        let more: Vec<_> = more.filter(|name| !self.off.contains(name)).collect();
        self.off.extend(more);
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
}

/// Has every value of `loaded` that is stricter hold when `uci` is in the place of the package, and until then.
///
/// # Errors
///
/// The disk does not take it: then `uci` may not be put there.
pub fn hold_with(loaded: &Loaded, uci: Option<&[u8]>) -> io::Result<()> {
    Strict::left_in(loaded)?.keep(&loaded.files, uci)
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
            self.strict.text = Some(strict.encode_for(&self.strict.digests));
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
