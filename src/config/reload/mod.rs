//! Settings while the agent runs: read again on SIGHUP, when a file changed, or when somebody asks.
//!
//! A task reads them and publishes the settings in force as [`Current`]. A part either [follows](Part::follow)
//! its own settings, or is [`renewed`] when they are no longer the same. All parts have their new settings before the
//! answer to a reload.

mod facts;
mod files;
mod followers;
mod next_lock;
mod orphans;
mod renewal;
#[cfg(test)]
mod tests;
mod upkeep;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use tokio::signal::unix::{signal, Signal, SignalKind};
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::{strict, Config, Inputs, Loaded, Problem, PACKAGE};
use crate::identity::{self, Chosen, Identity, Source};
use crate::process::facts::publish;
use crate::process::shutdown::Shutdown;
use crate::tasks::Waiting;

use files::FileWatch;
use followers::Followers;
use next_lock::NextLock;
use orphans::{Orphan, Orphans, BETWEEN_LOOKS};
use upkeep::Upkeep;

pub use facts::Facts;
pub use renewal::{renewed, same, until_due, Same, Since, Start, Work};

/// Askers that wait for a reload at most.
const ASKERS: usize = 16;

/// The settings in force.
#[derive(Debug, Clone)]
pub struct Current {
    pub loaded: Loaded,
    /// Identity of the device, as broker and API know it.
    pub mac: Identity,
    pub mac_source: Source,
    pub facts: Facts,
}

/// The outcome of reading again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    #[serde(flatten)]
    pub facts: Facts,
    /// Options that have another value than before.
    pub changed: Vec<&'static str>,
}

/// Nobody reads settings any more: the agent ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("settings are not read any more")]
pub struct Gone;

/// Somebody who waits for a reload.
#[derive(Debug)]
struct Request {
    /// The settings that were read are good, for all holders of copies.
    accept: bool,
    answer: oneshot::Sender<Outcome>,
}

/// A way to the settings; cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    current: watch::Receiver<Arc<Current>>,
    mac: watch::Receiver<Identity>,
}

impl Handle {
    /// Reads everything again, and returns the outcome. Parts whose options changed restart soon after.
    pub async fn reload(&self) -> Result<Outcome, Gone> {
        self.ask(false).await
    }

    /// The same, and what can be used of it is the last good copy from now on.
    pub async fn accept(&self) -> Result<Outcome, Gone> {
        self.ask(true).await
    }

    async fn ask(&self, accept: bool) -> Result<Outcome, Gone> {
        let (sender, answer) = oneshot::channel();
        let request = Request {
            accept,
            answer: sender,
        };
        self.requests.send(request).await.map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }

    /// Everything that holds, and what will.
    pub fn current(&self) -> watch::Receiver<Arc<Current>> {
        self.current.clone()
    }

    /// The identity alone.
    pub fn mac(&self) -> watch::Receiver<Identity> {
        self.mac.clone()
    }
}

/// The belongings of the reading task.
pub struct Part {
    inputs: Inputs,
    /// The state directory that is in use until the agent ends.
    state_dir: PathBuf,
    /// Faults at the start, which stay.
    standing: Facts,
    /// Warnings about the identity.
    about_identity: Vec<Problem>,
    next_lock: NextLock,
    orphans: Orphans,
    upkeep: Upkeep,
    hangup: Signal,
    requests: mpsc::Receiver<Request>,
    /// Last good copies stay as they are while this is true: what files say now is on trial.
    held: watch::Receiver<bool>,
    /// A copy was not kept because of that.
    is_behind: bool,
    /// It has been so since the start: the copies are those on the disk, which may not have given them yet.
    is_inherited: bool,
    current: watch::Sender<Arc<Current>>,
    followers: Followers,
    mac: watch::Sender<Identity>,
}

/// The part that reads settings again, and the way to it. From here on SIGHUP no longer kills the
/// process.
///
/// `loaded` is what `inputs` gave at the start, `chosen` the identity that came of it, `standing` what else
/// is wrong until the agent ends. Needs a tokio runtime.
pub fn new(
    inputs: Inputs,
    loaded: Loaded,
    chosen: Chosen,
    standing: Facts,
) -> io::Result<(Part, Handle)> {
    new_held(inputs, loaded, chosen, standing, watch::channel(false).1)
}

/// The same, with last good copies that stay as they are while `held` is true.
pub fn new_held(
    inputs: Inputs,
    mut loaded: Loaded,
    chosen: Chosen,
    standing: Facts,
    held: watch::Receiver<bool>,
) -> io::Result<(Part, Handle)> {
    let is_held = *held.borrow();
    strict::renew(&loaded);
    if is_held {
        loaded = loaded.with_kept_copies();
    }
    let Chosen {
        identity: mac,
        source: mac_source,
        warnings,
    } = chosen;
    let about_identity = problems(&warnings);
    let (sender, requests) = mpsc::channel(ASKERS);
    let state_dir = loaded.config.state_dir.clone();
    let (mac_sender, mac_known) = watch::channel(mac.clone());
    let errors = match is_held {
        true => Vec::new(),
        false => loaded.keep_good_copies(),
    };
    let mut facts = Facts::of((&loaded, inputs.checks), &standing, errors, &state_dir);
    facts.warnings.extend_from_slice(&about_identity);
    facts.tell();
    let (current, current_known) = watch::channel(Arc::new(Current {
        loaded,
        mac,
        mac_source,
        facts,
    }));
    let between_looks = inputs.pace.of(BETWEEN_LOOKS);
    let part = Part {
        inputs,
        state_dir,
        standing,
        about_identity,
        next_lock: NextLock::default(),
        orphans: Orphans::new(between_looks),
        upkeep: Upkeep::default(),
        hangup: signal(SignalKind::hangup())?,
        requests,
        held,
        is_behind: is_held,
        is_inherited: is_held,
        current,
        followers: Followers::default(),
        mac: mac_sender,
    };
    let handle = Handle {
        requests: sender,
        current: current_known,
        mac: mac_known,
    };
    Ok((part, handle))
}

/// Chooses the identity that goes with `config`, and logs it.
pub fn identity(config: &Config, state_dir: &Path, root: &Path) -> Chosen {
    let named = &config.identity;
    let chosen = identity::choose(&named.mac, &named.mac_file, state_dir, root);
    log::info!("this device is {} ({})", chosen.identity, chosen.source);
    chosen
}

fn problems(warnings: &[identity::Warning]) -> Vec<Problem> {
    let problem = |warning: &identity::Warning| Problem {
        option: None,
        source: warning.file.display().to_string(),
        line: None,
        reason: warning.reason.clone(),
    };
    warnings.iter().map(problem).collect()
}

impl Part {
    /// The settings that `of` takes from the configuration, which change when those do.
    pub fn follow<S>(&mut self, of: fn(&Config) -> S) -> watch::Receiver<S>
    where
        S: PartialEq + Send + Sync + 'static,
    {
        let current = self.current.borrow();
        self.followers.add(&current.loaded.config, of)
    }

    /// Reads settings again whenever there is a reason, until `shutdown`.
    pub async fn run(self, shutdown: Shutdown) {
        shutdown.cut_short(vec![Box::pin(self.work())]).await;
    }

    async fn work(mut self) {
        let mut files = FileWatch::default();
        // They may have changed before they were watched.
        self.reload(&mut files, false).await;
        let mut held_lives = true;
        loop {
            tokio::select! {
                changed = self.held.changed(), if held_lives => {
                    held_lives = changed.is_ok();
                    if self.is_behind && !*self.held.borrow() {
                        self.reload(&mut files, false).await;
                    }
                }
                _ = self.hangup.recv() => {
                    log::info!("SIGHUP: reading settings again");
                    self.reload(&mut files, false).await;
                }
                () = self.orphans.due(), if !*self.held.borrow() => {
                    self.reload(&mut files, false).await;
                }
                () = self.upkeep.caught_up() => {
                    self.reload(&mut files, false).await;
                }
                () = files.settled() => {
                    log::debug!("a file of the settings may have changed");
                    self.reload(&mut files, false).await;
                }
                Some(Request { accept, answer }) = self.requests.recv() => {
                    let outcome = self.reload(&mut files, accept).await;
                    // An asker that went away needs no answer.
                    let _gone = answer.send(outcome);
                }
            }
        }
    }

    /// Watches the files, then reads them, so that no change is missed.
    async fn reload(&mut self, files: &mut FileWatch, accept: bool) -> Outcome {
        let watched = self.files();
        files.look_at(&watched);
        let mut outcome = self.read(accept).await;
        let now = self.files();
        if now != watched {
            // Another file counts, which may have changed before it was watched.
            files.look_at(&now);
            let again = self.read(accept).await;
            outcome.facts = again.facts;
            outcome.changed.extend(again.changed);
        }
        outcome
    }

    fn files(&self) -> Vec<PathBuf> {
        let current = self.current.borrow();
        let uci = &self.inputs.uci;
        let mut files = vec![
            current.loaded.files.json.clone(),
            uci.committed.join(PACKAGE),
            uci.replacing.join(PACKAGE),
        ];
        files.extend(current.loaded.named.iter().map(|file| file.0.clone()));
        files
    }

    async fn read(&mut self, accept: bool) -> Outcome {
        let before = self.current.borrow().clone();
        let mut loaded = self.inputs.load(Some(&before.loaded));
        let changed = loaded.changed_since(&before.loaded);
        let (mac, mac_source) = self.identity(&loaded, &before);
        let mut errors = Vec::new();
        self.is_behind = *self.held.borrow() && !accept;
        self.is_inherited &= self.is_behind;
        if self.is_behind {
            loaded = loaded.with_copies_of(&before.loaded);
        } else {
            errors = self.keep(&loaded).await;
        }
        if self.is_inherited {
            loaded = loaded.with_kept_copies();
        }
        errors.extend(self.next_lock.follow(&loaded, &self.state_dir));
        let mut facts = Facts::of(
            (&loaded, self.inputs.checks),
            &self.standing,
            errors,
            &self.state_dir,
        );
        facts.warnings.extend_from_slice(&self.about_identity);
        if facts != before.facts {
            facts.tell();
        }
        if !changed.is_empty() {
            log::info!("settings changed: {}", changed.join(", "));
        }
        let outcome = Outcome {
            facts: facts.clone(),
            changed,
        };
        publish(&self.mac, mac.clone());
        self.followers.publish(&loaded.config);
        self.current.send_replace(Arc::new(Current {
            loaded,
            mac,
            mac_source,
            facts,
        }));
        outcome
    }

    /// Keeps copies of what is good in `loaded`, and removes what belongs to settings that are gone. What goes is
    /// decided at once, for a job may change the settings meanwhile.
    async fn keep(&mut self, loaded: &Loaded) -> Vec<Problem> {
        let copies = loaded.copies();
        let orphans = self.orphans.look(&copies.files);
        let is_outdated = loaded.strict.is_outdated;
        let settled = strict::Settled::of(loaded);
        let keep = move |waiting: &Waiting| {
            orphans.iter().for_each(Orphan::remove);
            let errors = copies.keep();
            if is_outdated && waiting.is_on() {
                strict::forget(&copies.files);
            }
            if let Some(settled) = settled {
                settled.keep(&copies.files.home);
            }
            errors
        };
        self.upkeep.make(&self.state_dir, keep).await
    }

    /// The identity that goes with `loaded`: the one there was, unless an option says another.
    fn identity(&mut self, loaded: &Loaded, before: &Current) -> (Identity, Source) {
        if loaded.config.identity == before.loaded.config.identity {
            return (before.mac.clone(), before.mac_source.clone());
        }
        let chosen = identity(&loaded.config, &self.state_dir, &self.inputs.root);
        self.about_identity = problems(&chosen.warnings);
        (chosen.identity, chosen.source)
    }
}
