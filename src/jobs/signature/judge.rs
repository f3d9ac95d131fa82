//! The decision on a job, but for the ids seen before.

use super::keys::{Keys, Signature};
use super::text::{signed_text, TextError};
use crate::identity::Identity;
use crate::jobs::message::Job;

/// A signed job expires this long after it was made at the latest, s.
pub const LIFE_MAX: u64 = 7 * 24 * 3600;

/// Why a job does not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("job is for another device")]
    OtherDevice,
    /// The keys cannot be used.
    #[error("{0}")]
    Closed(String),
    #[error("job is not signed, and job_pubkey is set")]
    Unsigned,
    #[error("sig is not the base64 of 64 bytes")]
    NoSignature,
    #[error("{0} is missing, and the job is signed")]
    Missing(&'static str),
    #[error("expires is before timestamp")]
    Backwards,
    #[error("expires is more than 7 days after timestamp")]
    LivesTooLong,
    #[error(transparent)]
    Text(#[from] TextError),
    #[error("sig is by no key of job_pubkey, or the job was changed after it was signed")]
    WrongSignature,
    #[error("job has expired")]
    Expired,
}

/// Decides on jobs with the keys and the name that the device has at the moment.
///
/// The order is that of the checks: [`Judge::admit`] looks at device and signature; an id that was seen
/// before is answered with its outcome; [`check_time`] looks at the rest.
#[derive(Debug)]
pub struct Judge<'a> {
    keys: Keys<'a>,
    identity: &'a Identity,
}

impl<'a> Judge<'a> {
    pub fn new(keys: Keys<'a>, identity: &'a Identity) -> Self {
        Judge { keys, identity }
    }

    /// Checks that the job is meant for this device and, if keys are set, signed with one of them.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn admit(&self, job: &Job) -> Result<(), Refusal> {
        if !job.is_for(self.identity) {
            return Err(Refusal::OtherDevice);
        }
        let keys = match &self.keys {
            Keys::Unset => return Ok(()),
            Keys::Unusable(reason) => return Err(Refusal::Closed(reason.clone())),
            Keys::Set(keys) => keys,
        };
        let sig = job.sig.as_deref().ok_or(Refusal::Unsigned)?;
        let signature = Signature::read(sig).ok_or(Refusal::NoSignature)?;
        check_life(job)?;
        match signature.is_by_one_of(keys, &signed_text(job)?) {
            true => Ok(()),
            false => Err(Refusal::WrongSignature),
        }
    }

    /// All of it, for a job that was accepted and starts at `now`, seconds since the epoch.
    ///
    /// # Errors
    ///
    /// It may not run any more.
    pub fn again(&self, job: &Job, now: u64) -> Result<(), Refusal> {
        self.admit(job)?;
        check_time(job, now)
    }
}

/// Checks that there is still time for the job at `now`, seconds since the epoch.
///
/// # Errors
///
/// It has expired.
pub fn check_time(job: &Job, now: u64) -> Result<(), Refusal> {
    match job.expired(now) {
        true => Err(Refusal::Expired),
        false => Ok(()),
    }
}

/// Checks that a signed job has an end, soon enough for its id to be remembered until then.
///
/// # Errors
///
/// It has not.
pub fn check_life(job: &Job) -> Result<(), Refusal> {
    let timestamp = job.timestamp.ok_or(Refusal::Missing("timestamp"))?;
    let expires = job.expires.ok_or(Refusal::Missing("expires"))?;
    match expires.checked_sub(timestamp) {
        None => Err(Refusal::Backwards),
        Some(life) if life > LIFE_MAX => Err(Refusal::LivesTooLong),
        Some(_) => Ok(()),
    }
}
