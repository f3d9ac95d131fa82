//! An operator, as tests have one.

use base64::prelude::{Engine, BASE64_STANDARD};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::Value;

use super::signed_text;
use crate::config::PublicKey;
use crate::jobs::message::{self, Job};

/// A key of an operator.
pub(in crate::jobs) struct Operator(Ed25519KeyPair);

impl Operator {
    pub(in crate::jobs) fn new(seed: u8) -> Self {
        Operator(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    pub(in crate::jobs) fn public(&self) -> PublicKey {
        PublicKey(self.0.public_key().as_ref().try_into().unwrap())
    }

    /// Signs what the job says.
    pub(in crate::jobs) fn sign(&self, job: &Job) -> String {
        BASE64_STANDARD.encode(self.0.sign(&signed_text(job).unwrap()))
    }

    /// `job` with its signature.
    pub(in crate::jobs) fn sign_json(&self, mut job: Value) -> Value {
        let read = message::parse(job.to_string().as_bytes()).unwrap();
        job["sig"] = self.sign(&read).into();
        job
    }
}
