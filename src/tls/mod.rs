//! TLS: which servers are believed, and how we show them who we are.
//!
//! Certificates are read when a connection is to be made and not at start, because the agent has to be
//! on the bus before; they are read again after a handshake that failed, so that a file that was
//! repaired is picked up without a restart.

mod fault;
mod identity;
mod insecure;
mod pem;
mod roots;
#[cfg(test)]
mod tests;
mod usable;
mod verifier;
pub mod words;
mod x509;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::ring;
use rustls::RootCertStore;

use crate::config::{Api, Broker, Checks, Config, Problem};
use crate::process::file::FileError;
use verifier::Verifier;

/// Sessions remembered for a cheaper handshake. A part talks to one or two servers.
const SESSIONS: usize = 4;

/// Largest file of certificates that is read, bytes; the usual bundle of all CAs has 230 KB.
const FILE_MAX: u64 = 2 << 20;

pub use usable::usable;

/// Why no TLS connection can be tried.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("no root certificates in {0}: install the package ca-bundle")]
    NoRoots(String),
    #[error("option '{option}': {path}: {error}")]
    File {
        option: &'static str,
        path: PathBuf,
        error: FileError,
    },
    #[error("option '{option}': {path} holds no certificate that can be used (PEM is wanted)")]
    NoCertificate { option: &'static str, path: PathBuf },
    #[error(
        "option '{option}': {path} is DER, and PEM is wanted: openssl x509 -inform DER -in OLD -out NEW"
    )]
    Binary { option: &'static str, path: PathBuf },
    /// The path is not shown, here and below.
    #[error("option 'tls_key': the file it names: {0}")]
    KeyFile(FileError),
    #[error(
        "option 'tls_key': the file holds no private key that can be used (PEM without a \
         passphrase is wanted)"
    )]
    NoKey,
    #[error(
        "option 'tls_key': the key has a passphrase; remove it: openssl pkey -in OLD -out NEW"
    )]
    LockedKey,
    #[error("option 'tls_cert': the certificate in {path} has {key}")]
    UnsupportedKey { path: PathBuf, key: String },
    #[error("option '{0}' is set without '{1}'")]
    Half(&'static str, &'static str),
    #[error("option 'tls_key': the key does not belong to the certificate in {0}")]
    OtherKey(PathBuf),
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The checks that settings go through before a connection needs them.
pub const CHECKS: Checks = Checks {
    look: usable,
    warnings,
};

/// For the broker: it is checked against `cacrt`, which may hold its very certificate, or against the
/// system's roots without that option, and gets our client certificate (`tls_cert`, `tls_key`) if it asks for one.
///
/// # Errors
///
/// A file that is missing, cannot be read or does not hold what it should.
pub fn for_broker(broker: &Broker) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = versions()?;
    let provider = Arc::clone(builder.crypto_provider());
    let verifier = match &broker.cacrt {
        Some(file) => roots::from_file("cacrt", file, &provider)?,
        None => roots::of_the_system(&provider)?,
    };
    let builder = checked_by(builder, verifier);
    let config = match identity::read(broker)? {
        Some(identity) => identity.join(builder)?,
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(frugal(config)))
}

/// For requests to the API: servers are checked against the system's roots, with `insecure` not at
/// all.
///
/// # Errors
///
/// There are no roots.
pub fn for_api(api: &Api) -> Result<ClientConfig, TlsError> {
    if api.insecure {
        let builder = insecure::believe_everyone(versions()?);
        return Ok(frugal(builder.with_no_client_auth()));
    }
    for_pages()
}

/// For pages of the world: their servers are checked against the system's roots.
///
/// # Errors
///
/// There are no roots.
pub fn for_pages() -> Result<ClientConfig, TlsError> {
    let builder = versions()?;
    let verifier = roots::of_the_system(builder.crypto_provider())?;
    let builder = checked_by(builder, verifier);
    Ok(frugal(builder.with_no_client_auth()))
}

/// For a client of http alone: it believes no server.
///
/// # Errors
///
/// The provider has no usable cipher suites.
pub fn for_nobody() -> Result<ClientConfig, TlsError> {
    let builder = versions()?;
    let verifier = Verifier::of(RootCertStore::empty(), builder.crypto_provider());
    let builder = checked_by(builder, verifier);
    Ok(frugal(builder.with_no_client_auth()))
}

/// Warnings about settings that work.
pub fn warnings(config: &Config) -> Vec<Problem> {
    let warning = |option: &str, reason: &str| Problem {
        option: Some(option.to_owned()),
        source: "tls".to_owned(),
        line: None,
        reason: reason.to_owned(),
    };
    let mut warnings = Vec::new();
    if config.api.insecure {
        let reason =
            "certificates of the API are not checked: anyone on the way can read the token";
        warnings.push(warning("insecure", reason));
    }
    let key = config.broker.tls_key.as_ref().filter(|_| config.broker.tls);
    if key.is_some_and(|key| identity::is_open_to_others(&key.0)) {
        let reason = "others can read the file: chmod 600 it";
        warnings.push(warning("tls_key", reason));
    }
    warnings
}

type Versions = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

/// TLS 1.2 and 1.3.
fn versions() -> Result<Versions, rustls::Error> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
}

/// Goes on with this verifier. rustls calls every one but its own dangerous; this one is its own, and
/// what it adds stands at the top of its file.
fn checked_by(
    builder: Versions,
    verifier: Verifier,
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
}

fn frugal(mut config: ClientConfig) -> ClientConfig {
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    config
}
