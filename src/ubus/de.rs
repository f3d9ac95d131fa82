//! blobmsg members into a Rust value, straight from the reply's bytes.
//!
//! Integers are read by the signedness of the field: a u64 field gets the bits of an int64 as they
//! are, a signed one gets them signed, and a smaller type widens. Values that do not fit are
//! errors. A bool is an int8. Text that is not UTF-8 (SSIDs and host names may be anything) gets
//! replacement characters in a `String` and arrives untouched in a byte buffer. A member that stands
//! twice counts once, the first time, for a struct; a map sees both.

use std::fmt::Display;

use serde::de::{
    self, value::BorrowedStrDeserializer, Deserialize, DeserializeOwned, DeserializeSeed,
    Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};

use super::blobmsg::{Member, Members, Scalar, MAX_DEPTH};
use super::error::Error;

/// Reads a `T` (a struct or a map) from the members in `payload`, the content of DATA.
pub fn from_members<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Error> {
    T::deserialize(ValueDeserializer {
        scalar: Scalar::Table(payload),
        depth: MAX_DEPTH,
    })
}

/// `None` where the value is missing *or of another type*: one strange field must not cost the rest
/// of a reply. For `#[serde(default, deserialize_with = "ubus::lenient")]`.
///
/// Works because each value of this format stands for itself; in a stream format a value that
/// failed half way would leave the reader nowhere.
pub fn lenient<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(T::deserialize(deserializer).ok())
}

impl de::Error for Error {
    fn custom<T: Display>(msg: T) -> Self {
        Error::Decode(msg.to_string())
    }
}

/// One value; consumed by reading it.
#[derive(Debug, Clone, Copy)]
struct ValueDeserializer<'de> {
    scalar: Scalar<'de>,
    depth: usize,
}

impl<'de> ValueDeserializer<'de> {
    fn of(member: &Member<'de>, depth: usize) -> Result<Self, Error> {
        Ok(ValueDeserializer {
            scalar: member.scalar()?,
            depth,
        })
    }

    fn inner_depth(&self) -> Result<usize, Error> {
        self.depth
            .checked_sub(1)
            .ok_or(Error::Malformed(super::error::Malformed::Depth))
    }

    /// The integer as a signed and as an unsigned number; the two differ only for negative ones.
    fn integer(&self) -> Option<(i64, u64)> {
        Some(match self.scalar {
            Scalar::Int64(n) => (n, n as u64),
            Scalar::Int32(n) => (n.into(), u64::from(n as u32)),
            Scalar::Int16(n) => (n.into(), u64::from(n as u16)),
            Scalar::Int8(n) => (i64::from(n as i8), n.into()),
            _ => return None,
        })
    }

    fn signed<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.integer() {
            Some((signed, _)) => visitor.visit_i64(signed),
            None => Err(self.mismatch(&visitor)),
        }
    }

    fn unsigned<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.integer() {
            Some((_, unsigned)) => visitor.visit_u64(unsigned),
            None => Err(self.mismatch(&visitor)),
        }
    }

    /// The error of a value of another type. Not generic and apart from the reading, because every
    /// type that is read has a copy of the code around it.
    #[cold]
    #[inline(never)]
    fn mismatch(&self, expected: &dyn Expected) -> Error {
        let found = match self.scalar {
            Scalar::Unspec => Unexpected::Unit,
            Scalar::Array(_) => Unexpected::Seq,
            Scalar::Table(_) => Unexpected::Map,
            Scalar::String(_) => Unexpected::Other("a string"),
            Scalar::Int64(n) => Unexpected::Signed(n),
            Scalar::Int32(n) => Unexpected::Signed(n.into()),
            Scalar::Int16(n) => Unexpected::Signed(n.into()),
            Scalar::Int8(n) => Unexpected::Bool(n != 0),
            Scalar::Double(n) => Unexpected::Float(n),
        };
        de::Error::invalid_type(found, expected)
    }
}

impl<'de> Deserializer<'de> for ValueDeserializer<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar {
            Scalar::Unspec => visitor.visit_unit(),
            Scalar::Array(_) => self.deserialize_seq(visitor),
            Scalar::Table(_) => self.deserialize_map(visitor),
            Scalar::String(_) => self.deserialize_str(visitor),
            Scalar::Int64(n) => visitor.visit_i64(n),
            Scalar::Int32(n) => visitor.visit_i32(n),
            Scalar::Int16(n) => visitor.visit_i16(n),
            Scalar::Int8(n) => visitor.visit_bool(n != 0),
            Scalar::Double(n) => visitor.visit_f64(n),
        }
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.signed(visitor)
    }
    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.signed(visitor)
    }
    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.signed(visitor)
    }
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.signed(visitor)
    }
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.unsigned(visitor)
    }
    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.unsigned(visitor)
    }
    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.unsigned(visitor)
    }
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.unsigned(visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match (self.scalar, self.integer()) {
            (Scalar::Double(n), _) => visitor.visit_f64(n),
            (_, Some((signed, _))) => visitor.visit_i64(signed),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar {
            Scalar::Int8(n) => visitor.visit_bool(n != 0),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar {
            Scalar::String(text) => match std::str::from_utf8(text) {
                Ok(text) => visitor.visit_borrowed_str(text),
                Err(_) => visitor.visit_string(String::from_utf8_lossy(text).into_owned()),
            },
            _ => Err(self.mismatch(&visitor)),
        }
    }
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar {
            Scalar::Array(inner) => visitor.visit_seq(Items {
                members: Members::new(inner),
                depth: self.inner_depth()?,
            }),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_struct("", &[], visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar {
            Scalar::String(text) => visitor.visit_borrowed_bytes(text),
            _ => Err(self.mismatch(&visitor)),
        }
    }
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar {
            Scalar::Unspec => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.scalar {
            Scalar::Table(inner) => {
                visitor.visit_map(Table::new(inner, self.inner_depth()?, fields))
            }
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.scalar {
            Scalar::String(text) => visitor.visit_enum(
                String::from_utf8_lossy(text)
                    .into_owned()
                    .into_deserializer(),
            ),
            Scalar::Table(inner) => {
                let mut members = Members::new(inner);
                let member = members.next().ok_or(Error::NoData)??;
                visitor.visit_enum(Variant {
                    member,
                    depth: self.inner_depth()?,
                })
            }
            _ => Err(self.mismatch(&visitor)),
        }
    }

    /// What nobody asked for is not looked at.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        char unit unit_struct tuple tuple_struct i128 u128
    }
}

/// The elements of an array.
struct Items<'de> {
    members: Members<'de>,
    depth: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        self.members
            .next()
            .map(|member| seed.deserialize(ValueDeserializer::of(&member?, self.depth)?))
            .transpose()
    }
}

/// The members of a table.
struct Table<'de> {
    members: Members<'de>,
    current: Option<Member<'de>>,
    depth: usize,
    /// The fields of the struct being read (none for a map), and which of the first 64 were seen.
    fields: &'static [&'static str],
    seen: u64,
}

impl<'de> Table<'de> {
    fn new(inner: &'de [u8], depth: usize, fields: &'static [&'static str]) -> Self {
        Table {
            members: Members::new(inner),
            current: None,
            depth,
            fields,
            seen: 0,
        }
    }

    fn repeated(&mut self, name: &[u8]) -> bool {
        let Some(at) = self
            .fields
            .iter()
            .take(64)
            .position(|field| field.as_bytes() == name)
        else {
            return false;
        };
        let bit = 1u64 << at;
        let repeated = self.seen & bit != 0;
        self.seen |= bit;
        repeated
    }
}

impl<'de> MapAccess<'de> for Table<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        loop {
            let Some(member) = self.members.next().transpose()? else {
                return Ok(None);
            };
            if self.repeated(member.name) {
                continue;
            }
            self.current = Some(member);
            return match std::str::from_utf8(member.name) {
                Ok(name) => seed.deserialize(BorrowedStrDeserializer::new(name)),
                Err(_) => seed.deserialize(
                    String::from_utf8_lossy(member.name)
                        .into_owned()
                        .into_deserializer(),
                ),
            }
            .map(Some);
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let member = self
            .current
            .take()
            .ok_or_else(|| Error::Decode("a value asked for before its name".into()))?;
        seed.deserialize(ValueDeserializer::of(&member, self.depth)?)
    }
}

/// A table of one member, read as an enum variant with content.
struct Variant<'de> {
    member: Member<'de>,
    depth: usize,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Error;
    type Variant = ValueDeserializer<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), Error> {
        let name = String::from_utf8_lossy(self.member.name).into_owned();
        let variant = seed.deserialize(IntoDeserializer::<Error>::into_deserializer(name))?;
        Ok((variant, ValueDeserializer::of(&self.member, self.depth)?))
    }
}

impl<'de> VariantAccess<'de> for ValueDeserializer<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self)
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::super::blobmsg::Value;
    use super::*;

    fn members(members: Vec<(&str, Value)>) -> Vec<u8> {
        Value::Table(
            members
                .into_iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value))
                .collect(),
        )
        .to_members()
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Sample {
        up: bool,
        signal: i32,
        rx: u64,
        packets: u32,
        name: String,
        rates: Vec<u32>,
        #[serde(deserialize_with = "lenient")]
        noise: Option<i8>,
        inner: Option<Box<Sample>>,
    }

    #[test]
    fn a_struct_is_read_straight_from_a_reply() {
        let bytes = members(vec![
            ("up", Value::Int8(1)),
            ("unknown", Value::Array(vec![Value::Unspec])),
            ("signal", Value::Int32(-48)),
            ("rx", Value::Int64(-1)),
            ("packets", Value::Int32(-1)),
            ("name", Value::String(vec![b'a', 0xff])),
            (
                "rates",
                Value::Array(vec![Value::Int16(7), Value::Int8(200)]),
            ),
            (
                "inner",
                Value::Table(vec![(b"signal".to_vec(), Value::Int16(-3))]),
            ),
        ]);
        let sample: Sample = from_members(&bytes).unwrap();
        assert_eq!(
            sample,
            Sample {
                up: true,
                signal: -48,
                rx: u64::MAX,
                packets: u32::MAX,
                name: "a\u{fffd}".into(),
                rates: vec![7, 200],
                noise: None,
                inner: Some(Box::new(Sample {
                    signal: -3,
                    ..Sample::default()
                })),
            }
        );
    }

    #[test]
    fn a_member_that_stands_twice_counts_once() {
        let bytes = members(vec![
            ("signal", Value::Int32(1)),
            ("signal", Value::Int32(2)),
        ]);
        assert_eq!(from_members::<Sample>(&bytes).unwrap().signal, 1);
        let map: BTreeMap<String, i32> = from_members(&bytes).unwrap();
        assert_eq!(map["signal"], 2);
    }

    #[test]
    fn a_lenient_field_of_another_type_costs_nothing_else() {
        let bytes = members(vec![
            (
                "noise",
                Value::Table(vec![(b"x".to_vec(), Value::string("y"))]),
            ),
            ("signal", Value::Int32(5)),
        ]);
        let sample: Sample = from_members(&bytes).unwrap();
        assert_eq!((sample.noise, sample.signal), (None, 5));
        let bytes = members(vec![("noise", Value::Int32(1000))]);
        assert_eq!(from_members::<Sample>(&bytes).unwrap().noise, None);
    }

    #[test]
    fn a_strict_field_of_another_type_is_an_error() {
        for (name, value) in [
            ("up", Value::Int32(1)),
            ("signal", Value::string("1")),
            ("packets", Value::Int64(1 << 40)),
            ("name", Value::Int32(1)),
            ("rates", Value::Int32(1)),
        ] {
            let bytes = members(vec![(name, value)]);
            assert!(from_members::<Sample>(&bytes).is_err(), "{name}");
        }
    }

    #[test]
    fn depth_is_bounded_while_reading() {
        let mut value = Value::Table(vec![]);
        for _ in 0..MAX_DEPTH + 1 {
            value = Value::Table(vec![(b"inner".to_vec(), value)]);
        }
        assert!(from_members::<Sample>(&value.to_members()).is_err());
    }
}
