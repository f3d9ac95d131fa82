//! Options that stay stricter than written, because an undo may not loosen them.
//!
//! A job whose settings were undone had closed a way into the device: it stays closed until somebody changes the
//! settings again. The cell `strict` in the state directory holds text:
//!
//! ```text
//! uci DIGEST           of the file, as it was put back; - is none
//! json DIGEST
//! key BASE64           job_pubkey: these keys alone, as far as they are written too; one line each
//! closed               job_pubkey: set, and no key matches
//! web_jobs             0 holds
//! api_commands         0 holds
//! insecure             0 holds
//! ```

use std::fmt::Write;
use std::io;
use std::path::Path;

use base64::prelude::{Engine, BASE64_STANDARD};
use durable::{Cell, Directory};
use ring::digest::{digest, SHA256};

use super::chosen::Source;
use super::json::MAX_FILE;
use super::load::{At, Loading};
use super::options::find;
use super::row::Guard;
use super::value::Written;
use super::{Config, Files, PublicKey};
use crate::process::file::read_small;

/// The cell in the state directory.
const NAME: &str = "strict";

/// The reason of it, for people.
const WHY: &str =
    "a job had set it, and what else that job had set was undone; it holds until the settings \
                   are changed again";

/// Values of a job that stay in force where they are stricter than what is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strict {
    /// The only keys; none: as written.
    keys: Vec<PublicKey>,
    /// No key matches.
    closed: bool,
    /// Switches that are held at 0.
    off: Vec<&'static str>,
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
        }
    }

    /// Keeps it for as long as the settings files below `home` have these bytes, together with what is kept for
    /// them already.
    pub fn keep(mut self, home: &Path, uci: Option<&[u8]>, json: Option<&[u8]>) -> io::Result<()> {
        let files = [hash(uci), hash(json)];
        if let Some(before) = read(home, &files) {
            self.closed |= before.closed;
            self.narrow(&before.keys);
            let more = before.off.into_iter();
            let more: Vec<_> = more.filter(|name| !self.off.contains(name)).collect();
            self.off.extend(more);
        }
        let mut directory = Directory::open(home)?;
        let written = Cell::new(NAME).write(&mut directory, self.encode(&files).as_bytes());
        written.map_err(|error| io::Error::other(error.to_string()))
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

    fn encode(&self, [uci, json]: &[String; 2]) -> String {
        let mut text = format!("uci {uci}\njson {json}\n");
        for PublicKey(key) in &self.keys {
            writeln!(text, "key {}", BASE64_STANDARD.encode(key))
                .expect("a String takes everything");
        }
        let closed = self.closed.then_some("closed");
        for word in closed.into_iter().chain(self.off.iter().copied()) {
            text.push_str(word);
            text.push('\n');
        }
        text
    }

    /// `None` if it is no text of ours, or of other files.
    fn decode(text: &str, [uci, json]: &[String; 2]) -> Option<Self> {
        let mut strict = Strict::default();
        for line in text.lines() {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("uci", digest) if digest == uci => {}
                ("json", digest) if digest == json => {}
                ("key", key) => {
                    let key = BASE64_STANDARD.decode(key).ok()?;
                    strict.keys.push(PublicKey(key.try_into().ok()?));
                }
                ("closed", _) => strict.closed = true,
                (word, _) => strict
                    .off
                    .push(SWITCHES.into_iter().find(|name| *name == word)?),
            }
        }
        Some(strict)
    }
}

/// The values kept for files with these digests; those for other files have no effect.
fn read(home: &Path, files: &[String; 2]) -> Option<Strict> {
    let mut directory = Directory::open(home).ok()?;
    match Cell::new(NAME).read(&mut directory) {
        Ok(bytes) => Strict::decode(std::str::from_utf8(&bytes?).ok()?, files),
        Err(error) => {
            log::warn!("{}/{NAME}: {error}; it is not used", home.display());
            None
        }
    }
}

/// The values kept for these files as they are.
fn in_force(files: &Files) -> Option<Strict> {
    if !files.home.join(NAME).exists() {
        return None;
    }
    let digest = |file: &Path| hash(read_small(file, MAX_FILE).ok().as_deref());
    read(&files.home, &[digest(&files.uci), digest(&files.json)])
}

/// Is something kept though somebody has changed the settings since?
pub fn is_outdated(files: &Files) -> bool {
    files.home.join(NAME).exists() && in_force(files).is_none()
}

/// Removes what is kept.
pub fn forget(files: &Files) {
    match super::last_good::forget(&files.home, NAME) {
        Ok(()) => log::info!("the settings were changed: every option holds as it is written"),
        Err(error) => log::warn!("{}/{NAME}: {error}", files.home.display()),
    }
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
    pub(super) fn tighten(&mut self, files: &Files) {
        let Some(mut strict) = in_force(files) else {
            return;
        };
        strict.narrow(&self.config.jobs.pubkey);
        if self.closed.jobs().is_some() {
            // Nothing is stricter.
        } else if strict.closed {
            let row = find("job_pubkey").expect("the table has it");
            self.close(row, Guard::Jobs, WHY);
            self.closed.option(row.name, Guard::Jobs, WHY);
            self.tightened("job_pubkey");
        } else if strict.keys != self.config.jobs.pubkey {
            let keys = strict.keys.iter();
            let keys: Vec<_> = keys.map(|key| BASE64_STANDARD.encode(key.0)).collect();
            self.hold_at("job_pubkey", &keys.join(" "));
        }
        for name in strict.off {
            let is_on = match name {
                "web_jobs" => self.config.jobs.from_web,
                "api_commands" => self.config.api.commands,
                _ => self.config.api.insecure,
            };
            if is_on {
                self.hold_at(name, "0");
            }
        }
    }

    fn hold_at(&mut self, name: &'static str, value: &str) {
        let row = find(name).expect("the table has it");
        if let Ok(value) = self.store(row, Written::Text(value)) {
            self.put(row, value, Source::Closed);
            self.tightened(name);
        }
    }

    fn tightened(&mut self, name: &'static str) {
        let at = At(Source::Closed, None);
        self.warn(name, at, &format!("is held stricter than written: {WHY}"));
        self.tightened.push(name);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::{Inputs, Problem};
    use crate::process::clock::Pace;

    fn job(keys: &[u8], is_open: bool) -> Strict {
        let mut config = Config::defaults(Path::new("/"), Pace::REAL);
        config.jobs.pubkey = keys.iter().map(|key| PublicKey([*key; 32])).collect();
        (
            config.jobs.from_web,
            config.api.commands,
            config.api.insecure,
        ) = (is_open, is_open, is_open);
        Strict::of(&config)
    }

    #[test]
    fn of_two_sets_of_keys_those_in_both_stay() {
        let both = |ours: &[u8], others: &[u8]| {
            let mut strict = job(ours, true);
            strict.narrow(&job(others, true).keys);
            let keys: Vec<u8> = strict.keys.iter().map(|key| key.0[0]).collect();
            (keys, strict.closed)
        };
        assert_eq!(both(&[], &[]), (vec![], false));
        assert_eq!(both(&[], &[1]), (vec![1], false));
        assert_eq!(both(&[1], &[]), (vec![1], false));
        // One was taken away, which may have been stolen; one was added.
        assert_eq!(both(&[1], &[1, 2]), (vec![1], false));
        assert_eq!(both(&[1, 2], &[1]), (vec![1], false));
        assert_eq!(both(&[1], &[2]), (vec![], true));
    }

    #[test]
    fn it_is_kept_until_a_file_changes() {
        let tmp = tempfile::tempdir().unwrap();
        let at = |name: &str| tmp.path().join(name);
        let files = Files {
            json: at("config.json"),
            uci: at("socketman"),
            copy_dir: at("state"),
            home: at("state"),
        };
        let uci = b"config socketman 'main'\n";
        std::fs::write(&files.uci, uci).unwrap();
        assert_eq!(in_force(&files), None);
        let first = job(&[1, 2], true);
        first.clone().keep(&files.home, Some(uci), None).unwrap();
        assert_eq!(in_force(&files), Some(first));
        // Another one comes on top.
        let second = job(&[2, 3], false);
        assert_eq!(second.off, ["insecure"], "the others follow from the keys");
        second.keep(&files.home, Some(uci), None).unwrap();
        assert_eq!(in_force(&files), Some(job(&[2], false)));
        assert!(!is_outdated(&files));
        std::fs::write(&files.json, "{}").unwrap();
        assert_eq!(in_force(&files), None);
        assert!(is_outdated(&files));
        forget(&files);
        assert!(!files.home.join(NAME).exists() && !is_outdated(&files));
    }

    #[test]
    fn options_are_held_as_a_job_had_set_them_that_was_undone_until_somebody_changes_the_settings()
    {
        let tmp = tempfile::tempdir().unwrap();
        let inputs = Inputs::below(tmp.path(), crate::tls::CHECKS);
        let files = inputs.load(None).files;
        let write = |json: &str| {
            std::fs::create_dir_all(files.json.parent().unwrap()).unwrap();
            std::fs::write(&files.json, json).unwrap();
            let owner_alone = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&files.json, owner_alone).unwrap();
        };
        let keys = |keys: &[u8]| {
            let keys = keys.iter().map(|key| BASE64_STANDARD.encode([*key; 32]));
            keys.collect::<Vec<_>>().join(" ")
        };
        let open = r#""web_jobs": 1, "api_commands": 1, "insecure": 1"#;
        let switches = SWITCHES.map(|name| (name, false)).to_vec();
        // Keys as written, the job as it was, and what is held: the keys in force, or that none is.
        for (written, strict, held, in_force) in [
            (&[][..], job(&[], false), switches, Some(&[][..])),
            (
                &[1, 2],
                job(&[1], true),
                vec![("job_pubkey", true)],
                Some(&[1]),
            ),
            (&[1, 2], job(&[1, 2], true), vec![], Some(&[1, 2])),
            (&[1], job(&[3], true), vec![("job_pubkey", true)], None),
        ] {
            let json = format!(r#"{{"job_pubkey": "{}", {open}}}"#, keys(written));
            write(&json);
            // The copy of these very bytes would hold once more.
            let _ = std::fs::remove_dir_all(&files.home);
            assert_eq!(inputs.load(None).tightened, [""; 0], "{json}");
            strict
                .keep(&files.home, None, Some(json.as_bytes()))
                .unwrap();
            let loaded = inputs.load(None);
            let names: Vec<_> = held.iter().map(|(name, _)| *name).collect();
            assert_eq!(loaded.tightened, names, "{json}");
            for name in names {
                let says = |warning: &Problem| {
                    warning.option.as_deref() == Some(name) && warning.reason.ends_with(WHY)
                };
                assert!(loaded.warnings.iter().any(says), "{:?}", loaded.warnings);
                assert_eq!(loaded.source_of(name), "strictest value");
            }
            let config = &loaded.config;
            assert_eq!(config.closed.jobs().is_some(), in_force.is_none());
            if let Some(in_force) = in_force {
                let now: Vec<u8> = config.jobs.pubkey.iter().map(|key| key.0[0]).collect();
                assert_eq!(now, in_force);
            }
            write(&format!("{json} "));
            assert_eq!(inputs.load(None).tightened, [""; 0], "{json}");
        }
    }
}
