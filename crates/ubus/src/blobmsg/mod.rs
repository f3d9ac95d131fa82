//! blobmsg: named, typed members inside the DATA and SIGNATURE attributes.
//!
//! ```text
//! | blob word: extended, id = type | u16 name length | name | NUL | 0 to 3 x 0 | value |
//! ```
//!
//! The value starts at a multiple of 4. Numbers are big endian; strings carry their NUL; a bool is
//! an int8; tables and arrays hold members, those of an array nameless. The payload of DATA is not
//! itself a table: its members stand in it directly.

mod value;

pub use self::value::Value;
use super::blob::{padded, Attr, Attrs, Open, Writer};
use super::error::Malformed;

/// Deepest nesting of tables and arrays, both ways; ubus itself has no limit.
pub const MAX_DEPTH: usize = 64;

/// The types a member can have, numbered as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Type {
    /// No type: an argument of any.
    Unspec = 0,
    /// Members without names.
    Array = 1,
    /// Members with names.
    Table = 2,
    /// Bytes up to a NUL.
    String = 3,
    /// 64 bits, signed.
    Int64 = 4,
    /// 32 bits, signed.
    Int32 = 5,
    /// 16 bits, signed.
    Int16 = 6,
    /// Also a bool: 0 or 1.
    Int8 = 7,
    /// 64 bits, IEEE 754.
    Double = 8,
}

impl Type {
    /// The type of this number, if there is one.
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

/// A member, borrowed; its frame is checked, the value inside only by [`Member::scalar`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member<'a> {
    /// Empty in arrays. UTF-8 in practice, but nothing guarantees it.
    pub name: &'a [u8],
    /// The type of its value.
    pub kind: Type,
    /// The bytes of its value.
    pub value: &'a [u8],
}

/// The value of a member, nested ones unread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar<'a> {
    /// No value.
    Unspec,
    /// The members inside, to be walked with [`Members`].
    Array(&'a [u8]),
    /// The same, with names.
    Table(&'a [u8]),
    /// Without its NUL.
    String(&'a [u8]),
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
    /// Walks the members of this payload.
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
    /// Starts a member; everything written until [`Writer::close`] is its value.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    fn any_value() -> impl Strategy<Value = Value> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..9);
        let single = prop_oneof![
            Just(Value::Unspec),
            bytes().prop_map(Value::String),
            any::<i64>().prop_map(Value::Int64),
            any::<i32>().prop_map(Value::Int32),
            any::<i16>().prop_map(Value::Int16),
            any::<u8>().prop_map(Value::Int8),
            any::<f64>().prop_map(Value::Double),
        ];
        single.prop_recursive(5, 40, 6, move |inner| {
            let members = proptest::collection::vec((bytes(), inner.clone()), 0..6);
            prop_oneof![
                proptest::collection::vec(inner, 0..6).prop_map(Value::Array),
                members.prop_map(Value::Table),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_reads_back_in_its_order(members in proptest::collection::vec(any_value(), 0..4)) {
            let members = members.into_iter().enumerate();
            let named = members.map(|(at, value)| (vec![b'a'; at % 2], value));
            let table = Value::Table(named.collect());
            prop_assert_eq!(Value::from_members(&table.to_members()), Ok(table));
        }
    }
}
