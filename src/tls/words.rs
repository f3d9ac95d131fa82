//! A failed handshake, in words for people.

use std::error::Error;
use std::io;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, OtherError, PeerIncompatible};

use super::fault::Fault;

#[cfg(test)]
mod tests;

/// Names of a certificate that are shown at most.
const NAMES: usize = 3;

const VERSIONS: &str = "the server speaks no version of TLS that we do (1.2 and 1.3)";
const CRITICAL: &str = "has a critical extension that is not supported";
const MALFORMED: &str = "is malformed, or one above it is";

/// The fault of TLS, if that is what `error` or one of its causes says. With `handshake`, a
/// connection that the server ended was ended in a handshake.
pub fn explain(error: &(dyn Error + 'static), handshake: bool) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(told(error));
        }
        let io = error.downcast_ref::<io::Error>();
        if handshake && io.is_some_and(is_end) {
            let text = "the server ends the connection in the TLS handshake; does it speak TLS?";
            return Some(text.to_owned());
        }
        // The source of an io::Error is not the error it was made of, but that one's source.
        next = match io.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

fn told(error: &rustls::Error) -> String {
    use rustls::Error;
    let text = match error {
        Error::InvalidCertificate(why) => {
            return format!("the server's certificate {}", certificate(why))
        }
        Error::AlertReceived(alert) => return alerted(*alert),
        Error::PeerIncompatible(why) => incompatible(why),
        Error::InvalidMessage(_) => "the server does not speak TLS",
        Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(_) => "the server breaks the rules of TLS",
        Error::NoCertificatesPresented => "the server shows no certificate",
        Error::DecryptError => "what the server sent over TLS is damaged",
        Error::PeerSentOversizedRecord => "the server sent a TLS record that is too long",
        Error::FailedToGetCurrentTime => {
            "the time of this device is unknown, so no certificate can be checked"
        }
        Error::FailedToGetRandomBytes => "the kernel gave no random numbers for TLS",
        _ => "TLS failed on this device",
    };
    text.to_owned()
}

fn incompatible(why: &PeerIncompatible) -> &'static str {
    use PeerIncompatible as Why;
    match why {
        Why::ServerDoesNotSupportTls12Or13
        | Why::ServerTlsVersionIsDisabledByOurConfig
        | Why::Tls12NotOffered
        | Why::Tls12NotOfferedOrEnabled => VERSIONS,
        Why::NoCertificateRequestSignatureSchemesInCommon => {
            "the server takes no signature that the key of our client certificate can make"
        }
        Why::NoSignatureSchemesInCommon => {
            "the server signs in no way that is supported (RSA, P-256, P-384 and Ed25519 are)"
        }
        _ => "the server and this device have no kind of TLS in common",
    }
}

/// The fault, to be read after "the server's certificate".
fn certificate(error: &CertificateError) -> String {
    use CertificateError as Why;
    let text = match error {
        Why::UnknownIssuer => "is from an issuer we do not know",
        Why::Expired => "has expired",
        Why::ExpiredContext { time, not_after } => {
            return format!("expired {} ago", days(*not_after, *time));
        }
        Why::NotValidYet => "is not valid yet; is the clock of this device right?",
        Why::NotValidYetContext { time, not_before } => {
            let span = days(*time, *not_before);
            return format!("becomes valid in {span}; is the clock of this device right?");
        }
        Why::NotValidForName => "has another name",
        Why::NotValidForNameContext {
            expected,
            presented,
        } => {
            return format!(
                "is not for {} but for {}",
                expected.to_str(),
                names(presented)
            );
        }
        Why::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id,
            ..
        }
        | Why::UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id,
            ..
        } => return signature(signature_algorithm_id),
        Why::BadSignature => "does not fit its signature, or that of the handshake",
        Why::InvalidPurpose | Why::InvalidPurposeContext { .. } => {
            "is not made for servers; its extendedKeyUsage needs serverAuth"
        }
        Why::UnhandledCriticalExtension => CRITICAL,
        Why::Revoked => "is revoked",
        Why::BadEncoding => MALFORMED,
        Why::Other(other) => return by_us(other),
        _ => "is refused",
    };
    text.to_owned()
}

/// By the identifier of the way it is signed, DER.
fn signature(algorithm: &[u8]) -> String {
    let has = |id: &[u8]| algorithm.windows(id.len()).any(|part| part == id);
    const RSA: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1];
    const ECDSA: [u8; 6] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4];
    let with = match () {
        () if has(&[&RSA[..], &[4]].concat()) => "with MD5",
        () if has(&[&RSA[..], &[5]].concat()) || has(&[&ECDSA[..], &[1]].concat()) => "with SHA-1",
        () => "in a way that is not supported",
    };
    format!("or one above it is signed {with}; use SHA-256 or SHA-384 with RSA, P-256 or P-384, or Ed25519")
}

/// The finding of our own check, or of the library that makes the other checks.
fn by_us(other: &OtherError) -> String {
    use webpki::Error;
    if let Some(fault) = other.0.downcast_ref::<Fault>() {
        return fault.to_string();
    }
    let text = match other.0.downcast_ref::<Error>() {
        Some(Error::EndEntityUsedAsCa) => {
            "is signed by a certificate that is not a CA's (CA:FALSE)"
        }
        Some(Error::CaUsedAsEndEntity) => "is that of a CA (CA:TRUE)",
        Some(Error::UnsupportedCertVersion) => "is not X.509 version 3, or one above it is not",
        Some(Error::NameConstraintViolation) => "has a name that its CA may not sign for",
        Some(Error::PathLenConstraintViolated) => "has more CAs above it than the highest allows",
        Some(
            Error::MaximumPathBuildCallsExceeded
            | Error::MaximumPathDepthExceeded
            | Error::MaximumSignatureChecksExceeded
            | Error::MaximumNameConstraintComparisonsExceeded,
        ) => "has too many certificates above it",
        Some(Error::UnsupportedCriticalExtension | Error::UnsupportedNameType) => CRITICAL,
        Some(_) => MALFORMED,
        None => "is refused",
    };
    text.to_owned()
}

/// The time from `from` to `to`, in words.
fn days(from: UnixTime, to: UnixTime) -> String {
    let span = to.as_secs().saturating_sub(from.as_secs());
    match span / 86_400 {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// Names as the server gave them: bounded, and without control characters.
fn names(presented: &[String]) -> String {
    let shown: Vec<String> = presented
        .iter()
        .take(NAMES)
        .map(|name| {
            // rustls writes `DnsName("example.net")` and `IpAddress(10.0.0.1)`.
            let inner = name
                .split_once('(')
                .and_then(|(_, rest)| rest.strip_suffix(')'));
            let name = inner.unwrap_or(name).trim_matches('"');
            name.chars().take(64).flat_map(char::escape_debug).collect()
        })
        .collect();
    match (presented.len(), shown.join(", ")) {
        (0, _) => "no name at all".to_owned(),
        (1..=NAMES, shown) => shown,
        (all, shown) => format!("{shown} and {} more", all - NAMES),
    }
}

fn alerted(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    let text = match alert {
        Alert::CertificateRequired => {
            "the server wants a client certificate (options 'tls_cert' and 'tls_key')"
        }
        Alert::UnknownCA => "the server does not know the issuer of our client certificate",
        Alert::CertificateExpired => "the server says our client certificate has expired",
        Alert::CertificateRevoked => "the server says our client certificate is revoked",
        // Some send it to clients that show none.
        Alert::BadCertificate | Alert::CertificateUnknown => {
            "the server refuses our client certificate, or wants one (options 'tls_cert' and 'tls_key')"
        }
        Alert::UnsupportedCertificate => {
            "the server refuses our client certificate: it does not support its kind"
        }
        Alert::AccessDenied => "the server denies us access in the TLS handshake",
        Alert::DecryptError => {
            "the server says a signature of ours is wrong; does it know another certificate of our key?"
        }
        // Without words of its own: OpenSSL has one alert for all of this up to TLS 1.2.
        Alert::HandshakeFailure | Alert::InsufficientSecurity => {
            "the server refuses the TLS handshake: it shares no cipher or kind of key with this \
             device, or wants a client certificate (docs/security.md lists what is supported)"
        }
        Alert::ProtocolVersion => VERSIONS,
        Alert::UnrecognisedName => "the server does not go by this name",
        Alert::InternalError => "the server has an internal error in TLS",
        Alert::CloseNotify | Alert::UserCanceled => "the server ends the TLS connection",
        Alert::NoApplicationProtocol => "the server speaks another protocol over TLS",
        other => {
            // By the list of the protocol (RFC 8446, section 6).
            let number = u8::from(other);
            return format!("the server ends the TLS connection (alert {number})");
        }
    };
    text.to_owned()
}
