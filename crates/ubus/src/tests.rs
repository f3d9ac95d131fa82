//! A client on a socket, and a daemon of a few lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{timeout, Instant};

use super::blob::Writer;
use super::message::{attr, Attributes, Frame, Kind};
use super::{connect, from_members, to_members, Error, Method, Status};

const LONG: Duration = Duration::from_secs(60);

/// A path for a socket, which is removed with it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let name = format!("ubus-tokio-{}-{name}", std::process::id());
        Place(std::env::temp_dir().join(name))
    }

    fn bind(&self) -> UnixListener {
        UnixListener::bind(&self.0).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The next client, greeted.
async fn greeted(listener: &UnixListener) -> UnixStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    send(&mut stream, Kind::Hello, 0, 0x1234, Writer::new()).await;
    stream
}

async fn send(stream: &mut UnixStream, kind: Kind, seq: u16, peer: u32, attributes: Writer) {
    let frame = Frame::new(kind, seq, peer, attributes);
    stream.write_all(&frame.head()).await.unwrap();
    stream.write_all(&frame.payload).await.unwrap();
}

/// Has the object `system` with the method `board` until the client is gone.
async fn serve(mut stream: UnixStream) {
    let mut input = BytesMut::new();
    while stream.read_buf(&mut input).await.unwrap() > 0 {
        while let Some(frame) = Frame::split_from(&mut input).unwrap() {
            let asked = Attributes::parse(&frame.payload).unwrap();
            let (seq, mut status) = (frame.seq, Status::OK);
            if frame.kind == Kind::Lookup as u8 {
                let object = Writer::new()
                    .text(attr::OBJPATH, b"system")
                    .word(attr::OBJID, 9)
                    .word(attr::OBJTYPE, 7)
                    .nested(attr::SIGNATURE, &[]);
                send(&mut stream, Kind::Data, seq, 0, object).await;
            } else if asked.method.as_deref() == Some(b"board") {
                let board = to_members(&BTreeMap::from([("model", "router")])).unwrap();
                let data = Writer::new()
                    .word(attr::OBJID, 9)
                    .nested(attr::DATA, &board);
                send(&mut stream, Kind::Data, seq, 9, data).await;
            } else {
                status = Status::METHOD_NOT_FOUND;
            }
            let status = Writer::new().status(status.0);
            send(&mut stream, Kind::Status, seq, frame.peer, status).await;
        }
    }
}

#[tokio::test]
async fn a_call_brings_the_answer_or_the_status_it_ended_with() {
    let place = Place::new("call");
    let listener = place.bind();
    tokio::spawn(async move { serve(greeted(&listener).await).await });
    let (client, connection) = connect(&place.0);
    let driver = tokio::spawn(connection.run());
    client.connected(LONG).await.unwrap();

    type Board = BTreeMap<String, String>;
    let board: Board = client.call("system", "board", &(), LONG).await.unwrap();
    assert_eq!(board["model"], "router");
    let raw = client.call_raw("system", "board", vec![], LONG).await;
    let raw = raw.unwrap();
    assert_eq!(raw.len(), 1);
    assert_eq!(from_members::<Board>(&raw[0]).unwrap(), board);
    let raw = client.call_raw("system", "dance", vec![], LONG).await;
    let missing = Status::METHOD_NOT_FOUND;
    assert!(matches!(raw, Err(Error::Status(status)) if status == missing));

    drop(client);
    timeout(LONG, driver).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_bus_that_comes_later_is_found_and_found_again() {
    let place = Place::new("later");
    let (client, connection) = connect(&place.0);
    let driver = tokio::spawn(connection.run());
    let mut state = client.state();
    let failed = state.wait_for(|state| state.error.is_some());
    assert!(!timeout(LONG, failed).await.unwrap().unwrap().connected);

    let listener = place.bind();
    for _ in 0..2 {
        let stream = timeout(LONG, greeted(&listener)).await.unwrap();
        client.connected(LONG).await.unwrap();
        assert_eq!(client.state().borrow().error, None);
        drop(stream);
        let lost = state.wait_for(|state| !state.connected);
        let lost = timeout(LONG, lost).await.unwrap().unwrap().clone();
        let why = "the bus closed the connection";
        assert_eq!(lost.error.as_deref(), Some(why));
    }

    drop((client, listener));
    timeout(LONG, driver).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_bus_is_not_looked_for_without_a_pause() {
    let place = Place::new("pause");
    let (client, connection) = connect(&place.0);
    let _driver = tokio::spawn(connection.run());
    let mut state = client.state();
    let failed = state.wait_for(|state| state.error.is_some());
    failed.await.unwrap();
    let began = Instant::now();
    let listener = place.bind();
    listener.accept().await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(100));
}

/// The next frame of the client.
async fn receive(stream: &mut UnixStream, input: &mut BytesMut) -> (u8, u16, u32, Attributes) {
    loop {
        if let Some(frame) = Frame::split_from(input).unwrap() {
            let attributes = Attributes::parse(&frame.payload).unwrap();
            return (frame.kind, frame.seq, frame.peer, attributes);
        }
        let read = timeout(LONG, stream.read_buf(input)).await;
        assert_ne!(read.unwrap().unwrap(), 0);
    }
}

#[tokio::test]
async fn an_object_answers_notifies_and_is_withdrawn_when_it_is_dropped() {
    let place = Place::new("offer");
    let listener = place.bind();
    let (client, connection) = connect(&place.0);
    let driver = tokio::spawn(connection.run());
    let mut stream = greeted(&listener).await;
    let mut input = BytesMut::new();
    let accept = async {
        let (kind, seq, ..) = receive(&mut stream, &mut input).await;
        assert_eq!(kind, Kind::AddObject as u8);
        let id = Writer::new().word(attr::OBJID, 9);
        send(&mut stream, Kind::Data, seq, 0, id).await;
        let status = Writer::new().status(Status::OK.0);
        send(&mut stream, Kind::Status, seq, 0, status).await;
    };
    let offer = client.offer("test", vec![Method::new("echo", &[])]);
    let (object, ()) = tokio::join!(timeout(LONG, offer), accept);
    let mut object = object.unwrap().unwrap();

    let answer = BTreeMap::from([("model", "router")]);
    for status in [Status::OK, Status::PERMISSION_DENIED] {
        let call = Writer::new()
            .word(attr::OBJID, 9)
            .text(attr::METHOD, b"echo")
            .nested(attr::DATA, &[]);
        send(&mut stream, Kind::Invoke, 3, 42, call).await;
        let request = timeout(LONG, object.next()).await.unwrap().unwrap();
        if status == Status::OK {
            request.reply(&answer);
            let (kind, seq, peer, data) = receive(&mut stream, &mut input).await;
            assert_eq!((kind, seq, peer), (Kind::Data as u8, 3, 42));
            assert_eq!(data.data.unwrap(), to_members(&answer).unwrap());
        } else {
            request.finish(status);
        }
        let (kind, seq, peer, end) = receive(&mut stream, &mut input).await;
        assert_eq!((kind, seq, peer), (Kind::Status as u8, 3, 42));
        assert_eq!(end.status, Some(status.0));
    }

    let subscribed = Writer::new().word(attr::OBJID, 9).flag(attr::ACTIVE, true);
    send(&mut stream, Kind::Notify, 4, 0, subscribed).await;
    let mut subscribers = object.subscribers();
    let active = subscribers.wait_for(|active| *active);
    timeout(LONG, active).await.unwrap().unwrap();
    object.notify("moved", &answer).unwrap();
    let (kind, _, _, sent) = receive(&mut stream, &mut input).await;
    assert_eq!(kind, Kind::Notify as u8);
    assert_eq!(sent.method.as_deref(), Some(&b"moved"[..]));

    drop(object);
    let (kind, _, _, removed) = receive(&mut stream, &mut input).await;
    assert_eq!((kind, removed.objid), (Kind::RemoveObject as u8, Some(9)));
    drop(client);
    timeout(LONG, driver).await.unwrap().unwrap();
}
