//! Root certificates: the CAs that are believed.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::RootCertStore;
use rustls_native_certs::CertificateResult;

use super::verifier::Verifier;
use super::{pem, TlsError, FILE_MAX};
use crate::process::file::read_small;

/// Where OpenWrt's package ca-bundle puts them.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The system's roots, as `SSL_CERT_FILE`, `SSL_CERT_DIR` or the usual paths give them.
pub(super) fn of_the_system(provider: &Arc<CryptoProvider>) -> Result<Verifier, TlsError> {
    let place = std::env::var("SSL_CERT_FILE").unwrap_or_else(|_| BUNDLE.to_owned());
    let roots = found(rustls_native_certs::load_native_certs(), place)?;
    Ok(Verifier::of(roots, provider))
}

fn found(found: CertificateResult, place: String) -> Result<RootCertStore, TlsError> {
    for error in &found.errors {
        log::debug!("root certificates: {error}");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    match roots.is_empty() {
        true => Err(TlsError::NoRoots(place)),
        false => Ok(roots),
    }
}

/// The certificates in the PEM file `path`, the value of `option`. Those that are broken are left
/// out as long as one is good.
pub(super) fn from_file(
    option: &'static str,
    path: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Verifier, TlsError> {
    let held = certificates(option, path)?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(held.iter().cloned());
    if roots.is_empty() {
        return Err(TlsError::NoCertificate {
            option,
            path: path.to_owned(),
        });
    }
    Ok(Verifier::of_a_file(roots, held, provider))
}

/// The bytes of each certificate in the PEM file `path`; never empty.
pub(super) fn certificates(
    option: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read_small(path, FILE_MAX).map_err(|error| TlsError::File {
        option,
        path: path.to_owned(),
        error,
    })?;
    let found = pem::certificates(&bytes);
    let path = path.to_owned();
    match found.is_empty() {
        true if pem::is_binary(&bytes) => Err(TlsError::Binary { option, path }),
        true => Err(TlsError::NoCertificate { option, path }),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_root_certificates_are_named_with_the_package_that_brings_them() {
        let error = found(CertificateResult::default(), "/etc/bundle.crt".to_owned());
        assert_eq!(
            error.unwrap_err().to_string(),
            "no root certificates in /etc/bundle.crt: install the package ca-bundle"
        );
    }
}
