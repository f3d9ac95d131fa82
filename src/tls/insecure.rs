//! Option `insecure`: any server is believed. Nothing else in the agent turns a check off.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, WantsClientCert};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature, CryptoProvider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ConfigBuilder, DigitallySignedStruct, Error, SignatureScheme};

use super::Versions;

/// Goes on with a verifier that takes every certificate.
pub(super) fn believe_everyone(builder: Versions) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let provider = Arc::clone(builder.crypto_provider());
    builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(BelieveEveryone(provider)))
}

/// Takes every certificate; only that the server has its key is still checked.
#[derive(Debug)]
struct BelieveEveryone(Arc<CryptoProvider>);

impl ServerCertVerifier for BelieveEveryone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
