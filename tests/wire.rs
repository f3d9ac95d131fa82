//! The codec against traffic recorded between unmodified programs, and against damaged traffic.
#![allow(clippy::unwrap_used, clippy::panic)] // Also in the functions around the tests.

#[allow(dead_code)]
mod recording;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde::Deserialize;
use socketman::ubus::blob::{Attrs, Writer, MAX_BLOB};
use socketman::ubus::blobmsg::{Members, Scalar, Type, Value, MAX_DEPTH};
use socketman::ubus::message::{attr, Attributes, Frame, Kind};

use recording::{scenario, scenarios, unhex, Line};

const FRAMES: usize = 1807;

/// Ids of the attributes of a MONITOR message.
const MONITOR_NAMES: [(&str, u8); 6] = [
    ("CLIENT", 0),
    ("PEER", 1),
    ("SEND", 2),
    ("SEQ", 3),
    ("TYPE", 4),
    ("DATA", 5),
];

const NAMES: [(&str, u8); 13] = [
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

fn id_of(names: &[(&str, u8)], name: &str) -> u8 {
    let found = names.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("attribute {name}")).1
}

fn kind_of(name: &str) -> u8 {
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

fn frames() -> impl Iterator<Item = Line> {
    scenarios()
        .into_iter()
        .flat_map(|name| scenario(&name))
        .filter(Line::is_frame)
}

fn special<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Table(members) if members.first()?.0 == key.as_bytes() => value.get(key),
        _ => None,
    }
}

fn hex_of(value: &Value) -> Vec<u8> {
    unhex(value.as_str().unwrap())
}

fn id(value: &Value) -> u32 {
    u32::from_str_radix(value.as_str().unwrap(), 16).unwrap()
}

fn text(value: &Value) -> Vec<u8> {
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
fn typed(json: &Value, types: &Value) -> Value {
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

/// Bit by bit: a NaN is itself, and -0 is not 0.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => a.to_bits() == b.to_bits(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Table(a), Value::Table(b)) => {
            let pairs = a.iter().zip(b);
            a.len() == b.len()
                && pairs
                    .into_iter()
                    .all(|(a, b)| a.0 == b.0 && same(&a.1, &b.1))
        }
        (a, b) => a == b,
    }
}

/// What an attribute has to hold, from its line.
enum Expected {
    Bytes(Vec<u8>),
    Members(Value),
    Message(Vec<(u8, Expected)>),
}

impl Expected {
    fn payload(&self) -> Vec<u8> {
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

    fn check(&self, payload: &[u8], place: &str) {
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

fn expected_attribute(name: &str, value: &Value) -> Expected {
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

fn expected_monitor_attribute(name: &str, value: &Value) -> Expected {
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

fn message(
    order: &[&str],
    attrs: &Value,
    names: &[(&str, u8)],
    expected: fn(&str, &Value) -> Expected,
) -> Expected {
    let attribute = |name: &&str| (id_of(names, name), expected(name, attrs.get(name).unwrap()));
    Expected::Message(order.iter().map(attribute).collect())
}

fn expected_payload(line: &Line) -> Expected {
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

#[test]
fn every_recorded_frame_reads_as_recorded_and_is_written_byte_for_byte() {
    let mut count = 0;
    for line in frames() {
        let (bytes, place) = (line.bytes(), line.place());
        assert_eq!(Some(bytes.len()), line.len, "{place}");
        let mut buffer = BytesMut::from(&bytes[..]);
        let frame = Frame::split_from(&mut buffer).unwrap().unwrap();
        assert!(buffer.is_empty(), "{place}");
        assert_eq!(
            (frame.version, frame.kind, frame.blob_id),
            (line.version, kind_of(&line.kind), line.blob_id),
            "{place}"
        );
        let peer = u32::from_str_radix(line.peer.as_deref().unwrap(), 16).unwrap();
        assert_eq!((Some(frame.seq), frame.peer), (line.seq, peer), "{place}");
        let expected = expected_payload(&line);
        expected.check(&frame.payload, &place);

        let written = Frame {
            version: line.version,
            kind: kind_of(&line.kind),
            seq: line.seq.unwrap(),
            peer,
            blob_id: line.blob_id,
            payload: expected.payload().into(),
        };
        let written = [&written.head()[..], &written.payload].concat();
        assert!(written == bytes, "{place} is written differently");
        count += 1;
    }
    assert_eq!(count, FRAMES);
}

#[test]
fn attributes_by_name_agree_with_the_recording() {
    let mut count = 0;
    for line in frames().filter(|line| line.kind != "MONITOR") {
        let payload = Bytes::from(line.bytes().split_off(12));
        let place = line.place();
        let Some(order) = &line.order else {
            assert!(Attributes::parse(&payload).is_err(), "{place}");
            continue;
        };
        let read = Attributes::parse(&payload).unwrap();
        let attrs = line.attrs.as_ref().unwrap();
        let has = |name: &str| order.iter().any(|known| known == name);
        let get = |name| has(name).then(|| attrs.get(name).unwrap());
        let payload_of = |name| get(name).map(|value| expected_attribute(name, value).payload());
        let flag = |name| get(name).map(|value| value.as_i64().unwrap() != 0);
        assert_eq!(read.objid, get("OBJID").map(id), "{place}");
        assert_eq!(read.objtype, get("OBJTYPE").map(id), "{place}");
        assert_eq!(read.target, get("TARGET").map(id), "{place}");
        let status = get("STATUS").map(|value| value.as_i64().unwrap());
        assert_eq!(read.status.map(i64::from), status, "{place}");
        assert_eq!(read.active, flag("ACTIVE"), "{place}");
        assert_eq!(read.no_reply, flag("NO_REPLY"), "{place}");
        for (name, read) in [
            ("OBJPATH", &read.objpath),
            ("METHOD", &read.method),
            ("USER", &read.user),
            ("GROUP", &read.group),
        ] {
            assert_eq!(read.as_deref(), get(name).map(text).as_deref(), "{place}");
        }
        for (name, read) in [
            ("DATA", &read.data),
            ("SIGNATURE", &read.signature),
            ("SUBSCRIBERS", &read.subscribers),
        ] {
            assert!(
                read.as_deref() == payload_of(name).as_deref(),
                "{place} {name}"
            );
        }
        count += 1;
    }
    assert!(count > 1500, "{count}");
}

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

/// Everything a reader does with bytes of unknown origin.
fn read_all(bytes: &[u8]) {
    let mut buffer = BytesMut::from(bytes);
    let mut consumed = 0;
    while let Ok(Some(frame)) = Frame::split_from(&mut buffer) {
        assert!(frame.blob_len() <= MAX_BLOB);
        consumed += frame.head().len() + frame.payload.len();
        read_payload(&frame.payload);
    }
    assert_eq!(
        consumed + buffer.len(),
        bytes.len(),
        "nothing is lost or invented"
    );
}

fn read_payload(payload: &Bytes) {
    let split: usize = Attrs::new(payload)
        .map_while(Result::ok)
        .map(|attr| 4 + attr.payload.len())
        .sum();
    assert!(split <= payload.len());
    let lenient = Attributes::parse_prefix(payload);
    if let Ok(strict) = Attributes::parse(payload) {
        assert_eq!(
            strict, lenient,
            "what is well formed reads the same either way"
        );
    }
    for members in [&lenient.data, &lenient.signature].into_iter().flatten() {
        read_members(members);
    }
}

fn read_members(payload: &[u8]) {
    for member in Members::new(payload).map_while(Result::ok) {
        if let Ok(Scalar::Table(inner) | Scalar::Array(inner)) = member.scalar() {
            assert!(inner.len() < payload.len());
        }
    }
    let Ok(value) = Value::from_members(payload) else {
        return;
    };
    assert!(depth(&value) <= MAX_DEPTH);
    // Each member takes at least 8 bytes.
    assert!(members(&value) <= payload.len() / 8);
    let written = value.to_members();
    assert!(written.len() <= payload.len());
    let again = Value::from_members(&written).unwrap();
    assert!(same(&value, &again));
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Table(members) => 1 + members.iter().map(|(_, v)| depth(v)).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn members(value: &Value) -> usize {
    match value {
        Value::Table(inner) => inner.iter().map(|(_, v)| 1 + members(v)).sum(),
        Value::Array(inner) => inner.iter().map(|v| 1 + members(v)).sum(),
        _ => 0,
    }
}

/// One thing that goes wrong with a frame on its way.
#[derive(Debug, Clone)]
enum Damage {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    /// A length, most likely: the low bytes of a blob word.
    Word(prop::sample::Index, u32),
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Damage::Set(at, value) => {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Damage::Insert(at, more) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
            Damage::Word(at, value) => {
                let at = at.index(bytes.len()) & !3;
                if let Some(word) = bytes.get_mut(at..at + 4) {
                    word.copy_from_slice(&value.to_be_bytes());
                }
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, value)| Damage::Set(at, value)),
        at().prop_map(Damage::Cut),
        (at(), prop::collection::vec(any::<u8>(), 1..9))
            .prop_map(|(at, more)| Damage::Insert(at, more)),
        (at(), any::<u8>(), 0..64u32)
            .prop_map(|(at, id, len)| Damage::Word(at, u32::from(id) << 24 | len)),
    ]
}

#[test]
fn damaged_frames_are_read_or_refused_but_never_more() {
    let recorded: Vec<Vec<u8>> = frames()
        .map(|line| line.bytes())
        .filter(|bytes| bytes.len() < 4096)
        .collect();
    assert!(recorded.len() > 1700);
    let strategy = (
        prop::sample::select(recorded),
        prop::collection::vec(damage(), 1..6),
    );
    cases(20_000)
        .run(&strategy, |(mut bytes, damages)| {
            for damage in damages {
                damage.apply(&mut bytes);
            }
            read_all(&bytes);
            let payload = Bytes::from(bytes.split_off(bytes.len().min(12)));
            read_payload(&payload);
            read_members(&payload);
            Ok(())
        })
        .unwrap();
}

fn cases(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    })
}

#[test]
fn noise_is_read_or_refused_but_never_more() {
    cases(20_000)
        .run(&prop::collection::vec(any::<u8>(), 0..256), |bytes| {
            read_all(&bytes);
            read_payload(&Bytes::from(bytes.clone()));
            read_members(&bytes);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_frame_full_of_nested_tables_is_refused_without_descending() {
    // As many tables as fit into a frame, one inside the other.
    let deepest = MAX_BLOB / 8 - 4;
    let mut payload = Vec::with_capacity(deepest * 8);
    for level in (1..=deepest).rev() {
        let word = 1 << 31 | u32::from(Type::Table as u8) << 24 | (level as u32 * 8);
        payload.extend_from_slice(&word.to_be_bytes());
        payload.extend_from_slice(&[0; 4]);
    }
    assert!(Members::new(&payload).next().unwrap().is_ok());
    assert_eq!(
        Value::from_members(&payload),
        Err(socketman::ubus::Malformed::Depth)
    );
}
