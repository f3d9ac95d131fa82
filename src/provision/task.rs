//! The task of first contact: asks the init server, takes its settings, and sees whether they work.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, sleep_until, timeout, Instant};

use super::course::{Course, Need, Next};
use super::desk::{Desk, Done, Order, Taking};
use super::facts::{Facts, State};
use super::reach::{Reach, Reached};
use super::record::{Phase, Record};
use super::server::{self, About};
use super::Settings;
use crate::lookup::Resolver;
use crate::outage::Outage;
use crate::process::clock::epoch_seconds;
use crate::process::facts::publish;
use crate::process::shutdown::Shutdown;

/// Longest wait for the first look at the device, which says what machine it is.
const ABOUT_WITHIN: Duration = Duration::from_secs(20);

/// Longest wait for settings that were written to be read.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// Wait after the disk has failed.
const AFTER_FAULT: Duration = Duration::from_secs(60);

/// Longest wait for jobs that run: those with the usual time, and their trials.
const JOBS_WITHIN: Duration = Duration::from_secs(900);

/// After an hour the init server may be asked again.
const HOUR: u64 = 3600;

/// Has the settings read again; done when that is.
pub type Reload = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The belongings of the task.
pub struct Part {
    pub settings: watch::Receiver<Arc<Settings>>,
    pub reload: Reload,
    /// The state directory that is in use until the agent ends.
    pub state_dir: PathBuf,
    /// Prefix of every path.
    pub root: PathBuf,
    /// Shared with all parts but the broker link.
    pub resolver: Resolver,
    /// Default until the device was looked at.
    pub about: watch::Receiver<About>,
    pub reach: watch::Receiver<Reach>,
    /// True while jobs run, which answer for the settings.
    pub held: watch::Receiver<bool>,
    /// True while settings have to prove themselves.
    pub trial: watch::Sender<bool>,
    pub facts: watch::Sender<Facts>,
}

/// Provisions the device whenever it needs that, until `shutdown`.
pub async fn run(part: Part, shutdown: Shutdown) {
    let settings = part.settings.borrow().clone();
    let contact = Contact {
        course: Course::new(settings.spread, settings.pace),
        record: None,
        error: None,
        outage: Outage::default(),
        part,
    };
    shutdown.cut_short(vec![Box::pin(contact.work())]).await;
}

struct Contact {
    part: Part,
    course: Course,
    /// Of the newest settings that were taken.
    record: Option<Record>,
    /// Why there are no settings, or no others.
    error: Option<String>,
    outage: Outage,
}

impl Contact {
    async fn work(mut self) {
        self.resume().await;
        loop {
            let settings = self.part.settings.borrow_and_update().clone();
            let reach = self.part.reach.borrow_and_update().clone();
            let now = Instant::now();
            self.course.hear(&reach, now);
            let need = need(&settings);
            let next = self.next(&settings, now);
            self.tell(&settings, need, next);
            match next {
                Next::Ask => self.ask(&settings, need).await,
                Next::Keep => self.keep(&settings).await,
                Next::Undo => self.undo(&settings).await,
                Next::Rest => self.changed().await,
                Next::Until(at) => tokio::select! {
                    () = sleep_until(at) => {}
                    () = self.changed() => {}
                },
            }
        }
    }

    fn next(&mut self, settings: &Settings, now: Instant) -> Next {
        let configured = Reached::configured(settings);
        self.course.next(need(settings), configured, now)
    }

    async fn changed(&mut self) {
        let Part {
            settings, reach, ..
        } = &mut self.part;
        let gone = tokio::select! {
            changed = settings.changed() => changed.is_err(),
            changed = reach.changed() => changed.is_err(),
        };
        if gone {
            // The end of the agent is near.
            std::future::pending::<()>().await;
        }
    }

    fn desk(&self, settings: &Settings) -> Desk {
        Desk {
            state_dir: self.part.state_dir.clone(),
            files: settings.files.clone(),
            root: self.part.root.clone(),
        }
    }

    /// Finds out what agents before this one were about.
    async fn resume(&mut self) {
        let settings = self.part.settings.borrow().clone();
        let record = match self.desk(&settings).ask(Order::Resume).await {
            Ok(Done::Resumed(record)) => record,
            Ok(_) => None,
            Err(error) => {
                log::warn!("provisioning: {error}; what was taken before is not known");
                None
            }
        };
        let now = Instant::now();
        if let Some(record) = &record {
            let ago = epoch_seconds().checked_sub(record.at);
            match (record.phase, ago) {
                (Phase::Trial, _) => {
                    log::info!(
                        "provisioning: the settings of {} are still on trial",
                        record.server
                    );
                    self.course.begun(record.reached, true, now);
                }
                (_, Some(ago)) if ago < HOUR => {
                    let then = now.checked_sub(settings.pace.of(Duration::from_secs(ago)));
                    self.course.wait_from(then.unwrap_or(now));
                }
                _ => {}
            }
            self.error.clone_from(&record.error);
        }
        self.record = record;
    }

    async fn ask(&mut self, settings: &Settings, need: Need) {
        let mut about = self.part.about.clone();
        let is_known = |about: &About| *about != About::default();
        // Without, it is asked all the same.
        let wait = timeout(settings.pace.of(ABOUT_WITHIN), about.wait_for(is_known));
        drop(wait.await);
        let about = about.borrow().clone();
        let asked = server::ask(settings, &self.part.resolver, &about).await;
        let offer = match asked {
            Ok(offer) => offer,
            Err(error) => return self.failed(need, error.to_string()),
        };
        // After that they are taken all the same.
        let _ended: bool = self.jobs_end(settings).await;
        let now = Instant::now();
        self.course.hear(&self.part.reach.borrow(), now);
        let newest = self.part.settings.borrow().clone();
        if newest.provision != settings.provision {
            return self.failed(need, "the init server is another now".to_owned());
        }
        let is_wanted = match self::need(&newest) {
            Need::Nothing => false,
            Need::Credentials => true,
            // Somebody may have given the device credentials meanwhile.
            Need::Others => need == Need::Others,
        };
        if !is_wanted {
            return self.course.failed(need, now);
        }
        let taking = Taking {
            offer,
            server: server::host(settings).unwrap_or_default(),
            at: epoch_seconds(),
            reached: self.course.reached(now),
            has_credentials: newest.has_credentials(),
        };
        match self.desk(&newest).ask(Order::Take(taking)).await {
            Ok(Done::Taken(Some(record))) => self.begin(record, &newest).await,
            Ok(_) => {
                self.error = Some("the init server has no other settings".to_owned());
                self.outage.over();
                self.course.nothing_new(now);
            }
            Err(error) => self.failed(need, error.to_string()),
        }
    }

    /// Waits for the end of jobs that run: other settings would be taken for their doing. True if there were some,
    /// and they ended in time.
    async fn jobs_end(&mut self, settings: &Settings) -> bool {
        let held = &mut self.part.held;
        if !*held.borrow() {
            return false;
        }
        log::info!("provisioning: settings wait for jobs that run");
        let within = settings.pace.of(JOBS_WITHIN);
        let ended = timeout(within, held.wait_for(|is_held| !is_held)).await;
        let ended = ended.map(|held| held.is_ok());
        if ended == Ok(false) {
            // The agent ends.
            std::future::pending::<()>().await;
        }
        ended.is_ok()
    }

    fn failed(&mut self, need: Need, error: String) {
        log::log!(self.outage.level(&error), "provisioning: {error}");
        self.course.failed(need, Instant::now());
        self.error = Some(error);
    }

    /// config.json has new settings.
    async fn begin(&mut self, record: Record, before: &Settings) {
        log::info!("provisioning: settings of {} taken", record.server);
        if !record.refused.is_empty() {
            let keys = record.refused.join(", ");
            log::warn!("provisioning: {} may not set {keys}", record.server);
        }
        self.outage.over();
        self.error = None;
        self.reload().await;
        let now = Instant::now();
        self.course.hear(&self.part.reach.borrow(), now);
        let keeps_session = before.is_same_link(&self.part.settings.borrow());
        self.course.begun(record.reached, keeps_session, now);
        self.record = Some(record);
    }

    async fn reload(&self) {
        if timeout(READ_WITHIN, (self.part.reload)()).await.is_err() {
            log::warn!("provisioning: settings were not read again in time");
        }
    }

    /// The settings reach what they have to.
    async fn keep(&mut self, settings: &Settings) {
        if let Some(record) = &self.record {
            log::info!("provisioning: the settings of {} work", record.server);
        }
        self.settle(settings, Phase::Done, None).await;
    }

    /// Puts the settings before back: they reached what the new ones do not.
    async fn undo(&mut self, settings: &Settings) {
        let Some(record) = self.record.clone() else {
            return self.course.settled(Instant::now());
        };
        if self.jobs_end(settings).await {
            // The servers may have been reached meanwhile.
            return;
        }
        let now = Instant::now();
        self.course.hear(&self.part.reach.borrow(), now);
        let newest = self.part.settings.borrow().clone();
        if self.next(&newest, now) != Next::Undo {
            return;
        }
        let settings = &newest;
        let lost = record.reached.words();
        let error = format!("the settings of {} did not reach {lost}", record.server);
        match self.desk(settings).ask(Order::Restore(record)).await {
            Ok(Done::Restored(true)) => {
                let error = format!("{error}; those before hold again");
                log::warn!("provisioning: {error}");
                self.settle(settings, Phase::Undone, Some(error)).await;
                self.reload().await;
            }
            Ok(_) => {
                let error = format!("{error}; config.json was changed since, and stays");
                log::warn!("provisioning: {error}");
                self.settle(settings, Phase::Done, Some(error)).await;
            }
            Err(fault) => {
                let error = format!("{error}; those before are not back yet: {fault}");
                log::log!(self.outage.level(&error), "provisioning: {error}");
                self.error = Some(error);
                sleep(settings.pace.of(AFTER_FAULT)).await;
            }
        }
    }

    async fn settle(&mut self, settings: &Settings, phase: Phase, error: Option<String>) {
        if let Some(record) = &mut self.record {
            record.phase = phase;
            record.error.clone_from(&error);
            let order = Order::Settle(record.clone());
            // The next start settles it.
            if let Err(fault) = self.desk(settings).ask(order).await {
                log::warn!("provisioning: {fault}");
            }
        }
        self.error = error;
        self.course.settled(Instant::now());
    }

    /// True if nothing has happened since the settings before hold again.
    fn is_undone(&self) -> bool {
        let record = self.record.as_ref();
        let record = record.filter(|record| record.phase == Phase::Undone);
        record.is_some_and(|record| record.error.is_some() && record.error == self.error)
    }

    fn tell(&self, settings: &Settings, need: Need, next: Next) {
        let has_server = !settings.provision.init_url.is_empty();
        let hindrance = has_server.then(|| server::hindrance(settings));
        let hindrance = hindrance.flatten().filter(|_| !settings.has_credentials());
        let phase = self.record.as_ref().map(|record| record.phase);
        let until = match next {
            Next::Until(at) => Some(at),
            _ => None,
        };
        let state = match (next, phase) {
            _ if self.course.is_trial() => State::Trial,
            _ if hindrance.is_some() => State::Refused,
            (_, Some(Phase::Undone)) if self.is_undone() => State::Refused,
            (Next::Until(_) | Next::Ask, _) if need != Need::Nothing => State::Waiting,
            (_, Some(Phase::Undone)) => State::Refused,
            (_, Some(_)) => State::Done,
            (_, None) => State::NotNeeded,
        };
        let last_error = match state {
            State::Waiting if self.course.is_doubtful() => {
                Some("the settings of the init server reach neither broker nor API".to_owned())
            }
            State::Waiting if self.error.is_none() && need == Need::Others => {
                Some("the API denies the credentials of this device".to_owned())
            }
            State::NotNeeded | State::Trial => None,
            _ => hindrance.or_else(|| self.error.clone()),
        };
        let pending = until.map(|at| {
            let wait = at.saturating_duration_since(Instant::now());
            epoch_seconds() + wait.as_secs_f64().ceil() as u64
        });
        let record = self.record.as_ref();
        let is_ready = match state {
            State::Trial => false,
            State::Waiting | State::Refused => settings.has_credentials() || self.is_undone(),
            State::NotNeeded | State::Done => true,
        };
        self.part.facts.send_if_modified(|facts| {
            let before = facts.clone();
            facts.be(state);
            facts.server = record
                .map(|record| record.server.clone())
                .filter(|_| matches!(state, State::Trial | State::Done))
                .or_else(|| server::host(settings));
            facts.last_error = last_error;
            facts.next_attempt = pending.filter(|_| state != State::Done);
            facts.refused_keys = record.map(|it| it.refused.clone()).unwrap_or_default();
            facts.at = record.map(|record| record.at);
            facts.is_ready = is_ready;
            *facts != before
        });
        publish(&self.part.trial, self.course.is_trial());
    }
}

fn need(settings: &Settings) -> Need {
    if settings.provision.init_url.is_empty() || server::hindrance(settings).is_some() {
        return Need::Nothing;
    }
    match settings.has_credentials() {
        true => Need::Others,
        false => Need::Credentials,
    }
}
