//! The init server: `GET <init_url>?mac=&machine=&firmware=`, with `init_token` as the Authorization header.

use super::offer::{Offer, OfferError};
use super::Settings;
use crate::http::{Answer, Client, Endpoint, HttpError};
use crate::lookup::Resolver;

/// The option that names it.
const INIT_URL: &str = "init_url";

/// Longest answer, bytes.
const ANSWER_MAX: usize = 64 << 10;

/// Statuses of an answer that has settings in it.
const SETTINGS: [u16; 2] = [200, 201];

/// The device as it introduces itself to the init server; empty = not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    pub machine: String,
    pub firmware: String,
}

/// Why an init server gave no settings.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("{host} {answer}")]
    Answer { host: String, answer: Answer },
    #[error("{host}: {error}")]
    Offer { host: String, error: OfferError },
}

/// The init server of `settings`.
fn endpoint(settings: &Settings, mac: &str) -> Result<Endpoint, HttpError> {
    let url = settings.provision.init_url.reveal();
    Endpoint::new(INIT_URL, url, &settings.api, mac)?
        .authorized_by("init_token", settings.provision.init_token.reveal())
}

/// Host of the init server of `settings`, if they name one.
pub(super) fn host(settings: &Settings) -> Option<String> {
    let endpoint = endpoint(settings, "").ok()?;
    Some(endpoint.host().to_owned())
}

/// Why the init server of `settings` is not asked, if it is not.
pub(super) fn hindrance(settings: &Settings) -> Option<String> {
    if let Some(closed) = &settings.closed {
        return Some(closed.clone());
    }
    match endpoint(settings, "") {
        Ok(endpoint) if endpoint.is_https() || settings.api.insecure => None,
        Ok(_) => Some("init_url is not https, and insecure is not set".to_owned()),
        Err(error) => Some(error.to_string()),
    }
}

/// Asks for the settings of the device.
///
/// # Errors
///
/// The server does not answer with settings that can be used.
pub(super) async fn ask(
    settings: &Settings,
    resolver: &Resolver,
    about: &About,
) -> Result<Offer, AskError> {
    let mac = settings.mac.as_str();
    let endpoint = endpoint(settings, mac)?.asking(&[
        ("mac", mac),
        ("machine", &about.machine),
        ("firmware", &about.firmware),
    ]);
    let mut client = Client::new(settings.api.clone(), resolver.clone());
    let page = client.get(&endpoint, ANSWER_MAX).await?;
    let host = endpoint.host().to_owned();
    if page.answer != Answer::Accepted || !SETTINGS.contains(&page.status) {
        // One that accepts has no settings in it.
        let answer = match page.answer {
            Answer::Accepted => Answer::Refused {
                status: page.status,
            },
            other => other,
        };
        return Err(AskError::Answer { host, answer });
    }
    Offer::read(&page.body).map_err(|error| AskError::Offer { host, error })
}
