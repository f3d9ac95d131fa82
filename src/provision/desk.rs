//! The disk's side of first contact, on a thread of its own: nobody else waits for flash.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use durable::Directory;
use thiserror::Error;

use super::merge::merged;
use super::offer::Offer;
use super::reach::Reached;
use super::record::{Hash, Phase, Record};
use super::store::{Store, StoreError};
use crate::config::json::DocumentError;
use crate::config::{strict, Files, Pem};
use crate::tasks::{self, NotDone};
use crate::tls;

/// Directory in `state_dir`.
const DIRECTORY: &str = "provision";

/// Longest wait for the disk.
const WITHIN: Duration = Duration::from_secs(60);

/// Why the disk did not do what it was asked.
#[derive(Debug, Error)]
pub(super) enum DeskError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0} {1}")]
    Document(String, DocumentError),
    #[error("the answer's 'cacrt' {0}")]
    Certificates(String),
    #[error("the answer has neither username nor password nor token")]
    NoCredentials,
    #[error("options that are held strict: {0}")]
    Strict(io::Error),
    #[error(transparent)]
    NotDone(NotDone),
}

/// Settings to be taken.
pub(super) struct Taking {
    pub(super) offer: Offer,
    pub(super) server: String,
    /// Seconds since the epoch.
    pub(super) at: u64,
    pub(super) reached: Reached,
    /// The device has credentials, so that the offer needs none.
    pub(super) has_credentials: bool,
}

/// A request to the disk.
pub(super) enum Order {
    Resume,
    Take(Taking),
    Restore(Record),
    Settle(Record),
}

/// The outcome.
pub(super) enum Done {
    /// The newest record.
    Resumed(Option<Record>),
    /// The record of a trial; `None` if the settings are those there are.
    Taken(Option<Record>),
    /// True if config.json is as it was before.
    Restored(bool),
    Settled,
}

/// Does `work` on a thread of its own, which ends with it.
///
/// # Errors
///
/// There is no thread, or it does not end in time; then the work may be done later.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, DeskError> {
    let done = tasks::aside(DIRECTORY, Some(WITHIN), work).await;
    done.map_err(DeskError::NotDone)
}

/// The places of the files.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    pub(super) state_dir: PathBuf,
    pub(super) files: Files,
    pub(super) root: PathBuf,
}

impl Desk {
    /// Has `order` done. Dropped before that, it is done all the same.
    pub(super) async fn ask(&self, order: Order) -> Result<Done, DeskError> {
        let desk = self.clone();
        aside(move || desk.obey(order)).await?
    }

    fn obey(&self, order: Order) -> Result<Done, DeskError> {
        let directory = self.state_dir.join(DIRECTORY);
        if matches!(order, Order::Resume) && !directory.try_exists().map_err(StoreError::State)? {
            return Ok(Done::Resumed(None));
        }
        let mut state = Directory::open(&directory).map_err(StoreError::State)?;
        // A link may lead elsewhere; what it leads to is replaced.
        let file =
            std::fs::canonicalize(&self.files.json).unwrap_or_else(|_| self.files.json.clone());
        let parent = file.parent().unwrap_or(Path::new("/"));
        let mut settings = Directory::of_system(parent).map_err(StoreError::Settings)?;
        let name = file.file_name().map(|name| name.to_string_lossy());
        let mut store = Store {
            state: &mut state,
            settings: &mut settings,
            file: name.as_deref().unwrap_or_default(),
        };
        Ok(match order {
            Order::Resume => Done::Resumed(store.resume()?),
            Order::Take(taking) => Done::Taken(self.take(&mut store, taking)?),
            Order::Restore(record) => Done::Restored(self.restore(&mut store, &record)?),
            Order::Settle(record) => {
                store.settle(&record)?;
                Done::Settled
            }
        })
    }

    fn restore(&self, store: &mut Store<'_>, record: &Record) -> Result<bool, DeskError> {
        let now = store.current()?;
        if now.as_deref().map(Hash::of).as_ref() == Some(&record.after) {
            let before = record.before.as_ref().map(|_| store.kept()).transpose()?;
            // A job may have been undone during the trial.
            self.keep_strict(now.as_deref(), before.as_deref())?;
        }
        Ok(store.restore(record)?)
    }

    /// Has options held strict for config.json as it is to be, too.
    fn keep_strict(&self, before: Option<&[u8]>, after: Option<&[u8]>) -> Result<(), DeskError> {
        strict::keep_for(&self.files, before, after).map_err(DeskError::Strict)
    }

    fn take(&self, store: &mut Store<'_>, taking: Taking) -> Result<Option<Record>, DeskError> {
        let Taking {
            offer,
            server,
            at,
            reached,
            has_credentials,
        } = taking;
        if !has_credentials && !offer.has_credentials {
            return Err(DeskError::NoCredentials);
        }
        let before = store.current()?;
        let cacrt = match offer.cacrt.as_deref() {
            None | Some("") => offer.cacrt.clone(),
            Some(pem) => Some(self.keep_ca(store, pem)?),
        };
        let merged = merged(before.as_deref(), &offer, cacrt.as_deref());
        let unreadable = |error| DeskError::Document(self.files.json.display().to_string(), error);
        let after = merged.map_err(unreadable)?;
        if before.as_deref() == Some(&*after) {
            return Ok(None);
        }
        let record = Record {
            phase: Phase::Trial,
            server,
            at,
            before: before.as_deref().map(Hash::of),
            after: Hash::of(&after),
            reached,
            refused: offer.refused,
            error: None,
        };
        self.keep_strict(before.as_deref(), Some(&after))?;
        store.begin(&record, before.as_deref(), &after)?;
        Ok(Some(record))
    }

    /// Keeps certificates that can be used; returns their path as config.json names it.
    fn keep_ca(&self, store: &mut Store<'_>, pem: &str) -> Result<String, DeskError> {
        let name = store.keep_ca(format!("{pem}\n").as_bytes())?;
        let path = self.state_dir.join(DIRECTORY).join(name);
        if let Err(error) = tls::usable(Pem::Authorities, &path) {
            store.tidy()?;
            let place = path.display().to_string();
            let error = error.strip_prefix(&place).unwrap_or(&error).trim_start();
            return Err(DeskError::Certificates(error.to_owned()));
        }
        let below = path.strip_prefix(&self.root).unwrap_or(&path);
        Ok(Path::new("/").join(below).display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::strict::Strict;
    use crate::config::{Config, Inputs};
    use crate::process::clock::Pace;
    use crate::tls::CHECKS;

    #[test]
    fn what_is_held_strict_stays_so_when_an_init_server_changes_the_settings() {
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path();
        let inputs = Inputs::below(root, CHECKS);
        let config = Config::defaults(root, Pace::REAL);
        let files = inputs.load(None).files;
        let desk = Desk {
            state_dir: config.state_dir.clone(),
            files: files.clone(),
            root: root.to_owned(),
        };
        let take = |body: &[u8]| {
            let taking = Taking {
                offer: Offer::read(body).unwrap(),
                server: "init.example".to_owned(),
                at: 0,
                reached: Reached::default(),
                has_credentials: false,
            };
            desk.obey(Order::Take(taking)).ok()
        };
        let given = take(br#"{"token": "t"}"#);
        assert!(matches!(given, Some(Done::Taken(Some(_)))));
        let mut job = config;
        job.jobs.from_web = false;
        Strict::of(&job).keep(&files, None).unwrap();
        let held = inputs.load(None).tightened;
        assert_eq!(held, ["web_jobs"]);
        let Some(Done::Taken(Some(record))) = take(br#"{"token": "u"}"#) else {
            panic!("not taken");
        };
        let loaded = inputs.load(None);
        assert_eq!(loaded.config.api.token.reveal(), "u");
        assert_eq!(loaded.tightened, held);
        // A job that ran during the trial was undone.
        Strict::of(&job).keep(&files, None).unwrap();
        assert!(matches!(
            desk.obey(Order::Restore(record)),
            Ok(Done::Restored(true))
        ));
        let loaded = inputs.load(None);
        assert_eq!(loaded.config.api.token.reveal(), "t");
        assert_eq!(loaded.tightened, held);
    }
}
