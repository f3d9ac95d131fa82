//! Delivery with `no-cache`: each report on its own as soon as it is there, and once.
//!
//! One that does not arrive is given up: a later report declares it as a gap.

use tokio::sync::watch;
use tokio::time::Instant;

use super::attempts::Attempts;
use super::body::Body;
use super::link::Link;
use super::{DeliveryError, Facts};
use crate::config::Config;
use crate::spool::{self, Batch};

/// Posts what comes until the spool stops.
pub(super) async fn run(
    mut link: Link,
    config: &Config,
    spool: &spool::Handle,
    facts: &watch::Sender<Facts>,
) -> Result<(), spool::Stopped> {
    let mut attempts = Attempts::new(config);
    let mut appended = spool.facts();
    // A server that asks for a pause is left alone until then.
    let mut not_before = Instant::now();
    tokio::time::sleep(attempts.first()).await;
    loop {
        appended.borrow_and_update();
        let Some(batch) = spool.next_batch(0).await? else {
            appended.changed().await.map_err(|_| spool::Stopped)?;
            continue;
        };
        if Instant::now() < not_before {
            spool.given_up(batch.id).await?;
            continue;
        }
        match post(&mut link, config, &batch).await {
            Ok(host) => {
                spool.delivered(batch.id).await?;
                attempts.accepted();
                facts.send_modify(|facts| facts.accepted(host));
            }
            Err(error) => {
                let text = error.to_string();
                attempts.failed("report not sent", &text, error.asked_wait());
                not_before = Instant::now() + config.pace.of(error.asked_wait());
                facts.send_modify(|facts| facts.failed(text));
                spool.given_up(batch.id).await?;
                // Giving up is a change as well; if the disk refuses even that, the next report is.
                appended.changed().await.map_err(|_| spool::Stopped)?;
            }
        }
    }
}

/// A report is posted as it is. Several stand together only if they were kept before `no-cache` was
/// set; those go as they would have gone then.
async fn post(link: &mut Link, config: &Config, batch: &Batch) -> Result<String, DeliveryError> {
    let body = match batch.reports {
        1 => Body::json(batch.lines.clone()),
        _ => Body::of_lines(&batch.lines, config.upload_format).map_err(DeliveryError::Pack)?,
    };
    link.begin();
    Ok(link.post(body).await?)
}
