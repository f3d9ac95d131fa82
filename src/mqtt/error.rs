//! Failures on the way to the broker or on a connection, in words for people.
//!
//! No text of a library is shown: those name their own parts, and do not say what to do. It goes to the log
//! for debugging.

use std::error::Error;
use std::io;
use std::time::Duration;

use rumqttc::{ClientError, ConnectReturnCode, ConnectionError};

use crate::tls::words;

use super::dial::DialError;
use super::link::{Asked, End};

/// A request that the client library did not take. The request itself, which the library's error carries,
/// is not shown: it names topics, and with them the key.
pub(super) fn refused(error: ClientError) -> String {
    match error {
        ClientError::RequestChannelFull(_) => "too much waits to be sent to the broker",
        ClientError::RequestChannelDisconnected(_) => "the connection has ended",
        ClientError::InvalidRequest(_) => "the broker sent an invalid topic",
        _ => "a message could not be sent",
    }
    .into()
}

/// Why no connection came about.
pub(super) fn undialed(error: &DialError) -> String {
    match error {
        DialError::Lookup(error) => format!("cannot find its address: {error}"),
        DialError::Tcp(error) => no_connection(error),
        DialError::Tls(error) => match words::explain(error, true) {
            Some(text) => text,
            None => no_connection(error),
        },
        DialError::Name | DialError::TlsSilent(_) => error.to_string(),
    }
}

/// Why the stream ended. `accepted` says whether the broker had accepted us: one that wants TLS answers to
/// CONNECT with something that is not MQTT, or closes the connection.
pub(super) fn ended(end: &End, accepted: bool, tls: bool) -> String {
    match end {
        End::Silent(within) => no_answer(*within),
        End::Unanswered(Asked::Connect, within) => start(no_answer(*within), tls),
        End::Unanswered(asked, within) => {
            let within = within.as_secs();
            format!("the broker did not acknowledge {asked} within {within} s")
        }
        End::Malformed if accepted => "the broker sent a packet without an end".into(),
        End::Malformed => start("the broker does not answer in MQTT".into(), tls),
        End::Failed(error) => match words::explain(error, false) {
            Some(text) => text,
            None if !is_closed(end) => lost(error),
            None => closed(accepted, tls),
        },
        End::Closed => closed(accepted, tls),
    }
}

fn closed(accepted: bool, tls: bool) -> String {
    match accepted {
        true => "the broker closed the connection".into(),
        false => start("the broker closes the connection".into(), tls),
    }
}

fn no_answer(within: Duration) -> String {
    format!("the broker did not answer for {} s", within.as_secs())
}

/// With a hint for a broker that may want TLS.
fn start(text: String, tls: bool) -> String {
    match tls {
        true => text,
        false => format!("{text}; does it want TLS (option 'tls')?"),
    }
}

/// True if it was the broker, or somebody on the way to it, that closed the connection.
pub(super) fn is_closed(end: &End) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match end {
        End::Closed => true,
        End::Failed(error) => matches!(
            error.kind(),
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
        ),
        _ => false,
    }
}

/// An error of the client library itself, which was not one of the stream. `accepted` as for [`ended`].
pub(super) fn of_the_library(error: &ConnectionError, accepted: bool, tls: bool) -> String {
    log::debug!("broker: {}", debug_text(error));
    match error {
        ConnectionError::ConnectionRefused(code) => not_let_in(*code).into(),
        ConnectionError::NotConnAck(_) => "the first packet is not a CONNACK".into(),
        ConnectionError::NetworkTimeout
        | ConnectionError::FlushTimeout
        | ConnectionError::DisconnectTimeout => "the broker does not answer in time".into(),
        ConnectionError::MqttState(_) if accepted => {
            "the broker sent a packet that MQTT 3.1.1 does not allow".into()
        }
        ConnectionError::MqttState(_) => start("the broker does not answer in MQTT".into(), tls),
        _ if accepted => "the connection failed".into(),
        _ => "no connection came about".into(),
    }
}

/// The library's text without the packets of the broker, which may be long or hostile.
fn debug_text(error: &ConnectionError) -> String {
    if let ConnectionError::NotConnAck(_) = error {
        return "not a CONNACK".into();
    }
    let text = error.to_string();
    text.chars()
        .take(200)
        .flat_map(char::escape_debug)
        .collect()
}

fn not_let_in(code: ConnectReturnCode) -> &'static str {
    match code {
        ConnectReturnCode::Success => "the broker closes the connection it has accepted",
        ConnectReturnCode::RefusedProtocolVersion => "the broker does not speak MQTT 3.1.1",
        ConnectReturnCode::BadClientId => "the broker refuses our client id",
        ConnectReturnCode::ServiceUnavailable => "the broker is not available now",
        // Brokers differ in which of the two they send for wrong credentials.
        ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
            "the broker refuses options 'username' and 'password'"
        }
    }
}

/// Why no address of the broker took a connection.
fn no_connection(error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => "connection refused".into(),
        Kind::TimedOut => "no address of the broker takes a connection".into(),
        Kind::NotFound => "its name has no address".into(),
        Kind::PermissionDenied => "the connection is forbidden on this device".into(),
        _ => lost(error),
    }
}

/// A failure of the network.
fn lost(error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    log::debug!("broker: {error}");
    match error.kind() {
        Kind::HostUnreachable => "no route to the broker".into(),
        Kind::NetworkUnreachable => "the network is unreachable".into(),
        Kind::NetworkDown => "the network is down".into(),
        Kind::AddrNotAvailable => "this device has no address to connect from".into(),
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::UnexpectedEof => {
            "the broker closes the connection".into()
        }
        Kind::TimedOut => "the broker does not acknowledge what is sent".into(),
        // std's own words for it: "network down", "resource busy".
        kind if error.source().is_none() => format!("the connection failed: {kind}"),
        _ => "the connection failed".into(),
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::StateError;

    use super::*;

    /// Parts of texts that are a library's and not for people.
    const RAW: [&str; 5] = ["I/O", "os error", "Mqtt", "pingreq", "Kind("];

    #[test]
    fn no_error_shows_the_text_of_a_library() {
        use io::ErrorKind as Kind;
        let kinds = [
            Kind::ConnectionRefused,
            Kind::ConnectionReset,
            Kind::BrokenPipe,
            Kind::TimedOut,
            Kind::HostUnreachable,
            Kind::NetworkUnreachable,
            Kind::NetworkDown,
            Kind::AddrNotAvailable,
            Kind::PermissionDenied,
            Kind::Other,
        ];
        let mut all: Vec<String> = (1..=133)
            .map(|code| undialed(&DialError::Tcp(io::Error::from_raw_os_error(code))))
            .collect();
        for kind in kinds {
            all.push(undialed(&DialError::Tls(kind.into())));
            all.push(ended(&End::Failed(kind.into()), true, false));
            all.push(ended(&End::Failed(kind.into()), false, false));
        }
        for error in [
            StateError::AwaitPingResp,
            StateError::Unsolicited(7),
            StateError::InvalidState,
            StateError::ConnectionAborted,
            StateError::CollisionTimeout,
            StateError::Io(Kind::Other.into()),
        ] {
            let error = ConnectionError::MqttState(error);
            all.push(of_the_library(&error, true, false));
        }
        for error in [
            ConnectionError::NetworkTimeout,
            ConnectionError::FlushTimeout,
            ConnectionError::RequestsDone,
            ConnectionError::Io(io::Error::from_raw_os_error(111)),
        ] {
            all.push(of_the_library(&error, false, true));
        }
        for text in all {
            assert!(!RAW.iter().any(|raw| text.contains(raw)), "{text}");
        }
    }

    #[test]
    fn the_words_say_what_the_broker_did_not_do() {
        let seconds = Duration::from_secs;
        for (end, text) in [
            (
                End::Silent(seconds(45)),
                "the broker did not answer for 45 s",
            ),
            (
                End::Unanswered(Asked::Result, seconds(30)),
                "the broker did not acknowledge a result within 30 s",
            ),
            (
                End::Unanswered(Asked::Subscription, seconds(30)),
                "the broker did not acknowledge the subscription to jobs within 30 s",
            ),
            (End::Closed, "the broker closed the connection"),
        ] {
            assert_eq!(ended(&end, true, false), text);
        }
        let refused = DialError::Tcp(io::ErrorKind::ConnectionRefused.into());
        assert_eq!(undialed(&refused), "connection refused");
    }
}
