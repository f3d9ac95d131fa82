//! Objects of ours.

use super::*;
use crate::message::FORWARD_RESERVE;
use crate::object::Method;

fn offered() -> Desk {
    let mut desk = Desk::connected();
    let methods = vec![Method::new("echo", &[("text", Type::String)])];
    desk.protocol.add_object(1, "me", methods, desk.now);
    let (kind, seq, _, add) = desk.one_sent();
    assert_eq!(kind, Kind::AddObject);
    assert_eq!(add.objpath.as_deref(), Some(&b"me"[..]));
    assert!(add.signature.is_some_and(|signature| !signature.is_empty()));
    desk.added(seq, 5000);
    assert_eq!(desk.outputs(), answer(1, Ok(Answer::Done)));
    desk
}

fn incoming(method: &str) -> Writer {
    Writer::new()
        .word(attr::OBJID, 5000)
        .text(attr::METHOD, method.as_bytes())
        .text(attr::USER, b"root")
        .text(attr::GROUP, b"root")
}

/// A call of `me echo` that is ours to answer.
fn requested(desk: &mut Desk) -> Incoming {
    let call = incoming("echo").nested(attr::DATA, &[]);
    desk.feed(Kind::Invoke, 9, 42, call);
    let outputs = desk.outputs();
    let [Output::Request(1, request)] = &outputs[..] else {
        panic!("{outputs:?}");
    };
    request.clone()
}

#[test]
fn a_call_of_our_object_is_answered_with_its_number_and_caller() {
    let mut desk = offered();
    let request = requested(&mut desk);
    assert_eq!((&request.method[..], &request.user[..]), ("echo", "root"));
    desk.protocol.reply(request.ticket, &[]).unwrap();
    desk.protocol.finish(request.ticket, Status::OK);
    let sent = desk.sent();
    assert_eq!(sent[0].0, Kind::Data);
    assert_eq!(sent[1].3.status, Some(0));
    for (_, seq, peer, attributes) in sent {
        assert_eq!((seq, peer, attributes.objid), (9, 42, Some(5000)));
    }
}

#[test]
fn unknown_methods_and_missing_data_are_refused_for_us() {
    let mut desk = offered();
    desk.feed(
        Kind::Invoke,
        9,
        42,
        incoming("nope").nested(attr::DATA, &[]),
    );
    assert_eq!(desk.one_sent().3.status, Some(3));
    desk.feed(Kind::Invoke, 9, 42, incoming("echo"));
    assert_eq!(desk.one_sent().3.status, Some(2));
}

#[test]
fn a_refused_object_is_offered_again() {
    let mut desk = Desk::connected();
    desk.protocol.add_object(1, "me", vec![], desk.now);
    let (_, seq, _, _) = desk.one_sent();
    desk.status(seq, 0, Status::INVALID_ARGUMENT);
    assert_eq!(desk.outputs(), failed(1, Status::INVALID_ARGUMENT));
    assert_eq!(desk.protocol.deadline(), Some(desk.now + REGISTER_RETRY));
    desk.now += REGISTER_RETRY;
    desk.protocol.time(desk.now);
    let (kind, seq, _, _) = desk.one_sent();
    assert_eq!(kind, Kind::AddObject);
    desk.added(seq, 5000);
    assert_eq!(desk.outputs(), []);
    assert_eq!(desk.protocol.deadline(), None);
}

#[test]
fn after_a_restart_of_the_bus_everything_is_there_again() {
    let mut desk = offered();
    let request = requested(&mut desk);
    let old = request.ticket;
    let seq = desk.call_until_invoke(7, 77);
    desk.protocol.closed();
    assert_eq!(desk.outputs(), answer(7, Err(Error::Disconnected)));

    desk.connect();
    let mut outputs = desk.outputs();
    assert_eq!(outputs.remove(0), Output::Connected);
    let [Output::Send(add)] = &outputs[..] else {
        panic!("{outputs:?}");
    };
    assert_eq!(add.kind, Kind::AddObject as u8);
    assert!(add.seq > seq, "numbers count on");
    desk.added(add.seq, 5000);
    assert_eq!(desk.outputs(), []);
    // An answer meant for the old connection goes nowhere, though the id is the same.
    desk.protocol.finish(old, Status::OK);
    assert_eq!(desk.protocol.reply(old, &[]), Err(Error::Disconnected));
    assert_eq!(desk.outputs(), []);
    // The old object id is not used again either.
    desk.call(8);
    assert_eq!(desk.one_sent().0, Kind::Lookup);
}

#[test]
fn a_withdrawn_object_is_removed_even_if_it_was_not_registered_yet() {
    let mut desk = offered();
    desk.protocol.remove_object(1, desk.now);
    let (kind, _, _, remove) = desk.one_sent();
    assert_eq!((kind, remove.objid), (Kind::RemoveObject, Some(5000)));

    desk.protocol.add_object(2, "other", vec![], desk.now);
    let (_, seq, _, _) = desk.one_sent();
    desk.protocol.remove_object(2, desk.now);
    desk.added(seq, 5001);
    let (kind, _, _, remove) = desk.one_sent();
    assert_eq!((kind, remove.objid), (Kind::RemoveObject, Some(5001)));
}

#[test]
fn a_notification_goes_out_for_our_object_and_asks_nobody_for_an_answer() {
    let mut desk = offered();
    let data = Value::Table(vec![(b"x".to_vec(), Value::Int32(7))]).to_members();
    desk.protocol.notify(1, "moved", &data).unwrap();
    let (kind, _, peer, sent) = desk.one_sent();
    assert_eq!((kind, peer, sent.objid), (Kind::Notify, 5000, Some(5000)));
    assert_eq!(sent.method.as_deref(), Some(&b"moved"[..]));
    assert_eq!(sent.data.as_deref(), Some(&data[..]));
    assert_eq!(sent.no_reply, Some(true));
    desk.protocol.closed();
    desk.outputs();
    desk.protocol.notify(1, "moved", &data).unwrap();
    assert_eq!(desk.outputs(), [], "nobody subscribes");
}

#[test]
fn a_message_of_ours_is_as_long_as_the_daemon_takes_it_and_no_longer() {
    let mut desk = offered();
    let ticket = requested(&mut desk).ticket;
    // The bytes that the daemon adds to a notification have to fit too.
    for (is_reply, reserve) in [(true, 0), (false, FORWARD_RESERVE)] {
        let mut send = |len: usize| {
            let data = vec![0; len];
            let sent = match is_reply {
                true => desk.protocol.reply(ticket, &data),
                false => desk.protocol.notify(1, "moved", &data),
            };
            let sizes = desk.outputs().into_iter().map(|output| match output {
                Output::Send(frame) => frame.blob_len(),
                other => panic!("{other:?}"),
            });
            sent.map(|()| sizes.collect::<Vec<_>>())
        };
        let around = send(4).unwrap()[0] - 4;
        let most = MAX_BLOB - reserve - around;
        assert_eq!(send(most).unwrap(), [MAX_BLOB - reserve]);
        let size = MAX_BLOB - reserve + 4;
        assert_eq!(send(most + 4), Err(Error::TooLarge(size)));
    }
}
