//! Jobs before the judge.

mod cases;
mod vectors;

use base64::prelude::{Engine, BASE64_STANDARD};
use serde_json::{json, Value};

use super::operator::Operator;
use super::*;
use crate::config::PublicKey;
use crate::identity::Identity;
use crate::jobs::message::{parse, Job};
use crate::process::clock::Reading;

/// The time in these tests.
const NOW: u64 = 1_790_000_000;

const MAC: &str = "94:83:c4:a1:b2:00";

impl Operator {
    /// `job` with its signature.
    fn signed(&self, job: Value) -> Job {
        read(&self.sign_json(job))
    }
}

fn read(job: &Value) -> Job {
    parse(job.to_string().as_bytes()).unwrap()
}

/// A job without a signature.
fn order() -> Value {
    json!({"id": "job-17", "timestamp": NOW - 5, "expires": NOW + 60, "device": MAC,
           "meta": {"msg": "uptime", "type": "x", "timeout": 60, "detach": true}})
}

fn synced(epoch: u64) -> Reading {
    Reading {
        epoch,
        mono: 0,
        synced: true,
    }
}

/// The judgement of a device with these keys on `job` at [`NOW`].
fn judged(keys: &Keys<'_>, job: &Job) -> Result<(), Refusal> {
    let identity: Identity = MAC.parse().unwrap();
    Judge::new(keys.clone(), &identity).again(job, NOW)
}
