//! Frames of the bus: attributes, members, values.

use std::collections::HashSet;

use bytes::{Bytes, BytesMut};
use ubus::blob::{Attrs, Writer, MAX_BLOB};
use ubus::blobmsg::{Value, MAX_DEPTH};
use ubus::from_members;
use ubus::message::{attr, Attributes, Frame};

use super::data;

/// A frame of every kind that was recorded, for each direction.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seen = HashSet::new();
    let mut frames = data::frames();
    frames.retain(|(_, kind, frame)| {
        frame.len() < 4096 && seen.insert((kind.clone(), frame.len() / 64))
    });
    frames.into_iter().map(|(.., frame)| frame).collect()
}

pub(super) fn run(input: &[u8]) {
    let mut buffer = BytesMut::from(input);
    let mut read = 0;
    while let Ok(Some(frame)) = Frame::split_from(&mut buffer) {
        assert!(frame.blob_len() <= MAX_BLOB);
        let bytes = [&frame.head()[..], &frame.payload].concat();
        assert_eq!(
            bytes,
            input[read..read + bytes.len()],
            "a frame is its bytes"
        );
        read += bytes.len();
        attributes(&frame.payload);
    }
    assert_eq!(
        read + buffer.len(),
        input.len(),
        "nothing is lost or invented"
    );
    let all = Bytes::copy_from_slice(input);
    attributes(&all);
    members(&all);
}

fn attributes(payload: &Bytes) {
    let split: usize = Attrs::new(payload)
        .map_while(Result::ok)
        .map(|attr| 4 + attr.payload.len())
        .sum();
    assert!(split <= payload.len());
    let prefix = Attributes::parse_prefix(payload);
    if let Ok(strict) = Attributes::parse(payload) {
        assert_eq!(
            strict, prefix,
            "what is well formed reads the same either way"
        );
        let again = Bytes::from(write(&strict));
        assert_eq!(
            Attributes::parse(&again),
            Ok(strict),
            "what is written reads back"
        );
    }
    for inside in [&prefix.data, &prefix.signature].into_iter().flatten() {
        members(inside);
    }
}

fn write(attributes: &Attributes) -> Vec<u8> {
    let mut writer = Writer::new();
    if let Some(status) = attributes.status {
        writer = writer.status(status);
    }
    for (id, word) in [
        (attr::OBJID, attributes.objid),
        (attr::OBJTYPE, attributes.objtype),
        (attr::TARGET, attributes.target),
    ] {
        if let Some(word) = word {
            writer = writer.word(id, word);
        }
    }
    for (id, flag) in [
        (attr::ACTIVE, attributes.active),
        (attr::NO_REPLY, attributes.no_reply),
    ] {
        if let Some(flag) = flag {
            writer = writer.flag(id, flag);
        }
    }
    for (id, text) in [
        (attr::OBJPATH, &attributes.objpath),
        (attr::METHOD, &attributes.method),
        (attr::USER, &attributes.user),
        (attr::GROUP, &attributes.group),
    ] {
        if let Some(text) = text {
            writer = writer.text(id, text);
        }
    }
    for (id, payload) in [
        (attr::SIGNATURE, &attributes.signature),
        (attr::DATA, &attributes.data),
        (attr::SUBSCRIBERS, &attributes.subscribers),
    ] {
        if let Some(payload) = payload {
            writer = writer.nested(id, payload);
        }
    }
    writer.into_bytes()
}

fn members(payload: &[u8]) {
    // Into a type, as the replies of the bus are read.
    let _ = from_members::<serde_json::Value>(payload);
    let Ok(value) = Value::from_members(payload) else {
        return;
    };
    assert!(depth(&value) <= MAX_DEPTH);
    // Each takes at least 8 bytes.
    assert!(count(&value) <= payload.len() / 8);
    let written = value.to_members();
    assert!(written.len() <= payload.len());
    let again = Value::from_members(&written).expect("what is written is read");
    // By their bytes: a NaN is itself, and -0 is not 0.
    assert_eq!(again.to_members(), written, "what is written reads back");
}

fn inside(value: &Value) -> Vec<&Value> {
    match value {
        Value::Table(members) => members.iter().map(|(_, value)| value).collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    }
}

fn depth(value: &Value) -> usize {
    let deepest = inside(value).into_iter().map(depth).max().unwrap_or(0);
    match value {
        Value::Table(_) | Value::Array(_) => 1 + deepest,
        _ => 0,
    }
}

fn count(value: &Value) -> usize {
    inside(value)
        .into_iter()
        .map(|value| 1 + count(value))
        .sum()
}
