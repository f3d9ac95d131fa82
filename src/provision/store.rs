//! The settings of an init server on the disk, so that a power cut at any moment leaves config.json as it was or as it
//! is to be, whole, and the next start knows which.
//!
//! ```text
//! state_dir/provision/   record          a Cell, see Record
//!                        before.json     config.json before, while there is a trial
//!                        ca-<hash>.pem   certificates that the settings brought, named by what is in them
//! config.json            wherever it is
//! ```
//!
//! Taking settings: certificates, then before.json, then the record (trial), then config.json; each is certain before
//! the next begins. Old and new settings name different files of certificates, so both can be used as long as either may
//! hold. Undoing: config.json, then the record. A start that finds a trial compares config.json with both hashes: with
//! the new one the trial goes on; with the old one it never began, or was undone; with neither somebody has written
//! the file since, and it is his.

use std::io;

use durable::{read_whole, replace, Cell, CellError, Disk};
use thiserror::Error;

use super::record::{Hash, Phase, Record};
use crate::config::json::MAX_FILE;

const RECORD: &str = "record";
const BEFORE: &str = "before.json";
const CA: (&str, &str) = ("ca-", ".pem");

/// Why something was not stored; config.json is what it was, or whole and new.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error("state_dir/provision: {0}")]
    State(io::Error),
    #[error("config.json: {0}")]
    Settings(io::Error),
    #[error("state_dir/provision: {0} is damaged")]
    Damaged(&'static str),
}

impl From<CellError> for StoreError {
    fn from(error: CellError) -> Self {
        match error {
            CellError::Disk { source, .. } => StoreError::State(source),
            _ => StoreError::Damaged(RECORD),
        }
    }
}

/// The disks, and the name of config.json on the second.
pub struct Store<'a> {
    /// state_dir/provision
    pub state: &'a mut dyn Disk,
    /// The directory of config.json.
    pub settings: &'a mut dyn Disk,
    /// The name of config.json in it.
    pub file: &'a str,
}

impl Store<'_> {
    /// config.json as it is; `None` if it does not exist.
    pub fn current(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        match read_whole(self.settings, self.file, MAX_FILE) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::Settings(error)),
        }
    }

    /// The newest record, once what a kill left half done is settled: a trial in it has its settings in config.json.
    pub fn resume(&mut self) -> Result<Option<Record>, StoreError> {
        let bytes = match Cell::new(RECORD).read(self.state) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut record = Record::decode(&bytes).ok_or(StoreError::Damaged(RECORD))?;
        if record.phase != Phase::Trial {
            self.tidy()?;
            return Ok(Some(record));
        }
        // A rename that only a kill let us see may still be lost.
        self.settings.sync_names().map_err(StoreError::Settings)?;
        let now = self.current()?.as_deref().map(Hash::of);
        record.phase = match now {
            Some(now) if now == record.after => return Ok(Some(record)),
            now if now == record.before => Phase::Undone,
            _ => Phase::Done,
        };
        self.settle(&record)?;
        Ok(Some(record))
    }

    /// Keeps certificates; returns the name of their file.
    pub fn keep_ca(&mut self, pem: &[u8]) -> Result<String, StoreError> {
        let (begin, end) = CA;
        let name = format!("{begin}{}{end}", Hash::of(pem).short());
        replace(self.state, &name, pem).map_err(StoreError::State)?;
        Ok(name)
    }

    /// Puts `after` in the place of config.json, which is `before`; `record` says so.
    pub fn begin(
        &mut self,
        record: &Record,
        before: Option<&[u8]>,
        after: &[u8],
    ) -> Result<(), StoreError> {
        if let Some(before) = before {
            replace(self.state, BEFORE, before).map_err(StoreError::State)?;
        }
        Cell::new(RECORD).write(self.state, &record.encode())?;
        replace(self.settings, self.file, after).map_err(StoreError::Settings)
    }

    /// Puts config.json back as it was before the trial of `record`. False if it cannot be: somebody has written it
    /// since, or what it was is damaged; then it stays.
    pub fn restore(&mut self, record: &Record) -> Result<bool, StoreError> {
        let now = self.current()?.as_deref().map(Hash::of);
        if now == record.before {
            return Ok(true);
        }
        if now.as_ref() != Some(&record.after) {
            return Ok(false);
        }
        let Some(before) = &record.before else {
            self.settings
                .remove(self.file)
                .and_then(|()| self.settings.sync_names())
                .map_err(StoreError::Settings)?;
            return Ok(true);
        };
        let bytes = self.kept()?;
        if Hash::of(&bytes) != *before {
            return Ok(false);
        }
        replace(self.settings, self.file, &bytes).map_err(StoreError::Settings)?;
        Ok(true)
    }

    /// config.json as it was before a trial.
    pub fn kept(&mut self) -> Result<Vec<u8>, StoreError> {
        read_whole(self.state, BEFORE, MAX_FILE).map_err(StoreError::State)
    }

    /// Writes how a trial ended, and takes away what nothing needs any more.
    pub fn settle(&mut self, record: &Record) -> Result<(), StoreError> {
        Cell::new(RECORD).write(self.state, &record.encode())?;
        self.tidy()
    }

    /// Takes away what nothing needs any more.
    pub fn tidy(&mut self) -> Result<(), StoreError> {
        let current = self.current()?.unwrap_or_default();
        let is_named = |name: &str| {
            let mut windows = current.windows(name.len());
            windows.any(|window| window == name.as_bytes())
        };
        for name in self.state.list().map_err(StoreError::State)? {
            let is_ca = name.starts_with(CA.0) && name.ends_with(CA.1);
            if name == BEFORE || is_ca && !is_named(&name) {
                self.state.remove(&name).map_err(StoreError::State)?;
            }
        }
        Ok(())
    }
}
