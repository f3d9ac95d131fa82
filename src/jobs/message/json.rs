//! JSON as jobs are read: one value, and the keys that are in it twice.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::hash::BuildHasher;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A payload as JSON.
pub(super) struct Document {
    pub(super) value: Value,
    pub(super) repeated: Repeated,
    /// True if bytes follow the value.
    pub(super) trailing: bool,
}

/// Keys of a job, and of its `meta`, that have a meaning. The values of others are not kept.
const JOB: &[&str] = &["id", "timestamp", "expires", "device", "sig", "meta"];
const META: &[&str] = &["msg", "type", "timeout", "detach", "live"];

/// Reads the value that `payload` begins with.
pub(super) fn read(payload: &[u8]) -> serde_json::Result<Document> {
    read_as(Keep::Job, payload)
}

/// Reads the value that `text` begins with; of an object the strings, numbers and bools of the `known` keys.
pub(super) fn read_fields(
    text: &[u8],
    known: &'static [&'static str],
) -> serde_json::Result<Document> {
    read_as(Keep::Fields(known), text)
}

fn read_as(keep: Keep, payload: &[u8]) -> serde_json::Result<Document> {
    let repeated = RefCell::new(Repeated::default());
    let mut reader = serde_json::Deserializer::from_slice(payload);
    let node = Node {
        depth: 0,
        keep,
        repeated: &repeated,
    };
    let value = node.deserialize(&mut reader)?;
    Ok(Document {
        value,
        repeated: repeated.into_inner(),
        trailing: reader.end().is_err(),
    })
}

/// The repeated keys met while reading.
#[derive(Default)]
pub(super) struct Repeated {
    /// Name of the first one, shortened for a message.
    pub(super) first: Option<String>,
    /// True if the job's own `id` is among them.
    pub(super) id: bool,
}

impl Repeated {
    fn note(&mut self, depth: u32, key: &str) {
        self.id |= depth == 0 && key == "id";
        self.first
            .get_or_insert_with(|| key.chars().take(40).collect());
    }
}

/// The part of a value that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// The job: an object with the keys of [`JOB`].
    Job,
    /// Its `meta`: an object with the keys of [`META`].
    Meta,
    /// An object with these keys.
    Fields(&'static [&'static str]),
    /// A string or number; of anything else only which type it has.
    Scalar,
    /// Nothing: it is read for its grammar and its keys.
    Nothing,
}

impl Keep {
    /// The known key of this name in an object of this kind, and how much of its value is kept.
    fn entry(self, key: &str) -> Option<(&'static str, Keep)> {
        let known = match self {
            Keep::Job => JOB,
            Keep::Meta => META,
            Keep::Fields(known) => known,
            Keep::Scalar | Keep::Nothing => return None,
        };
        let known = known.iter().find(|known| **known == key)?;
        match (self, *known) {
            (Keep::Job, "meta") => Some((known, Keep::Meta)),
            _ => Some((known, Keep::Scalar)),
        }
    }
}

/// Reads one JSON value and notes repeated keys, which serde_json's own [`Value`] would swallow.
/// Nesting is bounded by serde_json (128 levels).
#[derive(Clone, Copy)]
struct Node<'a> {
    depth: u32,
    keep: Keep,
    repeated: &'a RefCell<Repeated>,
}

impl Node<'_> {
    fn child(&self, keep: Keep) -> Self {
        Node {
            depth: self.depth + 1,
            keep,
            ..*self
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
        Ok(match self.keep {
            Keep::Nothing => Value::Null,
            _ => value.into(),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        // No array has a meaning in a job.
        let item = self.child(Keep::Nothing);
        while items.next_element_seed(item)?.is_some() {}
        Ok(Value::Array(Vec::new()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let mut seen = HashSet::new();
        let mut key = |entries: &mut A| {
            entries.next_key_seed(Key {
                object: self,
                seen: &mut seen,
            })
        };
        while let Some(entry) = key(&mut entries)? {
            let keep = entry.map_or(Keep::Nothing, |(_, keep)| keep);
            let value = entries.next_value_seed(self.child(keep))?;
            if let Some((name, _)) = entry {
                object.insert(name.to_owned(), value);
            }
        }
        Ok(Value::Object(object))
    }
}

/// Reads a key, and notes it if the object had it before. Of the keys, hashes are kept: a payload may hold
/// 200,000 of them, and 8 bytes each are fewer than they have themselves.
struct Key<'a> {
    object: Node<'a>,
    seen: &'a mut HashSet<u64>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    /// The key, if it is known and not repeated.
    type Value = Option<(&'static str, Keep)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<(&'static str, Keep)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        // Keyed at random, so that nobody can make two names share a hash.
        let hash = self.seen.hasher().hash_one(key);
        if !self.seen.insert(hash) {
            let repeated = self.object.repeated;
            repeated.borrow_mut().note(self.object.depth, key);
            return Ok(None);
        }
        Ok(self.object.keep.entry(key))
    }
}
