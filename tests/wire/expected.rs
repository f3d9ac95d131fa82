//! The frame that a line of the recording describes.

use ubus::blob::{Attrs, Writer};
use ubus::blobmsg::Value;
use ubus::message::attr;

use crate::recording::{unhex, Line};
use crate::same;

/// Ids of the attributes of a MONITOR message.
pub(crate) const MONITOR_NAMES: [(&str, u8); 6] = [
    ("CLIENT", 0),
    ("PEER", 1),
    ("SEND", 2),
    ("SEQ", 3),
    ("TYPE", 4),
    ("DATA", 5),
];

pub(crate) const NAMES: [(&str, u8); 13] = [
    ("STATUS", attr::STATUS),
    ("OBJPATH", attr::OBJPATH),
    ("OBJID", attr::OBJID),
    ("METHOD", attr::METHOD),
    ("OBJTYPE", attr::OBJTYPE),
    ("SIGNATURE", attr::SIGNATURE),
    ("DATA", attr::DATA),
    ("TARGET", attr::TARGET),
    ("ACTIVE", attr::ACTIVE),
    ("NO_REPLY", attr::NO_REPLY),
    ("SUBSCRIBERS", attr::SUBSCRIBERS),
    ("USER", attr::USER),
    ("GROUP", attr::GROUP),
];

pub(crate) fn id_of(names: &[(&str, u8)], name: &str) -> u8 {
    let found = names.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("attribute {name}")).1
}

pub(crate) fn kind_of(name: &str) -> u8 {
    const KINDS: [&str; 12] = [
        "HELLO",
        "STATUS",
        "DATA",
        "PING",
        "LOOKUP",
        "INVOKE",
        "ADD_OBJECT",
        "REMOVE_OBJECT",
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "NOTIFY",
        "MONITOR",
    ];
    match name.strip_prefix('#') {
        Some(number) => number.parse().unwrap(),
        None => KINDS.iter().position(|kind| *kind == name).unwrap() as u8,
    }
}

pub(crate) fn special<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Table(members) if members.first()?.0 == key.as_bytes() => value.get(key),
        _ => None,
    }
}

pub(crate) fn hex_of(value: &Value) -> Vec<u8> {
    unhex(value.as_str().unwrap())
}

pub(crate) fn id(value: &Value) -> u32 {
    u32::from_str_radix(value.as_str().unwrap(), 16).unwrap()
}

pub(crate) fn text(value: &Value) -> Vec<u8> {
    if let Some(run) = special(value, "$rep") {
        let Value::Array(run) = run else {
            panic!("$rep is a list");
        };
        let count = run[1].as_i64().unwrap() as usize;
        return run[0].as_str().unwrap().repeat(count).into_bytes();
    }
    match (special(value, "$hex"), value) {
        (Some(hex), _) => {
            let mut payload = hex_of(hex);
            assert_eq!(
                payload.pop(),
                Some(0),
                "the codec reads only strings with a NUL"
            );
            payload
        }
        (None, Value::String(text)) => text.clone(),
        (None, other) => panic!("not a string: {other:?}"),
    }
}

/// The value that `json` writes down, with the wire types that stand beside it.
pub(crate) fn typed(json: &Value, types: &Value) -> Value {
    let integer = || json.as_i64().unwrap();
    match types {
        Value::Table(types) => {
            let Value::Table(members) = json else {
                panic!("not a table: {json:?}");
            };
            assert_eq!(members.len(), types.len());
            let pairs = members.iter().zip(types);
            Value::Table(
                pairs
                    .map(|((name, value), (same, kind))| {
                        assert_eq!(name, same);
                        (name.clone(), typed(value, kind))
                    })
                    .collect(),
            )
        }
        Value::Array(types) => {
            let Value::Array(items) = json else {
                panic!("not an array: {json:?}");
            };
            assert_eq!(items.len(), types.len());
            Value::Array(items.iter().zip(types).map(|(v, t)| typed(v, t)).collect())
        }
        kind => match kind.as_str().unwrap() {
            "unspec" => {
                assert_eq!(json, &Value::Unspec);
                Value::Unspec
            }
            "int8" => Value::Int8(integer().try_into().unwrap()),
            "int16" => Value::Int16(integer().try_into().unwrap()),
            "int32" => Value::Int32(integer().try_into().unwrap()),
            "int64" => Value::Int64(integer()),
            "double" => Value::Double(match (special(json, "$hex"), json) {
                (Some(hex), _) => f64::from_be_bytes(hex_of(hex).try_into().unwrap()),
                (None, Value::Double(number)) => *number,
                (None, other) => other.as_i64().unwrap() as f64,
            }),
            "string" => Value::String(text(json)),
            other => panic!("type {other}"),
        },
    }
}

/// The contents of an attribute, from its line.
pub(crate) enum Expected {
    Bytes(Vec<u8>),
    Members(Value),
    Message(Vec<(u8, Expected)>),
}

impl Expected {
    pub(crate) fn payload(&self) -> Vec<u8> {
        match self {
            Expected::Bytes(bytes) => bytes.clone(),
            Expected::Members(value) => value.to_members(),
            Expected::Message(attributes) => {
                let mut writer = Writer::new();
                for (id, expected) in attributes {
                    writer.attr(*id, false, &expected.payload());
                }
                writer.into_bytes()
            }
        }
    }

    pub(crate) fn check(&self, payload: &[u8], place: &str) {
        match self {
            Expected::Bytes(bytes) => assert_eq!(payload, bytes, "{place}"),
            Expected::Members(value) => {
                let read = Value::from_members(payload).unwrap();
                assert!(same(&read, value), "{place}: {read:?} {value:?}");
            }
            Expected::Message(attributes) => {
                let read: Vec<_> = Attrs::new(payload).collect::<Result<_, _>>().unwrap();
                assert_eq!(read.len(), attributes.len(), "{place}");
                for (read, (id, expected)) in read.iter().zip(attributes) {
                    assert_eq!((read.id, read.extended), (*id, false), "{place}");
                    expected.check(read.payload, place);
                }
            }
        }
    }
}

pub(crate) fn expected_attribute(name: &str, value: &Value) -> Expected {
    if let Some(raw) = special(value, "$raw") {
        return Expected::Bytes(hex_of(raw));
    }
    match name {
        "OBJID" | "OBJTYPE" | "TARGET" => Expected::Bytes(id(value).to_be_bytes().to_vec()),
        "STATUS" => Expected::Bytes((value.as_i64().unwrap() as i32).to_be_bytes().to_vec()),
        "ACTIVE" | "NO_REPLY" => Expected::Bytes(vec![value.as_i64().unwrap() as u8]),
        "OBJPATH" | "METHOD" | "USER" | "GROUP" => {
            let mut bytes = text(value);
            bytes.push(0);
            Expected::Bytes(bytes)
        }
        "SUBSCRIBERS" => {
            let Value::Array(ids) = value else {
                panic!("SUBSCRIBERS is a list");
            };
            let child = |value| (0, Expected::Bytes(id(value).to_be_bytes().to_vec()));
            Expected::Message(ids.iter().map(child).collect())
        }
        "SIGNATURE" | "DATA" => Expected::Members(typed(
            value.get("json").unwrap(),
            value.get("types").unwrap(),
        )),
        other => panic!("attribute {other}"),
    }
}

pub(crate) fn expected_monitor_attribute(name: &str, value: &Value) -> Expected {
    match name {
        "CLIENT" | "PEER" => Expected::Bytes(id(value).to_be_bytes().to_vec()),
        "SEQ" | "TYPE" => Expected::Bytes((value.as_i64().unwrap() as u32).to_be_bytes().to_vec()),
        "SEND" => Expected::Bytes(vec![value.as_i64().unwrap() as u8]),
        "DATA" => match special(value, "$raw") {
            Some(raw) => Expected::Bytes(hex_of(raw)),
            None => {
                let Some(Value::Array(order)) = value.get("order") else {
                    panic!("order of the observed message");
                };
                let order: Vec<&str> = order.iter().map(|name| name.as_str().unwrap()).collect();
                message(
                    &order,
                    value.get("attrs").unwrap(),
                    &NAMES,
                    expected_attribute,
                )
            }
        },
        other => panic!("attribute {other}"),
    }
}

pub(crate) fn message(
    order: &[&str],
    attrs: &Value,
    names: &[(&str, u8)],
    expected: fn(&str, &Value) -> Expected,
) -> Expected {
    let attribute = |name: &&str| (id_of(names, name), expected(name, attrs.get(name).unwrap()));
    Expected::Message(order.iter().map(attribute).collect())
}

pub(crate) fn expected_payload(line: &Line) -> Expected {
    let attrs = line.attrs.as_ref().unwrap();
    let Some(order) = &line.order else {
        return Expected::Bytes(hex_of(special(attrs, "$raw").unwrap()));
    };
    let order: Vec<&str> = order.iter().map(String::as_str).collect();
    if line.kind == "MONITOR" {
        message(&order, attrs, &MONITOR_NAMES, expected_monitor_attribute)
    } else {
        message(&order, attrs, &NAMES, expected_attribute)
    }
}
