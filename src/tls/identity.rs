//! Our client certificate and its key.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustls::client::{ClientConfig, WantsClientCert};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::ConfigBuilder;

use super::{roots, TlsError, FILE_MAX};
use crate::config::{read_small, Config};

/// A certificate, those that lead from it to a CA, and the key.
pub(super) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    certificate_file: PathBuf,
}

/// What `tls_cert` and `tls_key` name; `None` without them.
pub(super) fn read(config: &Config) -> Result<Option<Identity>, TlsError> {
    let (certificate_file, key) = match (&config.tls_cert, &config.tls_key) {
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(TlsError::Half("tls_cert", "tls_key")),
        (None, Some(_)) => return Err(TlsError::Half("tls_key", "tls_cert")),
        (Some(certificate), Some(key)) => (certificate.clone(), &key.0),
    };
    let chain = roots::certificates("tls_cert", &certificate_file)?;
    let bytes = read_small(key, FILE_MAX).map_err(TlsError::KeyFile)?;
    // Its own error could quote the file.
    let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| TlsError::NoKey)?;
    Ok(Some(Identity {
        chain,
        key,
        certificate_file,
    }))
}

impl Identity {
    /// Finishes a configuration that shows this identity to a server that asks.
    pub(super) fn join(
        self,
        builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    ) -> Result<ClientConfig, TlsError> {
        use rustls::Error;
        match builder.with_client_auth_cert(self.chain, self.key) {
            Ok(config) => Ok(config),
            Err(Error::InconsistentKeys(_)) => Err(TlsError::OtherKey(self.certificate_file)),
            // What is no key of a kind we can use ends here.
            Err(Error::General(_)) => Err(TlsError::NoKey),
            Err(Error::InvalidCertificate(_)) => Err(TlsError::NoCertificate {
                option: "tls_cert",
                path: self.certificate_file,
            }),
            Err(other) => Err(other.into()),
        }
    }
}

/// Can somebody who is neither us nor root read the key?
pub(super) fn is_open_to_others(key: &Path) -> bool {
    // One that cannot be looked at is an error when it is needed.
    key.metadata()
        .is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}
