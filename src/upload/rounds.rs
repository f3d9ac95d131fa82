//! Delivery in rounds: one a heartbeat, all there is, oldest first.

use tokio::sync::watch;
use tokio::time::Instant;

use super::attempts::Attempts;
use super::body::Body;
use super::link::Link;
use super::{phase, DeliveryError, Facts, BATCH_MAX};
use crate::clock::epoch_seconds;
use crate::config::Config;
use crate::spool;

/// Delivers round by round until the spool stops.
pub(super) async fn run(
    mut link: Link,
    config: &Config,
    mac: &str,
    spool: &spool::Handle,
    facts: &watch::Sender<Facts>,
) {
    let heartbeat = config.pace.of(config.heartbeat);
    let phase = phase::phase(mac, heartbeat);
    let mut attempts = Attempts::new(config);
    let start = Instant::now();
    let mut wait = attempts.first();
    loop {
        let at = epoch_seconds() + wait.as_secs_f64().ceil() as u64;
        facts.send_modify(|facts| facts.next_attempt = Some(at));
        tokio::time::sleep(wait).await;
        facts.send_modify(|facts| facts.next_attempt = None);

        wait = match drain(&mut link, config, &mut attempts, spool, facts).await {
            Ok(()) => phase::until_next(start.elapsed(), phase, heartbeat),
            Err(DeliveryError::Spool(_)) => return,
            Err(error) => {
                let text = error.to_string();
                let wait = attempts.failed("delivery", &text, error.asked_wait());
                facts.send_modify(|facts| facts.failed(text));
                wait
            }
        };
    }
}

/// Sends all there is, batch by batch.
async fn drain(
    link: &mut Link,
    config: &Config,
    attempts: &mut Attempts,
    spool: &spool::Handle,
    facts: &watch::Sender<Facts>,
) -> Result<(), DeliveryError> {
    link.begin();
    while let Some(batch) = spool.next_batch(BATCH_MAX).await? {
        let body = Body::of_lines(&batch.lines, config.upload_format);
        let sent = match body.map_err(DeliveryError::Pack) {
            Ok(body) => link.post(body).await.map_err(DeliveryError::Link),
            Err(error) => Err(error),
        };
        match sent {
            Ok(host) => {
                spool.delivered(batch.id).await?;
                attempts.accepted();
                log::debug!("delivery: {} reports accepted by {host}", batch.reports);
                facts.send_modify(|facts| facts.accepted(host));
            }
            Err(error) => {
                spool.kept_back(batch.id).await?;
                return Err(error);
            }
        }
    }
    Ok(())
}
