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

/// A field of every type that serde knows and the wire has a form for.
#[derive(Debug, Clone, PartialEq, Deserialize, serde::Serialize)]
struct Every {
    bool: bool,
    i8: i8,
    i16: i16,
    i32: i32,
    i64: i64,
    u8: u8,
    u16: u16,
    u32: u32,
    u64: u64,
    f32: f32,
    f64: f64,
    char: char,
    string: String,
    unit: (),
    unit_struct: Unit,
    newtype: Newtype,
    tuple: (u8, String),
    tuple_struct: Tuple,
    some: Option<u16>,
    none: Option<u16>,
    word: Word,
    list: Vec<Vec<i8>>,
    map: BTreeMap<String, Option<u32>>,
    inner: Option<Box<Every>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, serde::Serialize)]
struct Unit;

#[derive(Debug, Clone, PartialEq, Deserialize, serde::Serialize)]
struct Newtype(u64);

#[derive(Debug, Clone, PartialEq, Deserialize, serde::Serialize)]
struct Tuple(i32, bool);

#[derive(Debug, Clone, PartialEq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    First,
    SecondOne,
}

fn every() -> Every {
    let least = Every {
        bool: false,
        i8: i8::MIN,
        i16: i16::MIN,
        i32: i32::MIN,
        i64: i64::MIN,
        u8: 0,
        u16: 0,
        u32: 0,
        u64: 0,
        f32: -0.5,
        f64: f64::MIN,
        char: 'ß',
        string: String::new(),
        unit: (),
        unit_struct: Unit,
        newtype: Newtype(7),
        tuple: (255, "x".into()),
        tuple_struct: Tuple(-1, true),
        some: Some(1),
        none: None,
        word: Word::First,
        list: vec![vec![], vec![-1, 1]],
        map: BTreeMap::from([("a".into(), None), ("b".into(), Some(2))]),
        inner: None,
    };
    Every {
        bool: true,
        i8: i8::MAX,
        i16: i16::MAX,
        i32: i32::MAX,
        i64: i64::MAX,
        u8: u8::MAX,
        u16: u16::MAX,
        u32: u32::MAX,
        u64: u64::MAX,
        word: Word::SecondOne,
        inner: Some(Box::new(least.clone())),
        ..least
    }
}

#[test]
fn every_type_reads_back_as_it_was_written() {
    let bytes = crate::to_members(&every()).unwrap();
    assert_eq!(from_members::<Every>(&bytes), Ok(every()));
    // Smaller integers of other programs widen.
    let small = members(vec![("a", Value::Int8(200)), ("b", Value::Int16(-2))]);
    let wide: BTreeMap<String, u64> = from_members(&small).unwrap();
    assert_eq!(wide["a"], 200);
    let wide: BTreeMap<String, i64> = from_members(&small).unwrap();
    assert_eq!((wide["a"], wide["b"]), (-56, -2));
    let wide: BTreeMap<String, f64> = from_members(&small).unwrap();
    assert_eq!(wide["b"], -2.0);
}

#[test]
fn a_value_of_another_type_is_an_error_that_names_both() {
    fn why<T: DeserializeOwned + std::fmt::Debug>(value: Value) -> String {
        #[derive(Debug, Deserialize)]
        struct Of<T> {
            #[serde(rename = "x")]
            _x: T,
        }
        let bytes = members(vec![("x", value)]);
        from_members::<Of<T>>(&bytes).unwrap_err().to_string()
    }
    let string = || Value::string("s");
    for (why, found, wanted) in [
        (why::<bool>(Value::Int32(1)), "integer `1`", "a boolean"),
        (why::<u8>(string()), "a string", "u8"),
        (why::<i64>(Value::Double(0.5)), "floating point", "i64"),
        (why::<u8>(Value::Int32(256)), "256", "u8"),
        (why::<u8>(Value::Int16(-1)), "65535", "u8"),
        (why::<f64>(string()), "a string", "f64"),
        (why::<String>(Value::Int8(1)), "boolean `true`", "a string"),
        (why::<String>(Value::Int64(-5)), "integer `-5`", "a string"),
        (why::<Vec<u8>>(Value::Table(vec![])), "map", "a sequence"),
        (
            why::<BTreeMap<String, u8>>(Value::Array(vec![])),
            "sequence",
            "a map",
        ),
        (why::<Tuple>(string()), "string", "tuple struct Tuple"),
        (why::<Newtype>(Value::Unspec), "unit", "u64"),
        (why::<Box<Sample>>(string()), "a string", "struct Sample"),
        (why::<Word>(Value::Int32(0)), "integer `0`", "enum Word"),
    ] {
        assert!(
            why.contains(found) && why.contains(wanted),
            "{found}, {wanted}: {why}"
        );
    }
}

#[test]
fn a_variant_with_content_is_a_table_of_one_member() {
    #[derive(Debug, PartialEq, Deserialize)]
    enum Step {
        Wait,
        Sleep(u32),
        Move { to: String },
        Both(u8, u8),
    }
    let of = |value: Value| {
        let bytes = members(vec![("x", value)]);
        from_members::<BTreeMap<String, Step>>(&bytes).map(|mut all| all.remove("x").unwrap())
    };
    let table = |name: &str, value| Value::Table(vec![(name.as_bytes().to_vec(), value)]);
    assert_eq!(of(Value::string("Wait")), Ok(Step::Wait));
    assert_eq!(of(table("Wait", Value::Unspec)), Ok(Step::Wait));
    assert_eq!(of(table("Sleep", Value::Int32(7))), Ok(Step::Sleep(7)));
    let to = table("to", Value::string("x"));
    assert_eq!(of(table("Move", to)), Ok(Step::Move { to: "x".into() }));
    let both = Value::Array(vec![Value::Int32(1), Value::Int32(2)]);
    assert_eq!(of(table("Both", both)), Ok(Step::Both(1, 2)));
    assert!(of(Value::Table(vec![])).is_err());
    assert!(of(table("Dance", Value::Unspec)).is_err());
}

#[test]
fn what_has_no_form_is_refused_wherever_it_stands() {
    #[derive(serde::Serialize)]
    enum Content {
        Newtype(u8),
        Tuple(u8, u8),
        Struct { x: u8 },
    }
    for content in [
        Content::Newtype(1),
        Content::Tuple(1, 2),
        Content::Struct { x: 1 },
    ] {
        let why = crate::to_members(&BTreeMap::from([("x", content)])).unwrap_err();
        assert!(
            why.to_string()
                .contains("an enum with content has no blobmsg form"),
            "{why}"
        );
    }
    // Only a table can be the whole.
    for refused in [
        crate::to_members(&true),
        crate::to_members("text"),
        crate::to_members(&1.5),
        crate::to_members(&'c'),
        crate::to_members(&(1, 2)),
    ] {
        assert!(matches!(refused, Err(Error::Encode(_))), "{refused:?}");
    }
    assert_eq!(crate::to_members(&None::<u8>), Ok(vec![]));
    assert_eq!(crate::to_members(&Unit), Ok(vec![]));
}

#[test]
fn a_key_that_is_no_text_is_refused() {
    #[derive(serde::Serialize, PartialEq, Eq, PartialOrd, Ord)]
    enum Content {
        Newtype(u8),
        Tuple(u8, u8),
        Struct { x: u8 },
    }
    fn refused<K: serde::Serialize + Ord>(key: K) -> bool {
        crate::to_members(&BTreeMap::from([(key, 1)])).is_err()
    }
    assert!(refused(true) && refused(1_u8) && refused(-1_i64) && refused('c'));
    assert!(refused(()) && refused(None::<String>) && refused((1, 2)) && refused(vec![1]));
    assert!(refused(Content::Newtype(1)) && refused(Content::Tuple(1, 2)));
    assert!(refused(Content::Struct { x: 1 }) && refused(BTreeMap::from([(1, 2)])));
}

#[test]
fn json_becomes_the_types_that_the_ubus_tool_makes_of_it() {
    let json = r#"{"a":[1,-2,null],"b":{"c":true,"d":1.5},"e":"x","f":4294967296,"g":18446744073709551615}"#;
    let value: Value = serde_json::from_str(json).unwrap();
    assert_eq!(value.get("e").and_then(Value::as_str), Some("x"));
    assert_eq!(value.get("f"), Some(&Value::Int64(1 << 32)));
    assert_eq!(value.get("g").and_then(Value::as_i64), Some(i64::MAX));
    let Some(Value::Array(items)) = value.get("a") else {
        panic!("{value:?}");
    };
    assert_eq!(
        items[..],
        [Value::Int32(1), Value::Int32(-2), Value::Unspec]
    );
    assert_eq!(items[1].as_i64(), Some(-2));
    let inner = value.get("b").unwrap();
    assert_eq!(inner.get("c"), Some(&Value::Int8(1)));
    assert_eq!(
        (inner.get("x"), items[0].get("x"), inner.as_i64()),
        (None, None, None)
    );
    assert_eq!(Value::Int16(-3).as_i64(), Some(-3));
    assert_eq!(Value::Int8(4).as_i64(), Some(4));
    let again = serde_json::to_string(&value).unwrap();
    let largest = json.replace("18446744073709551615", "9223372036854775807");
    assert_eq!(again, largest);
    assert_eq!(Value::from_members(&value.to_members()), Ok(value));
}
