//! Traffic of the bus: a frame, and the file descriptor that came with it.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use ubus::blob::Writer;
use ubus::message::{Frame, Kind};

/// A frame and the file descriptor riding on it.
#[derive(Debug, Clone)]
pub struct Message {
    pub frame: Frame,
    /// Only STATUS and INVOKE keep theirs; on anything else the daemon closes it.
    pub fd: Option<Arc<OwnedFd>>,
}

impl Message {
    pub fn new(kind: Kind, seq: u16, peer: u32, attributes: Writer) -> Self {
        Frame::new(kind, seq, peer, attributes).into()
    }
}

impl From<Frame> for Message {
    fn from(frame: Frame) -> Self {
        Message { frame, fd: None }
    }
}

/// Where the bus puts what it says; the sockets, or a test.
pub trait Outgoing {
    /// Sends `message` to the client with this id, or drops it if the client does not read.
    fn send(&mut self, client: u32, message: Message);

    /// True if all that was sent to `client` so far has gone out. While it has not, the bus puts
    /// the client's LOOKUPs off; call [`Bus::resume`](super::Bus::resume) when it has.
    fn idle(&self, client: u32) -> bool;
}
