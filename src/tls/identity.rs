//! Our client certificate and its key.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::{ClientConfig, WantsClientCert};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::ConfigBuilder;

use super::fault::Unsupported;
use super::x509::Certificate;
use super::{pem, roots, TlsError, FILE_MAX};
use crate::config::Broker;
use crate::process::file::read_small;

/// A certificate, those that lead from it to a CA, and the key.
pub(super) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    certificate_file: PathBuf,
}

/// The client certificate of `tls_cert` and `tls_key`; `None` without them.
pub(super) fn read(broker: &Broker) -> Result<Option<Identity>, TlsError> {
    let (certificate_file, key) = match (&broker.tls_cert, &broker.tls_key) {
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(TlsError::Half("tls_cert", "tls_key")),
        (None, Some(_)) => return Err(TlsError::Half("tls_key", "tls_cert")),
        (Some(certificate), Some(key)) => (certificate.clone(), &key.0),
    };
    let chain = roots::certificates("tls_cert", &certificate_file)?;
    Ok(Some(Identity {
        chain,
        key: self::key(key)?,
        certificate_file,
    }))
}

/// The private key in the PEM file `path`.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = read_small(path, FILE_MAX).map_err(TlsError::KeyFile)?;
    pem::private_key(&bytes).ok_or_else(|| match pem::has_locked_key(&bytes) {
        true => TlsError::LockedKey,
        false => TlsError::NoKey,
    })
}

impl Identity {
    /// Finishes a configuration that shows this identity to a server that asks.
    ///
    /// rustls would refuse a certificate of X.509 version 1, as `openssl x509 -req` makes it. To show
    /// it is no harm: it is for the server to judge.
    pub(super) fn join(
        self,
        builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    ) -> Result<ClientConfig, TlsError> {
        let path = self.certificate_file;
        let certificate = self.chain.first().and_then(|der| Certificate::read(der));
        let Some(certificate) = certificate else {
            return Err(TlsError::NoCertificate {
                option: "tls_cert",
                path,
            });
        };
        let provider = builder.crypto_provider();
        let Ok(key) = provider.key_provider.load_private_key(self.key) else {
            return Err(match Unsupported::of(certificate.key) {
                Some(key) => TlsError::UnsupportedKey {
                    path,
                    key: key.to_string(),
                },
                None => TlsError::NoKey,
            });
        };
        let public = key.public_key();
        if public.is_some_and(|public| public.as_ref() != certificate.public_key) {
            return Err(TlsError::OtherKey(path));
        }
        let shown = SingleCertAndKey::from(CertifiedKey::new(self.chain, key));
        Ok(builder.with_client_cert_resolver(Arc::new(shown)))
    }
}

/// Can somebody who is neither us nor root read the key?
pub(super) fn is_open_to_others(key: &Path) -> bool {
    // One that cannot be looked at is an error when it is needed.
    key.metadata()
        .is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}
