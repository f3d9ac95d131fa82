//! What went wrong on a connection, in words for people.

use rumqttc::{ClientError, ConnectReturnCode, ConnectionError, StateError};

use crate::tls::words;

/// Longest error shown, characters.
const ERROR_MAX: usize = 200;

/// A request the client library did not take. The request itself, which the library's error carries,
/// is not shown: it names topics, and with them the key.
pub(super) fn refused(error: ClientError) -> String {
    match error {
        ClientError::RequestChannelFull(_) => "too much waits to be sent to the broker".into(),
        ClientError::RequestChannelDisconnected(_) => "the connection has ended".into(),
        ClientError::InvalidRequest(_) => "the broker sent a topic that is none".into(),
        other => other.to_string(),
    }
}

/// What kept a connection from coming about. A broker that wants TLS answers to CONNECT with what is no
/// MQTT, or not at all.
pub(super) fn describe_start(error: &ConnectionError, tls: bool) -> String {
    use rumqttc::Error::Io;
    use StateError::{ConnectionAborted, Deserialization};
    let what = match error {
        error if words::explain(error, false).is_some() => return describe(error),
        ConnectionError::MqttState(Deserialization(Io(_)) | ConnectionAborted) => {
            "closes the connection"
        }
        ConnectionError::MqttState(Deserialization(_)) => "does not answer in MQTT",
        _ => return describe(error),
    };
    match tls {
        true => format!("the broker {what}"),
        false => format!("the broker {what}; does it want TLS (option 'tls')?"),
    }
}

/// An error as it is shown: bounded, and without control characters a broker may have sent.
pub(super) fn describe(error: &ConnectionError) -> String {
    let handshake = matches!(error, ConnectionError::Tls(_));
    if let Some(text) = words::explain(error, handshake) {
        return text;
    }
    let text = match error {
        // Its own text is the whole packet.
        ConnectionError::NotConnAck(_) => return "the first packet is not a CONNACK".into(),
        ConnectionError::ConnectionRefused(code) => return not_let_in(*code).into(),
        other => other.to_string(),
    };
    text.chars()
        .take(ERROR_MAX)
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
