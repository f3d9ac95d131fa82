//! Bytes → [`Job`]: the strict reading of a job's payload.

mod json;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::{Map, Value};

use super::upgrades::UPGRADE;
use crate::identity::Identity;

/// Largest payload that is read as a job, bytes.
pub const PAYLOAD_MAX: usize = 1024 * 1024;

/// Longest job id, bytes.
pub const ID_MAX: usize = 256;

/// Longest id that a rejection repeats, bytes; a longer one counts as unreadable.
const ID_ECHO_MAX: usize = 4096;

/// Longest `type`, bytes. It is repeated in the result.
const TYPE_MAX: usize = 256;

/// Longest `device`, bytes.
const DEVICE_MAX: usize = 64;

/// Longest `sig`, bytes; a signature takes 88.
const SIG_MAX: usize = 256;

/// The operation that a job asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Run `msg` with `/bin/sh`.
    Shell,
    /// Succeed without a command.
    Ping,
    /// Stop the job whose id is `msg`.
    Cancel,
    /// Reboot and report afterwards.
    Reboot,
    /// Replace the agent or the firmware as `msg` says.
    Upgrade,
}

impl Kind {
    /// The kind behind `meta.type`; a name that is empty or unknown means a command.
    pub fn of(name: &str) -> Self {
        match name {
            "ping" => Kind::Ping,
            "cancel" => Kind::Cancel,
            "reboot" => Kind::Reboot,
            UPGRADE => Kind::Upgrade,
            _ => Kind::Shell,
        }
    }

    fn needs_msg(self) -> bool {
        matches!(self, Kind::Shell | Kind::Cancel | Kind::Upgrade)
    }
}

/// A job that is well formed. Whether it may run is decided elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// 1-256 bytes, no control characters.
    pub id: String,
    /// `meta.msg`; empty where none is needed.
    pub msg: String,
    pub kind: Kind,
    /// `meta.type` as it was sent, empty if absent; the result repeats it.
    pub type_name: String,
    /// `meta.timeout`, not yet clamped.
    pub timeout: Option<Duration>,
    /// Seconds since the epoch.
    pub timestamp: Option<u64>,
    /// Seconds since the epoch.
    pub expires: Option<u64>,
    /// `*` or a MAC address in any notation, as it was sent.
    pub device: Option<String>,
    /// `meta.detach`; false if absent.
    pub detach: bool,
    /// `meta.live`; false if absent.
    pub live: bool,
    /// Base64 of a signature, not yet looked at.
    pub sig: Option<String>,
}

impl Job {
    /// True if the job is meant for this device.
    pub fn is_for(&self, identity: &Identity) -> bool {
        match self.device.as_deref() {
            None | Some("*") => true,
            Some(device) => identity.is(device),
        }
    }

    /// Bytes of memory it takes up.
    pub fn held(&self) -> usize {
        let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        size_of::<Job>()
            + self.id.len()
            + self.msg.len()
            + self.type_name.len()
            + optional(&self.device)
            + optional(&self.sig)
    }

    /// True if `expires` lies in the past of `now`, seconds since the epoch.
    pub fn expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// A payload that is no job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Rejected {
    /// The job's id, if one could be read.
    pub id: Option<String>,
    pub reason: String,
}

/// Checks an id that did not come in a payload.
pub fn check_id(id: &str) -> Result<(), &'static str> {
    if id.is_empty() {
        Err("id is empty")
    } else if id.len() > ID_MAX {
        Err("id is longer than 256 bytes")
    } else if id.chars().any(char::is_control) {
        Err("id has control characters")
    } else {
        Ok(())
    }
}

/// Checks the command of a job.
pub fn check_msg(kind: Kind, msg: &str) -> Result<(), &'static str> {
    if msg.is_empty() && kind.needs_msg() {
        Err("meta.msg is empty")
    } else if msg.len() > PAYLOAD_MAX {
        Err("msg is over 1 MiB")
    } else if msg.contains('\0') {
        Err("meta.msg has a NUL character")
    } else {
        Ok(())
    }
}

/// Checks the time a job asks for.
pub fn check_timeout(timeout: Option<Duration>) -> Result<(), &'static str> {
    match timeout {
        Some(timeout) if timeout < Duration::from_secs(1) => Err("meta.timeout is below 1 s"),
        _ => Ok(()),
    }
}

/// Checks a type that did not come in a payload.
pub fn check_type(name: &str) -> Result<(), &'static str> {
    if name.len() > TYPE_MAX {
        Err("meta.type is longer than 256 bytes")
    } else {
        Ok(())
    }
}

/// Reads a payload. Accepts exactly one JSON object without repeated keys, with every known key of
/// its right type; unknown keys have no effect.
pub fn parse(payload: &[u8]) -> Result<Job, Rejected> {
    let unreadable = |reason: String| Rejected { id: None, reason };
    if payload.len() > PAYLOAD_MAX {
        return Err(unreadable("payload is over 1 MiB".into()));
    }
    let document =
        json::read(payload).map_err(|error| unreadable(format!("payload is not JSON: {error}")))?;
    let Value::Object(job) = document.value else {
        return Err(unreadable("payload is not a JSON object".into()));
    };
    let repeated = document.repeated;
    let id = (!repeated.id).then(|| readable_id(&job)).flatten();
    let reject = |reason: String| Rejected {
        id: id.clone(),
        reason,
    };
    if document.trailing {
        return Err(reject("payload has bytes after the JSON object".into()));
    }
    if let Some(key) = repeated.first {
        return Err(reject(format!("key '{key}' is repeated")));
    }
    read_job(&job).map_err(reject)
}

/// The strings, numbers and bools of a JSON object that were asked for.
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Reads exactly one JSON object without repeated keys; keys other than `known` ones have no effect.
    ///
    /// # Errors
    ///
    /// Its fault, as for a job.
    pub fn read(text: &[u8], known: &'static [&'static str]) -> Result<Self, String> {
        let document = json::read_fields(text, known);
        let document = document.map_err(|error| format!("msg is not JSON: {error}"))?;
        let Value::Object(fields) = document.value else {
            return Err("msg is not a JSON object".to_owned());
        };
        if document.trailing {
            return Err("msg has bytes after the JSON object".to_owned());
        }
        match document.repeated.first {
            Some(key) => Err(format!("key '{key}' is repeated")),
            None => Ok(Fields(fields)),
        }
    }

    /// # Errors
    ///
    /// A value of another type, by its key.
    pub fn text(&self, key: &str) -> Result<Option<&str>, String> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("{key} is not a string")),
        }
    }

    /// # Errors
    ///
    /// A value of another type, by its key.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, String> {
        match self.0.contains_key(key) {
            true => flag(&self.0, key, key).map(Some),
            false => Ok(None),
        }
    }

    /// # Errors
    ///
    /// A value of another type, by its key.
    pub fn number(&self, key: &str) -> Result<Option<u64>, String> {
        number(&self.0, key, key)
    }
}

fn readable_id(job: &Map<String, Value>) -> Option<String> {
    match job.get("id") {
        Some(Value::String(id)) if !id.is_empty() && id.len() <= ID_ECHO_MAX => Some(id.clone()),
        _ => None,
    }
}

fn read_job(job: &Map<String, Value>) -> Result<Job, String> {
    let id = match job.get("id") {
        None => return Err("id is missing".into()),
        Some(Value::String(id)) => id,
        Some(_) => return Err("id is not a string".into()),
    };
    check_id(id)?;
    let meta = match job.get("meta") {
        None => return Err("meta is missing".into()),
        Some(Value::Object(meta)) => meta,
        Some(_) => return Err("meta is not an object".into()),
    };
    let type_name = string(meta, "type", "meta.type")?.unwrap_or_default();
    check_type(&type_name)?;
    let kind = Kind::of(&type_name);
    let msg = match string(meta, "msg", "meta.msg")? {
        Some(msg) => msg,
        None if kind.needs_msg() => return Err("meta.msg is missing".into()),
        None => String::new(),
    };
    check_msg(kind, &msg)?;
    let timeout = number(meta, "timeout", "meta.timeout")?.map(Duration::from_secs);
    check_timeout(timeout)?;
    let is_over = |text: &Option<String>, max| text.as_ref().is_some_and(|text| text.len() > max);
    let device = string(job, "device", "device")?;
    if is_over(&device, DEVICE_MAX) {
        return Err("device is longer than 64 bytes".into());
    }
    let sig = string(job, "sig", "sig")?;
    if is_over(&sig, SIG_MAX) {
        return Err("sig is longer than 256 bytes".into());
    }
    Ok(Job {
        id: id.clone(),
        msg,
        kind,
        type_name,
        timeout,
        timestamp: number(job, "timestamp", "timestamp")?,
        expires: number(job, "expires", "expires")?,
        device,
        detach: flag(meta, "detach", "meta.detach")?,
        live: flag(meta, "live", "meta.live")?,
        sig,
    })
}

fn string(object: &Map<String, Value>, key: &str, name: &str) -> Result<Option<String>, String> {
    match object.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("{name} is not a string")),
    }
}

fn flag(object: &Map<String, Value>, key: &str, name: &str) -> Result<bool, String> {
    match object.get(key) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(format!("{name} is neither true nor false")),
    }
}

fn number(object: &Map<String, Value>, key: &str, name: &str) -> Result<Option<u64>, String> {
    match object.get(key) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(format!("{name} is not a whole number from 0 on")),
        },
    }
}
