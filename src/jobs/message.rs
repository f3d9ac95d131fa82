//! Bytes → [`Job`]: the strict reading of a job's payload.

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Largest payload that is read as a job, bytes.
pub const PAYLOAD_MAX: usize = 1024 * 1024;

/// Longest job id, bytes.
pub const ID_MAX: usize = 256;

/// Longest id that a rejection repeats, bytes; a longer one counts as unreadable.
const ID_ECHO_MAX: usize = 4096;

/// Longest `type`, bytes. It is repeated in the result.
const TYPE_MAX: usize = 256;

/// What a job asks for.
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
}

impl Kind {
    /// The kind behind `meta.type`; a name that is empty or unknown means a command.
    pub fn of(name: &str) -> Self {
        match name {
            "ping" => Kind::Ping,
            "cancel" => Kind::Cancel,
            "reboot" => Kind::Reboot,
            _ => Kind::Shell,
        }
    }

    fn needs_msg(self) -> bool {
        matches!(self, Kind::Shell | Kind::Cancel)
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
    /// `*` or a MAC address in any notation.
    pub device: Option<String>,
}

impl Job {
    /// Whether the job is meant for the device with this MAC address.
    pub fn is_for(&self, mac: &str) -> bool {
        match self.device.as_deref() {
            None | Some("*") => true,
            Some(device) => plain_mac(device) == plain_mac(mac),
        }
    }

    /// Whether `expires` lies in the past of `now`, seconds since the epoch.
    pub fn expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// A MAC address as it is compared: no `:` nor `-`, lower case.
fn plain_mac(mac: &str) -> String {
    mac.chars()
        .filter(|c| !matches!(c, ':' | '-'))
        .map(|c| c.to_ascii_lowercase())
        .collect()
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

/// Checks a command that did not come in a payload.
pub fn check_msg(msg: &str) -> Result<(), &'static str> {
    if msg.len() > PAYLOAD_MAX {
        Err("msg is over 1 MiB")
    } else if msg.contains('\0') {
        Err("meta.msg has a NUL character")
    } else {
        Ok(())
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
    let repeated = RefCell::new(Repeated::default());
    let mut reader = serde_json::Deserializer::from_slice(payload);
    let node = Node {
        depth: 0,
        repeated: &repeated,
    };
    let value = node
        .deserialize(&mut reader)
        .map_err(|error| unreadable(format!("payload is not JSON: {error}")))?;
    let trailing = reader.end().is_err();
    let Value::Object(job) = value else {
        return Err(unreadable("payload is not a JSON object".into()));
    };
    let repeated = repeated.into_inner();
    let id = (!repeated.id).then(|| readable_id(&job)).flatten();
    let reject = |reason: String| Rejected {
        id: id.clone(),
        reason,
    };
    if trailing {
        return Err(reject("payload has bytes after the JSON object".into()));
    }
    if let Some(key) = repeated.first {
        return Err(reject(format!("key '{key}' is repeated")));
    }
    read_job(&job).map_err(reject)
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
    check_msg(&msg)?;
    Ok(Job {
        id: id.clone(),
        msg,
        kind,
        type_name,
        timeout: number(meta, "timeout", "meta.timeout")?.map(Duration::from_secs),
        timestamp: number(job, "timestamp", "timestamp")?,
        expires: number(job, "expires", "expires")?,
        device: string(job, "device", "device")?,
    })
}

fn string(object: &Map<String, Value>, key: &str, name: &str) -> Result<Option<String>, String> {
    match object.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("{name} is not a string")),
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

/// The repeated keys met while reading.
#[derive(Default)]
struct Repeated {
    /// Name of the first one, shortened for a message.
    first: Option<String>,
    /// Whether the job's own `id` is among them.
    id: bool,
}

impl Repeated {
    fn note(&mut self, depth: u32, key: &str) {
        self.id |= depth == 0 && key == "id";
        self.first
            .get_or_insert_with(|| key.chars().take(40).collect());
    }
}

/// Reads one JSON value and notes repeated keys, which serde_json's own [`Value`] would swallow.
/// Nesting is bounded by serde_json (128 levels).
struct Node<'a> {
    depth: u32,
    repeated: &'a RefCell<Repeated>,
}

impl Node<'_> {
    fn child(&self) -> Node<'_> {
        Node {
            depth: self.depth + 1,
            repeated: self.repeated,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        // No array has a meaning in a job: it is read for its grammar and its keys only.
        while items.next_element_seed(self.child())?.is_some() {}
        Ok(Value::Array(Vec::new()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self.child())?;
            if object.contains_key(&key) {
                self.repeated.borrow_mut().note(self.depth, &key);
            } else {
                object.insert(key, value);
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(payload: &str) -> (Option<String>, String) {
        let Rejected { id, reason } = parse(payload.as_bytes()).expect_err(payload);
        (id, reason)
    }

    #[test]
    fn a_whole_job_is_read() {
        let job = parse(
            br#"{"id":"op_1","timestamp":1,"expires":2,"device":"AA-bb:cc:00:11:22","sig":7,
                 "meta":{"msg":"uptime","type":"network","timeout":5,"detach":1,"x":[{"a":1}]}}"#,
        )
        .unwrap();
        assert_eq!(job.id, "op_1");
        assert_eq!(job.msg, "uptime");
        assert_eq!((job.kind, job.type_name.as_str()), (Kind::Shell, "network"));
        assert_eq!(job.timeout, Some(Duration::from_secs(5)));
        assert!(job.is_for("aabbcc001122") && job.is_for("AA:BB:CC:00:11:22"));
        assert!(!job.is_for("aabbcc001123"));
        assert!(job.expired(2) && !job.expired(1));
    }

    #[test]
    fn a_job_for_every_device_or_without_device_is_for_us() {
        for device in [r#""device":"*","#, ""] {
            let payload = format!(r#"{{"id":"a",{device}"meta":{{"msg":"true"}}}}"#);
            assert!(parse(payload.as_bytes()).unwrap().is_for("aabbcc001122"));
        }
    }

    #[test]
    fn ping_needs_no_msg() {
        let job = parse(br#"{"id":"a","meta":{"type":"ping"}}"#).unwrap();
        assert_eq!(job.kind, Kind::Ping);
    }

    // Row 3: ids of 38 characters and more were cut.
    #[test]
    fn an_id_of_256_bytes_comes_back_unchanged_and_a_longer_one_is_rejected() {
        let id = "i".repeat(256);
        let payload = format!(r#"{{"id":"{id}","meta":{{"msg":"true"}}}}"#);
        assert_eq!(parse(payload.as_bytes()).unwrap().id, id);
        let long = format!("{id}i");
        let payload = payload.replace(&id, &long);
        assert_eq!(
            rejected(&payload),
            (Some(long), "id is longer than 256 bytes".to_string())
        );
    }

    // Row 4: such a job ran under a random id.
    #[test]
    fn a_job_without_a_proper_id_is_rejected() {
        for (id, reason) in [
            ("", "id is missing"),
            (r#""id":7,"#, "id is not a string"),
            (r#""id":null,"#, "id is not a string"),
            (r#""id":"","#, "id is empty"),
        ] {
            let (answered, why) = rejected(&format!(r#"{{{id}"meta":{{"msg":"true"}}}}"#));
            assert_eq!((answered, why.as_str()), (None, reason));
        }
        let (answered, why) = rejected(r#"{"id":"a\nb","meta":{"msg":"true"}}"#);
        assert_eq!(answered.as_deref(), Some("a\nb"));
        assert_eq!(why, "id has control characters");
    }

    // Row 8: each of these ended the process.
    #[test]
    fn json_that_is_no_job_is_rejected() {
        for payload in ["[1,2]", "\"str\"", "123", "true"] {
            assert_eq!(
                rejected(payload),
                (None, "payload is not a JSON object".to_string())
            );
        }
        assert_eq!(
            rejected(r#"{"id":"a","meta":{"msg":null}}"#),
            (Some("a".into()), "meta.msg is not a string".into())
        );
        assert_eq!(
            rejected(r#"{"id":"a","meta":{"msg":"true","type":null}}"#),
            (Some("a".into()), "meta.type is not a string".into())
        );
    }

    // Row 9: nobody learned about these.
    #[test]
    fn what_is_not_json_is_rejected_with_a_reason() {
        let deep = format!(r#"{{"id":"a","meta":{}"#, "[".repeat(100_000));
        let cases: [&[u8]; 9] = [
            b"{",
            b"text",
            b"",
            b"null",
            b"\xef\xbb\xbf{\"id\":\"a\",\"meta\":{\"msg\":\"true\"}}",
            deep.as_bytes(),
            b"\x00\x01\xff",
            b"\x00",
            b"{\"id\":\"\xff\xfe\",\"meta\":{\"msg\":\"true\"}}",
        ];
        for payload in cases {
            let error = parse(payload).unwrap_err();
            assert!(error.id.is_none() && !error.reason.is_empty());
        }
        let nested = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert!(rejected(&nested).1.contains("not a JSON object"));
    }

    // Row 10: both were executed; the last key won.
    #[test]
    fn trailing_bytes_and_repeated_keys_are_rejected() {
        assert_eq!(
            rejected(r#"{"id":"a","meta":{"msg":"true"}} x"#),
            (
                Some("a".into()),
                "payload has bytes after the JSON object".into()
            )
        );
        assert_eq!(
            rejected(r#"{"id":"a","meta":{"msg":"true","msg":"false"}}"#),
            (Some("a".into()), "key 'msg' is repeated".into())
        );
        assert_eq!(
            rejected(r#"{"id":"a","id":"b","meta":{"msg":"true"}}"#),
            (None, "key 'id' is repeated".into())
        );
        assert_eq!(
            rejected(r#"{"id":"a","meta":{"msg":"true"},"x":[{"y":1,"y":2}]}"#),
            (Some("a".into()), "key 'y' is repeated".into())
        );
    }

    // Row 11: these ran as commands.
    #[test]
    fn a_msg_that_is_no_string_is_rejected() {
        for msg in ["7", "{}", "true", "[\"a\"]"] {
            let (id, reason) = rejected(&format!(r#"{{"id":"a","meta":{{"msg":{msg}}}}}"#));
            assert_eq!(id.as_deref(), Some("a"));
            assert_eq!(reason, "meta.msg is not a string");
        }
        assert_eq!(
            rejected(r#"{"id":"a","meta":{"type":"network"}}"#).1,
            "meta.msg is missing"
        );
        assert_eq!(
            rejected(r#"{"id":"a","meta":{"msg":"a\u0000b"}}"#).1,
            "meta.msg has a NUL character"
        );
    }

    #[test]
    fn numbers_of_the_wrong_kind_are_rejected() {
        for (keys, name) in [
            (r#""expires":"9","meta":{"msg":"true"}"#, "expires"),
            (r#""expires":1.5,"meta":{"msg":"true"}"#, "expires"),
            (r#""timestamp":-1,"meta":{"msg":"true"}"#, "timestamp"),
            (r#""meta":{"msg":"true","timeout":"9"}"#, "meta.timeout"),
        ] {
            let (id, reason) = rejected(&format!(r#"{{"id":"a",{keys}}}"#));
            assert_eq!(id.as_deref(), Some("a"));
            assert_eq!(reason, format!("{name} is not a whole number from 0 on"));
        }
    }

    // Row 13: a command of 9 MB ended the process.
    #[test]
    fn a_payload_over_one_mebibyte_is_rejected() {
        let payload = format!(
            r#"{{"id":"a","meta":{{"msg":"{}"}}}}"#,
            "x".repeat(9 * 1024 * 1024)
        );
        assert_eq!(rejected(&payload), (None, "payload is over 1 MiB".into()));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(payload: Vec<u8>) {
            let _ = parse(&payload);
        }

        #[test]
        fn no_damage_to_a_job_makes_the_reader_panic(at in 0usize..60, byte: u8) {
            let mut payload = br#"{"id":"a","timestamp":1,"meta":{"msg":"true","type":"x"}}"#.to_vec();
            let at = at % payload.len();
            payload[at] = byte;
            if let Ok(job) = parse(&payload) {
                assert!(check_id(&job.id).is_ok() && check_msg(&job.msg).is_ok());
            }
        }
    }
}
