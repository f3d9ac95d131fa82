//! The body of a ping.

use serde::Serialize;

#[derive(Serialize)]
struct Ping<'a> {
    app: &'static str,
    event_type: &'static str,
    timestamp: u64,
    mac: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u8>,
}

/// The device `mac` is there, with this health code if it is known.
pub(super) fn encode(timestamp: u64, mac: &str, status: Option<u8>) -> Vec<u8> {
    let ping = Ping {
        app: "socketman",
        event_type: "PING",
        timestamp,
        mac,
        status,
    };
    serde_json::to_vec(&ping).expect("strings and numbers always encode")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_says_how_the_device_is_once_that_is_known() {
        let text = |status| String::from_utf8(encode(7, "aa", status)).unwrap();
        assert_eq!(
            text(Some(9)),
            r#"{"app":"socketman","event_type":"PING","timestamp":7,"mac":"aa","status":9}"#
        );
        assert_eq!(
            text(None),
            r#"{"app":"socketman","event_type":"PING","timestamp":7,"mac":"aa"}"#
        );
    }
}
