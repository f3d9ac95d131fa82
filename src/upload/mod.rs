//! Delivery: what the spool holds goes to the server, oldest first, and is deleted when the server
//! has accepted it.
//!
//! One heartbeat after the other, each device at its own [`phase`], everything there is is sent in
//! batches. After a failure the one retry rule of the agent ([`Backoff`]) decides; when the server
//! is back, all that waited goes.

pub mod answer;
pub mod http;
pub mod phase;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use reqwest::multipart::{Form, Part};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::clock::epoch_seconds;
use crate::config::Config;
use crate::outage::Outage;
use crate::shutdown::Shutdown;
use crate::spool;
use answer::Answer;
use http::{Client, Endpoint, HttpError};

/// Bytes of a body, unless one report is larger.
pub const BATCH_MAX: u64 = 128 << 10;

/// What there is to tell of deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// When the server last accepted something, seconds since the epoch.
    pub last_ok: Option<u64>,
    /// Why nothing gets through, while nothing does.
    pub last_error: Option<String>,
    /// When it is tried next, seconds since the epoch; `None` while a delivery is under way.
    pub next_attempt: Option<u64>,
}

/// Why a delivery ended before the spool was empty.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("{host} {answer}")]
    NotAccepted { host: String, answer: Answer },
    #[error(transparent)]
    Spool(#[from] spool::Stopped),
}

/// Delivers until `shutdown`; an attempt under way is given up at once, and what it carried stays in
/// the spool.
///
/// `mac` is the device's identity as the API knows it. Without `stats_url` nothing is sent, and the
/// facts say so.
pub async fn run(
    config: Arc<Config>,
    mac: String,
    spool: spool::Handle,
    facts: watch::Sender<Facts>,
    mut shutdown: Shutdown,
) {
    let work = async {
        match Endpoint::new("stats_url", &config.stats_url, &config.token, &mac) {
            Ok(endpoint) => {
                let link = Link {
                    endpoint,
                    spool,
                    client: None,
                    up_since: None,
                    backoff: Backoff::new(config.spread, config.pace),
                    outage: Outage::default(),
                };
                link.run(&config, &mac, &facts).await;
            }
            Err(error) => {
                let why = match config.stats_url.as_str() {
                    "" => "stats_url is not set".to_owned(),
                    _ => error.to_string(),
                };
                log::warn!("{why}: reports are kept, none is sent");
                facts.send_modify(|facts| facts.last_error = Some(why));
                std::future::pending().await
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = shutdown.requested() => {}
    }
}

/// The way from the spool to the server.
struct Link {
    endpoint: Endpoint,
    spool: spool::Handle,
    /// Made for the first delivery, so that a device with nothing to send loads no certificates.
    client: Option<Client>,
    /// When the server began to accept, if it does.
    up_since: Option<Instant>,
    backoff: Backoff,
    outage: Outage,
}

impl Link {
    async fn run(mut self, config: &Config, mac: &str, facts: &watch::Sender<Facts>) {
        let heartbeat = config.pace.of(config.heartbeat);
        let phase = phase::phase(mac, heartbeat);
        let start = Instant::now();
        let mut wait = self.backoff.next_wait();
        loop {
            let at = epoch_seconds() + wait.as_secs_f64().ceil() as u64;
            facts.send_modify(|facts| facts.next_attempt = Some(at));
            tokio::time::sleep(wait).await;
            facts.send_modify(|facts| facts.next_attempt = None);

            wait = match self.drain(facts).await {
                Ok(()) => phase::until_next(start.elapsed(), phase, heartbeat),
                Err(DeliveryError::Spool(_)) => return,
                Err(error) => {
                    if let Some(since) = self.up_since.take() {
                        self.backoff.session_ended(since.elapsed());
                        self.outage.over();
                    }
                    let text = error.to_string();
                    let level = self.outage.level(&text);
                    log::log!(level, "delivery: {text}; reports are kept");
                    facts.send_modify(|facts| facts.last_error = Some(text));
                    // On top of what the server asked for, or all would come back together.
                    config.pace.of(error.asked_wait()) + self.backoff.next_wait()
                }
            };
        }
    }

    /// Sends all there is, batch by batch.
    async fn drain(&mut self, facts: &watch::Sender<Facts>) -> Result<(), DeliveryError> {
        while let Some(batch) = self.spool.next_batch(BATCH_MAX).await? {
            if let Err(error) = self.send(&batch.body).await {
                self.spool.kept_back(batch.id).await?;
                return Err(error);
            }
            self.spool.delivered(batch.id).await?;
            self.up_since.get_or_insert_with(Instant::now);
            log::debug!("delivery: {} reports accepted", batch.reports);
            facts.send_modify(|facts| {
                facts.last_ok = Some(epoch_seconds());
                facts.last_error = None;
            });
        }
        Ok(())
    }

    async fn send(&mut self, gzip: &[u8]) -> Result<(), DeliveryError> {
        let client = match &mut self.client {
            Some(client) => client,
            none => none.insert(Client::new([&self.endpoint])?),
        };
        let form = form(gzip)?;
        match client.post(&self.endpoint, form).await? {
            Answer::Accepted => Ok(()),
            answer => Err(DeliveryError::NotAccepted {
                host: self.endpoint.host().to_owned(),
                answer,
            }),
        }
    }
}

impl DeliveryError {
    /// How long the server wants to be left alone.
    fn asked_wait(&self) -> Duration {
        match self {
            DeliveryError::NotAccepted {
                answer: Answer::Busy { retry_after, .. },
                ..
            } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }
}

/// The original's form: one file named `data`, gzip of NDJSON.
fn form(gzip: &[u8]) -> Result<Form, HttpError> {
    let data = Part::bytes(gzip.to_vec())
        .file_name("archive.gz")
        .mime_str("application/octet-stream")
        .map_err(HttpError::Form)?;
    Ok(Form::new().part("data", data))
}
