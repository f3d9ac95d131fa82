//! Why a server's certificate is refused, where the library has no words for it, and what to do.

use std::sync::Arc;

use rustls::{CertificateError, Error, OtherError};

use super::x509::Key;

/// Kinds of keys that are supported, for words about others.
const SUPPORTED: &str = "use P-256, P-384, RSA or Ed25519";

/// Sizes of RSA keys that are supported, bits.
const RSA_MIN: usize = 2048;
const RSA_MAX: usize = 8192;

/// A fault of a server's certificate. Its text follows "the server's certificate".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("is X.509 version {0}; make a version 3 one with subjectAltName")]
    Version(u8),
    #[error("has no subjectAltName; a name in CN alone does not count: make one with subjectAltName={0}")]
    NoAltNames(AltName),
    #[error("has {0} as the name of a host; make one with subjectAltName=IP:{0}")]
    AddressAsName(String),
    #[error("has {0}")]
    Key(Unsupported),
    #[error("is signed by a CA in 'cacrt' that has {0}")]
    IssuerKey(Unsupported),
    #[error("is signed with another key than that of the CA of this name in 'cacrt'")]
    OtherIssuerKey,
    #[error("is self-signed, and 'cacrt' holds another one")]
    OtherSelfSigned,
    #[error(
        "is self-signed; a CA that this device knows has to sign it, or, for the broker, 'cacrt' has \
         to hold it"
    )]
    SelfSigned,
    #[error("is that of a CA (CA:TRUE); make one with CA:FALSE")]
    IsCa,
}

/// The way a certificate has to name a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AltName {
    Dns(String),
    Ip(String),
}

impl std::fmt::Display for AltName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AltName::Dns(name) => write!(f, "DNS:{name}"),
            AltName::Ip(address) => write!(f, "IP:{address}"),
        }
    }
}

/// A key that no signature can be checked with here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unsupported(Key);

impl std::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.0 {
            Key::Rsa(bits) if bits < RSA_MIN => {
                return write!(
                    f,
                    "an RSA key of {bits} bits; at least {RSA_MIN} are needed"
                );
            }
            Key::Rsa(bits) => {
                return write!(
                    f,
                    "an RSA key of {bits} bits; {RSA_MAX} are the most that is supported"
                );
            }
            Key::P521 => "a P-521 key; P-521 keys are not supported",
            Key::Ed448 => "an Ed448 key; Ed448 keys are not supported",
            Key::Dsa => "a DSA key; DSA keys are not supported",
            Key::OtherCurve => "a key on an elliptic curve that is not supported",
            _ => "a key of a kind that is not supported",
        };
        write!(f, "{kind}: {SUPPORTED}")
    }
}

impl Unsupported {
    /// `None` for a key that is supported.
    pub(super) fn of(key: Key) -> Option<Self> {
        match key {
            Key::P256 | Key::P384 | Key::Ed25519 | Key::Rsa(RSA_MIN..=RSA_MAX) => None,
            other => Some(Unsupported(other)),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(fault))))
    }
}
