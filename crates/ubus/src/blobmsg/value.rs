//! A value whose shape is not known beforehand.

use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Member, Members, Scalar, Type, MAX_DEPTH};
use crate::blob::Writer;
use crate::error::Malformed;

/// Any value, owned, with its wire type: for tools that do not know the shape beforehand.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Unspec,
    /// Values without names.
    Array(Vec<Value>),
    /// In wire order; a name may stand twice.
    Table(Vec<(Vec<u8>, Value)>),
    /// Without its NUL; any bytes.
    String(Vec<u8>),
    /// 64 bits.
    Int64(i64),
    /// 32 bits.
    Int32(i32),
    /// 16 bits.
    Int16(i16),
    /// 8 bits, also a bool.
    Int8(u8),
    /// A floating point number.
    Double(f64),
}

impl Value {
    /// A string.
    pub fn string(text: &str) -> Self {
        Value::String(text.as_bytes().to_vec())
    }

    /// A bool, which is a number of 8 bits.
    pub fn bool(value: bool) -> Self {
        Value::Int8(u8::from(value))
    }

    /// The table that the members in `payload` (the content of DATA) make up.
    pub fn from_members(payload: &[u8]) -> Result<Self, Malformed> {
        Self::table(payload, MAX_DEPTH)
    }

    fn table(payload: &[u8], depth: usize) -> Result<Self, Malformed> {
        let depth = depth.checked_sub(1).ok_or(Malformed::Depth)?;
        Members::new(payload)
            .map(|member| {
                let member = member?;
                Ok((member.name.to_vec(), Self::read(&member, depth)?))
            })
            .collect::<Result<_, _>>()
            .map(Value::Table)
    }

    fn read(member: &Member<'_>, depth: usize) -> Result<Self, Malformed> {
        Ok(match member.scalar()? {
            Scalar::Unspec => Value::Unspec,
            Scalar::Array(inner) => {
                let depth = depth.checked_sub(1).ok_or(Malformed::Depth)?;
                Value::Array(
                    Members::new(inner)
                        .map(|member| Self::read(&member?, depth))
                        .collect::<Result<_, _>>()?,
                )
            }
            Scalar::Table(inner) => Self::table(inner, depth)?,
            Scalar::String(text) => Value::String(text.to_vec()),
            Scalar::Int64(n) => Value::Int64(n),
            Scalar::Int32(n) => Value::Int32(n),
            Scalar::Int16(n) => Value::Int16(n),
            Scalar::Int8(n) => Value::Int8(n),
            Scalar::Double(n) => Value::Double(n),
        })
    }

    /// The members of this table as they stand in DATA; empty for anything but a table.
    pub fn to_members(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        if let Value::Table(members) = self {
            for (name, value) in members {
                value.write(name, &mut writer);
            }
        }
        writer.into_bytes()
    }

    /// Writes this value as a member called `name`.
    pub fn write(&self, name: &[u8], writer: &mut Writer) {
        match self {
            Value::Unspec => writer.member(Type::Unspec, name, &[]),
            Value::Array(items) => {
                let open = writer.open_member(Type::Array, name);
                for item in items {
                    item.write(b"", writer);
                }
                writer.close(open);
            }
            Value::Table(members) => {
                let open = writer.open_member(Type::Table, name);
                for (name, value) in members {
                    value.write(name, writer);
                }
                writer.close(open);
            }
            Value::String(text) => writer.string(name, text),
            Value::Int64(n) => writer.member(Type::Int64, name, &n.to_be_bytes()),
            Value::Int32(n) => writer.member(Type::Int32, name, &n.to_be_bytes()),
            Value::Int16(n) => writer.member(Type::Int16, name, &n.to_be_bytes()),
            Value::Int8(n) => writer.member(Type::Int8, name, &[*n]),
            Value::Double(n) => writer.member(Type::Double, name, &n.to_be_bytes()),
        }
    }

    /// The first member called `name`, if this is a table that has one.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Table(members) => members
                .iter()
                .find(|(key, _)| key == name.as_bytes())
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text, if this is a string and UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// The number, if this is an integer; negative ones stay negative.
    pub fn as_i64(&self) -> Option<i64> {
        Some(match self {
            Value::Int64(n) => *n,
            Value::Int32(n) => i64::from(*n),
            Value::Int16(n) => i64::from(*n),
            Value::Int8(n) => i64::from(*n),
            _ => return None,
        })
    }
}

/// As the ubus tool prints it: int8 is a bool, integers are signed, order is kept. Text that is not
/// UTF-8 gets replacement characters.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Unspec => serializer.serialize_unit(),
            Value::Array(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Value::Table(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(&String::from_utf8_lossy(name), value)?;
                }
                map.end()
            }
            Value::String(text) => serializer.serialize_str(&String::from_utf8_lossy(text)),
            Value::Int64(n) => serializer.serialize_i64(*n),
            Value::Int32(n) => serializer.serialize_i32(*n),
            Value::Int16(n) => serializer.serialize_i16(*n),
            Value::Int8(n) => serializer.serialize_bool(*n != 0),
            Value::Double(n) => serializer.serialize_f64(*n),
        }
    }
}

/// From JSON as the ubus tool reads it: a whole number is int32 if it fits, else int64; true and
/// false are int8; null is unspec.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Unspec)
            }
            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::Unspec)
            }
            fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
                Ok(Value::bool(v))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
                Ok(i32::try_from(v).map_or(Value::Int64(v), Value::Int32))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Value, E> {
                // json-c, behind the tool, stops at the largest signed number.
                self.visit_i64(i64::try_from(v).unwrap_or(i64::MAX))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
                Ok(Value::Double(v))
            }
            fn visit_str<E>(self, v: &str) -> Result<Value, E> {
                Ok(Value::string(v))
            }
            fn visit_bytes<E: de::Error>(self, v: &[u8]) -> Result<Value, E> {
                Ok(Value::String(v.to_vec()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Value::Array(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    members.push((name.into_bytes(), value));
                }
                Ok(Value::Table(members))
            }
        }

        deserializer.deserialize_any(Any)
    }
}
