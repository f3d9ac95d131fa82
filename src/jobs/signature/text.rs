//! The bytes that a signature is made over.
//!
//! The first line says the version, then each field stands as its length in bytes, a colon and itself. No
//! byte can move from one field to the next without changing a length.
//!
//! ```text
//! socketman-job-v1
//! 6:job-17                  id
//! 17:94:83:c4:a1:b2:00      device
//! 10:1751450000             timestamp
//! 10:1751453600             expires
//! 0:                        type
//! 2:60                      timeout
//! 0:                        detach, 1 if it is true
//! 6:uptime                  msg
//! ```
//!
//! Every line ends with `\n`, the last one too. A field that is absent is empty. `live` has no effect on
//! the commands that run and is not among them; a new key with such an effect needs a new version.

use crate::jobs::message::Job;

/// The first line.
const VERSION: &str = "socketman-job-v1\n";

/// Longest field but `msg`, bytes.
const FIELD_MAX: usize = 256;

/// A job that no signature can be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error("{0} is longer than 256 bytes, too long for a signed job")]
    TooLong(&'static str),
    #[error("{0} has control characters, which no signed job may have there")]
    Control(&'static str),
}

/// The text of `job` that is signed.
///
/// # Errors
///
/// A field other than `msg` is too long or has control characters.
pub fn signed_text(job: &Job) -> Result<Vec<u8>, TextError> {
    let digits = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or_default();
    let timestamp = digits(job.timestamp);
    let expires = digits(job.expires);
    let timeout = digits(job.timeout.map(|timeout| timeout.as_secs()));
    let fields = [
        ("id", job.id.as_str()),
        ("device", job.device.as_deref().unwrap_or_default()),
        ("timestamp", &timestamp),
        ("expires", &expires),
        ("type", &job.type_name),
        ("timeout", &timeout),
        ("detach", if job.detach { "1" } else { "" }),
    ];
    let mut text = Vec::with_capacity(VERSION.len() + 256 + job.msg.len());
    text.extend_from_slice(VERSION.as_bytes());
    for (name, value) in fields {
        if value.len() > FIELD_MAX {
            return Err(TextError::TooLong(name));
        }
        if value.chars().any(char::is_control) {
            return Err(TextError::Control(name));
        }
        append(&mut text, value);
    }
    append(&mut text, &job.msg);
    Ok(text)
}

fn append(text: &mut Vec<u8>, value: &str) {
    text.extend_from_slice(value.len().to_string().as_bytes());
    text.push(b':');
    text.extend_from_slice(value.as_bytes());
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::message::parse;

    fn text_of(payload: &str) -> Result<String, TextError> {
        let job = parse(payload.as_bytes()).unwrap();
        signed_text(&job).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn every_field_stands_with_its_length_and_absent_ones_are_empty() {
        let whole = r#"{"id":"a","timestamp":7,"expires":18446744073709551615,"device":"AA-bb",
            "meta":{"msg":"é\n","type":"x y","timeout":60,"detach":true,"live":true}}"#;
        assert_eq!(
            text_of(whole).unwrap(),
            "socketman-job-v1\n1:a\n5:AA-bb\n1:7\n20:18446744073709551615\n3:x y\n2:60\n1:1\n3:é\n\n"
        );
        assert_eq!(
            text_of(r#"{"id":"a","meta":{"type":"ping"}}"#).unwrap(),
            "socketman-job-v1\n1:a\n0:\n0:\n0:\n4:ping\n0:\n0:\n0:\n"
        );
    }

    #[test]
    fn detach_that_is_false_is_as_good_as_absent_and_live_is_not_signed() {
        let plain = text_of(r#"{"id":"a","meta":{"msg":"true"}}"#);
        for flags in [
            r#""detach":false"#,
            r#""live":true"#,
            r#""live":false,"detach":false"#,
        ] {
            let payload = format!(r#"{{"id":"a","meta":{{"msg":"true",{flags}}}}}"#);
            assert_eq!(text_of(&payload), plain);
        }
    }

    #[test]
    fn control_characters_may_stand_in_msg_alone() {
        assert!(text_of(r#"{"id":"a","meta":{"msg":"a\tb\u0085"}}"#).is_ok());
        for (key, name) in [("device", "device"), ("type", "type")] {
            for control in ["\\n", "\\u0001", "\\u007f", "\\u0085"] {
                let value = format!("x{control}");
                let (top, meta) = match key {
                    "device" => (format!(r#""device":"{value}","#), String::new()),
                    _ => (String::new(), format!(r#","type":"{value}""#)),
                };
                let payload = format!(r#"{{"id":"a",{top}"meta":{{"msg":"true"{meta}}}}}"#);
                assert_eq!(text_of(&payload), Err(TextError::Control(name)));
            }
        }
    }

    #[test]
    fn a_field_that_is_too_long_is_refused() {
        let mut job = parse(br#"{"id":"a","meta":{"msg":"true"}}"#).unwrap();
        job.type_name = "x".repeat(FIELD_MAX);
        assert!(signed_text(&job).is_ok());
        job.type_name.push('x');
        assert_eq!(signed_text(&job), Err(TextError::TooLong("type")));
    }
}
