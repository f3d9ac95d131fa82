//! Every frame of the recording.

use bytes::{Bytes, BytesMut};
use ubus::message::{Attributes, Frame};

use crate::expected::{expected_attribute, expected_payload, id, kind_of, text};
use crate::frames;

const FRAMES: usize = 1807;

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
