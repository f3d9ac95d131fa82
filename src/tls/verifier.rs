//! The certificates of servers that are believed: those that lead to a root, as webpki has it, and those
//! that the file in `cacrt` holds themselves.
//!
//! webpki never takes a CA's certificate for a server's own, and `openssl req -x509` makes one that is
//! both. An operator who puts a server's certificate into `cacrt` has said that this very one is to be
//! believed: then name, dates and the signature of the handshake are still checked.
//!
//! The steps are those of rustls's `WebPkiServerVerifier`, which would bring the code for lists of revoked
//! certificates with it.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature, CryptoProvider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use super::fault::{AltName, Fault, Unsupported};
use super::x509::Certificate;

/// Checks servers, and says what is wrong with the certificates it refuses.
#[derive(Debug)]
pub(super) struct Verifier {
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
    /// The certificates in `cacrt`; `None` = the system's roots are used.
    pinned: Option<Vec<CertificateDer<'static>>>,
}

impl Verifier {
    /// Believes what leads to these roots.
    pub(super) fn of(roots: RootCertStore, provider: &Arc<CryptoProvider>) -> Self {
        Verifier {
            roots,
            provider: Arc::clone(provider),
            pinned: None,
        }
    }

    /// Believes what leads to one of these certificates, and what is one of them. `roots` are those of
    /// them that can be used so.
    pub(super) fn of_a_file(
        roots: RootCertStore,
        held: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Self {
        Verifier {
            pinned: Some(held),
            ..Verifier::of(roots, provider)
        }
    }

    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        let mut pinned = self.pinned.iter().flatten();
        pinned.any(|one| one.as_ref() == certificate.as_ref())
    }

    /// Believes a server of that name if its certificate leads to a root.
    fn believe(
        &self,
        der: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        time: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(der)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.roots,
            intermediates,
            time,
            algorithms,
        )?;
        verify_server_name(&certificate, server)?;
        Ok(ServerCertVerified::assertion())
    }

    /// Finds words for what webpki says of `der`.
    fn judge(&self, error: Error, der: &CertificateDer<'_>) -> Error {
        let Some(certificate) = Certificate::read(der) else {
            return error;
        };
        let Error::InvalidCertificate(why) = &error else {
            return error;
        };
        let fault = match why {
            CertificateError::Other(other) if is_version(other) => {
                Some(Fault::Version(certificate.version))
            }
            CertificateError::Other(other) if is_ca(other) => Some(self.self_made(&certificate)),
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                self.unknown_issuer(&certificate)
            }
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                let fault = self.unknown_issuer(&certificate);
                fault.filter(|fault| matches!(fault, Fault::IssuerKey(_)))
            }
            CertificateError::NotValidForNameContext {
                expected,
                presented,
            } => unnamed(&certificate, expected, presented),
            _ => None,
        };
        fault.map_or(error, Error::from)
    }

    /// A certificate that is a CA's.
    fn self_made(&self, certificate: &Certificate<'_>) -> Fault {
        match (certificate.issuer == certificate.subject, &self.pinned) {
            (true, Some(_)) => Fault::OtherSelfSigned,
            (true, None) => Fault::SelfSigned,
            (false, _) => Fault::IsCa,
        }
    }

    /// `None` if the issuer is not in `cacrt`.
    fn unknown_issuer(&self, certificate: &Certificate<'_>) -> Option<Fault> {
        if certificate.issuer == certificate.subject {
            return Some(self.self_made(certificate));
        }
        let pinned = self.pinned.iter().flatten();
        let mut issuers = pinned
            .filter_map(|der| Certificate::read(der))
            .filter(|issuer| issuer.subject == certificate.issuer)
            .peekable();
        issuers.peek()?;
        let mut unsupported = issuers.filter_map(|issuer| Unsupported::of(issuer.key));
        Some(match unsupported.next() {
            Some(key) => Fault::IssuerKey(key),
            None => Fault::OtherIssuerKey,
        })
    }
}

/// Dates and name of a certificate that is believed for itself.
fn believe_itself(
    der: &CertificateDer<'_>,
    certificate: &Certificate<'_>,
    server: &ServerName<'_>,
    time: UnixTime,
) -> Result<ServerCertVerified, Error> {
    let (not_before, not_after) = (certificate.not_before, certificate.not_after);
    if time < not_before {
        return Err(CertificateError::NotValidYetContext { time, not_before }.into());
    }
    if time > not_after {
        return Err(CertificateError::ExpiredContext { time, not_after }.into());
    }
    verify_server_name(&ParsedCertificate::try_from(der)?, server)?;
    Ok(ServerCertVerified::assertion())
}

fn unnamed(
    certificate: &Certificate<'_>,
    expected: &ServerName<'_>,
    presented: &[String],
) -> Option<Fault> {
    let name = expected.to_str();
    let is_address = matches!(expected, ServerName::IpAddress(_));
    if !certificate.has_alt_names {
        return Some(Fault::NoAltNames(match is_address {
            true => AltName::Ip(name.into_owned()),
            false => AltName::Dns(name.into_owned()),
        }));
    }
    // rustls writes names so.
    let as_name = format!("DnsName({name:?})");
    (is_address && presented.contains(&as_name)).then(|| Fault::AddressAsName(name.into_owned()))
}

fn webpki_error(other: &OtherError) -> Option<&webpki::Error> {
    other.0.downcast_ref()
}

fn is_version(other: &OtherError) -> bool {
    matches!(
        webpki_error(other),
        Some(webpki::Error::UnsupportedCertVersion)
    )
}

fn is_ca(other: &OtherError) -> bool {
    matches!(webpki_error(other), Some(webpki::Error::CaUsedAsEndEntity))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = Certificate::read(end_entity);
        // Without a key to check the handshake with, nothing else of it matters.
        let key = certificate.as_ref().map(|certificate| certificate.key);
        if let Some(unsupported) = key.and_then(Unsupported::of) {
            return Err(Fault::Key(unsupported).into());
        }
        let verified = match &certificate {
            Some(certificate) if self.is_pinned(end_entity) => {
                believe_itself(end_entity, certificate, server_name, now)
            }
            _ => self.believe(end_entity, intermediates, server_name, now),
        };
        verified.map_err(|error| self.judge(error, end_entity))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let mut schemes = algorithms.supported_schemes();
        // A server that has nothing else would end the handshake without showing its certificate, and
        // nobody could say why. It is offered last, so that a server with a choice takes another.
        if self.pinned.is_some() {
            schemes.push(SignatureScheme::ECDSA_NISTP521_SHA512);
        }
        schemes
    }
}
