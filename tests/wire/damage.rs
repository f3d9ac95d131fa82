//! Bytes of unknown origin.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use ubus::blob::{Attrs, MAX_BLOB};
use ubus::blobmsg::{Members, Scalar, Type, Value, MAX_DEPTH};
use ubus::message::{Attributes, Frame};

use crate::{frames, same};

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

/// A fault that befalls a frame on its way.
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
    assert_eq!(Value::from_members(&payload), Err(ubus::Malformed::Depth));
}
