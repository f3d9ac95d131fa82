//! Delivery with `no-cache`: each report on its own as soon as it is there, and once.
//!
//! A report that does not arrive is given up: a later one declares it as a gap.

use spool::Batch;
use tokio::time::Instant;

use super::date::DateAsker;
use super::link::{Link, Way};
use super::{DeliveryError, Part};
use crate::http::{deadline, Attempts, Body};

/// Posts what comes until the spool stops.
pub(super) async fn run(mut link: Link, part: &Part) -> Result<(), spool::Stopped> {
    let Part {
        settings,
        spool,
        facts,
        asks,
        ..
    } = part;
    let mut attempts = Attempts::new(settings.spread, settings.pace);
    let mut dates = DateAsker::default();
    let mut appended = spool.facts();
    // A server that asks for a pause is left alone until then.
    let mut not_before = Instant::now();
    tokio::time::sleep(attempts.first()).await;
    loop {
        appended.borrow_and_update();
        let Some(batch) = spool.next_batch(0).await? else {
            match dates.ask(&mut link, spool).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(DeliveryError::Spool(stopped)) => return Err(stopped),
                Err(error) => {
                    let (text, is_denial) = (error.to_string(), error.is_denial());
                    attempts.failed("report not sent", &text, error.asked_wait(), Instant::now());
                    facts.send_modify(|facts| facts.not_delivered(text, is_denial));
                }
            }
            tokio::select! {
                changed = appended.changed() => changed.map_err(|_| spool::Stopped)?,
                () = asks.asked() => facts.send_modify(|facts| facts.idle()),
            }
            continue;
        };
        if Instant::now() < not_before {
            spool.given_up(batch.id).await?;
            continue;
        }
        let posted = post(&mut link, &batch).await;
        if let Some(date) = link.take_date() {
            spool.server_date(date).await?;
        }
        match posted {
            Ok(host) => {
                spool.delivered(batch.id).await?;
                attempts.accepted(Instant::now());
                facts.send_modify(|facts| facts.delivered(host, batch.reports));
            }
            Err(error) => {
                let (text, is_denial) = (error.to_string(), error.is_denial());
                attempts.failed("report not sent", &text, error.asked_wait(), Instant::now());
                not_before = Instant::now() + settings.pace.of(error.asked_wait());
                facts.send_modify(|facts| facts.not_delivered(text, is_denial));
                spool.given_up(batch.id).await?;
                // Giving up is a change as well; if the disk refuses even that, the next report is.
                appended.changed().await.map_err(|_| spool::Stopped)?;
            }
        }
    }
}

/// A report is posted as it is.
async fn post(link: &mut Link, batch: &Batch) -> Result<String, DeliveryError> {
    let body = Body::json(batch.lines().map_err(DeliveryError::Unpack)?);
    link.begin();
    let within = deadline(body.bytes.len());
    Ok(link.post(body, within).await?)
}
