//! Members and messages that the C libraries wrote.

use serde::Deserialize;
use ubus::blob::Writer;
use ubus::blobmsg::Value;
use ubus::message::{Frame, Kind};

use crate::expected::{id_of, kind_of, NAMES};
use crate::recording::{self, unhex};

#[derive(Deserialize)]
struct Vectors {
    blobmsg: Vec<MemberVector>,
    messages: Vec<MessageVector>,
}

#[derive(Deserialize)]
struct MemberVector {
    id: String,
    hex: String,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    value: Value,
}

#[derive(Deserialize)]
struct MessageVector {
    id: String,
    hex: String,
    #[serde(rename = "type")]
    kind: String,
    seq: u16,
    peer: u32,
    attrs: Value,
}

fn vectors() -> Vectors {
    let path = recording::directory().join("vectors.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn single_members_are_written_as_libubox_writes_them() {
    let vectors = vectors().blobmsg;
    assert_eq!(vectors.len(), 10);
    for vector in vectors {
        let value = match (vector.kind.as_str(), &vector.value) {
            ("int16", value) => Value::Int16(value.as_i64().unwrap() as i16),
            (_, value) => value.clone(),
        };
        let table = Value::Table(vec![(vector.name.into_bytes(), value)]);
        assert_eq!(table.to_members(), unhex(&vector.hex), "{}", vector.id);
        let read = Value::from_members(&unhex(&vector.hex));
        assert_eq!(read, Ok(table), "{}", vector.id);
    }
}

#[test]
fn whole_messages_are_written_as_libubus_writes_them() {
    let vectors = vectors().messages;
    assert_eq!(vectors.len(), 13);
    for vector in vectors {
        let Value::Table(attrs) = &vector.attrs else {
            panic!("{}: attrs", vector.id);
        };
        let mut writer = Writer::new();
        for (name, value) in attrs {
            let name = std::str::from_utf8(name).unwrap();
            let id = id_of(&NAMES, name);
            writer = match (name, value) {
                ("DATA" | "SIGNATURE", value) => writer.nested(id, &value.to_members()),
                ("NO_REPLY", value) => writer.flag(id, value.as_i64() == Some(1)),
                (_, Value::String(text)) => writer.text(id, text),
                (_, number) => writer.word(id, number.as_i64().unwrap() as u32),
            };
        }
        let kind = Kind::from_id(kind_of(&vector.kind)).unwrap();
        let frame = Frame::new(kind, vector.seq, vector.peer, writer);
        let written = [&frame.head()[..], &frame.payload].concat();
        assert_eq!(written, unhex(&vector.hex), "{}", vector.id);
    }
}
