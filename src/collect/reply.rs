//! The forgiving pieces that replies of the bus are read with: one strange field costs that field,
//! one strange element costs that element, and nobody can make a list long.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

pub(super) use crate::ubus::lenient;

/// Elements kept of one list or table of a reply.
pub(super) const MAX_ENTRIES: usize = 4096;

/// Characters kept of one text.
pub(super) const MAX_TEXT: usize = 256;

/// Cuts `text` after [`MAX_TEXT`] characters.
pub(super) fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
            text.truncate(end);
        }
    }
    text
}

/// A text of bounded length; `None` if it is empty or something else.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(String::deserialize(from)
        .ok()
        .filter(|text| !text.is_empty())
        .map(cut))
}

/// A whole number, also one written as text (as options that no schema types are).
pub(super) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    struct Number;

    impl Visitor<'_> for Number {
        type Value = u32;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number or its digits")
        }
        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<u32, E> {
            u32::try_from(number).map_err(E::custom)
        }
        fn visit_str<E: serde::de::Error>(self, digits: &str) -> Result<u32, E> {
            digits.parse().map_err(E::custom)
        }
    }

    Ok(from.deserialize_any(Number).ok())
}

/// A power in dBm, where 0 means unknown; a driver's unsigned byte gets its sign back.
pub(super) fn dbm(value: Option<i32>) -> Option<i32> {
    match value? {
        0 => None,
        byte @ 128..=255 => Some(byte - 256),
        dbm @ -128..=127 => Some(dbm),
        _ => None,
    }
}

/// An element, or `None` for one of another shape.
struct Lenient<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        lenient(from).map(Lenient)
    }
}

/// The elements of an array that are as expected, in order; empty for what is no array.
#[derive(Debug, PartialEq)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    /// Elements beyond [`MAX_ENTRIES`].
    pub(super) beyond: usize,
}

/// The members of a table whose values are as expected, in order; empty for what is no table.
#[derive(Debug, PartialEq)]
pub(super) struct Table<T> {
    pub(super) members: Vec<(String, T)>,
    /// Members beyond [`MAX_ENTRIES`].
    pub(super) beyond: usize,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        List {
            items: Vec::new(),
            beyond: 0,
        }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table {
            members: Vec::new(),
            beyond: 0,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Elements<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Elements<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T>, A::Error> {
                let mut list = List::default();
                // What follows a malformed element cannot be found; what came before it stands.
                while list.items.len() < MAX_ENTRIES {
                    match seq.next_element::<Lenient<T>>() {
                        Ok(Some(element)) => list.items.extend(element.0),
                        _ => return Ok(list),
                    }
                }
                while let Ok(Some(IgnoredAny)) = seq.next_element() {
                    list.beyond += 1;
                }
                Ok(list)
            }
        }

        Ok(from
            .deserialize_any(Elements(PhantomData))
            .unwrap_or_default())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Table<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Table<T>, A::Error> {
                let mut table = Table::default();
                while table.members.len() < MAX_ENTRIES {
                    match map.next_entry::<String, Lenient<T>>() {
                        Ok(Some((name, Lenient(Some(value))))) => {
                            table.members.push((cut(name), value));
                        }
                        Ok(Some(_)) => {}
                        _ => return Ok(table),
                    }
                }
                while let Ok(Some((IgnoredAny, IgnoredAny))) = map.next_entry() {
                    table.beyond += 1;
                }
                Ok(table)
            }
        }

        Ok(from
            .deserialize_any(Members(PhantomData))
            .unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::ubus::blobmsg::Value;
    use crate::ubus::from_members;

    #[derive(Deserialize, Debug, PartialEq)]
    struct Sample {
        #[serde(default)]
        list: List<u32>,
        #[serde(default)]
        table: Table<bool>,
        #[serde(default, deserialize_with = "text")]
        text: Option<String>,
        #[serde(default, deserialize_with = "number")]
        number: Option<u32>,
    }

    fn read(value: &Value) -> Sample {
        from_members(&value.to_members()).unwrap()
    }

    fn json(text: &str) -> Sample {
        read(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn strange_elements_and_fields_cost_only_themselves() {
        let sample = json(
            r#"{"list":[1,"two",3,{}],"table":{"a":true,"b":7000000000,"c":false},"text":[],"number":"30"}"#,
        );
        assert_eq!(sample.list.items, [1, 3]);
        assert_eq!(
            sample.table.members,
            [("a".to_owned(), true), ("c".to_owned(), false)]
        );
        assert_eq!((sample.text, sample.number), (None, Some(30)));

        let sample = json(r#"{"list":{},"table":5,"text":"x","number":-1}"#);
        assert_eq!((sample.list, sample.table), Default::default());
        assert_eq!((sample.text.as_deref(), sample.number), (Some("x"), None));
    }

    #[test]
    fn lists_tables_and_texts_are_bounded_and_count_what_is_beyond() {
        let names = |at: usize| at.to_string().into_bytes();
        let sample = read(&Value::Table(vec![
            (b"list".to_vec(), Value::Array(vec![Value::Int32(1); 4100])),
            (
                b"table".to_vec(),
                Value::Table((0..4099).map(|at| (names(at), Value::bool(true))).collect()),
            ),
            (b"text".to_vec(), Value::string(&"é".repeat(300))),
        ]));
        assert_eq!((sample.list.items.len(), sample.list.beyond), (4096, 4));
        assert_eq!((sample.table.members.len(), sample.table.beyond), (4096, 3));
        assert_eq!(sample.text.unwrap(), "é".repeat(256));
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
