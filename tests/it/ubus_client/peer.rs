//! A daemon that misbehaves.

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;
use ubus::blob::Writer;
use ubus::message::{attr, Attributes, Frame, Kind};
use ubus::{Client, Error, Status};

use super::bus::soon;
use super::{CALL, SOON};

/// A daemon by hand.
struct Peer {
    listener: UnixListener,
    stream: UnixStream,
    input: bytes::BytesMut,
}

impl Peer {
    /// Greets a client of ours; both.
    async fn greet(dir: &TempDir) -> (Self, Client) {
        let path = dir.path().join("peer");
        let listener = UnixListener::bind(&path).unwrap();
        let (client, connection) = ubus::connect(&path);
        tokio::spawn(connection.run());
        let peer = Peer::accept(listener).await;
        client.connected(SOON).await.unwrap();
        (peer, client)
    }

    async fn accept(listener: UnixListener) -> Self {
        let (stream, _) = soon(listener.accept()).await.unwrap();
        let mut peer = Peer {
            listener,
            stream,
            input: bytes::BytesMut::new(),
        };
        let hello = Frame::new(Kind::Hello, 0, 0x1234, Writer::new());
        peer.send(&hello).await;
        peer
    }

    async fn send(&mut self, frame: &Frame) {
        let bytes = [&frame.head()[..], &frame.payload].concat();
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn receive(&mut self) -> Frame {
        loop {
            if let Some(frame) = Frame::split_from(&mut self.input).unwrap() {
                Attributes::parse(&frame.payload).unwrap();
                return frame;
            }
            let read = soon(self.stream.read_buf(&mut self.input)).await.unwrap();
            assert_ne!(read, 0, "the client left");
        }
    }

    /// Waits until the client, for its own reasons, connects again.
    async fn again(self) -> Self {
        let listener = self.listener;
        let _until_accepted = self.stream;
        Peer::accept(listener).await
    }
}

fn status(seq: u16, peer: u32, status: i32) -> Frame {
    Frame::new(Kind::Status, seq, peer, Writer::new().status(status))
}

#[tokio::test]
async fn answers_that_come_byte_by_byte_are_the_same() {
    let dir = TempDir::new().unwrap();
    let (mut peer, client) = Peer::greet(&dir).await;
    let asked = tokio::spawn({
        let client = client.clone();
        async move { tokio::join!(client.lookup("a", CALL), client.lookup("b", CALL)) }
    });
    let first = peer.receive().await;
    let second = peer.receive().await;
    let object = Writer::new()
        .text(attr::OBJPATH, b"a")
        .word(attr::OBJID, 77)
        .word(attr::OBJTYPE, 7)
        .nested(attr::SIGNATURE, &[]);
    let frames = [
        Frame::new(Kind::Data, first.seq, 0, object),
        status(first.seq, 0, 0),
        status(second.seq, 0, 4),
    ];
    for byte in frames
        .iter()
        .flat_map(|frame| [&frame.head()[..], &frame.payload].concat())
    {
        peer.stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let (a, b) = soon(asked).await.unwrap();
    assert_eq!(a.unwrap()[0].id, 77);
    assert_eq!(b, Err(Error::Status(Status::NOT_FOUND)));
}

#[tokio::test]
async fn what_is_asked_at_once_goes_out_in_one_write() {
    let dir = TempDir::new().unwrap();
    let (mut peer, client) = Peer::greet(&dir).await;
    let look = |path: &'static str| {
        let client = client.clone();
        async move { client.lookup(path, CALL).await }
    };
    let (a, b, c) = (look("a"), look("b"), look("c"));
    tokio::spawn(async move { tokio::join!(a, b, c) });
    peer.input.reserve(4096);
    soon(peer.stream.read_buf(&mut peer.input)).await.unwrap();
    let mut came = 0;
    while Frame::split_from(&mut peer.input).unwrap().is_some() {
        came += 1;
    }
    assert_eq!(came, 3);
}

#[tokio::test]
async fn a_frame_length_out_of_bounds_is_a_reason_to_connect_again() {
    let dir = TempDir::new().unwrap();
    let (mut peer, client) = Peer::greet(&dir).await;
    for garbage in [
        &[0u8; 12][..],
        b"\0\0\0\0\0\0\0\0\0\0\0\x03",
        b"\0\0\0\0\0\0\0\0\0\x10\0\x01",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ] {
        let mut state = client.state();
        state.mark_unchanged();
        peer.stream.write_all(garbage).await.unwrap();
        soon(state.wait_for(|state| !state.connected))
            .await
            .unwrap();
        peer = peer.again().await;
        client.connected(SOON).await.unwrap();
    }
}

#[tokio::test]
async fn a_daemon_that_ends_in_the_middle_of_a_frame_fails_the_call_and_is_met_again() {
    let dir = TempDir::new().unwrap();
    let (mut peer, client) = Peer::greet(&dir).await;
    for cut in [3, 8, 11, 14] {
        let asked = tokio::spawn({
            let client = client.clone();
            async move { client.lookup("a", CALL).await }
        });
        let frame = peer.receive().await;
        let answer = status(frame.seq, 0, 0);
        let bytes = [&answer.head()[..], &answer.payload].concat();
        peer.stream.write_all(&bytes[..cut]).await.unwrap();
        peer.stream.shutdown().await.unwrap();
        assert_eq!(soon(asked).await.unwrap(), Err(Error::Disconnected));
        peer = peer.again().await;
        client.connected(SOON).await.unwrap();
    }
}

#[tokio::test]
async fn malformed_attributes_fail_the_call_they_answer_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let (mut peer, client) = Peer::greet(&dir).await;
    for payload in [
        &b"\x01\0\0\x07\0\0\0\0"[..],
        b"\x01\0\0\x08\0\0",
        b"\x01\0\0\x03",
        b"\x03\0\0\x05\x01\0\0\0",
        b"\x02\0\0\x06ab\0\0",
    ] {
        let asked = tokio::spawn({
            let client = client.clone();
            async move { tokio::join!(client.lookup("a", CALL), client.lookup("b", CALL)) }
        });
        let first = peer.receive().await;
        let second = peer.receive().await;
        let mut bad = status(first.seq, 0, 0);
        bad.payload = bytes::Bytes::from_static(payload);
        peer.send(&bad).await;
        peer.send(&status(second.seq, 0, 0)).await;
        let (bad, good) = soon(asked).await.unwrap();
        assert!(matches!(bad, Err(Error::Malformed(_))), "{bad:?}");
        assert_eq!(good, Ok(vec![]));
    }
}

#[tokio::test]
async fn replies_nobody_asked_for_change_nothing() {
    let dir = TempDir::new().unwrap();
    let (mut peer, client) = Peer::greet(&dir).await;
    let bare = || Writer::new();
    let owned = || Writer::new().word(attr::OBJID, 5);
    for seq in 0..20 {
        peer.send(&status(seq, 0, 0)).await;
        for (kind, attributes) in [
            (Kind::Data, owned()),
            (Kind::Status, bare()),
            (Kind::Notify, bare()),
            (Kind::Unsubscribe, bare()),
            (Kind::Invoke, owned()),
            (Kind::Ping, bare()),
            (Kind::Hello, bare()),
        ] {
            peer.send(&Frame::new(kind, seq, 5, attributes)).await;
        }
    }
    let asked = tokio::spawn({
        let client = client.clone();
        async move { client.lookup("a", CALL).await }
    });
    let frame = peer.receive().await;
    peer.send(&status(frame.seq, 0, 0)).await;
    assert_eq!(soon(asked).await.unwrap(), Ok(vec![]));
}

#[tokio::test]
async fn a_daemon_that_reads_nothing_is_left_after_a_while() {
    let dir = TempDir::new().unwrap();
    let (peer, client) = Peer::greet(&dir).await;
    let mut state = client.state();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.send_event_raw("x", vec![0; 900_000]).await })
        })
        .collect();
    let long = ubus::WRITE_TIMEOUT + SOON;
    let left = timeout(long, state.wait_for(|state| !state.connected)).await;
    left.expect("it stays").unwrap();
    for call in calls {
        let sent = soon(call).await.unwrap();
        assert!(sent.is_err(), "{sent:?}");
    }
    drop(peer);
}
