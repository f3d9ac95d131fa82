//! The parts of arrays, tables and variants, one after the other.

use serde::de::{
    value::BorrowedStrDeserializer, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer,
    MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::ValueDeserializer;
use crate::ubus::blobmsg::{Member, Members};
use crate::ubus::error::Error;

/// The elements of an array.
pub(super) struct Items<'de> {
    pub(super) members: Members<'de>,
    pub(super) depth: usize,
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
pub(super) struct Table<'de> {
    members: Members<'de>,
    current: Option<Member<'de>>,
    depth: usize,
    /// The fields of the struct being read (none for a map), and which of the first 64 were seen.
    fields: &'static [&'static str],
    seen: u64,
}

impl<'de> Table<'de> {
    pub(super) fn new(inner: &'de [u8], depth: usize, fields: &'static [&'static str]) -> Self {
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
pub(super) struct Variant<'de> {
    pub(super) member: Member<'de>,
    pub(super) depth: usize,
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
