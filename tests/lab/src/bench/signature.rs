//! Verification of a signed job.

use std::time::Instant;

use base64::prelude::{Engine, BASE64_STANDARD};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::json;
use socketman::config::PublicKey;
use socketman::jobs::message;
use socketman::jobs::signature::{signed_text, Signature};

use super::table::Table;
use super::times::Times;
use super::Failure;

const VERIFIED: usize = 200;

/// From the bytes of a job to the verdict on its signature.
pub(super) fn verify(table: &mut Table) -> Result<(), Failure> {
    let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
    let key = key.map_err(|error| error.to_string())?;
    let key = Ed25519KeyPair::from_pkcs8(key.as_ref());
    let key = key.map_err(|error| error.to_string())?;
    let public = PublicKey(key.public_key().as_ref().try_into()?);
    let mut job = json!({
        "id": "job-17",
        "timestamp": 1_780_000_000,
        "expires": 1_780_000_600,
        "meta": {"msg": "uci get system.@system[0].hostname"},
    });
    let text = signed_text(&message::parse(job.to_string().as_bytes())?)?;
    job["sig"] = BASE64_STANDARD.encode(key.sign(&text)).into();
    let job = job.to_string();
    let mut times = Times::new();
    for _ in 0..VERIFIED {
        let began = Instant::now();
        let job = message::parse(job.as_bytes())?;
        let signature = job.sig.as_deref().and_then(Signature::read);
        let signature = signature.ok_or("no signature")?;
        let is_good = signature.is_by_one_of(&[public], &signed_text(&job)?);
        times.since(began);
        if !is_good {
            return Err("a good signature was refused".into());
        }
    }
    table.plain(
        "signature verify, job of 34 bytes, p50",
        times.median(),
        "ms",
    );
    Ok(())
}
