//! JSON as jobs are read: one value, and the keys that are in it twice.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A payload as JSON.
pub(super) struct Document {
    pub(super) value: Value,
    pub(super) repeated: Repeated,
    /// Whether bytes follow the value.
    pub(super) trailing: bool,
}

/// Reads the value that `payload` begins with.
pub(super) fn read(payload: &[u8]) -> serde_json::Result<Document> {
    let repeated = RefCell::new(Repeated::default());
    let mut reader = serde_json::Deserializer::from_slice(payload);
    let node = Node {
        depth: 0,
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
    /// Whether the job's own `id` is among them.
    pub(super) id: bool,
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
