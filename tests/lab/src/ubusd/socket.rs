//! A connection: frames and file descriptors over a unix stream socket.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::task::{ready, Context, Poll};

use bytes::BytesMut;
use rustix::net::{
    recvmsg, sendmsg, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use tokio::io::unix::AsyncFd;
use tokio::io::Interest;
use tokio::net::UnixStream;
use ubus::blob::WORD;
use ubus::message::{Frame, HEADER};

use super::queue::{Outbound, SendQueue};
use super::Message;

/// Most bytes read at once.
const CHUNK: usize = 16 * 1024;

/// Data that a client's socket brought.
pub(super) enum Incoming {
    Message(Message),
    /// More bytes, but no whole frame yet.
    Part,
    /// The client will send nothing more.
    End,
    /// Nothing after this can be told apart.
    Malformed,
}

/// A client's socket, its unread and its unsent part.
pub(super) struct Connection {
    /// Wakes up for reading only: each time the client reads, its socket becomes writable, and that
    /// must not count as its turn.
    socket: AsyncFd<OwnedFd>,
    /// The same socket, waiting to be written to; there while the queue is not empty.
    writable: Option<AsyncFd<OwnedFd>>,
    incoming: BytesMut,
    /// Came with the frame that is being read.
    fd: Option<OwnedFd>,
    pub(super) queue: SendQueue,
    /// The client has closed its side.
    pub(super) ended: bool,
}

impl Connection {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        let socket = OwnedFd::from(stream.into_std()?);
        Ok(Connection {
            socket: register(socket, Interest::READABLE)?,
            writable: None,
            incoming: BytesMut::new(),
            fd: None,
            queue: SendQueue::default(),
            ended: false,
        })
    }

    /// Writes what can be written at once; the rest waits for [`Connection::poll_flush`].
    pub(super) fn send(&mut self, message: Message) {
        let socket = self.socket.get_ref();
        self.queue.send(message, |outbound| write(socket, outbound));
    }

    /// Goes on writing; pending if nothing waits or the client does not read.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.queue.is_empty() {
            self.writable = None;
            return Poll::Pending;
        }
        let writable = match &self.writable {
            Some(writable) => writable,
            None => {
                let socket = self.socket.get_ref().try_clone()?;
                let writable = register(socket, Interest::WRITABLE)?;
                self.writable.insert(writable)
            }
        };
        loop {
            let mut ready = ready!(writable.poll_write_ready(cx))?;
            if self
                .queue
                .flush(|outbound| write(writable.get_ref(), outbound))?
            {
                return Poll::Ready(Ok(()));
            }
            ready.clear_ready();
        }
    }

    /// Reads up to the end of the current frame's header or of the frame, as ubusd does: this is
    /// how it knows which frame a file descriptor belongs to.
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Incoming>> {
        if self.ended {
            return Poll::Pending;
        }
        let mut chunk = [0; CHUNK];
        let want = self.wanted().min(CHUNK);
        let in_header = self.incoming.len() < HEADER + WORD;
        loop {
            let mut ready = ready!(self.socket.poll_read_ready(cx))?;
            let received = ready.try_io(|socket| read(socket.get_ref(), &mut chunk[..want]));
            let Ok(received) = received else {
                continue;
            };
            let (len, fd) = received?;
            if len == 0 {
                self.ended = true;
                return Poll::Ready(Ok(Incoming::End));
            }
            if in_header && self.fd.is_none() {
                self.fd = fd;
            }
            self.incoming.extend_from_slice(&chunk[..len]);
            return Poll::Ready(Ok(match Frame::split_from(&mut self.incoming) {
                Ok(Some(frame)) => Incoming::Message(Message {
                    frame,
                    fd: self.fd.take().map(Arc::new),
                }),
                Ok(None) => Incoming::Part,
                Err(_) => Incoming::Malformed,
            }));
        }
    }

    /// Bytes still missing from the header, or behind it from the frame.
    fn wanted(&self) -> usize {
        match self.incoming.first_chunk::<{ HEADER + WORD }>() {
            None => HEADER + WORD - self.incoming.len(),
            Some(head) => {
                let len = u32::from_be_bytes([0, head[9], head[10], head[11]]) as usize;
                HEADER + len - self.incoming.len()
            }
        }
    }
}

/// Deprecated because a type may hand out a descriptor it does not keep open; an [`OwnedFd`] keeps its
/// own. What replaces it is unsafe.
#[allow(deprecated)]
fn register(socket: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(socket, interest)
}

/// The first descriptor that comes along is kept, others are closed.
fn read(socket: &OwnedFd, chunk: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        socket,
        &mut [IoSliceMut::new(chunk)],
        &mut control,
        RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC,
    )?;
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    Ok((received.bytes, fd))
}

/// The file descriptor rides on the first bytes.
fn write(socket: &OwnedFd, outbound: &Outbound) -> io::Result<usize> {
    let fds = [outbound.fd.as_ref().map_or(socket.as_fd(), |fd| fd.as_fd())];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if outbound.fd.is_some() && outbound.sent == 0 {
        control.push(SendAncillaryMessage::ScmRights(&fds));
    }
    let head = &outbound.head[outbound.sent.min(outbound.head.len())..];
    let payload = &outbound.payload[outbound.sent.saturating_sub(outbound.head.len())..];
    let written = sendmsg(
        socket,
        &[IoSlice::new(head), IoSlice::new(payload)],
        &mut control,
        SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
    )?;
    Ok(written)
}
