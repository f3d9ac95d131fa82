//! What went wrong on a connection, in words for people.

use rumqttc::{ClientError, ConnectionError};

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
    let text = match error {
        // Its own text is the whole packet.
        ConnectionError::NotConnAck(_) => return "the first packet is not a CONNACK".into(),
        other => other.to_string(),
    };
    text.chars()
        .take(ERROR_MAX)
        .flat_map(char::escape_debug)
        .collect()
}
