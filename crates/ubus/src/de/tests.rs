use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::blobmsg::Value;
use super::*;

fn members(members: Vec<(&str, Value)>) -> Vec<u8> {
    Value::Table(
        members
            .into_iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value))
            .collect(),
    )
    .to_members()
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Sample {
    up: bool,
    signal: i32,
    rx: u64,
    packets: u32,
    name: String,
    rates: Vec<u32>,
    #[serde(deserialize_with = "lenient")]
    noise: Option<i8>,
    inner: Option<Box<Sample>>,
}

#[test]
fn a_struct_is_read_straight_from_a_reply() {
    let bytes = members(vec![
        ("up", Value::Int8(1)),
        ("unknown", Value::Array(vec![Value::Unspec])),
        ("signal", Value::Int32(-48)),
        ("rx", Value::Int64(-1)),
        ("packets", Value::Int32(-1)),
        ("name", Value::String(vec![b'a', 0xff])),
        (
            "rates",
            Value::Array(vec![Value::Int16(7), Value::Int8(200)]),
        ),
        (
            "inner",
            Value::Table(vec![(b"signal".to_vec(), Value::Int16(-3))]),
        ),
    ]);
    let sample: Sample = from_members(&bytes).unwrap();
    assert_eq!(
        sample,
        Sample {
            up: true,
            signal: -48,
            rx: u64::MAX,
            packets: u32::MAX,
            name: "a\u{fffd}".into(),
            rates: vec![7, 200],
            noise: None,
            inner: Some(Box::new(Sample {
                signal: -3,
                ..Sample::default()
            })),
        }
    );
}

#[test]
fn a_member_that_stands_twice_counts_once() {
    let bytes = members(vec![
        ("signal", Value::Int32(1)),
        ("signal", Value::Int32(2)),
    ]);
    assert_eq!(from_members::<Sample>(&bytes).unwrap().signal, 1);
    let map: BTreeMap<String, i32> = from_members(&bytes).unwrap();
    assert_eq!(map["signal"], 2);
}

#[test]
fn a_lenient_field_of_another_type_costs_nothing_else() {
    let bytes = members(vec![
        (
            "noise",
            Value::Table(vec![(b"x".to_vec(), Value::string("y"))]),
        ),
        ("signal", Value::Int32(5)),
    ]);
    let sample: Sample = from_members(&bytes).unwrap();
    assert_eq!((sample.noise, sample.signal), (None, 5));
    let bytes = members(vec![("noise", Value::Int32(1000))]);
    assert_eq!(from_members::<Sample>(&bytes).unwrap().noise, None);
}

#[test]
fn a_strict_field_of_another_type_is_an_error() {
    for (name, value) in [
        ("up", Value::Int32(1)),
        ("signal", Value::string("1")),
        ("packets", Value::Int64(1 << 40)),
        ("name", Value::Int32(1)),
        ("rates", Value::Int32(1)),
    ] {
        let bytes = members(vec![(name, value)]);
        assert!(from_members::<Sample>(&bytes).is_err(), "{name}");
    }
}

#[test]
fn depth_is_bounded_while_reading() {
    let mut value = Value::Table(vec![]);
    for _ in 0..MAX_DEPTH + 1 {
        value = Value::Table(vec![(b"inner".to_vec(), value)]);
    }
    assert!(from_members::<Sample>(&value.to_members()).is_err());
}
