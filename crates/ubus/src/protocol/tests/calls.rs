//! Calls of ours.

use bytes::Bytes;

use super::*;
use crate::protocol::calls::MAX_PATHS;

#[test]
fn answers_without_data_count_for_the_memory_they_keep() {
    let mut desk = Desk::connected();
    let seq = desk.call_until_invoke(1, 9);
    for _ in 0..MAX_REPLY / 16 {
        let nothing = Writer::new().word(attr::OBJID, 9).nested(attr::DATA, &[]);
        desk.feed(Kind::Data, seq, 9, nothing);
    }
    desk.status(seq, 9, Status::OK);
    let outputs = desk.outputs();
    assert!(
        matches!(outputs[..], [Output::Answer(1, Err(Error::TooLarge(_)))]),
        "{} outputs",
        outputs.len()
    );
}

#[test]
fn a_burst_of_answers_does_not_keep_its_room() {
    let mut desk = Desk::connected();
    let now = desk.now;
    for token in 1..=300 {
        desk.protocol
            .call(token, "system", "board", vec![], SECOND, now);
    }
    desk.protocol.closed();
    assert!(desk.protocol.outputs.capacity() >= 300);
    let answers = desk.outputs();
    let failed = |of: &&Output| matches!(of, Output::Answer(..));
    assert_eq!(answers.iter().filter(failed).count(), 300);
    assert!(desk.protocol.outputs.capacity() <= OUTPUTS_KEPT);
}

#[test]
fn a_call_looks_its_object_up_once() {
    let mut desk = Desk::connected();
    let seq = desk.call_until_invoke(1, 77);
    assert_eq!(seq, 2);
    let reply = Value::Table(vec![(b"kernel".to_vec(), Value::string("6.6"))]);
    desk.data(seq, 77, &reply);
    desk.status(seq, 77, Status::OK);
    let data = Answer::Data(vec![reply.to_members().into()], Status::OK);
    assert_eq!(desk.outputs(), answer(1, Ok(data)));

    desk.call(2);
    let (kind, seq, peer, _) = desk.one_sent();
    assert_eq!((kind, seq, peer), (Kind::Invoke, 3, 77));
    desk.status(seq, 77, Status::OK);
    assert_eq!(
        desk.outputs(),
        answer(2, Ok(Answer::Data(vec![], Status::OK)))
    );
}

#[test]
fn each_path_is_looked_up_once_until_too_many_are_known() {
    let mut desk = Desk::connected();
    let call = |desk: &mut Desk, n: usize| {
        let (path, now) = (format!("path-{n}"), desk.now);
        desk.protocol
            .call(n as Token, &path, "list", vec![], SECOND, now);
        let (mut kind, mut seq, ..) = desk.one_sent();
        let is_known = kind == Kind::Invoke;
        if !is_known {
            desk.found(seq, &path, 100 + n as u32);
            (kind, seq, ..) = desk.one_sent();
        }
        assert_eq!(kind, Kind::Invoke);
        desk.status(seq, 100 + n as u32, Status::OK);
        desk.outputs();
        is_known
    };
    for n in 0..MAX_PATHS {
        assert!(!call(&mut desk, n), "{n}");
    }
    for n in [0, 1, MAX_PATHS - 1] {
        assert!(call(&mut desk, n), "{n}");
    }
    assert!(!call(&mut desk, MAX_PATHS));
    assert!(call(&mut desk, MAX_PATHS));
    assert!(!call(&mut desk, 0));
}

#[test]
fn an_object_that_came_back_under_another_id_is_found_again() {
    let mut desk = Desk::connected();
    let seq = desk.call_until_invoke(1, 77);
    desk.status(seq, 77, Status::OK);
    desk.outputs();
    desk.call(2);
    let (_, seq, _, _) = desk.one_sent();
    desk.status(seq, 77, Status::NOT_FOUND);
    let (kind, seq, _, _) = desk.one_sent();
    assert_eq!(kind, Kind::Lookup);
    desk.found(seq, "system", 78);
    let (kind, seq, peer, _) = desk.one_sent();
    assert_eq!((kind, peer), (Kind::Invoke, 78));
    desk.status(seq, 78, Status::OK);
    assert_eq!(
        desk.outputs(),
        answer(2, Ok(Answer::Data(vec![], Status::OK)))
    );
}

#[test]
fn a_callee_that_says_not_found_is_not_called_twice() {
    let mut desk = Desk::connected();
    let seq = desk.call_until_invoke(1, 77);
    desk.status(seq, 77, Status::NOT_FOUND);
    let (kind, seq, _, _) = desk.one_sent();
    assert_eq!(kind, Kind::Lookup);
    desk.found(seq, "system", 77);
    let said = Answer::Data(vec![], Status::NOT_FOUND);
    assert_eq!(desk.outputs(), answer(1, Ok(said)));
}

#[test]
fn missing_and_hidden_objects_are_not_found() {
    for status in [Status::NOT_FOUND, Status::OK] {
        let mut desk = Desk::connected();
        desk.call(1);
        let (_, seq, _, _) = desk.one_sent();
        desk.status(seq, 0, status);
        assert_eq!(desk.outputs(), failed(1, Status::NOT_FOUND));
    }
}

#[test]
fn answers_are_matched_by_number_and_peer() {
    let mut desk = Desk::connected();
    let seq = desk.call_until_invoke(1, 77);
    desk.status(seq, 78, Status::OK);
    desk.status(seq + 1, 77, Status::OK);
    desk.data(seq, 78, &Value::Table(vec![]));
    assert_eq!(desk.outputs(), []);
    desk.status(seq, 77, Status::OK);
    assert_eq!(
        desk.outputs(),
        answer(1, Ok(Answer::Data(vec![], Status::OK)))
    );
}

#[test]
fn data_before_an_error_is_kept_with_the_error() {
    let mut desk = Desk::connected();
    let seq = desk.call_until_invoke(1, 77);
    desk.data(seq, 77, &Value::Table(vec![]));
    desk.status(seq, 77, Status(-1));
    let both = Answer::Data(vec![Bytes::new()], Status(-1));
    assert_eq!(desk.outputs(), answer(1, Ok(both)));
}

#[test]
fn a_callee_that_dies_is_a_time_out_and_a_late_answer_is_nobodys() {
    let mut desk = Desk::connected();
    let seq = desk.call_until_invoke(1, 77);
    assert_eq!(desk.protocol.deadline(), Some(desk.now + SECOND));
    desk.now += SECOND;
    desk.protocol.time(desk.now);
    assert_eq!(desk.outputs(), answer(1, Err(Error::Timeout(1000))));
    desk.status(seq, 77, Status::OK);
    assert_eq!(desk.outputs(), []);
    assert_eq!(desk.protocol.deadline(), None);
}

#[test]
fn a_malformed_answer_fails_its_call_alone() {
    let mut desk = Desk::connected();
    let first = desk.call_until_invoke(1, 77);
    desk.call(2);
    let (_, second, _, _) = desk.one_sent();
    desk.feed(Kind::Data, first, 77, Writer::new().flag(attr::OBJID, true));
    assert_eq!(
        desk.outputs(),
        answer(1, Err(Error::Malformed(crate::Malformed::AttributeSize)))
    );
    desk.status(second, 77, Status::OK);
    assert_eq!(
        desk.outputs(),
        answer(2, Ok(Answer::Data(vec![], Status::OK)))
    );
}

#[test]
fn what_a_call_may_send_and_bring_is_bounded() {
    let mut desk = Desk::connected();
    desk.protocol
        .call(1, "x", "y", vec![0; MAX_BLOB], SECOND, desk.now);
    assert!(matches!(
        desk.outputs()[..],
        [Output::Answer(1, Err(Error::TooLarge(_)))]
    ));
    let seq = desk.call_until_invoke(2, 77);
    let big = Value::Table(vec![(b"x".to_vec(), Value::String(vec![b'x'; 1 << 20]))]);
    for _ in 0..5 {
        desk.data(seq, 77, &big);
    }
    desk.status(seq, 77, Status::OK);
    assert!(matches!(
        desk.outputs()[..],
        [Output::Answer(2, Err(Error::TooLarge(_)))]
    ));
}

#[test]
fn the_number_of_calls_under_way_is_bounded() {
    let mut desk = Desk::connected();
    for token in 0..MAX_REQUESTS as Token {
        desk.call(token);
    }
    assert_eq!(desk.sent().len(), MAX_REQUESTS);
    desk.call(1000);
    assert_eq!(desk.outputs(), answer(1000, Err(Error::Busy)));
}

#[test]
fn without_a_bus_calls_fail_at_once() {
    let mut desk = Desk::new();
    desk.call(1);
    desk.protocol.lookup(2, "", SECOND, desk.now);
    assert_eq!(
        desk.outputs(),
        [
            answer(1, Err(Error::Disconnected)),
            answer(2, Err(Error::Disconnected))
        ]
        .concat()
    );
}

#[test]
fn a_look_up_brings_so_many_objects_and_no_more() {
    let mut desk = Desk::connected();
    desk.protocol.lookup(1, "*", SECOND, desk.now);
    let (_, seq, ..) = desk.one_sent();
    for id in 0..=MAX_OBJECTS as u32 {
        let object = Writer::new()
            .text(attr::OBJPATH, b"x")
            .word(attr::OBJID, id)
            .word(attr::OBJTYPE, 7);
        desk.feed(Kind::Data, seq, 0, object);
    }
    desk.status(seq, 0, Status::OK);
    let outputs = desk.outputs();
    let [Output::Answer(1, Ok(Answer::Objects(found)))] = &outputs[..] else {
        panic!("{} outputs", outputs.len());
    };
    assert_eq!(found.len(), MAX_OBJECTS);
}
