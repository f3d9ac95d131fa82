//! Delivery in rounds: one a heartbeat, all there is, oldest first.
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

use tokio::time::{sleep, Instant};

use super::date::DateAsker;
use super::link::Way;
use super::refusals::Refusals;
use super::size::{Patience, Size};
use super::{phase, DeliveryError, Part};
use crate::clock::epoch_seconds;
use crate::http::{deadline, Attempts, Body};
use crate::spool::Batch;

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
pub(super) struct Rounds<'a, W> {
    link: W,
    part: &'a Part,
    dates: DateAsker,
    attempts: Attempts,
    heartbeat: Duration,
    /// When the newest report last went ahead of others, or could have.
    went_ahead: Option<Instant>,
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

/// A search for the report that is at fault.
struct Narrow {
    bytes: u64,
    /// The first half was accepted, so the other has it.
    is_second: bool,
}

/// The fate of a batch that was answered.
enum Sent {
    Accepted,
    /// Refused; half of it is next.
    Halved(Option<Batch>),
    SetAside,
}

impl<'a, W: Way> Rounds<'a, W> {
    pub(super) fn new(link: W, part: &'a Part) -> Self {
        let pace = part.config.pace;
        Rounds {
            link,
            part,
            dates: DateAsker::default(),
            attempts: Attempts::new(&part.config),
            heartbeat: pace.of(part.config.heartbeat),
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
    pub(super) async fn run(mut self) {
        let facts = &self.part.facts;
        let phase = phase::phase(&self.part.mac, self.heartbeat);
        let start = Instant::now();
        let mut wait = self.attempts.first();
        loop {
            let at = epoch_seconds() + wait.as_secs_f64().ceil() as u64;
            facts.send_modify(|facts| facts.next_attempt = Some(at));
            tokio::select! {
                () = sleep(wait) => {}
                () = self.part.asks.asked() => {}
            }
            facts.send_modify(|facts| facts.next_attempt = None);

            wait = match self.round().await {
                Ok(()) => phase::until_next(start.elapsed(), phase, self.heartbeat),
                Err(DeliveryError::Spool(_)) => return,
                Err(error) => {
                    let (text, is_denial) = (error.to_string(), error.is_denial());
                    let asked = error.asked_wait();
                    let wait = self.attempts.failed("delivery", &text, asked);
                    facts.send_modify(|facts| facts.not_delivered(text, is_denial));
                    wait
                }
            };
        }
    }

    /// Sends all there is.
    async fn round(&mut self) -> Result<(), DeliveryError> {
        self.link.begin();
        self.works = false;
        self.narrow = None;
        self.refusal = None;
        self.heard_newest = false;
        let sent = self.send_all().await;
        if sent.is_err() {
            let suspects = self.refusals.failed();
            self.part.spool.take_back(suspects).await?;
        }
        sent
    }

    async fn send_all(&mut self) -> Result<(), DeliveryError> {
        let spool = &self.part.spool;
        let mut next = self.next().await?;
        if next.is_none() && self.dates.ask(&mut self.link, spool).await? {
            next = self.next().await?;
        }
        if next.is_none() {
            self.part.facts.send_modify(|facts| facts.idle());
            self.send_again().await?;
        }
        while let Some(batch) = next {
            if batch.more && self.is_newest_due() {
                self.heard_newest = true;
                if let Some(newest) = spool.newest().await? {
                    let sent = self.attempt(&newest).await;
                    self.ahead_is_late = matches!(&sent, Err(error) if error.is_late());
                    sent?;
                }
                self.went_ahead = Some(Instant::now());
                next = self.next().await?;
                continue;
            }
            let begun = Instant::now();
            next = match self.attempt(&batch).await? {
                Sent::Halved(Some(half)) => Some(half),
                Sent::Accepted => {
                    self.send_again().await?;
                    if batch.more {
                        sleep(begun.elapsed().min(PAUSE_MAX)).await;
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
        let bytes = match &self.narrow {
            _ if self.holds || self.refusals.suspects() > 0 => 0,
            Some(narrow) => narrow.bytes,
            None => self.size.max(),
        };
        Ok(self.part.spool.next_batch(bytes).await?)
    }

    /// True if the newest report goes ahead now: once a heartbeat, and before the server is found at fault.
    fn is_newest_due(&self) -> bool {
        let due = |at: Instant| at.elapsed() >= self.heartbeat;
        let is_last_witness = self.refusals.suspects() + 1 == self.suspects_max();
        let is_due = self.went_ahead.is_none_or(due);
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
        let spool = &self.part.spool;
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
            spool.kept_back(batch.id).await?;
            return Err(error);
        };
        let len = batch.body.len() as u64;
        if status == TOO_LARGE {
            self.size.failed(len);
        }
        if batch.reports > 1 {
            log::debug!(
                "delivery: {error}; trying half of {} reports",
                batch.reports
            );
            let half = spool.halve(batch.id).await?;
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
        self.refusals.refused(&batch.first, host);
        if is_full || self.refusals.suspects() >= self.suspects_max() {
            self.holds = true;
            spool.kept_back(batch.id).await?;
            return Err(format);
        }
        spool.set_aside(batch.id).await?;
        self.refusal = Some(format);
        Ok(Sent::SetAside)
    }

    /// Sends reports again that were set aside, if their time has come: the server works at the moment,
    /// or nothing else waits that could tell.
    async fn send_again(&mut self) -> Result<(), DeliveryError> {
        let spool = &self.part.spool;
        for _ in 0..AGAIN {
            let Some(report) = self.refusals.due() else {
                return Ok(());
            };
            let Some(batch) = spool.alone(report.clone()).await? else {
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
                self.refusals.refused(&report, host);
                spool.set_aside(batch.id).await?;
            } else {
                // Nothing is known of the report; the next request finds out about the server.
                log::debug!("delivery: {error}");
                self.refusals.put_off(&report);
                spool.kept_back(batch.id).await?;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Sends a batch; one that is accepted leaves the spool.
    async fn send(&mut self, batch: &Batch) -> Result<(), DeliveryError> {
        let Part {
            config,
            spool,
            facts,
            ..
        } = self.part;
        let body = Body::of_gzip(batch.body.clone(), config.upload_format);
        let usual = deadline(body.bytes.len());
        let within = match batch.reports {
            1 => self.patience.time(usual),
            _ => usual,
        };
        let begun = Instant::now();
        let posted = self.link.post(body, within).await;
        let took = begun.elapsed();
        if let Some(date) = self.link.take_date() {
            spool.server_date(date).await?;
        }
        let len = batch.body.len() as u64;
        let host = match posted {
            Ok(host) => host,
            Err(error) => {
                match batch.reports {
                    _ if !error.is_late() => {}
                    1 => self.patience.failed(usual),
                    _ => self.size.failed(len),
                }
                return Err(error.into());
            }
        };
        spool.delivered(batch.id).await?;
        self.size.accepted(len, took, usual);
        self.patience.accepted(usual, took);
        self.attempts.accepted();
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
        let spool = &self.part.spool;
        let judged = self.refusals.accepted(&batch.first, host);
        if judged.set_aside > 0 {
            log::warn!(
                "delivery: {host} refuses {} reports and accepts others; they are kept and sent again in 2 h",
                judged.set_aside
            );
        }
        for report in judged.given_up {
            if let Some(refused) = spool.alone(report).await? {
                log::warn!("delivery: {host} refused a report for hours and accepted others; it is given up");
                spool.refused(refused.id).await?;
            }
        }
        Ok(())
    }
}
