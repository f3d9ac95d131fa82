//! A value in a reply of the bus.

use ubus::blobmsg::Scalar;

use super::reply::{cut, Fields, MAX_ENTRIES, MAX_TEXT};
use crate::mac::Mac;

/// A value; all of its readers return `None` if it is of another type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a>(pub(super) Scalar<'a>);

impl Default for Field<'_> {
    /// The value of a member that is not there.
    fn default() -> Self {
        Field(Scalar::Unspec)
    }
}

impl<'a> Field<'a> {
    /// False for a member that is not there.
    pub(crate) fn is_there(self) -> bool {
        !matches!(self.0, Scalar::Unspec)
    }

    /// The members of this table, or the elements of this array; none of anything else.
    pub(crate) fn fields(self) -> Fields<'a> {
        match self.0 {
            Scalar::Table(inner) | Scalar::Array(inner) => Fields::of(inner),
            _ => Fields::of(&[]),
        }
    }

    pub(crate) fn table(self) -> Option<Fields<'a>> {
        match self.0 {
            Scalar::Table(inner) => Some(Fields::of(inner)),
            _ => None,
        }
    }

    pub(crate) fn array(self) -> Option<Fields<'a>> {
        match self.0 {
            Scalar::Array(inner) => Some(Fields::of(inner)),
            _ => None,
        }
    }

    /// The elements of this array, or this value alone: options of UCI that may be lists are either.
    pub(crate) fn each(self) -> impl Iterator<Item = Field<'a>> {
        let list = self.array();
        let alone = list.is_none().then_some(self);
        list.into_iter().flatten().map(|(_, one)| one).chain(alone)
    }

    /// The words of a text, or of each text of an array.
    pub(crate) fn words(self) -> impl Iterator<Item = &'a str> {
        let texts = self.each().take(MAX_ENTRIES).filter_map(Field::str);
        texts.flat_map(str::split_ascii_whitespace)
    }

    /// The address of one device; zeros and the addresses of groups stand for none.
    pub(crate) fn mac(self) -> Option<Mac> {
        Mac::parse(self.str()?.trim()).filter(Mac::is_individual)
    }

    /// A text as it stands there, if it is UTF-8.
    pub(crate) fn str(self) -> Option<&'a str> {
        match self.0 {
            Scalar::String(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// A text of bounded length that is not empty; what is not UTF-8 gets replacement characters.
    pub(crate) fn text(self) -> Option<String> {
        match self.0 {
            Scalar::String(text) if !text.is_empty() => {
                // More bytes than these are not looked at; no character has more than four.
                let text = &text[..text.len().min(4 * MAX_TEXT + 4)];
                Some(cut(String::from_utf8_lossy(text).into_owned()))
            }
            _ => None,
        }
    }

    /// A text that says something else, such as an address.
    pub(crate) fn parse<T: std::str::FromStr>(self) -> Option<T> {
        self.str()?.parse().ok()
    }

    pub(crate) fn bool(self) -> Option<bool> {
        match self.0 {
            Scalar::Int8(n) => Some(n != 0),
            _ => None,
        }
    }

    /// The bits of an integer, without a sign: the bus has none.
    pub(crate) fn u64(self) -> Option<u64> {
        Some(match self.0 {
            Scalar::Int64(n) => n as u64,
            Scalar::Int32(n) => u64::from(n as u32),
            Scalar::Int16(n) => u64::from(n as u16),
            Scalar::Int8(n) => n.into(),
            _ => return None,
        })
    }

    pub(crate) fn u32(self) -> Option<u32> {
        self.u64()?.try_into().ok()
    }

    /// An integer that may be below zero.
    pub(crate) fn i32(self) -> Option<i32> {
        match self.0 {
            Scalar::Int64(n) => n.try_into().ok(),
            Scalar::Int32(n) => Some(n),
            Scalar::Int16(n) => Some(n.into()),
            Scalar::Int8(n) => Some((n as i8).into()),
            _ => None,
        }
    }

    /// A number, also one written as text (as options that no schema types are).
    pub(crate) fn digits(self) -> Option<u32> {
        match self.0 {
            Scalar::String(_) => self.parse(),
            Scalar::Int8(_) => None,
            _ => self.i32()?.try_into().ok(),
        }
    }
}
