//! Delivery in rounds: one a heartbeat, all there is, oldest first.
//!
//! While more waits than goes into one request, the newest report goes ahead in a request of its own,
//! once a heartbeat, and between two requests the link is left alone for as long as the last one took:
//! a backlog delays neither what is new nor others on the same line.

use std::time::Duration;

use tokio::time::{sleep, Instant};

use super::link::Link;
use super::{phase, DeliveryError, Part, BATCH_MAX};
use crate::clock::epoch_seconds;
use crate::http::{deadline, Attempts, Body};
use crate::spool::Batch;

/// The link is left alone between two requests for no longer than this.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A server that has accepted something within this time is not the one at fault.
const TRUSTED: Duration = Duration::from_secs(3600);

/// The course of deliveries.
pub(super) struct Rounds<'a> {
    link: Link,
    part: &'a Part,
    attempts: Attempts,
    heartbeat: Duration,
    /// When a report was last accepted.
    accepted: Option<Instant>,
    /// When the newest report last went ahead of others, or could have.
    went_ahead: Option<Instant>,
    /// Bytes in a request; less than usual after an answer that it was too large.
    batch_max: u64,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(link: Link, part: &'a Part) -> Self {
        Rounds {
            link,
            part,
            attempts: Attempts::new(&part.config),
            heartbeat: part.config.pace.of(part.config.heartbeat),
            accepted: None,
            went_ahead: None,
            batch_max: BATCH_MAX,
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
                    let text = error.to_string();
                    let asked = error.asked_wait();
                    let wait = self.attempts.failed("delivery", &text, asked);
                    facts.send_modify(|facts| facts.refused(text));
                    wait
                }
            };
        }
    }

    /// Sends all there is.
    async fn round(&mut self) -> Result<(), DeliveryError> {
        self.link.begin();
        // Servers change: some more is tried each time.
        self.batch_max = (2 * self.batch_max).min(BATCH_MAX);
        let spool = &self.part.spool;
        let mut next = spool.next_batch(self.batch_max).await?;
        if next.is_none() {
            self.part.facts.send_modify(|facts| facts.idle());
        }
        while let Some(batch) = next {
            if batch.more && self.fresh_is_due() {
                self.send_newest().await?;
                self.went_ahead = Some(Instant::now());
                next = spool.next_batch(self.batch_max).await?;
                continue;
            }
            let begun = Instant::now();
            let more = batch.more;
            next = match self.send(&batch).await {
                Ok(()) if more => {
                    sleep(begun.elapsed().min(PAUSE_MAX)).await;
                    spool.next_batch(self.batch_max).await?
                }
                Ok(()) => spool.next_batch(self.batch_max).await?,
                Err(error) if is_about_the_batch(&error) => self.halve(batch, error).await?,
                Err(error) => {
                    spool.kept_back(batch.id).await?;
                    return Err(error);
                }
            };
        }
        Ok(())
    }

    fn fresh_is_due(&self) -> bool {
        let due = |at: Instant| at.elapsed() >= self.heartbeat;
        self.went_ahead.is_none_or(due)
    }

    /// Sends the newest report ahead of others, if there are any. True if it was accepted; an answer that
    /// is about this one report alone holds up nobody.
    async fn send_newest(&mut self) -> Result<bool, DeliveryError> {
        let spool = &self.part.spool;
        let Some(batch) = spool.newest().await? else {
            return Ok(false);
        };
        match self.send(&batch).await {
            Ok(()) => Ok(true),
            Err(error) => {
                spool.kept_back(batch.id).await?;
                match is_about_the_batch(&error) {
                    true => Ok(false),
                    false => Err(error),
                }
            }
        }
    }

    /// Goes on with half of a batch that was refused for what is in it. A single report is set aside
    /// if the server accepts others; if it accepts none, it is the server that is at fault.
    async fn halve(
        &mut self,
        batch: Batch,
        error: DeliveryError,
    ) -> Result<Option<Batch>, DeliveryError> {
        let spool = &self.part.spool;
        if batch.reports > 1 {
            log::debug!(
                "delivery: {error}; trying half of {} reports",
                batch.reports
            );
            if error
                .answer()
                .is_some_and(|answer| answer.is_about_the_size())
            {
                self.batch_max = batch.body.len() as u64 / 2;
            }
            return Ok(spool.halve(batch.id).await?);
        }
        let trusted = |at: Instant| at.elapsed() < TRUSTED;
        if self.accepted.is_some_and(trusted) {
            log::warn!("delivery: {error}; that report is set aside, others are accepted");
            spool.refused(batch.id).await?;
        } else {
            spool.kept_back(batch.id).await?;
            // Another report tells who is at fault.
            if !self.send_newest().await? {
                return Err(error);
            }
        }
        Ok(spool.next_batch(self.batch_max).await?)
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
        let within = deadline(body.bytes.len());
        let posted = self.link.post(body, within).await;
        if let Some(date) = self.link.take_date() {
            spool.server_date(date).await?;
        }
        let host = posted?;
        spool.delivered(batch.id).await?;
        self.accepted = Some(Instant::now());
        self.attempts.accepted();
        log::debug!("delivery: {} reports accepted by {host}", batch.reports);
        facts.send_modify(|facts| facts.delivered(host, batch.reports));
        Ok(())
    }
}

fn is_about_the_batch(error: &DeliveryError) -> bool {
    error
        .answer()
        .is_some_and(|answer| answer.is_about_the_batch())
}
