//! The parts of arrays, tables and variants, one after the other.

use serde::de::{
    value::{BorrowedStrDeserializer, U64Deserializer},
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::{failure, Failure, Limits, ValueDeserializer};
use crate::blobmsg::{Member, Members};
use crate::error::Error;

/// The elements of an array.
pub(super) struct Items<'de> {
    pub(super) members: Members<'de>,
    pub(super) limits: Limits,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failure> {
        match next(&mut self.members)? {
            Some(member) => seed
                .deserialize(ValueDeserializer::of(&member, self.limits)?)
                .map(Some),
            None => Ok(None),
        }
    }
}

/// The next member. Not generic and in a function of its own, as is all that each type would otherwise copy.
#[inline(never)]
fn next<'de>(members: &mut Members<'de>) -> Result<Option<Member<'de>>, Failure> {
    Ok(members.next().transpose().map_err(Error::from)?)
}

/// The members of a table that is read as a map.
pub(super) struct Table<'de> {
    members: Members<'de>,
    current: Option<Member<'de>>,
    limits: Limits,
}

impl<'de> Table<'de> {
    pub(super) fn new(inner: &'de [u8], limits: Limits) -> Self {
        Table {
            members: Members::new(inner),
            current: None,
            limits,
        }
    }

    #[inline(never)]
    fn value(&mut self) -> Result<ValueDeserializer<'de>, Failure> {
        match self.current.take() {
            Some(member) => ValueDeserializer::of(&member, self.limits),
            None => Err(failure(&"a value asked for before its name")),
        }
    }
}

impl<'de> MapAccess<'de> for Table<'de> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        self.current = next(&mut self.members)?;
        let Some(member) = &self.current else {
            return Ok(None);
        };
        match std::str::from_utf8(member.name) {
            Ok(name) => seed.deserialize(BorrowedStrDeserializer::new(name)),
            Err(_) => seed.deserialize(
                String::from_utf8_lossy(member.name)
                    .into_owned()
                    .into_deserializer(),
            ),
        }
        .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        seed.deserialize(self.value()?)
    }
}

/// The members of a table that is read as a struct. A field is identified by its number, so that its name is looked
/// for here and not by code of every struct; serde numbers fields as it names them as long as none
/// has an alias, which therefore none may have.
pub(super) struct Fields<'de> {
    table: Table<'de>,
    names: &'static [&'static str],
    /// Which of the first 64 were there.
    seen: u64,
}

impl<'de> Fields<'de> {
    pub(super) fn new(inner: &'de [u8], limits: Limits, names: &'static [&'static str]) -> Self {
        Fields {
            table: Table::new(inner, limits),
            names,
            seen: 0,
        }
    }

    /// The number of the next field; an unused number for a member that is no field.
    #[inline(never)]
    fn number(&mut self) -> Result<Option<u64>, Failure> {
        loop {
            let Some(member) = next(&mut self.table.members)? else {
                return Ok(None);
            };
            let mut names = self.names.iter();
            let at = names.position(|name| name.as_bytes() == member.name);
            let bit = match at {
                Some(at @ 0..64) => 1u64 << at,
                _ => 0,
            };
            if self.seen & bit != 0 {
                continue;
            }
            self.seen |= bit;
            self.table.current = Some(member);
            return Ok(Some(at.map_or(u64::MAX, |at| at as u64)));
        }
    }
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        match self.number()? {
            Some(number) => seed.deserialize(U64Deserializer::new(number)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        seed.deserialize(self.table.value()?)
    }
}

/// A table of one member, read as an enum variant with content.
pub(super) struct Variant<'de> {
    pub(super) member: Member<'de>,
    pub(super) limits: Limits,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Failure;
    type Variant = ValueDeserializer<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), Failure> {
        let name = String::from_utf8_lossy(self.member.name).into_owned();
        let variant = seed.deserialize(IntoDeserializer::<Failure>::into_deserializer(name))?;
        Ok((variant, ValueDeserializer::of(&self.member, self.limits)?))
    }
}

impl<'de> VariantAccess<'de> for ValueDeserializer<'de> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        Ok(())
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failure> {
        seed.deserialize(self)
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_any(visitor)
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_struct("", fields, visitor)
    }
}
