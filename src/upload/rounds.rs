//! Delivery in rounds: one a heartbeat, all there is, oldest first; of a backlog as much as [`Drain`] lets go.
//!
//! It touches nothing but a [`Way`] and a [`Queue`], and time passes on the way alone, so that the lab has a fleet of
//! them in simulated time.
//!
//! While more waits than goes into one request, the newest report goes ahead in a request of its own,
//! once a heartbeat, and between two requests the link is left alone for as long as the last one took:
//! a backlog delays neither what is new nor others on the same line.
//!
//! A batch that is refused is halved until it is accepted or one report is refused alone. That one is
//! set aside and the others go on, one by one until something is accepted ([`Refusals`] has the
//! evidence). If several are refused in a row, the server is at fault: all of them go back to their
//! place, and the next round begins with one report.

use std::time::Duration;

use spool::Batch;
use tokio::time::Instant;

use super::date::DateAsker;
use super::drain::Drain;
use super::link::Way;
use super::queue::Queue;
use super::refusals::{Narrow, Refusals};
use super::setting::Setting;
use super::size::{Patience, Size};
use super::{phase, DeliveryError};
use crate::http::{deadline, Attempts, Body};
use crate::process::clock::epoch_seconds;

/// The link is left alone between two requests for no longer than this.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Payload Too Large.
const TOO_LARGE: u16 = 413;

/// Reports refused one after the other that put the server at fault.
const SUSPECTS: usize = 4;

/// As many, by a server that accepted something in the same round.
const SUSPECTS_OF_ONE_THAT_WORKS: usize = 16;

/// Reports set aside that are sent again, at most, between two requests with others.
const AGAIN: usize = 8;

/// The course of deliveries.
pub struct Rounds<'a, W, Q> {
    link: W,
    queue: Q,
    around: Setting<'a>,
    start: Instant,
    phase: Duration,
    drain: Drain,
    dates: DateAsker,
    attempts: Attempts,
    heartbeat: Duration,
    /// The beat in which the newest report last went ahead of others, or could have.
    went_ahead: Option<u128>,
    /// The newest report went ahead and did not get an answer in time; nothing was accepted since.
    ahead_is_late: bool,
    size: Size,
    patience: Patience,
    refusals: Refusals,
    /// Bytes of half a batch that was refused: what is at fault is in this much.
    narrow: Option<Narrow>,
    /// The server refused everything when it was last asked.
    holds: bool,
    /// Something was accepted in this round.
    works: bool,
    /// Why a report was set aside in this round, until another one is accepted.
    refusal: Option<DeliveryError>,
    /// The newest report was sent in this round, and nothing has been accepted since.
    heard_newest: bool,
}

/// The fate of a batch that was answered.
enum Sent {
    Accepted,
    /// Refused; half of it is next.
    Halved(Option<Batch>),
    SetAside,
}

impl<'a, W: Way, Q: Queue> Rounds<'a, W, Q> {
    pub fn new(link: W, queue: Q, around: Setting<'a>) -> Self {
        let settings = around.settings;
        let pace = settings.pace;
        let heartbeat = pace.of(settings.upload.heartbeat);
        Rounds {
            start: link.now(),
            link,
            queue,
            around,
            phase: phase::phase(around.mac, heartbeat),
            drain: Drain::new(settings),
            dates: DateAsker::default(),
            attempts: Attempts::new(settings.spread, settings.pace),
            heartbeat,
            went_ahead: None,
            ahead_is_late: false,
            size: Size::new(pace),
            patience: Patience::new(),
            refusals: Refusals::new(pace),
            narrow: None,
            holds: false,
            works: false,
            refusal: None,
            heard_newest: false,
        }
    }

    /// Delivers round by round until the spool stops.
    pub async fn run(mut self) {
        let Setting { facts, asks, .. } = self.around;
        let mut wait = self.attempts.first();
        loop {
            let at = epoch_seconds() + wait.as_secs_f64().ceil() as u64;
            facts.send_modify(|facts| facts.next_attempt = Some(at));
            let asked = tokio::select! {
                () = self.link.pause(wait) => false,
                () = asks.asked() => true,
            };
            facts.send_modify(|facts| facts.next_attempt = None);

            wait = match self.round(asked).await {
                Ok(()) => {
                    let since = self.link.now() - self.start;
                    phase::until_next(since, self.phase, self.heartbeat)
                }
                Err(DeliveryError::Spool(_)) => return,
                Err(error) => {
                    let (text, is_denial) = (error.to_string(), error.is_denial());
                    let asked = error.asked_wait();
                    let wait = self
                        .attempts
                        .failed("delivery", &text, asked, self.link.now());
                    facts.send_modify(|facts| facts.not_delivered(text, is_denial));
                    wait
                }
            };
        }
    }

    /// Sends what may go; that is all there is if somebody asked.
    async fn round(&mut self, asked: bool) -> Result<(), DeliveryError> {
        self.link.begin();
        self.drain.begin(asked);
        self.works = false;
        self.narrow = None;
        self.refusal = None;
        self.heard_newest = false;
        let sent = self.send_all().await;
        if sent.is_err() {
            let suspects = self.refusals.failed();
            self.queue.take_back(suspects).await?;
            self.drain.over();
        }
        sent
    }

    async fn send_all(&mut self) -> Result<(), DeliveryError> {
        let mut next = self.next().await?;
        if next.is_none() && self.dates.ask(&mut self.link, &self.queue).await? {
            next = self.next().await?;
        }
        if next.is_none() {
            self.around.facts.send_modify(|facts| facts.idle());
            self.send_again().await?;
        }
        while let Some(batch) = next {
            if batch.more && self.is_newest_due() {
                self.heard_newest = true;
                if let Some(newest) = self.queue.newest().await? {
                    let sent = self.attempt(&newest).await;
                    self.ahead_is_late = matches!(&sent, Err(error) if error.is_late());
                    sent?;
                }
                self.went_ahead = Some(self.beat());
                next = self.next().await?;
                continue;
            }
            let begun = self.link.now();
            let must_go = self.is_searching() || self.ahead_is_late;
            match batch.more {
                true if !must_go && !self.drain.may_go(begun) => break,
                true => {}
                false => self.drain.over(),
            }
            next = match self.attempt(&batch).await? {
                Sent::Halved(Some(half)) => Some(half),
                Sent::Accepted => {
                    self.drain.sent(batch.reports);
                    self.send_again().await?;
                    if batch.more && self.drain.is_spent() {
                        break;
                    }
                    if batch.more {
                        let took = self.link.now() - begun;
                        self.link.pause(took.min(PAUSE_MAX)).await;
                    }
                    self.next().await?
                }
                Sent::Halved(None) | Sent::SetAside => self.next().await?,
            };
        }
        match self.refusal.take() {
            Some(error) if !self.works => {
                self.holds = true;
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// The reports to send next: one alone while the server is in doubt.
    async fn next(&self) -> Result<Option<Batch>, DeliveryError> {
        let (bytes, reports) = match &self.narrow {
            _ if self.holds || self.refusals.suspects() > 0 => (0, 1),
            Some(narrow) => (narrow.bytes, usize::MAX),
            None => (self.size.max(), self.drain.most(self.link.now())),
        };
        Ok(self.queue.next_few(bytes, reports).await?)
    }

    /// True while it is not known whether the server is at fault, or which report.
    fn is_searching(&self) -> bool {
        self.holds || self.narrow.is_some() || self.refusals.suspects() > 0
    }

    /// The number of the heartbeat that has begun.
    fn beat(&self) -> u128 {
        phase::beats(self.link.now() - self.start, self.phase, self.heartbeat)
    }

    /// True if the newest report goes ahead now: once a heartbeat, and before the server is found at fault.
    fn is_newest_due(&self) -> bool {
        let is_last_witness = self.refusals.suspects() + 1 == self.suspects_max();
        let is_due = self.went_ahead != Some(self.beat());
        !self.ahead_is_late && (is_due || is_last_witness && !self.heard_newest)
    }

    fn suspects_max(&self) -> usize {
        match self.works {
            true => SUSPECTS_OF_ONE_THAT_WORKS,
            false => SUSPECTS,
        }
    }

    /// Sends a batch and settles it.
    async fn attempt(&mut self, batch: &Batch) -> Result<Sent, DeliveryError> {
        let error = match self.send(batch).await {
            Ok(()) => {
                self.narrow = self.narrow.take().filter(|narrow| !narrow.is_second);
                if let Some(narrow) = &mut self.narrow {
                    narrow.is_second = true;
                }
                return Ok(Sent::Accepted);
            }
            Err(error) => error,
        };
        let Some((host, status)) = error.refusal() else {
            self.queue.kept_back(batch.id).await?;
            return Err(error);
        };
        let len = batch.body.len() as u64;
        if status == TOO_LARGE {
            self.size.failed(len, self.link.now());
        }
        if batch.reports > 1 {
            log::debug!(
                "delivery: {error}; trying half of {} reports",
                batch.reports
            );
            let half = self.queue.halve(batch.id).await?;
            self.narrow = half.as_ref().map(|half| Narrow {
                bytes: half.body.len() as u64,
                is_second: false,
            });
            return Ok(Sent::Halved(half));
        }
        self.narrow = None;
        log::debug!("delivery: {error} to one report");
        let format = DeliveryError::Format {
            host: host.to_owned(),
            status,
        };
        let is_full = self.refusals.is_full();
        let now = self.link.now();
        self.refusals.refused(&batch.first, host, now);
        if is_full || self.refusals.suspects() >= self.suspects_max() {
            self.holds = true;
            self.queue.kept_back(batch.id).await?;
            return Err(format);
        }
        self.queue.set_aside(batch.id).await?;
        self.refusal = Some(format);
        Ok(Sent::SetAside)
    }

    /// Sends reports again that were set aside, if their time has come: the server works at the moment,
    /// or nothing else waits that could tell.
    async fn send_again(&mut self) -> Result<(), DeliveryError> {
        for _ in 0..AGAIN {
            let Some(report) = self.refusals.due(self.link.now()) else {
                return Ok(());
            };
            let Some(batch) = self.queue.alone(report.clone()).await? else {
                self.refusals.forget(&report);
                continue;
            };
            let Err(error) = self.send(&batch).await else {
                continue;
            };
            if let DeliveryError::Spool(stopped) = error {
                return Err(stopped.into());
            }
            if let Some((host, _)) = error.refusal() {
                log::debug!("delivery: {error} to one report again");
                self.refusals.refused(&report, host, self.link.now());
                self.queue.set_aside(batch.id).await?;
            } else {
                // Nothing is known of the report; the next request finds out about the server.
                log::debug!("delivery: {error}");
                self.refusals.put_off(&report, self.link.now());
                self.queue.kept_back(batch.id).await?;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Sends a batch; one that is accepted leaves the spool.
    async fn send(&mut self, batch: &Batch) -> Result<(), DeliveryError> {
        let Setting {
            settings, facts, ..
        } = self.around;
        let body = Body::of_gzip(batch.body.clone(), settings.upload.format);
        let usual = deadline(body.bytes.len());
        let within = match batch.reports {
            1 => self.patience.time(usual),
            _ => usual,
        };
        let begun = self.link.now();
        let posted = self.link.post(body, within).await;
        let now = self.link.now();
        let took = now - begun;
        if let Some(date) = self.link.take_date() {
            self.queue.server_date(date).await?;
        }
        let len = batch.body.len() as u64;
        let host = match posted {
            Ok(host) => host,
            Err(error) => {
                match batch.reports {
                    _ if !error.is_late() => {}
                    1 => self.patience.failed(usual),
                    _ => self.size.failed(len, now),
                }
                return Err(error.into());
            }
        };
        self.queue.delivered(batch.id).await?;
        self.size.accepted(len, took, usual, now);
        self.patience.accepted(usual, took);
        self.attempts.accepted(now);
        log::debug!("delivery: {} reports accepted by {host}", batch.reports);
        self.works = true;
        self.holds = false;
        self.ahead_is_late = false;
        self.heard_newest = false;
        self.refusal = None;
        self.judge(batch, &host).await?;
        facts.send_modify(|facts| facts.delivered(host, batch.reports));
        Ok(())
    }

    /// Counts refusals, now that `host` has accepted `batch`.
    async fn judge(&mut self, batch: &Batch, host: &str) -> Result<(), DeliveryError> {
        let now = self.link.now();
        let judged = self.refusals.accepted(&batch.first, host, now);
        if judged.set_aside > 0 {
            log::warn!(
                "delivery: {host} refuses {} reports and accepts others; they are kept and sent again in 2 h",
                judged.set_aside
            );
        }
        for report in judged.given_up {
            if let Some(refused) = self.queue.alone(report).await? {
                log::warn!("delivery: {host} refused a report for hours and accepted others; it is given up");
                self.queue.refused(refused.id).await?;
            }
        }
        Ok(())
    }
}
