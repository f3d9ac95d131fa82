//! Jobs before the judge.

mod cases;
mod vectors;

use base64::prelude::{Engine, BASE64_STANDARD};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{json, Value};

use super::*;
use crate::clock::Reading;
use crate::config::PublicKey;
use crate::jobs::message::{parse, Job};
use crate::provision::Identity;

/// The time in these tests.
const NOW: u64 = 1_790_000_000;

const MAC: &str = "94:83:c4:a1:b2:00";

/// A key of an operator.
struct Operator(Ed25519KeyPair);

impl Operator {
    fn new(seed: u8) -> Self {
        Operator(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    fn public(&self) -> PublicKey {
        PublicKey(self.0.public_key().as_ref().try_into().unwrap())
    }

    /// Signs what the job says.
    fn sign(&self, job: &Job) -> String {
        BASE64_STANDARD.encode(self.0.sign(&signed_text(job).unwrap()))
    }

    /// `job` with its signature.
    fn signed(&self, mut job: Value) -> Job {
        let sig = self.sign(&read(&job));
        job["sig"] = json!(sig);
        read(&job)
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

/// What a device with these keys says to `job` at [`NOW`].
fn judged(keys: &Keys<'_>, job: &Job) -> Result<(), Refusal> {
    let identity: Identity = MAC.parse().unwrap();
    let floor = Floor::new(0, 0);
    Judge::new(keys.clone(), &identity, &floor, synced(NOW)).again(job)
}
