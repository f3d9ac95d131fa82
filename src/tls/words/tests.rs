//! Words for errors of TLS, and none of the library's own.

use std::sync::Arc;

use rustls::{InvalidMessage, PeerMisbehaved};

use super::*;

fn of(error: rustls::Error) -> String {
    explain(&error, true).unwrap()
}

/// The words of an error, which name nothing as the library does.
fn plainly(error: rustls::Error) -> String {
    let raw = format!("{error:?}");
    let text = of(error);
    let names = raw.split(|c: char| !c.is_alphanumeric());
    for name in names.filter(|name| name.chars().skip(1).any(char::is_uppercase)) {
        assert!(!text.contains(name), "{name}: {text}");
    }
    assert!(!text.contains(['{', '[', '"']), "{text}");
    text
}

#[test]
fn every_alert_has_words() {
    for number in 0..=255 {
        plainly(rustls::Error::AlertReceived(AlertDescription::from(number)));
    }
    let text = of(rustls::Error::AlertReceived(AlertDescription::Unknown(200)));
    assert_eq!(text, "the server ends the TLS connection (alert 200)");
}

#[test]
fn a_refusal_that_can_have_several_reasons_names_them_all() {
    let text = plainly(rustls::Error::AlertReceived(
        AlertDescription::HandshakeFailure,
    ));
    for reason in ["cipher", "kind of key", "client certificate"] {
        assert!(text.contains(reason), "{text}");
    }
}

#[test]
fn no_name_of_the_library_is_shown() {
    use rustls::Error;
    let webpki = |error: webpki::Error| {
        let other = OtherError(Arc::new(error));
        Error::InvalidCertificate(CertificateError::Other(other))
    };
    let errors = [
        Error::InvalidMessage(InvalidMessage::InvalidContentType),
        Error::PeerMisbehaved(PeerMisbehaved::TooManyEmptyFragments),
        Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
        Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13),
        Error::General("OtherWords".into()),
        Error::InvalidCertificate(CertificateError::BadSignature),
        Error::InvalidCertificate(CertificateError::InvalidPurpose),
        Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure),
        webpki(webpki::Error::EndEntityUsedAsCa),
        webpki(webpki::Error::UnsupportedCertVersion),
        webpki(webpki::Error::MalformedExtensions),
        webpki(webpki::Error::MaximumPathDepthExceeded),
        webpki(webpki::Error::UnsupportedCriticalExtension),
    ];
    for error in errors {
        plainly(error);
    }
}

#[test]
fn a_weak_signature_is_named() {
    let signed = |id: &[u8]| {
        of(rustls::Error::InvalidCertificate(
            CertificateError::UnsupportedSignatureAlgorithmContext {
                signature_algorithm_id: id.to_vec(),
                supported_algorithms: Vec::new(),
            },
        ))
    };
    let sha1 = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5, 5, 0];
    let text = signed(&sha1);
    assert!(text.contains("is signed with SHA-1; use SHA-256"), "{text}");
    let text = signed(&[6, 1, 1]);
    assert!(
        text.contains("signed in a way that is not supported"),
        "{text}"
    );
}

#[test]
fn an_error_of_tls_is_found_below_others() {
    let inner = rustls::Error::AlertReceived(AlertDescription::UnrecognisedName);
    let middle = io::Error::new(io::ErrorKind::InvalidData, inner);
    let outer = io::Error::other(middle);
    let text = explain(&outer, false);
    assert_eq!(text.as_deref(), Some("the server does not go by this name"));
    let end = io::Error::from(io::ErrorKind::UnexpectedEof);
    assert_eq!(explain(&end, false), None);
    assert!(explain(&end, true).unwrap().contains("does it speak TLS?"));
}

#[test]
fn names_are_bounded_and_cannot_hurt_a_terminal() {
    let hostile = format!("DnsName(\"\u{1b}[2J{}\")", "x".repeat(500));
    let text = names(&[hostile]);
    assert!(text.len() < 100 && !text.contains('\u{1b}'), "{text}");
}
