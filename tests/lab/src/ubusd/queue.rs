//! Messages that a client has not read yet, bounded.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::Bytes;
use ubus::blob::WORD;
use ubus::message::HEADER;

use super::Message;

/// Bytes that wait for a client that does not read; what does not fit is dropped without a word.
pub const MAX_QUEUE: usize = 1 << 20;

/// A message on its way to a socket.
#[derive(Debug)]
pub(super) struct Outbound {
    pub(super) head: [u8; HEADER + WORD],
    pub(super) payload: Bytes,
    pub(super) fd: Option<Arc<OwnedFd>>,
    /// Bytes of head and payload that are gone already.
    pub(super) sent: usize,
}

impl Outbound {
    fn left(&self) -> usize {
        self.head.len() + self.payload.len() - self.sent
    }
}

impl From<Message> for Outbound {
    fn from(message: Message) -> Self {
        Outbound {
            head: message.frame.head(),
            payload: message.frame.payload,
            fd: message.fd,
            sent: 0,
        }
    }
}

/// Messages in front of a socket that takes no more.
#[derive(Debug, Default)]
pub(super) struct SendQueue {
    waiting: VecDeque<Outbound>,
    /// Bytes left to send of all of them.
    len: usize,
}

impl SendQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = SendQueue::default();
    }

    /// Writes at once if nothing waits; what is left has to fit into the queue, else it is dropped.
    /// A socket that fails here fails again in [`SendQueue::flush`], which reports it.
    pub(super) fn send(
        &mut self,
        message: Message,
        write: impl FnOnce(&Outbound) -> io::Result<usize>,
    ) {
        let mut outbound = Outbound::from(message);
        if self.waiting.is_empty() {
            outbound.sent = write(&outbound).unwrap_or(0);
        }
        let left = outbound.left();
        // A message that has begun cannot be taken back.
        if left > 0 && (outbound.sent > 0 || self.len + left <= MAX_QUEUE) {
            self.len += left;
            self.waiting.push_back(outbound);
        }
    }

    /// Writes until nothing waits or the socket takes no more (`WouldBlock` is no error); returns
    /// whether anything was written.
    pub(super) fn flush(
        &mut self,
        mut write: impl FnMut(&Outbound) -> io::Result<usize>,
    ) -> io::Result<bool> {
        let mut progress = false;
        while let Some(outbound) = self.waiting.front_mut() {
            match write(outbound) {
                Ok(written) => {
                    progress |= written > 0;
                    outbound.sent += written;
                    self.len -= written;
                    if outbound.left() == 0 {
                        self.waiting.pop_front();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(progress)
    }
}

#[cfg(test)]
mod tests {
    use ubus::blob::Writer;
    use ubus::message::Kind;

    use super::*;

    fn message(payload: usize) -> Message {
        let mut attributes = Writer::new();
        attributes.bytes(&vec![0; payload]);
        Message::new(Kind::Data, 1, 0, attributes)
    }

    fn full(_: &Outbound) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }

    #[test]
    fn what_fits_in_no_more_is_dropped_but_smaller_ones_still_go_through() {
        let mut queue = SendQueue::default();
        for _ in 0..12 {
            queue.send(message(100_000), full);
        }
        assert_eq!(queue.waiting.len(), 10);
        queue.send(message(8), full);
        assert_eq!(queue.waiting.len(), 11);
        queue.send(message(MAX_QUEUE - queue.len - 11), full);
        assert_eq!(queue.waiting.len(), 11);
        queue.send(message(MAX_QUEUE - queue.len - 12), full);
        assert_eq!((queue.waiting.len(), queue.len), (12, MAX_QUEUE));
    }

    #[test]
    fn a_message_goes_out_in_the_pieces_the_socket_takes() {
        let mut queue = SendQueue::default();
        queue.send(message(8), |_| Ok(5));
        assert_eq!((queue.waiting.len(), queue.len), (1, 15));
        let mut pieces = vec![];
        let written = queue.flush(|outbound| {
            pieces.push(outbound.sent);
            Ok(outbound.left().min(10))
        });
        assert!(written.unwrap() && queue.is_empty());
        assert_eq!((pieces, queue.len), (vec![5, 15], 0));
    }

    #[test]
    fn a_message_the_socket_takes_whole_never_waits() {
        let mut queue = SendQueue::default();
        queue.send(message(MAX_QUEUE), |outbound| Ok(outbound.left()));
        assert!(queue.is_empty());
    }

    #[test]
    fn a_broken_socket_is_reported() {
        let mut queue = SendQueue::default();
        let broken = |_: &Outbound| Err(ErrorKind::BrokenPipe.into());
        queue.send(message(8), broken);
        assert_eq!(
            queue.flush(broken).unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
    }
}
