//! blobmsg members into a Rust value, straight from the reply's bytes.
//!
//! Integers are read by the signedness of the field: a u64 field gets the bits of an int64 as they
//! are, a signed one gets them signed, and a smaller type widens. Values that do not fit are
//! errors. A bool is an int8. Text that is not UTF-8 (SSIDs and host names may be anything) gets
//! replacement characters in a `String` and arrives untouched in a byte buffer. A member that stands
//! twice counts once, the first time, for a struct; a map sees both.
//!
//! Replies are read leniently, for their writers differ; arguments are acted upon, and read
//! strictly: text has to be UTF-8, and an int8 is a bool and no number.

mod access;

use std::fmt::Display;

use serde::de::{
    self, Deserialize, DeserializeOwned, Deserializer, Expected, IntoDeserializer, Unexpected,
    Visitor,
};

use self::access::{Fields, Items, Table, Variant};
use super::blobmsg::{Member, Members, Scalar, MAX_DEPTH};
use super::error::Error;

/// Reads a `T` (a struct or a map) from the members in `payload`, the content of DATA.
pub fn from_members<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Error> {
    read(payload, false)
}

/// Reads a `T` from the arguments of a call, strictly: text that is not UTF-8, and an int8 for a
/// number, are errors.
pub fn from_arguments<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Error> {
    read(payload, true)
}

fn read<T: DeserializeOwned>(payload: &[u8], is_strict: bool) -> Result<T, Error> {
    T::deserialize(ValueDeserializer {
        scalar: Scalar::Table(payload),
        limits: Limits {
            depth: MAX_DEPTH,
            is_strict,
        },
    })
    .map_err(|failure| *failure)
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

/// An error on its way up. In a box, for each field that is read has code to pass one on.
type Failure = Box<Error>;

impl de::Error for Failure {
    fn custom<T: Display>(msg: T) -> Self {
        failure(&msg)
    }
}

#[cold]
#[inline(never)]
fn failure(words: &dyn Display) -> Failure {
    Box::new(Error::Decode(words.to_string()))
}

/// Bounds of what is accepted within a value.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Levels below this one.
    depth: usize,
    is_strict: bool,
}

/// A value; consumed by reading it.
#[derive(Debug, Clone, Copy)]
struct ValueDeserializer<'de> {
    scalar: Scalar<'de>,
    limits: Limits,
}

impl<'de> ValueDeserializer<'de> {
    fn of(member: &Member<'de>, limits: Limits) -> Result<Self, Failure> {
        let scalar = member.scalar().map_err(Error::from)?;
        Ok(ValueDeserializer { scalar, limits })
    }

    fn inner(&self) -> Result<Limits, Failure> {
        match self.limits.depth.checked_sub(1) {
            Some(depth) => Ok(Limits {
                depth,
                ..self.limits
            }),
            None => Err(Error::from(super::error::Malformed::Depth).into()),
        }
    }

    /// The integer as a signed and as an unsigned number; the two differ only for negative ones.
    fn integer(&self) -> Option<(i64, u64)> {
        Some(match self.scalar {
            Scalar::Int64(n) => (n, n as u64),
            Scalar::Int32(n) => (n.into(), u64::from(n as u32)),
            Scalar::Int16(n) => (n.into(), u64::from(n as u16)),
            Scalar::Int8(n) if !self.limits.is_strict => (i64::from(n as i8), n.into()),
            _ => return None,
        })
    }

    fn signed<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.integer() {
            Some((signed, _)) => visitor.visit_i64(signed),
            None => Err(self.mismatch(&visitor)),
        }
    }

    fn unsigned<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.integer() {
            Some((_, unsigned)) => visitor.visit_u64(unsigned),
            None => Err(self.mismatch(&visitor)),
        }
    }

    /// The error of a value of another type. Not generic and apart from the reading, because every
    /// type that is read has a copy of the code around it.
    #[cold]
    #[inline(never)]
    fn mismatch(&self, expected: &dyn Expected) -> Failure {
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
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
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

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.signed(visitor)
    }
    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.signed(visitor)
    }
    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.signed(visitor)
    }
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.signed(visitor)
    }
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.unsigned(visitor)
    }
    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.unsigned(visitor)
    }
    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.unsigned(visitor)
    }
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.unsigned(visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_f64(visitor)
    }
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match (self.scalar, self.integer()) {
            (Scalar::Double(n), _) => visitor.visit_f64(n),
            (_, Some((signed, _))) => visitor.visit_i64(signed),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.scalar {
            Scalar::Int8(n) => visitor.visit_bool(n != 0),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.scalar {
            Scalar::String(text) => match std::str::from_utf8(text) {
                Ok(text) => visitor.visit_borrowed_str(text),
                Err(_) if self.limits.is_strict => Err(failure(&"text that is not UTF-8")),
                Err(_) => visitor.visit_string(String::from_utf8_lossy(text).into_owned()),
            },
            _ => Err(self.mismatch(&visitor)),
        }
    }
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.scalar {
            Scalar::Array(inner) => visitor.visit_seq(Items {
                members: Members::new(inner),
                limits: self.inner()?,
            }),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.scalar {
            Scalar::Table(inner) => visitor.visit_map(Table::new(inner, self.inner()?)),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.scalar {
            Scalar::String(text) => visitor.visit_borrowed_bytes(text),
            _ => Err(self.mismatch(&visitor)),
        }
    }
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.scalar {
            Scalar::Unspec => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match self.scalar {
            Scalar::Table(inner) => visitor.visit_map(Fields::new(inner, self.inner()?, fields)),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match self.scalar {
            Scalar::String(text) => visitor.visit_enum(
                String::from_utf8_lossy(text)
                    .into_owned()
                    .into_deserializer(),
            ),
            Scalar::Table(inner) => {
                let mut members = Members::new(inner);
                let member = members.next().ok_or(Error::NoData)?.map_err(Error::from)?;
                visitor.visit_enum(Variant {
                    member,
                    limits: self.inner()?,
                })
            }
            _ => Err(self.mismatch(&visitor)),
        }
    }

    /// Members nobody asked for are skipped unread.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        char unit unit_struct tuple tuple_struct i128 u128
    }
}

#[cfg(test)]
mod tests;
