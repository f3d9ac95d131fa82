//! What went wrong on a connection, in words for people.

use rumqttc::{ClientError, ConnectReturnCode, ConnectionError};

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

/// An error as it is shown: bounded, and without control characters a broker may have sent.
pub(super) fn describe(error: &ConnectionError) -> String {
    if let Some(text) = words::explain(error) {
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
