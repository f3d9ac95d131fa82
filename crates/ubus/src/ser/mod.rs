//! A Rust value into blobmsg members.
//!
//! Structs and maps become tables, sequences arrays, strings strings, bools int8, `None` and `()`
//! unspec. A NUL inside a string becomes U+FFFD. Integers of up to 32 bits become int32 (unsigned ones by their bits, as every ubus
//! program does), 64-bit ones int64, floats double. Unit variants of enums become their name.

mod nested;

use std::fmt::Display;

use serde::ser::{self, Impossible, Serialize};

use super::blob::Writer;
use super::blobmsg::{Type, MAX_DEPTH};
use super::error::Error;

use nested::Nested;

/// The members of `value`, which has to be a struct or a map, as they stand in DATA.
pub fn to_members<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    let mut writer = Writer::new();
    value
        .serialize(Slot {
            writer: &mut writer,
            name: Name::Top,
            depth: MAX_DEPTH,
        })
        .map_err(|failure| *failure)?;
    Ok(writer.into_bytes())
}

/// An error on its way up. In a box, for each field that is written has code to pass one on.
pub(super) type Failure = Box<Error>;

impl ser::Error for Failure {
    fn custom<T: Display>(msg: T) -> Self {
        failure(&msg)
    }
}

#[cold]
#[inline(never)]
fn failure(words: &dyn Display) -> Failure {
    Box::new(Error::Encode(words.to_string()))
}

fn misplaced() -> Failure {
    failure(&"only a table can stand here")
}

/// Where a value is to be written.
enum Name<'n> {
    /// Into DATA itself: only something with members can stand there.
    Top,
    /// As a member of this name (empty in arrays).
    Member(&'n str),
}

struct Slot<'w, 'n> {
    writer: &'w mut Writer,
    name: Name<'n>,
    depth: usize,
}

impl<'w> Slot<'w, '_> {
    fn scalar(self, kind: Type, value: &[u8]) -> Result<(), Failure> {
        match self.name {
            Name::Top => Err(misplaced()),
            Name::Member(name) => {
                self.writer.member(kind, name.as_bytes(), value);
                Ok(())
            }
        }
    }

    fn nested(self, kind: Type) -> Result<Nested<'w>, Failure> {
        let depth = self
            .depth
            .checked_sub(1)
            .ok_or_else(|| failure(&"nested too deep"))?;
        let open = match self.name {
            Name::Member(name) => Some(self.writer.open_member(kind, name.as_bytes())),
            Name::Top if kind == Type::Table => None,
            Name::Top => return Err(misplaced()),
        };
        Ok(Nested {
            writer: self.writer,
            open,
            key: None,
            depth,
        })
    }
}

pub(super) fn unsupported<T>(what: &str) -> Result<T, Failure> {
    Err(failure(&format_args!("{what} has no blobmsg form")))
}

impl<'w> ser::Serializer for Slot<'w, '_> {
    type Ok = ();
    type Error = Failure;
    type SerializeSeq = Nested<'w>;
    type SerializeTuple = Nested<'w>;
    type SerializeTupleStruct = Nested<'w>;
    type SerializeTupleVariant = Impossible<(), Failure>;
    type SerializeMap = Nested<'w>;
    type SerializeStruct = Nested<'w>;
    type SerializeStructVariant = Impossible<(), Failure>;

    fn serialize_bool(self, v: bool) -> Result<(), Failure> {
        self.scalar(Type::Int8, &[u8::from(v)])
    }
    fn serialize_i8(self, v: i8) -> Result<(), Failure> {
        self.serialize_i32(v.into())
    }
    fn serialize_i16(self, v: i16) -> Result<(), Failure> {
        self.serialize_i32(v.into())
    }
    fn serialize_i32(self, v: i32) -> Result<(), Failure> {
        self.scalar(Type::Int32, &v.to_be_bytes())
    }
    fn serialize_i64(self, v: i64) -> Result<(), Failure> {
        self.scalar(Type::Int64, &v.to_be_bytes())
    }
    fn serialize_u8(self, v: u8) -> Result<(), Failure> {
        self.serialize_u32(v.into())
    }
    fn serialize_u16(self, v: u16) -> Result<(), Failure> {
        self.serialize_u32(v.into())
    }
    fn serialize_u32(self, v: u32) -> Result<(), Failure> {
        self.scalar(Type::Int32, &v.to_be_bytes())
    }
    fn serialize_u64(self, v: u64) -> Result<(), Failure> {
        self.scalar(Type::Int64, &v.to_be_bytes())
    }
    fn serialize_f32(self, v: f32) -> Result<(), Failure> {
        self.serialize_f64(v.into())
    }
    fn serialize_f64(self, v: f64) -> Result<(), Failure> {
        self.scalar(Type::Double, &v.to_be_bytes())
    }
    fn serialize_char(self, v: char) -> Result<(), Failure> {
        self.serialize_str(v.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(self, v: &str) -> Result<(), Failure> {
        self.serialize_bytes(v.as_bytes())
    }
    fn serialize_bytes(self, v: &[u8]) -> Result<(), Failure> {
        match self.name {
            Name::Top => Err(misplaced()),
            Name::Member(name) => {
                // What follows an inner NUL would be invisible to every C program.
                if v.contains(&0) {
                    let shown = v
                        .split(|byte| *byte == 0)
                        .collect::<Vec<_>>()
                        .join("\u{fffd}".as_bytes());
                    self.writer.string(name.as_bytes(), &shown);
                } else {
                    self.writer.string(name.as_bytes(), v);
                }
                Ok(())
            }
        }
    }
    fn serialize_none(self) -> Result<(), Failure> {
        self.serialize_unit()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Failure> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<(), Failure> {
        match self.name {
            Name::Top => Ok(()),
            Name::Member(_) => self.scalar(Type::Unspec, &[]),
        }
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Failure> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Failure> {
        self.serialize_str(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Failure> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Failure> {
        unsupported("an enum with content")
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Nested<'w>, Failure> {
        self.nested(Type::Array)
    }
    fn serialize_tuple(self, _: usize) -> Result<Nested<'w>, Failure> {
        self.nested(Type::Array)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Nested<'w>, Failure> {
        self.nested(Type::Array)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Impossible<(), Failure>, Failure> {
        unsupported("an enum with content")
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Nested<'w>, Failure> {
        self.nested(Type::Table)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Nested<'w>, Failure> {
        self.nested(Type::Table)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Impossible<(), Failure>, Failure> {
        unsupported("an enum with content")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::blobmsg::Value;
    use super::*;

    #[derive(serde::Serialize)]
    struct Sample {
        up: bool,
        mtu: u32,
        rx_bytes: u64,
        load: f32,
        name: Option<&'static str>,
        list: Vec<i16>,
        map: BTreeMap<String, ()>,
    }

    #[test]
    fn a_struct_becomes_members_of_the_types_ubus_programs_use() {
        let bytes = to_members(&Sample {
            up: true,
            mtu: u32::MAX,
            rx_bytes: u64::MAX,
            load: 0.5,
            name: None,
            list: vec![-2],
            map: BTreeMap::from([("x".into(), ())]),
        })
        .unwrap();
        let Ok(Value::Table(members)) = Value::from_members(&bytes) else {
            panic!("not a table");
        };
        let values: Vec<_> = members.into_iter().map(|(_, value)| value).collect();
        assert_eq!(
            values,
            [
                Value::Int8(1),
                Value::Int32(-1),
                Value::Int64(-1),
                Value::Double(0.5),
                Value::Unspec,
                Value::Array(vec![Value::Int32(-2)]),
                Value::Table(vec![(b"x".to_vec(), Value::Unspec)]),
            ]
        );
    }

    #[test]
    fn text_after_a_nul_is_not_lost() {
        let bytes = to_members(&BTreeMap::from([("a", "x\0y")])).unwrap();
        let value = Value::from_members(&bytes).unwrap();
        assert_eq!(value.get("a"), Some(&Value::string("x\u{fffd}y")));
    }

    #[test]
    fn the_key_of_a_map_is_whatever_stands_for_text() {
        #[derive(serde::Serialize, PartialEq, Eq, PartialOrd, Ord)]
        enum Band {
            Two,
        }
        #[derive(serde::Serialize, PartialEq, Eq, PartialOrd, Ord)]
        struct Name(&'static str);
        let value = |bytes: Result<Vec<u8>, Error>| Value::from_members(&bytes.unwrap()).unwrap();
        let of = |key: &str| Value::Table(vec![(key.as_bytes().to_vec(), Value::Int32(1))]);
        assert_eq!(
            value(to_members(&BTreeMap::from([(Band::Two, 1)]))),
            of("Two")
        );
        assert_eq!(
            value(to_members(&BTreeMap::from([(Name("n"), 1)]))),
            of("n")
        );
        assert_eq!(
            value(to_members(&BTreeMap::from([(Some("s"), 1)]))),
            of("s")
        );
        assert!(to_members(&BTreeMap::from([(None::<&str>, 1)])).is_err());
    }

    #[test]
    fn what_has_no_wire_form_is_an_error() {
        assert!(to_members(&5).is_err());
        assert!(to_members(&vec![1]).is_err());
        assert!(to_members(&BTreeMap::from([(1, 1)])).is_err());
        assert_eq!(to_members(&()), Ok(vec![]));
    }
}
