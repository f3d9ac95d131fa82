//! Reads replies of the bus, member by member: one strange field costs that field, one strange
//! element costs that element, and nobody can make a list long.
//!
//! A reply is walked once, and only what is named is looked at:
//!
//! ```text
//! reply.read(&mut [("ssid", Text(&mut status.ssid)), ("freq", U32(&mut status.freq))]);
//! ```
//!
//! No serde: a type for each shape, each with its visitor, would be most of what the agent weighs.

use std::net::{IpAddr, Ipv4Addr};

use ubus::blobmsg::{Members, Scalar};

use crate::mac::Mac;

pub(crate) use super::field::Field;

/// Elements kept of one list or table of a reply.
pub(crate) const MAX_ENTRIES: usize = 4096;

/// Characters kept of one text.
pub(crate) const MAX_TEXT: usize = 256;

/// Cuts `text` after [`MAX_TEXT`] characters.
pub(crate) fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
            text.truncate(end);
        }
    }
    text
}

/// A speed in Mbit/s, as long as it is none of the numbers that mean unknown: those without a sign
/// are -1 in 16 bits and in 32.
pub(crate) fn mbits(value: i64) -> Option<u32> {
    const UNKNOWN: i64 = u16::MAX as i64;
    const MOST: i64 = 10_000_000;
    match value {
        UNKNOWN => None,
        1..=MOST => value.try_into().ok(),
        _ => None,
    }
}

/// A power in dBm, where 0 means unknown; a driver's unsigned byte gets its sign back.
pub(crate) fn dbm(value: Option<i32>) -> Option<i32> {
    match value? {
        0 => None,
        byte @ 128..=255 => Some(byte - 256),
        dbm @ -128..=127 => Some(dbm),
        _ => None,
    }
}

/// The members of a table, with their names, or the elements of an array, without; ends where they
/// stop being well formed, for what follows cannot be found.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a>(Members<'a>);

impl<'a> Fields<'a> {
    /// The members of a whole reply.
    pub(crate) fn of(reply: &'a [u8]) -> Self {
        Fields(Members::new(reply))
    }

    /// Puts the members that `places` names into their places.
    pub(crate) fn read(self, places: &mut [(&str, Place<'_, 'a>)]) {
        for (name, field) in self {
            for (wanted, place) in &mut *places {
                if wanted.as_bytes() == name {
                    place.put(field);
                }
            }
        }
    }

    /// The first member of that name.
    pub(crate) fn named(mut self, wanted: &[u8]) -> Option<Field<'a>> {
        self.find(|(name, _)| *name == wanted)
            .map(|(_, field)| field)
    }

    /// The results of `element` for each; elements without a result are skipped.
    pub(crate) fn list<T>(
        self,
        mut element: impl FnMut(&'a [u8], Field<'a>) -> Option<T>,
    ) -> List<T> {
        let mut items = Vec::new();
        let (beyond, unread) = self.each(&mut |name, field| match element(name, field) {
            Some(item) => {
                items.push(item);
                true
            }
            None => false,
        });
        List {
            items,
            beyond,
            unread,
        }
    }

    /// Hands members to `take` until it took [`MAX_ENTRIES`]. Returns how many were left then, and how
    /// many it did not take.
    fn each(self, take: &mut dyn FnMut(&'a [u8], Field<'a>) -> bool) -> (usize, usize) {
        let (mut taken, mut beyond, mut unread) = (0, 0, 0);
        for (name, field) in self {
            match taken {
                MAX_ENTRIES => beyond += 1,
                _ if take(name, field) => taken += 1,
                _ => unread += 1,
            }
        }
        (beyond, unread)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], Field<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let member = self.0.next()?.ok()?;
        let scalar = member.scalar().unwrap_or(Scalar::Unspec);
        Some((member.name, Field(scalar)))
    }
}

/// The place for a member's value, which is `None` if the value is of another type.
pub(crate) enum Place<'p, 'a> {
    Bool(&'p mut Option<bool>),
    U8(&'p mut Option<u8>),
    U32(&'p mut Option<u32>),
    U64(&'p mut Option<u64>),
    I32(&'p mut Option<i32>),
    /// See [`dbm`].
    Dbm(&'p mut Option<i32>),
    /// See [`Field::digits`].
    Digits(&'p mut Option<u32>),
    Str(&'p mut Option<&'a str>),
    Text(&'p mut Option<String>),
    Mac(&'p mut Option<Mac>),
    V4(&'p mut Option<Ipv4Addr>),
    Ip(&'p mut Option<IpAddr>),
    /// The value as it is, of any type.
    Field(&'p mut Field<'a>),
}

impl<'a> Place<'_, 'a> {
    fn put(&mut self, field: Field<'a>) {
        match self {
            Place::Bool(place) => **place = field.bool(),
            Place::U8(place) => **place = field.u32().and_then(|n| n.try_into().ok()),
            Place::U32(place) => **place = field.u32(),
            Place::U64(place) => **place = field.u64(),
            Place::I32(place) => **place = field.i32(),
            Place::Dbm(place) => **place = dbm(field.i32()),
            Place::Digits(place) => **place = field.digits(),
            Place::Str(place) => **place = field.str(),
            Place::Text(place) => **place = field.text(),
            Place::Mac(place) => **place = field.mac(),
            Place::V4(place) => **place = field.parse(),
            Place::Ip(place) => **place = field.parse(),
            Place::Field(place) => **place = field,
        }
    }
}

/// So much of a list or a table as is kept, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
    /// Elements beyond [`MAX_ENTRIES`].
    pub(crate) beyond: usize,
    /// Elements that are not as expected.
    pub(crate) unread: usize,
}

impl<T> List<T> {
    /// The number of elements that are not among the items.
    pub(crate) fn left_out(&self) -> usize {
        self.beyond + self.unread
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        List {
            items: Vec::new(),
            beyond: 0,
            unread: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use ubus::blobmsg::Value;

    use super::*;

    #[test]
    fn numbers_that_mean_an_unknown_speed_are_none() {
        for unknown in [-1, 0, 65_535, 4_294_967_295, i64::MAX, i64::MIN] {
            assert_eq!(mbits(unknown), None, "{unknown}");
        }
        assert_eq!(mbits(10), Some(10));
        assert_eq!(mbits(400_000), Some(400_000));
    }

    fn members(json: &str) -> Vec<u8> {
        serde_json::from_str::<Value>(json).unwrap().to_members()
    }

    fn named<'a>(reply: &'a [u8], name: &str) -> Field<'a> {
        Fields::of(reply).named(name.as_bytes()).unwrap()
    }

    #[test]
    fn strange_elements_and_fields_cost_only_themselves() {
        let reply = members(
            r#"{"list":[1,"two",3,{}],"table":{"a":true,"b":7000000000,"c":false},"text":[],"number":"30"}"#,
        );
        let list = named(&reply, "list").fields().list(|_, item| item.u32());
        assert_eq!(list.items, [1, 3]);
        let table = named(&reply, "table").fields();
        let table = table.list(|name, field| Some((name, field.bool()?)));
        assert_eq!(table.items, [(&b"a"[..], true), (&b"c"[..], false)]);
        assert_eq!(named(&reply, "text").text(), None);
        assert_eq!(named(&reply, "number").digits(), Some(30));
        assert_eq!(named(&reply, "number").u32(), None);

        let reply = members(r#"{"list":{},"table":5,"text":"x","number":-1}"#);
        assert!(named(&reply, "list").array().is_none());
        assert!(named(&reply, "table").table().is_none());
        assert_eq!(named(&reply, "table").fields().count(), 0);
        assert_eq!(named(&reply, "text").text().as_deref(), Some("x"));
        assert_eq!(named(&reply, "number").digits(), None);
        assert!(Fields::of(&reply).named(b"none").is_none());
    }

    #[test]
    fn lists_and_texts_are_bounded_and_count_what_is_beyond() {
        let reply = Value::Table(vec![
            (b"list".to_vec(), Value::Array(vec![Value::Int32(1); 4100])),
            (b"text".to_vec(), Value::string(&"é".repeat(900))),
        ])
        .to_members();
        let list = named(&reply, "list").fields().list(|_, item| item.u32());
        assert_eq!((list.items.len(), list.beyond), (4096, 4));
        assert_eq!(named(&reply, "text").text().unwrap(), "é".repeat(256));
    }

    #[test]
    fn the_sign_of_a_number_is_the_fields_affair() {
        let reply = members(r#"{"n":-1}"#);
        let n = named(&reply, "n");
        assert_eq!((n.i32(), n.u32()), (Some(-1), Some(u32::MAX)));
        assert_eq!(n.u64(), Some(u32::MAX.into()));
        let reply = Value::Table(vec![(b"n".to_vec(), Value::Int64(-1))]).to_members();
        let n = named(&reply, "n");
        assert_eq!(
            (n.i32(), n.u32(), n.u64()),
            (Some(-1), None, Some(u64::MAX))
        );
        assert_eq!(n.bool(), None);
    }

    #[test]
    fn a_reply_cut_in_the_middle_gives_what_stood_before() {
        let reply = members(r#"{"a":1,"b":"text","c":3}"#);
        for end in 0..reply.len() {
            let fields = Fields::of(&reply[..end]);
            assert!(fields.count() <= 3, "{end}");
        }
        let cut = &reply[..reply.len() - 1];
        assert_eq!(named(cut, "b").text().as_deref(), Some("text"));
        assert!(Fields::of(cut).named(b"c").is_none());
    }

    #[test]
    fn zero_power_is_unknown_and_an_unsigned_byte_gets_its_sign_back() {
        assert_eq!(dbm(Some(0)), None);
        assert_eq!(dbm(Some(-92)), Some(-92));
        assert_eq!(dbm(Some(164)), Some(-92));
        assert_eq!(dbm(Some(20)), Some(20));
        assert_eq!(dbm(Some(-2000)), None);
        assert_eq!(dbm(None), None);
    }
}
