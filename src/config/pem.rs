//! Files that options name: certificates and keys in PEM, looked at when the settings are read.
//!
//! The link to the broker reads them again when it connects; here it only shows in time that it could
//! not.

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::RootCertStore;

use super::file::{read_small, FileError};

/// Largest file that is read, bytes; the usual bundle of all CAs has 230 KB.
const FILE_MAX: u64 = 2 << 20;

/// The content a file has to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pem {
    /// At least one CA certificate.
    Authorities,
    /// At least one certificate.
    Certificate,
    /// A private key without a passphrase. Its path is secret.
    Key,
}

/// Why a file cannot be used. Never quotes the file, nor the path of a key.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    #[error("{path}: {error}")]
    File { path: String, error: FileError },
    #[error("{0} holds no certificate that can be used (PEM is wanted)")]
    NoCertificate(String),
    #[error("the file it names: {0}")]
    KeyFile(FileError),
    #[error("the file holds no private key that can be used (PEM without a passphrase is wanted)")]
    NoKey,
}

impl Pem {
    /// Reads the file at `path` and looks for what it should hold.
    ///
    /// # Errors
    ///
    /// The file is missing, cannot be read, or holds something else.
    pub fn check(self, path: &Path) -> Result<(), PemError> {
        let read = read_small(path, FILE_MAX);
        let shown = path.display().to_string();
        if self == Pem::Key {
            let bytes = read.map_err(PemError::KeyFile)?;
            return match PrivateKeyDer::from_pem_slice(&bytes) {
                Ok(_) => Ok(()),
                // Its own error could quote the file.
                Err(_) => Err(PemError::NoKey),
            };
        }
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(error) => return Err(PemError::File { path: shown, error }),
        };
        let found: Vec<_> = CertificateDer::pem_slice_iter(&bytes).flatten().collect();
        let usable = match self {
            Pem::Authorities => RootCertStore::empty().add_parsable_certificates(found).0,
            Pem::Certificate | Pem::Key => found.len(),
        };
        match usable {
            0 => Err(PemError::NoCertificate(shown)),
            _ => Ok(()),
        }
    }
}
