//! A key of the operator's, and jobs signed with it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::prelude::{Engine, BASE64_STANDARD};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{json, Value};
use socketman::jobs::message;
use socketman::jobs::signature::signed_text;

use super::Failure;

/// Longer than a job waits for its turn. Ids of jobs that have expired can be forgotten.
const EXPIRES_IN: Duration = Duration::from_secs(1800);

pub(super) struct Signer(Ed25519KeyPair);

impl Signer {
    pub(super) fn new() -> Result<Self, Failure> {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let key = key.map_err(|error| error.to_string())?;
        let key = Ed25519KeyPair::from_pkcs8(key.as_ref());
        Ok(Signer(key.map_err(|error| error.to_string())?))
    }

    /// As in option `job_pubkey`.
    pub(super) fn public(&self) -> String {
        BASE64_STANDARD.encode(self.0.public_key().as_ref())
    }

    /// A job, made now.
    pub(super) fn job(&self, id: &str, meta: &Value) -> Result<String, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let mut job = json!({
            "id": id,
            "timestamp": now.as_secs(),
            "expires": (now + EXPIRES_IN).as_secs(),
            "meta": meta,
        });
        let text = signed_text(&message::parse(job.to_string().as_bytes())?)?;
        job["sig"] = BASE64_STANDARD.encode(self.0.sign(&text)).into();
        Ok(job.to_string())
    }
}
