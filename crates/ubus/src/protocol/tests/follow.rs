//! Listeners and subscribers.

use bytes::Bytes;

use super::*;

/// Plays the daemon up to the confirmed pattern; returns the number of what comes next.
fn listener_registered(desk: &mut Desk, pattern: &str) {
    let (kind, seq, _, add) = desk.one_sent();
    assert_eq!((kind, add), (Kind::AddObject, Attributes::default()));
    desk.added(seq, 6000);
    let (kind, seq, peer, register) = desk.one_sent();
    assert_eq!((kind, peer), (Kind::Invoke, system_object::EVENT));
    let args = Value::from_members(&register.data.unwrap()).unwrap();
    assert_eq!(args.get("pattern"), Some(&Value::string(pattern)));
    desk.status(seq, system_object::EVENT, Status::OK);
}

/// A subscription to the object `x`, up to the number of what makes its subscriber.
fn subscribing() -> (Desk, u16) {
    let mut desk = Desk::connected();
    desk.protocol.subscribe(1, "x", desk.now);
    listener_registered(&mut desk, "ubus.object.add");
    let (_, seq, _, _) = desk.one_sent();
    desk.found(seq, "x", 70);
    let outputs = desk.outputs();
    let Output::Send(add) = &outputs[0] else {
        panic!("{outputs:?}");
    };
    let seq = add.seq;
    (desk, seq)
}

fn event(desk: &mut Desk, name: &str, data: &Value) {
    let attributes = Writer::new()
        .word(attr::OBJID, 6000)
        .text(attr::METHOD, name.as_bytes())
        .nested(attr::DATA, &data.to_members());
    desk.feed(Kind::Invoke, 1, 0, attributes);
}

#[test]
fn events_go_to_every_listener_whose_pattern_means_them() {
    let mut desk = Desk::connected();
    desk.protocol.listen(1, "net.*", desk.now);
    listener_registered(&mut desk, "net.*");
    assert_eq!(desk.outputs(), answer(1, Ok(Answer::Done)));
    desk.protocol.listen(2, "net.*", desk.now);
    assert_eq!(desk.outputs(), answer(2, Ok(Answer::Done)));
    event(&mut desk, "net.up", &Value::Table(vec![]));
    let heard = |token| Output::Event(token, "net.up".into(), Bytes::new());
    assert_eq!(desk.outputs(), [heard(1), heard(2)]);
    event(&mut desk, "other", &Value::Table(vec![]));
    assert_eq!(desk.outputs(), []);
}

#[test]
fn each_listener_is_answered_when_its_own_pattern_is_registered() {
    let mut desk = Desk::connected();
    desk.protocol.listen(1, "net.*", desk.now);
    let (_, seq, _, _) = desk.one_sent();
    desk.protocol.listen(2, "wifi.*", desk.now);
    desk.protocol.listen(3, "net.*", desk.now);
    desk.added(seq, 6000);
    let registered: Vec<u16> = desk.sent().into_iter().map(|(_, seq, ..)| seq).collect();
    let [net, wifi] = registered[..] else {
        panic!("{registered:?}");
    };
    desk.status(net, system_object::EVENT, Status::OK);
    let done = |token| Output::Answer(token, Ok(Answer::Done));
    assert_eq!(desk.outputs(), [done(1), done(3)]);
    desk.status(wifi, system_object::EVENT, Status::PERMISSION_DENIED);
    assert_eq!(desk.outputs(), failed(2, Status::PERMISSION_DENIED));
    desk.protocol.unwatch(2, desk.now);
    // Another pattern after that concerns nobody who has been answered.
    desk.protocol.listen(4, "fan.*", desk.now);
    let (_, fan, _, _) = desk.one_sent();
    desk.status(fan, system_object::EVENT, Status::OK);
    assert_eq!(desk.outputs(), [done(4)]);
}

#[test]
fn a_listener_that_the_daemon_has_refused_is_asked_for_again() {
    let mut desk = Desk::connected();
    desk.protocol.listen(1, "net.*", desk.now);
    let (_, seq, _, _) = desk.one_sent();
    desk.status(seq, 0, Status::UNKNOWN_ERROR);
    assert_eq!(desk.outputs(), failed(1, Status::UNKNOWN_ERROR));
    desk.protocol.unwatch(1, desk.now);
    desk.protocol.listen(2, "net.*", desk.now);
    listener_registered(&mut desk, "net.*");
    assert_eq!(desk.outputs(), answer(2, Ok(Answer::Done)));
}

#[test]
fn an_event_from_a_client_is_none() {
    let mut desk = Desk::connected();
    desk.protocol.listen(1, "*", desk.now);
    listener_registered(&mut desk, "*");
    desk.outputs();
    let forged = Writer::new()
        .word(attr::OBJID, 6000)
        .text(attr::METHOD, b"ubus.object.add")
        .nested(attr::DATA, &[]);
    desk.feed(Kind::Invoke, 1, 42, forged);
    assert_eq!(desk.one_sent().3.status, Some(3));
}

#[test]
fn a_subscription_follows_objects_that_exist_and_that_come_and_go() {
    let mut desk = Desk::connected();
    desk.protocol.subscribe(1, "hostapd.*", desk.now);
    listener_registered(&mut desk, "ubus.object.add");
    let (kind, seq, _, lookup) = desk.one_sent();
    assert_eq!(kind, Kind::Lookup);
    assert_eq!(lookup.objpath.as_deref(), Some(&b"hostapd.*"[..]));
    desk.found(seq, "hostapd.wlan0", 70);
    let outputs = desk.outputs();
    let [Output::Send(add), Output::Answer(1, Ok(Answer::Done))] = &outputs[..] else {
        panic!("{outputs:?}");
    };
    assert_eq!(add.kind, Kind::AddObject as u8);
    desk.added(add.seq, 6001);
    let (kind, seq, _, subscribe) = desk.one_sent();
    assert_eq!(kind, Kind::Subscribe);
    assert_eq!((subscribe.objid, subscribe.target), (Some(6001), Some(70)));
    desk.status(seq, 0, Status::OK);
    let path = || "hostapd.wlan0".to_owned();
    let notice = |notice| vec![Output::Notice(1, notice)];
    assert_eq!(desk.outputs(), notice(Notice::Subscribed { path: path() }));

    let notification = || {
        Writer::new()
            .word(attr::OBJID, 6001)
            .text(attr::METHOD, b"assoc")
            .nested(attr::DATA, &[])
    };
    let assoc = || Notice::Notification {
        path: path(),
        kind: "assoc".into(),
        data: Bytes::new(),
    };
    let silent = notification().flag(attr::NO_REPLY, true);
    desk.feed(Kind::Invoke, 3, 42, silent);
    assert_eq!(desk.outputs(), notice(assoc()));
    // A notifier that wants an answer gets one, or it would wait.
    desk.feed(Kind::Invoke, 4, 42, notification());
    let outputs = desk.outputs();
    assert_eq!(outputs[..1], notice(assoc()));
    assert!(matches!(&outputs[1..], [Output::Send(frame)] if frame.seq == 4));

    let gone = Writer::new().word(attr::OBJID, 6001).word(attr::TARGET, 70);
    desk.feed(Kind::Unsubscribe, 1, 0, gone);
    let outputs = desk.outputs();
    assert!(outputs.contains(&Output::Notice(1, Notice::Gone { path: path() })));

    let added = Value::Table(vec![
        (b"id".to_vec(), Value::Int32(71)),
        (b"path".to_vec(), Value::string("hostapd.wlan0")),
    ]);
    event(&mut desk, "ubus.object.add", &added);
    let (kind, seq, _, _) = desk.one_sent();
    assert_eq!(kind, Kind::AddObject);
    // Seen twice, subscribed once.
    event(&mut desk, "ubus.object.add", &added);
    assert_eq!(desk.outputs(), []);
    desk.added(seq, 6002);
    assert_eq!(desk.one_sent().3.target, Some(71));
}

#[test]
fn an_object_that_vanishes_while_being_subscribed_leaves_nothing_behind() {
    let (mut desk, seq) = subscribing();
    desk.added(seq, 6001);
    let (_, seq, _, _) = desk.one_sent();
    desk.status(seq, 0, Status::NOT_FOUND);
    let (kind, _, _, remove) = desk.one_sent();
    assert_eq!((kind, remove.objid), (Kind::RemoveObject, Some(6001)));
}

#[test]
fn a_subscription_that_is_dropped_while_it_is_set_up_leaves_nothing_behind() {
    let (mut desk, seq) = subscribing();
    desk.protocol.unwatch(1, desk.now);
    assert_eq!(desk.outputs(), []);
    desk.added(seq, 6001);
    let (kind, _, _, remove) = desk.one_sent();
    assert_eq!((kind, remove.objid), (Kind::RemoveObject, Some(6001)));
}

#[test]
fn a_lost_connection_ends_what_was_followed_and_it_is_set_up_again() {
    let mut desk = Desk::connected();
    desk.protocol.subscribe(1, "x", desk.now);
    // Lost while the first step is under way: declared is declared.
    desk.outputs();
    desk.protocol.closed();
    assert_eq!(desk.outputs(), answer(1, Ok(Answer::Done)));
    desk.connect();
    assert_eq!(desk.protocol.poll(), Some(Output::Connected));
    listener_registered(&mut desk, "ubus.object.add");
    assert_eq!(desk.one_sent().0, Kind::Lookup);
}

#[test]
fn an_answer_that_cannot_be_read_does_not_leave_a_listener_deaf() {
    let mut desk = Desk::connected();
    desk.protocol.listen(1, "net.*", desk.now);
    let (_, seq, peer, _) = desk.one_sent();
    // The status is a word of one byte.
    let frame = Frame {
        payload: vec![0x01, 0x00, 0x00, 0x05, 0x07, 0, 0, 0].into(),
        ..Frame::new(Kind::Status, seq, peer, Writer::new())
    };
    desk.protocol.frame(&frame, desk.now);
    let outputs = desk.outputs();
    assert!(outputs
        .iter()
        .any(|output| matches!(output, Output::Drop(_))));
    assert_eq!(outputs[1..], answer(1, Ok(Answer::Done)));
    desk.connect();
    assert_eq!(desk.protocol.poll(), Some(Output::Connected));
    listener_registered(&mut desk, "net.*");
}
