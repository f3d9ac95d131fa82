//! Outcome → body of a PATCH, which reports a job to the API with option `rest`.

use serde::Serialize;

use super::outcome::Outcome;
use super::reply::{cut, encode, RESULT_MAX};

/// The part of [`RESULT_MAX`] that is not output.
const FRAME: usize = 64;

#[derive(Serialize)]
struct Operation<'a> {
    success: bool,
    output: &'a str,
    /// The same: the original's name for it.
    msg: &'a str,
}

/// The result of a job, at most [`RESULT_MAX`] bytes: what it wrote to its standard output; if that
/// is nothing, its standard error; if that is nothing, the reason why it did not end by itself.
pub fn result(outcome: &Outcome) -> Vec<u8> {
    let reason = outcome.reason.as_deref().unwrap_or_default();
    let mut said = [&outcome.stdout, &outcome.stderr, reason].into_iter();
    let said = said.find(|text| !text.is_empty()).unwrap_or_default();
    operation(outcome.success, said)
}

/// The answer that a job was refused before it was accepted.
pub fn rejected(reason: &str) -> Vec<u8> {
    operation(false, reason)
}

fn operation(success: bool, said: &str) -> Vec<u8> {
    let output = cut(said, (RESULT_MAX - FRAME) / 2);
    encode(&Operation {
        success,
        output,
        msg: output,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{json, Value};

    use super::*;
    use crate::jobs::End;

    fn outcome(stdout: &str, stderr: &str, reason: Option<&str>) -> Outcome {
        Outcome {
            stdout: stdout.into(),
            stderr: stderr.into(),
            success: true,
            ..Outcome::without_command(End::Processed, "", reason.map(str::to_owned))
        }
    }

    fn output(outcome: &Outcome) -> Value {
        let body: Value = serde_json::from_slice(&result(outcome)).unwrap();
        assert_eq!(body["msg"], body["output"]);
        body["output"].clone()
    }

    #[test]
    fn the_body_has_the_keys_of_the_original() {
        let body = result(&outcome("a\0\n", "b", None));
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"success":true,"output":"a\u0000\n","msg":"a\u0000\n"}"#
        );
        let body: Value = serde_json::from_slice(&rejected("expired")).unwrap();
        assert_eq!(
            body,
            json!({"success": false, "output": "expired", "msg": "expired"})
        );
    }

    #[test]
    fn a_job_without_output_tells_what_there_is() {
        assert_eq!(output(&outcome("out", "err", Some("killed"))), "out");
        assert_eq!(output(&outcome("", "err", Some("killed"))), "err");
        assert_eq!(output(&outcome("", "", Some("killed"))), "killed");
        assert_eq!(output(&outcome("", "", None)), "");
    }

    #[test]
    fn a_body_is_bounded_whatever_the_output_is() {
        for text in ["x", "\0", "\"", "é"] {
            let body = result(&outcome(&text.repeat(RESULT_MAX), "", None));
            assert!(body.len() <= RESULT_MAX && body.len() > RESULT_MAX - 80);
            let _: Value = serde_json::from_slice(&body).unwrap();
        }
    }
}
