//! Outcome → payload: what goes back to who sent a job.

use serde::Serialize;

use super::outcome::{share, End, Outcome};

/// Longest encoded result, bytes.
pub const RESULT_MAX: usize = 120 * 1024;

/// Longest reason in a reply, bytes.
const REASON_MAX: usize = 1024;

#[derive(Serialize)]
struct Delivered<'a> {
    id: &'a str,
    app: &'static str,
    timestamp: u64,
    event_type: &'static str,
    meta: DeliveredMeta,
}

#[derive(Serialize)]
struct DeliveredMeta {
    delivered: bool,
}

#[derive(Serialize)]
struct Processed<'a> {
    id: &'a str,
    timestamp: u64,
    app: &'static str,
    event_type: &'static str,
    meta: Meta<'a>,
}

#[derive(Serialize)]
struct Meta<'a> {
    msg: &'a str,
    #[serde(rename = "type")]
    type_name: &'a str,
    stderr: &'a str,
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rolled_back: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// The answer that a job was accepted.
pub fn delivered(id: &str, timestamp: u64) -> Vec<u8> {
    encode(&Delivered {
        id,
        app: "socketman",
        timestamp,
        event_type: "DELIVERED",
        meta: DeliveredMeta { delivered: true },
    })
}

/// The answer that a job was refused before it was accepted.
pub fn rejected(id: &str, timestamp: u64, reason: &str) -> Vec<u8> {
    encode(&Processed {
        id,
        timestamp,
        app: "socketman",
        event_type: "REJECTED",
        meta: Meta {
            msg: "",
            type_name: "",
            stderr: "",
            success: false,
            exit_code: None,
            signal: None,
            duration_ms: None,
            truncated: None,
            rolled_back: None,
            reason: Some(cut(reason, REASON_MAX)),
        },
    })
}

/// The result of a job, at most [`RESULT_MAX`] bytes.
pub fn result(id: &str, timestamp: u64, outcome: &Outcome) -> Vec<u8> {
    let whole = encode_result(
        id,
        timestamp,
        outcome,
        &outcome.stdout,
        &outcome.stderr,
        false,
    );
    if whole.len() <= RESULT_MAX {
        return whole;
    }
    let bare = encode_result(id, timestamp, outcome, "", "", true).len();
    let (stdout, stderr) = share(
        RESULT_MAX.saturating_sub(bare),
        escaped_len(&outcome.stdout),
        escaped_len(&outcome.stderr),
    );
    encode_result(
        id,
        timestamp,
        outcome,
        cut(&outcome.stdout, stdout),
        cut(&outcome.stderr, stderr),
        true,
    )
}

/// The result of a job without its output, for a broker that closes the connection on the whole one.
pub fn bare_result(id: &str, timestamp: u64, outcome: &Outcome) -> Vec<u8> {
    let mut bare = Outcome {
        stdout: String::new(),
        stderr: String::new(),
        truncated: true,
        ..outcome.clone()
    };
    let left_out = "output left out: the broker closed the connection on the whole result";
    bare.reason = Some(match &outcome.reason {
        Some(reason) => format!(
            "{}; {left_out}",
            cut(reason, REASON_MAX - 2 - left_out.len())
        ),
        None => left_out.to_owned(),
    });
    encode_result(id, timestamp, &bare, "", "", true)
}

fn encode_result(
    id: &str,
    timestamp: u64,
    outcome: &Outcome,
    stdout: &str,
    stderr: &str,
    cut_here: bool,
) -> Vec<u8> {
    encode(&Processed {
        id,
        timestamp,
        app: "socketman",
        event_type: match outcome.end {
            End::Processed => "PROCESSED",
            End::Rejected => "REJECTED",
            End::Interrupted => "INTERRUPTED",
        },
        meta: Meta {
            msg: stdout,
            type_name: &outcome.type_name,
            stderr,
            success: outcome.success,
            exit_code: outcome.exit_code,
            signal: outcome.signal,
            duration_ms: outcome.duration.map(millis),
            truncated: (outcome.truncated || cut_here).then_some(true),
            rolled_back: outcome.rolled_back.then_some(true),
            reason: outcome.reason.as_deref().map(|r| cut(r, REASON_MAX)),
        },
    })
}

/// A duration as it is reported, ms.
pub(crate) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn encode<T: Serialize>(reply: &T) -> Vec<u8> {
    serde_json::to_vec(reply).expect("strings, numbers and bools always encode")
}

/// Bytes a character takes inside a JSON string as serde_json writes it.
fn escaped_char_len(c: char) -> usize {
    match c {
        '"' | '\\' | '\u{8}' | '\t' | '\n' | '\u{c}' | '\r' => 2,
        '\0'..='\u{1f}' => 6,
        c => c.len_utf8(),
    }
}

fn escaped_len(text: &str) -> usize {
    text.chars().map(escaped_char_len).sum()
}

/// The longest start of `text` that takes at most `max` bytes when escaped.
pub(super) fn cut(text: &str, max: usize) -> &str {
    let mut room = max;
    for (at, c) in text.char_indices() {
        match room.checked_sub(escaped_char_len(c)) {
            Some(left) => room = left,
            None => return &text[..at],
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{json, Value};

    use super::*;

    fn decoded(payload: &[u8]) -> Value {
        serde_json::from_slice(payload).unwrap()
    }

    fn ran(stdout: &str, stderr: &str) -> Outcome {
        Outcome {
            end: End::Processed,
            type_name: "x".into(),
            success: false,
            exit_code: Some(3),
            signal: None,
            duration: Some(Duration::from_millis(12)),
            stdout: stdout.into(),
            stderr: stderr.into(),
            truncated: false,
            rolled_back: false,
            reason: None,
        }
    }

    #[test]
    fn a_change_that_was_undone_is_told_before_the_reason() {
        let mut outcome = ran("out", "");
        outcome.rolled_back = true;
        outcome.reason = Some("not back within 120 s".into());
        assert_eq!(
            String::from_utf8(result("a", 7, &outcome)).unwrap(),
            r#"{"id":"a","timestamp":7,"app":"socketman","event_type":"PROCESSED","meta":{"msg":"out","type":"x","stderr":"","success":false,"exit_code":3,"duration_ms":12,"rolled_back":true,"reason":"not back within 120 s"}}"#
        );
    }

    #[test]
    fn the_replies_have_the_shapes_collectors_know() {
        assert_eq!(
            String::from_utf8(delivered("a", 7)).unwrap(),
            r#"{"id":"a","app":"socketman","timestamp":7,"event_type":"DELIVERED","meta":{"delivered":true}}"#
        );
        assert_eq!(
            String::from_utf8(result("a", 7, &ran("out", "err"))).unwrap(),
            r#"{"id":"a","timestamp":7,"app":"socketman","event_type":"PROCESSED","meta":{"msg":"out","type":"x","stderr":"err","success":false,"exit_code":3,"duration_ms":12}}"#
        );
        assert_eq!(
            decoded(&rejected("a", 7, "expired")),
            json!({"id":"a","timestamp":7,"app":"socketman","event_type":"REJECTED",
                   "meta":{"msg":"","type":"","stderr":"","success":false,"reason":"expired"}})
        );
        let mut interrupted = ran("", "");
        interrupted.end = End::Interrupted;
        interrupted.exit_code = None;
        interrupted.signal = Some(15);
        let interrupted = decoded(&result("a", 7, &interrupted));
        assert_eq!(interrupted["event_type"], "INTERRUPTED");
        assert_eq!(interrupted["meta"]["signal"], 15);
    }

    #[test]
    fn a_bare_result_says_why_it_has_no_output() {
        let why = "output left out: the broker closed the connection on the whole result";
        let mut outcome = ran("out", "err");
        let value = decoded(&bare_result("a", 7, &outcome));
        assert_eq!(
            value,
            json!({"id":"a","timestamp":7,"app":"socketman","event_type":"PROCESSED",
                   "meta":{"msg":"","type":"x","stderr":"","success":false,"exit_code":3,
                           "duration_ms":12,"truncated":true,"reason":why}})
        );
        outcome.reason = Some("timed out after 1 s".into());
        let value = decoded(&bare_result("a", 7, &outcome));
        assert_eq!(
            value["meta"]["reason"],
            format!("timed out after 1 s; {why}")
        );
    }

    // Row 6: a NUL cut the output, and bytes that are no UTF-8 made it invalid JSON.
    #[test]
    fn nul_and_quotes_in_the_output_are_escaped() {
        let text = "a\0b\"\\\u{fffd}\x1b\n";
        assert_eq!(
            decoded(&result("a", 7, &ran(text, "")))["meta"]["msg"],
            text
        );
    }

    // Row 5: 51,200 bytes made invalid JSON with foreign bytes in it.
    #[test]
    fn a_result_is_valid_json_of_at_most_120_kib_whatever_the_output() {
        for text in ["x", "\0", "é", "\"", "\u{1f600}", "a\0é\""] {
            let long = text.repeat(300_000);
            for (stdout, stderr) in [(long.as_str(), ""), ("", long.as_str()), (&long, &long)] {
                let payload = result("a", 7, &ran(stdout, stderr));
                assert!(payload.len() <= RESULT_MAX, "{}", payload.len());
                assert!(payload.len() > RESULT_MAX - 16, "{}", payload.len());
                let meta = &decoded(&payload)["meta"];
                assert_eq!(meta["truncated"], true);
                assert!(stdout.starts_with(meta["msg"].as_str().unwrap()));
                assert!(stderr.starts_with(meta["stderr"].as_str().unwrap()));
            }
        }
    }

    #[test]
    fn our_count_of_escaped_bytes_is_what_serde_json_writes() {
        for c in (0..0x3000)
            .chain(0x1f600..0x1f610)
            .filter_map(char::from_u32)
        {
            let written = serde_json::to_string(&c.to_string()).unwrap();
            assert_eq!(escaped_char_len(c), written.len() - 2, "{c:?}");
        }
    }
}
