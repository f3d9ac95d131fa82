//! Jobs: the payload, the text that is signed, and the signature.

use std::time::Duration;

use base64::prelude::{Engine, BASE64_STANDARD};
use serde_json::{json, Value};

use super::data;
use crate::config::PublicKey;
use crate::jobs::message::{self, Job, PAYLOAD_MAX};
use crate::jobs::signature::{signed_text, Signature};

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = data::contents("signed-jobs", ".json");
    for more in [
        r#"{"id":"a","timestamp":1,"expires":2,"device":"AA-bb:cc:00:11:22","sig":"c2ln","meta":{"msg":"x","type":"network","timeout":60,"detach":true,"live":true},"x":[{"y":null}]}"#,
        r#"{"id":"a","id":"b","meta":{}}"#,
        r#"{"id":"\u0001","meta":{"type":"ping"}} {}"#,
    ] {
        seeds.push(more.into());
    }
    seeds
}

pub(super) fn run(input: &[u8]) {
    let job = match message::parse(input) {
        Ok(job) => job,
        Err(rejected) => {
            assert!(rejected
                .id
                .is_none_or(|id| !id.is_empty() && id.len() <= 4096));
            assert!(!rejected.reason.is_empty() && rejected.reason.len() <= 1024);
            return;
        }
    };
    assert!(input.len() <= PAYLOAD_MAX);
    assert_eq!(message::check_id(&job.id), Ok(()));
    assert_eq!(message::check_msg(job.kind, &job.msg), Ok(()));
    assert_eq!(message::check_type(&job.type_name), Ok(()));
    assert_eq!(message::check_timeout(job.timeout), Ok(()));
    let again = message::parse(write(&job).to_string().as_bytes());
    assert_eq!(again.as_ref(), Ok(&job), "what is written reads back");
    if let Ok(text) = signed_text(&job) {
        assert_eq!(read_signed(&text).as_ref(), Some(&job_in_text(&job)));
    }
}

fn write(job: &Job) -> Value {
    let mut meta =
        json!({ "msg": job.msg, "type": job.type_name, "detach": job.detach, "live": job.live });
    if let Some(timeout) = job.timeout {
        meta["timeout"] = timeout.as_secs().into();
    }
    let mut whole = json!({ "id": job.id, "meta": meta });
    for (key, number) in [("timestamp", job.timestamp), ("expires", job.expires)] {
        if let Some(number) = number {
            whole[key] = number.into();
        }
    }
    for (key, text) in [("device", &job.device), ("sig", &job.sig)] {
        if let Some(text) = text {
            whole[key] = text.as_str().into();
        }
    }
    whole
}

/// The fields of a signed text, in its order. Two jobs with one text have one meaning.
fn job_in_text(job: &Job) -> Vec<String> {
    let digits = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or_default();
    vec![
        job.id.clone(),
        job.device.clone().unwrap_or_default(),
        digits(job.timestamp),
        digits(job.expires),
        job.type_name.clone(),
        digits(job.timeout.map(|timeout: Duration| timeout.as_secs())),
        if job.detach { "1" } else { "" }.to_owned(),
        job.msg.clone(),
    ]
}

/// Reads a signed text by its description alone.
fn read_signed(text: &[u8]) -> Option<Vec<String>> {
    let mut rest = text.strip_prefix(b"socketman-job-v1\n")?;
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let colon = rest.iter().position(|byte| *byte == b':')?;
        let length: usize = std::str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
        let field = rest.get(colon + 1..colon + 1 + length)?;
        fields.push(String::from_utf8(field.to_vec()).ok()?);
        rest = rest[colon + 1 + length..].strip_prefix(b"\n")?;
    }
    Some(fields)
}

/// A text and what its signature should be, in base64.
const SIGNED: &[u8] = include_bytes!("../../tests/data/signed-jobs/plain.text");
const SIGNATURE: &str = include_str!("../../tests/data/signed-jobs/plain.sig");
const KEY: &str = include_str!("../../tests/data/signed-jobs/operator.key.pub");

pub(super) fn signature_seeds() -> Vec<Vec<u8>> {
    let signatures = data::contents("signed-jobs", ".sig").into_iter();
    signatures.map(|text| text.trim_ascii().to_vec()).collect()
}

/// No text but the one signature is good, in no spelling but its own.
pub(super) fn run_signature(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let Some(signature) = Signature::read(text) else {
        return;
    };
    let bytes = BASE64_STANDARD.decode(text).expect("it was read as base64");
    assert_eq!(
        (bytes.len(), BASE64_STANDARD.encode(&bytes).as_str()),
        (64, text)
    );
    let key = BASE64_STANDARD
        .decode(KEY.trim())
        .expect("the key is base64");
    let key = PublicKey(key.try_into().expect("a key has 32 bytes"));
    let is_good = signature.is_by_one_of(&[key], SIGNED);
    assert_eq!(is_good, text == SIGNATURE.trim(), "{text}");
}
