//! A job with its signature.

use std::io::{self, Read};

use serde_json::{Map, Value};
use socketman::identity::Identity;
use socketman::jobs::message::{self, Job, Kind, Rejected, PAYLOAD_MAX};
use socketman::jobs::signature::{check_life, signed_text, Judge, Keys, Refusal, TextError};
use socketman::mac::Mac;
use socketman::upgrade::request::Request;

use crate::key::Key;

/// A timestamp may be this far ahead of the clock here, s. A device that has accepted a job takes its
/// timestamp for the past: one from the future makes it refuse all others until then.
const AHEAD: u64 = 24 * 3600;

/// Why a job is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("stdin: {0}")]
    Input(io::Error),
    #[error("job: {0}")]
    NoJob(#[from] Rejected),
    #[error("sig is there already: the job is signed")]
    Signed,
    #[error("expires is missing; give it in the job or use --expires-in SECONDS")]
    NoExpires,
    #[error("expires is in the job, and --expires-in was given too; leave out one of them")]
    TwoExpires,
    #[error("device is neither '*' nor a MAC address")]
    Device,
    #[error("timestamp is {0} s ahead of the clock of this computer; devices would refuse every other job until then")]
    Ahead(u64),
    #[error(transparent)]
    Text(#[from] TextError),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Reads a job, completes and signs it.
///
/// `timestamp` is `now`, seconds since the epoch, unless the job has one; `expires` is `expires_in`
/// seconds later than now, unless the job has one and `expires_in` is absent.
///
/// # Errors
///
/// The agent would not take it, or not for long enough to be worth a signature.
pub fn sign(
    key: &Key,
    input: impl Read,
    expires_in: Option<u64>,
    now: u64,
) -> Result<String, SignError> {
    let mut payload = Vec::new();
    // A byte more than is allowed, so that the agent's own reading says so.
    let most = u64::try_from(PAYLOAD_MAX).unwrap_or(u64::MAX);
    input
        .take(most.saturating_add(1))
        .read_to_end(&mut payload)
        .map_err(SignError::Input)?;
    let job = message::parse(&payload)?;
    if job.kind == Kind::Upgrade {
        // The device decides if http will do.
        let read = Request::read(&job.msg, true);
        read.map_err(|reason| Rejected { id: None, reason })?;
    }
    let mut object = object(&payload)?;
    if job.sig.is_some() {
        return Err(SignError::Signed);
    }
    let timestamp = job.timestamp.unwrap_or(now);
    let expires = match (job.expires, expires_in) {
        (Some(expires), None) => expires,
        (None, Some(seconds)) => now.saturating_add(seconds),
        (None, None) => return Err(SignError::NoExpires),
        (Some(_), Some(_)) => return Err(SignError::TwoExpires),
    };
    object.insert("timestamp".to_owned(), timestamp.into());
    object.insert("expires".to_owned(), expires.into());
    let job = read(&object)?;
    let ahead = timestamp.saturating_sub(now);
    if ahead > AHEAD {
        return Err(SignError::Ahead(ahead));
    }
    check_life(&job)?;
    let sig = key.sign(&signed_text(&job)?);
    object.insert("sig".to_owned(), sig.into());
    check(key, &read(&object)?, now)?;
    Ok(Value::Object(object).to_string())
}

/// The job again with the keys that the agent does not know. It was read before.
fn object(payload: &[u8]) -> Result<Map<String, Value>, SignError> {
    serde_json::from_slice(payload).map_err(|error| {
        SignError::NoJob(Rejected {
            id: None,
            reason: error.to_string(),
        })
    })
}

fn read(object: &Map<String, Value>) -> Result<Job, SignError> {
    let payload = serde_json::to_vec(object).map_err(|error| SignError::Input(error.into()))?;
    Ok(message::parse(&payload)?)
}

/// Judges the signed job as a device does that has this key and that it is meant for.
fn check(key: &Key, job: &Job, now: u64) -> Result<(), SignError> {
    let identity = match job.device.as_deref() {
        None | Some("*") => Identity::from(Mac::from([0; 6])),
        Some(device) => {
            let digits: String = device.chars().filter(|c| !":-".contains(*c)).collect();
            Identity::from(Mac::parse(&digits).ok_or(SignError::Device)?)
        }
    };
    let keys = [key.public()];
    Ok(Judge::new(Keys::Set(&keys), &identity).again(job, now)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_790_000_000;

    fn key() -> Key {
        Key::from_seed(&[7; 32])
    }

    fn signed(job: &Value, expires_in: Option<u64>) -> Result<Value, SignError> {
        let text = sign(&key(), job.to_string().as_bytes(), expires_in, NOW)?;
        Ok(serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn a_job_is_completed_and_keeps_everything_it_has() {
        let job = json!({"id": "a", "x": [1.5, null], "device": "AA-bb:cc001122",
            "meta": {"msg": "true", "detach": true, "y": {}}});
        let mut signed = signed(&job, Some(60)).unwrap();
        let sig = signed.as_object_mut().unwrap().remove("sig").unwrap();
        assert_eq!(sig.as_str().unwrap().len(), 88);
        let mut expected = job;
        expected["timestamp"] = json!(NOW);
        expected["expires"] = json!(NOW + 60);
        assert_eq!(signed, expected);
    }

    #[test]
    fn times_that_the_job_has_stay() {
        let job =
            json!({"id": "a", "timestamp": NOW - 5, "expires": NOW + 5, "meta": {"type": "ping"}});
        let signed = signed(&job, None).unwrap();
        assert_eq!(
            (&signed["timestamp"], &signed["expires"]),
            (&json!(NOW - 5), &json!(NOW + 5))
        );
    }

    #[test]
    fn what_no_device_would_run_is_not_signed() {
        let week = 7 * 24 * 3600;
        let job = |change: &[(&str, Value)]| {
            let mut job = json!({"id": "a", "expires": NOW + 60, "meta": {"msg": "true"}});
            for (key, value) in change {
                job[key] = value.clone();
            }
            job
        };
        for (job, expires_in, words) in [
            (json!([]), None, "job: payload is not a JSON object"),
            (
                json!({"meta": {"msg": "x"}}),
                Some(60),
                "job: id is missing",
            ),
            (
                job(&[("meta", json!({}))]),
                None,
                "job: meta.msg is missing",
            ),
            (
                job(&[("meta", json!({"msg": 7}))]),
                None,
                "job: meta.msg is not a string",
            ),
            (
                job(&[("meta", json!({"type": "upgrade", "msg": "{}"}))]),
                None,
                "job: url is missing",
            ),
            (job(&[("sig", json!("x"))]), None, "sig is there already"),
            (
                json!({"id": "a", "meta": {"msg": "x"}}),
                None,
                "expires is missing; give",
            ),
            (
                job(&[]),
                Some(60),
                "expires is in the job, and --expires-in",
            ),
            (
                job(&[("expires", json!(NOW - 1))]),
                None,
                "expires is before timestamp",
            ),
            (
                job(&[("timestamp", json!(NOW - 10)), ("expires", json!(NOW))]),
                None,
                "job has expired",
            ),
            (
                job(&[("expires", json!(NOW + week + 1))]),
                None,
                "expires is more than 7 days after timestamp",
            ),
            (job(&[("device", json!(""))]), None, "device is neither"),
            (
                job(&[("device", json!("ap-17"))]),
                None,
                "device is neither",
            ),
            (job(&[("device", json!(" *"))]), None, "device is neither"),
            (
                job(&[("device", json!("aabbcc001122\n"))]),
                None,
                "device has control characters",
            ),
            (
                job(&[("meta", json!({"msg": "x", "type": "a\tb"}))]),
                None,
                "type has control characters",
            ),
            (
                job(&[
                    ("timestamp", json!(NOW + 100_000)),
                    ("expires", json!(NOW + 100_060)),
                ]),
                None,
                "timestamp is 100000 s ahead",
            ),
        ] {
            let error = signed(&job, expires_in)
                .expect_err(&job.to_string())
                .to_string();
            assert!(error.starts_with(words), "{job}: {error}");
        }
    }

    #[test]
    fn text_that_is_no_json_and_keys_that_are_there_twice_are_refused() {
        for text in ["", "{", "{}x", r#"{"id":"a","id":"b","meta":{"msg":"x"}}"#] {
            assert!(
                sign(&key(), text.as_bytes(), Some(60), NOW).is_err(),
                "{text}"
            );
        }
        let long = json!({"id": "a", "meta": {"msg": "x".repeat(PAYLOAD_MAX - 40)}});
        let error = signed(&long, Some(60)).unwrap_err().to_string();
        assert_eq!(error, "job: payload is over 1 MiB");
    }
}
