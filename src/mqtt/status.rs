//! Messages on `status/<base>`.

use serde::Serialize;

#[derive(Serialize)]
struct Status<'a> {
    app: &'static str,
    timestamp: u64,
    event_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Presence<'a>>,
}

#[derive(Serialize)]
struct Presence<'a> {
    online: &'static str,
    client_id: &'a str,
}

/// The device came (`online`) or went. Also the last will.
pub(super) fn connect(client_id: &str, timestamp: u64, online: bool) -> Vec<u8> {
    encode(&Status {
        app: "socketman",
        timestamp,
        event_type: "CONNECT",
        meta: Some(Presence {
            online: if online { "1" } else { "0" },
            client_id,
        }),
    })
}

/// The device is there.
pub(super) fn ping(timestamp: u64) -> Vec<u8> {
    encode(&Status {
        app: "socketman",
        timestamp,
        event_type: "PING",
        meta: None,
    })
}

fn encode(status: &Status<'_>) -> Vec<u8> {
    serde_json::to_vec(status).expect("strings and numbers always encode")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_messages_have_the_shapes_brokers_know() {
        let text = |payload| String::from_utf8(payload).unwrap();
        assert_eq!(
            text(connect("socketmanaabbcc001122", 7, true)),
            r#"{"app":"socketman","timestamp":7,"event_type":"CONNECT","meta":{"online":"1","client_id":"socketmanaabbcc001122"}}"#
        );
        assert!(text(connect("x", 7, false)).contains(r#""online":"0""#));
        assert_eq!(
            text(ping(7)),
            r#"{"app":"socketman","timestamp":7,"event_type":"PING"}"#
        );
    }
}
