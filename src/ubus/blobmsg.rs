//! blobmsg: named, typed members inside the DATA and SIGNATURE attributes.
//!
//! ```text
//! | blob word: extended, id = type | u16 name length | name | NUL | 0 to 3 x 0 | value |
//! ```
//!
//! The value starts at a multiple of 4. Numbers are big endian; strings carry their NUL; a bool is
//! an int8; tables and arrays hold members, those of an array nameless. The payload of DATA is not
//! itself a table: its members stand in it directly.

use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::blob::{padded, Attr, Attrs, Open, Writer};
use super::error::Malformed;

/// How deep tables and arrays may nest, both ways; ubus itself has no limit.
pub const MAX_DEPTH: usize = 64;

/// The types a member can have, numbered as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Type {
    Unspec = 0,
    Array = 1,
    Table = 2,
    String = 3,
    Int64 = 4,
    Int32 = 5,
    Int16 = 6,
    /// Also a bool: 0 or 1.
    Int8 = 7,
    Double = 8,
}

impl Type {
    pub fn from_id(id: u8) -> Option<Self> {
        Some(match id {
            0 => Type::Unspec,
            1 => Type::Array,
            2 => Type::Table,
            3 => Type::String,
            4 => Type::Int64,
            5 => Type::Int32,
            6 => Type::Int16,
            7 => Type::Int8,
            8 => Type::Double,
            _ => return None,
        })
    }
}

/// One member, borrowed; its frame is checked, the value inside only by [`Member::scalar`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member<'a> {
    /// Empty in arrays. UTF-8 in practice, but nothing guarantees it.
    pub name: &'a [u8],
    pub kind: Type,
    pub value: &'a [u8],
}

/// The value of a member, nested ones unread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar<'a> {
    Unspec,
    /// The members inside, to be walked with [`Members`].
    Array(&'a [u8]),
    Table(&'a [u8]),
    /// Without its NUL.
    String(&'a [u8]),
    Int64(i64),
    Int32(i32),
    Int16(i16),
    Int8(u8),
    Double(f64),
}

impl<'a> Member<'a> {
    fn parse(attr: Attr<'a>) -> Result<Self, Malformed> {
        if !attr.extended {
            return Err(Malformed::Name);
        }
        let kind = Type::from_id(attr.id).ok_or(Malformed::Type)?;
        let (len, rest) = attr
            .payload
            .split_first_chunk::<2>()
            .ok_or(Malformed::Name)?;
        let len = usize::from(u16::from_be_bytes(*len));
        if rest.get(len) != Some(&0) {
            return Err(Malformed::Name);
        }
        let value = attr
            .payload
            .get(padded(2 + len + 1)..)
            .ok_or(Malformed::Name)?;
        Ok(Member {
            name: &rest[..len],
            kind,
            value,
        })
    }

    /// The value, its size checked against its type.
    pub fn scalar(&self) -> Result<Scalar<'a>, Malformed> {
        fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Malformed> {
            bytes.try_into().map_err(|_| Malformed::NumberSize)
        }
        Ok(match self.kind {
            Type::Unspec => Scalar::Unspec,
            Type::Array => Scalar::Array(self.value),
            Type::Table => Scalar::Table(self.value),
            Type::String => match self.value.split_last() {
                Some((0, text)) => Scalar::String(text),
                _ => return Err(Malformed::Unterminated),
            },
            Type::Int64 => Scalar::Int64(i64::from_be_bytes(exactly(self.value)?)),
            Type::Int32 => Scalar::Int32(i32::from_be_bytes(exactly(self.value)?)),
            Type::Int16 => Scalar::Int16(i16::from_be_bytes(exactly(self.value)?)),
            Type::Int8 => Scalar::Int8(exactly::<1>(self.value)?[0]),
            Type::Double => Scalar::Double(f64::from_be_bytes(exactly(self.value)?)),
        })
    }
}

/// Walks the members of a table, of an array or of DATA; ends after the first malformed one.
#[derive(Debug, Clone)]
pub struct Members<'a> {
    attrs: Attrs<'a>,
}

impl<'a> Members<'a> {
    pub fn new(payload: &'a [u8]) -> Self {
        Members {
            attrs: Attrs::new(payload),
        }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let member = self.attrs.next()?.and_then(Member::parse);
        if member.is_err() {
            self.attrs = Attrs::new(&[]);
        }
        Some(member)
    }
}

impl Writer {
    /// Starts a member; whatever is written until [`Writer::close`] is its value.
    pub fn open_member(&mut self, kind: Type, name: &[u8]) -> Open {
        // A name beyond 64 KiB cannot be expressed; nobody has one, and a cut name beats a panic.
        let name = &name[..name.len().min(usize::from(u16::MAX))];
        let open = self.open(kind as u8, true);
        self.bytes(&(name.len() as u16).to_be_bytes());
        self.bytes(name);
        self.bytes(&[0]);
        self.pad();
        open
    }

    /// Writes a member whose value is `value` as it stands on the wire.
    pub fn member(&mut self, kind: Type, name: &[u8], value: &[u8]) {
        let open = self.open_member(kind, name);
        self.bytes(value);
        self.close(open);
    }

    /// Writes a string member; the NUL is added.
    pub fn string(&mut self, name: &[u8], text: &[u8]) {
        let open = self.open_member(Type::String, name);
        self.bytes(text);
        self.bytes(&[0]);
        self.close(open);
    }
}

/// Any value, owned, with its wire type: for tools that do not know the shape beforehand.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Unspec,
    Array(Vec<Value>),
    /// In wire order; a name may stand twice.
    Table(Vec<(Vec<u8>, Value)>),
    /// Without its NUL; any bytes.
    String(Vec<u8>),
    Int64(i64),
    Int32(i32),
    Int16(i16),
    Int8(u8),
    Double(f64),
}

impl Value {
    pub fn string(text: &str) -> Self {
        Value::String(text.as_bytes().to_vec())
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn one(kind: Type, name: &[u8], value: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.member(kind, name, value);
        writer.into_bytes()
    }

    #[test]
    fn a_member_is_a_typed_named_attribute() {
        assert_eq!(
            one(Type::Int32, b"n", &5i32.to_be_bytes()),
            b"\x85\0\0\x0c\0\x01n\0\0\0\0\x05"
        );
        assert_eq!(one(Type::Table, b"", &[]), b"\x82\0\0\x08\0\0\0\0");
    }

    #[test]
    fn values_survive_the_wire() {
        let value: Value = serde_json::from_str(
            r#"{"a":[1,5000000000,-1,true,null,"x",1.5,{}],"b":{"c":{"d":""}}}"#,
        )
        .unwrap();
        assert_eq!(Value::from_members(&value.to_members()), Ok(value));
    }

    #[test]
    fn bad_members_are_refused_with_their_reason() {
        let cases: [(&[u8], Malformed); 7] = [
            (b"\x05\0\0\x0c\0\x01n\0\0\0\0\x05", Malformed::Name),
            (b"\x89\0\0\x08\0\x01n\0", Malformed::Type),
            (b"\x85\0\0\x05\0\0\0\0", Malformed::Name),
            (b"\x85\0\0\x0c\0\x09n\0\0\0\0\x05", Malformed::Name),
            (b"\x85\0\0\x0b\0\x01n\0\0\0\0\0", Malformed::NumberSize),
            (b"\x83\0\0\x08\0\x01n\0", Malformed::Unterminated),
            (b"\x83\0\0\x0b\0\x01n\0abc\0", Malformed::Unterminated),
        ];
        for (bytes, reason) in cases {
            assert_eq!(Value::from_members(bytes), Err(reason), "{bytes:x?}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let mut value = Value::Table(vec![]);
        for _ in 0..MAX_DEPTH - 1 {
            value = Value::Table(vec![(b"t".to_vec(), value)]);
        }
        assert!(Value::from_members(&value.to_members()).is_ok());
        let deeper = Value::Table(vec![(b"t".to_vec(), value)]);
        assert_eq!(
            Value::from_members(&deeper.to_members()),
            Err(Malformed::Depth)
        );
    }
}
