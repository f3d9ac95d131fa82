//! A client on a socket, and a daemon of a few lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::blob::Writer;
use super::message::{attr, Attributes, Frame, Kind};
use super::{connect, from_members, to_members, Error, Status};

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

#[tokio::test]
async fn an_object_is_withdrawn_when_it_is_dropped() {
    let place = Place::new("offer");
    let listener = place.bind();
    let (told, mut heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut stream = greeted(&listener).await;
        let mut input = BytesMut::new();
        while stream.read_buf(&mut input).await.unwrap() > 0 {
            while let Some(frame) = Frame::split_from(&mut input).unwrap() {
                told.send(frame.kind).unwrap();
                let object = Writer::new().word(attr::OBJID, 9).word(attr::OBJTYPE, 7);
                send(&mut stream, Kind::Data, frame.seq, 0, object).await;
                let status = Writer::new().status(Status::OK.0);
                send(&mut stream, Kind::Status, frame.seq, 0, status).await;
            }
        }
    });
    let (client, connection) = connect(&place.0);
    let driver = tokio::spawn(connection.run());
    let object = client.offer("test", Vec::new());
    let object = timeout(LONG, object).await.unwrap().unwrap();
    assert_eq!(heard.recv().await, Some(Kind::AddObject as u8));
    drop(object);
    let withdrawn = timeout(LONG, heard.recv()).await.unwrap();
    assert_eq!(withdrawn, Some(Kind::RemoveObject as u8));

    drop(client);
    timeout(LONG, driver).await.unwrap().unwrap();
}
