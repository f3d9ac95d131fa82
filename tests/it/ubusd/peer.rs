//! A program on the bus that sends exactly the bytes of a script, right or wrong.

use std::io::ErrorKind;
use std::time::Duration;

use bytes::BytesMut;
use rustix::net::RecvFlags;
use socketman_lab::ubusd::Ubusd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;
use ubus::blob::Writer;
use ubus::message::{attr, Attributes, Frame, Kind};

/// Longer than any answer takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) const PING_SEQ: u16 = 0x4242;
pub(crate) const PING: &[u8] = b"\0\x03\x42\x42\0\0\0\0\0\0\0\x04";

/// An end of a connection that takes frames apart.
pub(crate) struct Peer {
    pub(crate) stream: UnixStream,
    unread: BytesMut,
    pub(crate) id: u32,
}

impl Peer {
    pub(crate) async fn connect(daemon: &Ubusd) -> Self {
        let mut peer = Peer {
            stream: UnixStream::connect(daemon.path()).await.unwrap(),
            unread: BytesMut::new(),
            id: 0,
        };
        let hello = peer.next().await.unwrap();
        assert_eq!(hello.kind, Kind::Hello as u8);
        peer.id = hello.peer;
        peer
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// `None` when the daemon has closed the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = Frame::split_from(&mut self.unread).unwrap() {
                return Some(frame);
            }
            let read = timeout(DEADLINE, self.stream.read_buf(&mut self.unread));
            match read.await.expect("the daemon answers or closes") {
                Ok(0) => return None,
                Ok(_) => {}
                // Closed while something we sent was still unread.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Everything up to the answer to a PING sent now.
    pub(crate) async fn up_to_pong(&mut self) -> Vec<Frame> {
        self.send(PING).await;
        let mut frames = vec![];
        loop {
            let frame = self.next().await.unwrap();
            if (frame.kind, frame.seq) == (Kind::Status as u8, PING_SEQ) {
                let pong = frames.pop();
                assert!(pong.is_some_and(|frame: Frame| frame.seq == PING_SEQ));
                return frames;
            }
            frames.push(frame);
        }
    }

    pub(crate) async fn publish(&mut self, path: &[u8], signature: Writer) -> u32 {
        let attributes = Writer::new()
            .text(attr::OBJPATH, path)
            .nested(attr::SIGNATURE, &signature.into_bytes());
        let frame = Frame::new(Kind::AddObject, 1, 0, attributes);
        self.send(&bytes(&frame)).await;
        let data = self.next().await.unwrap();
        assert_eq!(self.next().await.unwrap().kind, Kind::Status as u8);
        Attributes::parse(&data.payload).unwrap().objid.unwrap()
    }

    /// Open, and nothing to read.
    pub(crate) fn is_quiet(&self) -> bool {
        let peeked = rustix::net::recv(
            &self.stream,
            &mut [0; 1][..],
            RecvFlags::PEEK | RecvFlags::DONTWAIT,
        );
        peeked.is_err_and(|error| error == rustix::io::Errno::AGAIN)
    }
}

pub(crate) fn bytes(frame: &Frame) -> Vec<u8> {
    [&frame.head()[..], &frame.payload].concat()
}
