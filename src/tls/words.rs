//! A failed handshake, in words for people.

use std::error::Error;
use std::io;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

/// Names of a certificate that are shown at most.
const NAMES: usize = 3;

/// What went wrong with TLS, if that is what `error` or one of its causes says. With `handshake`, a
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
    match error {
        Error::InvalidCertificate(why) => certificate(why),
        Error::InvalidMessage(_) => "the server does not speak TLS".to_owned(),
        Error::AlertReceived(alert) => alerted(*alert),
        Error::PeerIncompatible(why) => {
            format!("the server speaks TLS in no way we do (1.2 and 1.3): {why:?}")
        }
        other => format!("TLS: {other}"),
    }
}

fn certificate(error: &CertificateError) -> String {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    let which = "the server's certificate";
    match error {
        UnknownIssuer => format!("{which} is from an issuer we do not know"),
        Expired => format!("{which} has expired"),
        ExpiredContext { time, not_after } => {
            format!("{which} expired {} ago", days(*not_after, *time))
        }
        NotValidYet => format!("{which} is not valid yet; is the clock of this device right?"),
        NotValidYetContext { time, not_before } => format!(
            "{which} is valid in {} only; is the clock of this device right?",
            days(*time, *not_before)
        ),
        NotValidForName => format!("{which} has another name"),
        NotValidForNameContext {
            expected,
            presented,
        } => format!(
            "{which} is not for {} but for {}",
            expected.to_str(),
            names(presented)
        ),
        other => format!("{which} is refused: {other}"),
    }
}

/// How long from `from` to `to`.
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
    match alert {
        Alert::CertificateRequired => {
            "the server wants a client certificate (options 'tls_cert' and 'tls_key')".to_owned()
        }
        Alert::UnknownCA => {
            "the server does not know the issuer of our client certificate".to_owned()
        }
        Alert::CertificateExpired => {
            "the server says our client certificate has expired".to_owned()
        }
        Alert::CertificateRevoked => "the server says our client certificate is revoked".to_owned(),
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateUnknown
        | Alert::AccessDenied
        | Alert::DecryptError => format!("the server refuses our client certificate ({alert:?})"),
        Alert::HandshakeFailure => {
            "the server refuses the TLS handshake; a client certificate may be missing".to_owned()
        }
        Alert::ProtocolVersion => {
            "the server speaks no version of TLS that we do (1.2 and 1.3)".to_owned()
        }
        Alert::UnrecognisedName => "the server does not go by this name".to_owned(),
        other => format!("the server ends the TLS connection ({other:?})"),
    }
}
