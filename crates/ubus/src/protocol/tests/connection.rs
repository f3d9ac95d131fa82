//! The beginning and the end of a connection.

use super::*;

#[test]
fn the_daemon_speaks_first() {
    let mut desk = Desk::new();
    desk.protocol.add_object(1, "x", vec![], desk.now);
    assert_eq!(desk.outputs(), answer(1, Ok(Answer::Done)));
    desk.protocol.opened(desk.now);
    assert_eq!(desk.outputs(), []);
    desk.now += DAEMON_TIMEOUT;
    desk.protocol.time(desk.now);
    assert!(matches!(desk.outputs()[..], [Output::Drop(_)]));
}

#[test]
fn anything_before_the_greeting_is_a_reason_to_leave() {
    let mut desk = Desk::new();
    desk.protocol.opened(desk.now);
    desk.status(1, 0, Status::OK);
    assert!(matches!(desk.outputs()[..], [Output::Drop(_)]));
}

#[test]
fn a_daemon_that_stops_answering_is_left() {
    let mut desk = Desk::connected();
    desk.protocol.add_object(1, "me", vec![], desk.now);
    desk.outputs();
    desk.now += DAEMON_TIMEOUT;
    desk.protocol.time(desk.now);
    let outputs = desk.outputs();
    assert!(outputs.contains(&Output::Answer(1, Ok(Answer::Done))));
    assert!(matches!(outputs.last(), Some(Output::Drop(_))));
}
