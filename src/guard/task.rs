//! The task that drives trials: one at a time, from the snapshot to the verdict.

mod resume;
mod settings;
mod undo;
mod verdict;

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use ubus::Client;
use uci::Directories;

use super::desk::Desk;
use super::facts::Facts;
use super::handle::{Ask, Handle};
use super::journal::Journal;
use super::json::Json;
use super::luci;
use super::owed::Owed;
use super::own::Own;
use super::places::{Doing, Found, WithJournal};
use super::trial::Witnesses;
use super::unread::Unread;
use crate::actions::Actions;
use crate::boot::Reboot;
use crate::collect::{DeviceEvents, Event};
use crate::config::reload;
use crate::config::{strict, Config, Loaded, PACKAGE};
use crate::jobs::{Judged, Ran, Ticket, NOT_SETTLED};
use crate::process::clock::{epoch_seconds, Pace};
use crate::process::facts::publish;
use crate::process::shutdown::Shutdown;
use crate::process::starts::Hold;
use crate::terminal::safe;
use crate::{health, http, mqtt, upload};

/// Asks that wait for the task: those of running jobs, and one for each that is settled.
const ASKS: usize = 256;

/// The options that say how long a trial takes, read when it begins.
struct Options {
    /// Longest run of a command.
    job_timeout: Duration,
    /// Time in which a change has to prove itself.
    rollback_timeout: Duration,
    pace: Pace,
}

impl From<&Config> for Options {
    fn from(config: &Config) -> Self {
        Options {
            job_timeout: config.jobs.timeout,
            rollback_timeout: config.jobs.rollback_timeout,
            pace: config.pace,
        }
    }
}

/// The parts and handles that the task works with.
pub struct Part {
    pub settings: reload::Handle,
    pub mqtt: watch::Receiver<mqtt::Facts>,
    pub api: watch::Receiver<http::Facts>,
    pub health: health::Handle,
    pub deliveries: upload::Handle,
    pub client: Client,
    pub actions: Arc<dyn Actions>,
    pub reboot: Reboot,
    /// Nothing is expected of the broker before it is over.
    pub hold: Hold,
    pub events: DeviceEvents,
    pub facts: watch::Sender<Facts>,
    /// True while a change is on trial or being undone.
    pub armed: watch::Sender<bool>,
}

/// The surroundings that the handle needs before the task is made.
pub struct Surroundings {
    pub settings: reload::Handle,
    pub mqtt: watch::Receiver<mqtt::Facts>,
    /// True while the last good copies of the settings stay as they are.
    pub held: watch::Sender<bool>,
    pub uci: Directories,
}

/// The requests to the task, and the trial it goes on with.
pub struct Inbox {
    found: Found,
    asks: mpsc::Receiver<Ask>,
    own: Arc<Own>,
    left: Arc<OnceLock<String>>,
    is_unread: Arc<AtomicBool>,
}

/// The handle for the jobs part, and what the task needs to hear it.
pub fn new(found: Found, around: Surroundings) -> (Handle, Inbox) {
    let (sender, asks) = mpsc::channel(ASKS);
    let own = Arc::new(Own::new(around.held, around.uci.replacing.join(PACKAGE)));
    let left = Arc::new(OnceLock::new());
    if let Some(journal) = &found.journal {
        left.get_or_init(|| journal.key.clone());
    }
    let is_unread = Arc::new(AtomicBool::new(found.is_unread));
    let handle = Handle {
        asks: sender,
        own: Arc::clone(&own),
        settings: around.settings,
        mqtt: around.mqtt,
        left: Arc::clone(&left),
        is_unread: Arc::clone(&is_unread),
        state_dir: found.state_dir().to_owned(),
    };
    let inbox = Inbox {
        found,
        asks,
        own,
        left,
        is_unread,
    };
    (handle, inbox)
}

/// Watches over jobs until `shutdown`. What is on trial then is left to the next agent.
pub async fn run(part: Part, inbox: Inbox, shutdown: Shutdown) {
    let task = Task::new(part, inbox, shutdown.clone());
    shutdown.cut_short(vec![Box::pin(task.work())]).await;
}

struct Task {
    found: Found,
    asks: mpsc::Receiver<Ask>,
    own: Arc<Own>,
    /// The key of the job of an earlier agent that is decided here.
    left: Arc<OnceLock<String>>,
    /// It may have left one that cannot be read yet.
    is_unread: Arc<AtomicBool>,
    unread: Unread,
    settings: reload::Handle,
    witnesses: Witnesses,
    client: Client,
    actions: Arc<dyn Actions>,
    reboot: Reboot,
    hold: Hold,
    ends: Shutdown,
    events: DeviceEvents,
    facts: watch::Sender<Facts>,
    armed: watch::Sender<bool>,
    /// The change on trial, or one that is decided and not settled.
    journal: Option<Journal>,
    /// The verdict on it.
    judged: Option<Judged>,
    /// Nobody waits for it.
    is_settled: bool,
    owed: Owed,
    /// Our settings as a job has left them, while they could not be put back.
    own_left: Option<Loaded>,
}

impl Task {
    fn new(part: Part, mut inbox: Inbox, ends: Shutdown) -> Self {
        let current = part.settings.current();
        let pace = current.borrow().loaded.config.pace;
        inbox.found.places.holds_by(Arc::new(move |uci| {
            // The disk may take minutes, for which nobody else is to wait.
            let now = current.borrow().clone();
            strict::hold_with(&now.loaded, uci)
        }));
        let unread = match inbox.found.is_unread {
            true => Unread::since_the_start(pace),
            false => Unread::default(),
        };
        Task {
            found: inbox.found,
            asks: inbox.asks,
            own: inbox.own,
            left: inbox.left,
            is_unread: inbox.is_unread,
            unread,
            settings: part.settings,
            witnesses: Witnesses {
                mqtt: part.mqtt,
                api: part.api,
                health: part.health,
                deliveries: part.deliveries,
            },
            client: part.client,
            actions: part.actions,
            reboot: part.reboot,
            hold: part.hold,
            ends,
            events: part.events,
            facts: part.facts,
            armed: part.armed,
            journal: None,
            judged: None,
            is_settled: false,
            owed: Owed::default(),
            own_left: None,
        }
    }

    fn options(&self) -> Options {
        let current = self.settings.current();
        let current = current.borrow();
        (&*current.loaded.config).into()
    }

    fn pace(&self) -> Pace {
        self.options().pace
    }

    async fn work(mut self) {
        loop {
            if let Some(journal) = self.found.journal.take() {
                self.go_on(journal).await;
            }
            let ask = tokio::select! {
                ask = self.asks.recv() => ask,
                () = self.owed.due(&self.found.places) => {
                    // That it failed has been said.
                    drop(self.write(self.journal.clone()).await);
                    continue;
                }
                () = self.unread.due(&self.found.places) => {
                    drop(self.look_again().await);
                    continue;
                }
            };
            match ask {
                Some(ask) => self.answer(ask).await,
                None => return,
            }
        }
    }

    async fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Arm { ticket, answer } => {
                let armed = self.arm(ticket).await;
                let is_armed = armed.is_ok();
                if answer.send(armed).is_err() && is_armed {
                    // It was cancelled meanwhile.
                    self.forget().await;
                }
            }
            Ask::Ended {
                ticket,
                is_guarded,
                ran,
                answer,
            } => {
                let judged = match is_guarded {
                    true => self.ended(&ticket.key, ran).await,
                    false => self.own_ended(&ticket.id).await,
                };
                self.own.ends();
                // The jobs part ends; the next agent finds the journal.
                drop(answer.send(judged));
            }
            Ask::Settled(key) => self.settled(&key).await,
            Ask::Look(answer) => {
                self.unread.asks(answer);
                // That it failed has been said.
                drop(self.look_again().await);
            }
        }
    }

    /// Does `work` with a copy of the journal, and takes the copy over.
    fn with_journal<'a, T: Send + 'static>(
        &'a self,
        journal: &'a mut Journal,
        work: impl FnOnce(&mut Desk, &mut Journal) -> io::Result<T> + Send + 'static,
    ) -> Doing<'a, T> {
        self.journaled(journal, Box::new(work))
    }

    /// Compiled once for each outcome.
    fn journaled<'a, T: Send + 'static>(
        &'a self,
        journal: &'a mut Journal,
        work: WithJournal<T>,
    ) -> Doing<'a, T> {
        Box::pin(async move {
            let mut copy = journal.clone();
            let done = self.found.places.on_disk(move |desk| {
                let done = work(desk, &mut copy);
                (copy, done)
            });
            let (copy, done) = done.await?;
            *journal = copy;
            done
        })
    }

    fn tell(&self, armed: bool, until: Option<Instant>, job: &str) {
        let until = until.map(|until| {
            let left = until.saturating_duration_since(Instant::now());
            epoch_seconds() + left.as_secs()
        });
        self.facts.send_replace(Facts {
            armed,
            until: until.filter(|_| armed),
            job: armed.then(|| job.to_owned()),
        });
        publish(&self.armed, armed);
    }

    fn event(&self, why: String) {
        log::warn!("guard: {}", safe(&why));
        self.events.tell(Event {
            at: epoch_seconds(),
            kind: "guard",
            why: Some(why),
            ..Event::default()
        });
    }

    /// Everything that has to be there before the command of a network job begins.
    async fn arm(&mut self, ticket: Ticket) -> Result<(), String> {
        let looked = self.look_again().await;
        looked.map_err(|error| {
            format!("the change of an earlier network job cannot be read: {error}")
        })?;
        let is_left = |journal: &Journal| self.left.get() == Some(&journal.key);
        if self.found.journal.is_some() || self.journal.as_ref().is_some_and(is_left) {
            // The journal stays: the task goes on with it as soon as this is answered, or the ledger yet waits for its
            // verdict.
            return Err(NOT_SETTLED.to_owned());
        }
        let json = {
            let current = self.settings.current();
            let files = current.borrow().loaded.files.clone();
            let kept = move || strict::can_be_kept(&files).map(|()| Json::before(&files.json));
            let kept = self.found.places.aside(kept).await.and_then(|kept| kept);
            kept.map_err(|error| {
                format!("an undo could loosen the settings of the agent: {error}")
            })?
        };
        if !luci::is_free(&self.client, self.pace()).await {
            return Err("a LuCI change waits for confirmation".to_owned());
        }
        let needs = self.witnesses.reached().await;
        let journal = Journal {
            json,
            detach: ticket.detach,
            place: self.found.place.clone(),
            needs,
            ..Journal::armed(ticket.key, ticket.id)
        };
        let journal = match self.found.places.arm(journal).await {
            Ok(journal) => journal,
            Err(error) => {
                // It may have failed halfway; but a journal that could not be read yet stays.
                if !self.found.is_unread {
                    self.owed.later(self.pace());
                }
                return Err(error.to_string());
            }
        };
        // A journal on the disk is of this agent from now on, and has replaced the one before.
        self.found.is_unread = false;
        self.owed = Owed::default();
        self.tell(true, None, &journal.id);
        self.journal = Some(journal);
        (self.judged, self.is_settled) = (None, false);
        Ok(())
    }

    /// The command of a network job has ended.
    async fn ended(&mut self, key: &str, ran: Option<Ran>) -> Judged {
        let Some(mut journal) = self.journal.take_if(|journal| journal.key == key) else {
            return Judged {
                // Nobody has decided about an earlier agent's job.
                dropped: self.found.is_unread,
                ..Judged::default()
            };
        };
        if let Some(judged) = self.judged.clone() {
            self.journal = Some(journal);
            return judged;
        }
        let noted = self
            .with_journal(&mut journal, move |desk, journal| {
                journal.see_json();
                desk.ended(journal, ran)
            })
            .await;
        if let Err(error) = noted {
            log::error!("guard: {error}");
        }
        let timeout = self.options().rollback_timeout;
        self.try_out(journal, timeout).await
    }
}
