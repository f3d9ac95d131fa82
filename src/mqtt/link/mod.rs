//! The stream between the client library and the network.
//!
//! ```text
//!  library ─► outgoing ─► bytes ─► [TLS] ─► TCP ─► broker
//!     ▲       (borders, PUBACK and PINGREQ of ours between)
//!     └────── incoming ◄─ bytes ◄─ [TLS] ◄─ TCP ◄────┘
//!             (long and foreign packets are read past)
//! ```
//!
//! It does what the library cannot do: it reads past packets that are too long without keeping them, and
//! acknowledges them; it takes every byte that arrives for a sign of life, those of a long message too;
//! it gives every question a deadline, and pings the broker by what was received, whatever is sent. The
//! library gets one packet at a time, so that it is known which one it refused.
//!
//! Writing never blocks the library: bytes wait here until the network takes them, so that reading goes
//! on. Polled for reading, the stream does all of its work.

mod awaited;
mod head;
mod header;
mod incoming;
mod life;
mod outgoing;
mod refused;
mod room;
mod shared;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::pin::{pin, Pin};
use std::task::{ready, Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::yield_now;
use tokio::time::{sleep_until, Instant, Sleep};

use awaited::Awaited;
use incoming::{Arrived, Dropped, Incoming};
use outgoing::Outgoing;

pub(super) use awaited::Asked;
pub(super) use incoming::PACKET_MAX;
pub(super) use refused::Refused;
pub(super) use shared::{Counts, End, Watch};

use refused::Packet;
use room::Room;

/// Bytes read from the network at once.
const READ: usize = 4096;

/// Bytes waiting for the network beyond which nothing more is read: acknowledgements could pile up.
const READ_ONLY_BELOW: usize = 64 * 1024;

/// Bytes waiting for the network beyond which the library has to wait.
const WAITING_MAX: usize = 512 * 1024;

/// Bytes read past in one go before others have a turn.
const TURN: usize = 16 * 1024;

/// Time between two log lines about dropped packets.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// A connection's bytes, both ways.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Bytes for T {}

/// A connection to the broker as the client library gets it.
pub(super) struct Link {
    network: Box<dyn Bytes>,
    watch: Watch,
    keepalive: Duration,
    /// Read from the network and not yet looked at.
    arrived: BytesMut,
    incoming: Incoming,
    /// For the library.
    up: Vec<u8>,
    /// Bytes of `up` that it has.
    up_taken: usize,
    outgoing: Outgoing,
    /// Packets of ours that wait for a border between packets of the library.
    owed: Vec<u8>,
    /// For the network.
    waiting: BytesMut,
    unflushed: bool,
    /// The network takes nothing any more.
    deaf: bool,
    awaited: Awaited,
    room: Room,
    /// Bytes sent up to the end of what the session wanted, until that is answered.
    said: Option<u64>,
    /// When bytes came, when the library or we sent some, and when that was a PINGREQ.
    heard: Instant,
    sent: Instant,
    pinged: Instant,
    /// The CONNACK came.
    accepted: bool,
    timer: Pin<Box<Sleep>>,
    told: Option<Instant>,
    untold: u64,
    ended: bool,
}

impl Link {
    /// `topic` is that of jobs.
    pub(super) fn new(
        network: Box<dyn Bytes>,
        topic: &str,
        keepalive: Duration,
        refused: Refused,
    ) -> (Self, Watch) {
        let watch = Watch::default();
        let now = Instant::now();
        let seconds = u16::try_from(keepalive.as_secs()).unwrap_or(u16::MAX);
        let link = Link {
            network,
            watch: watch.clone(),
            keepalive,
            arrived: BytesMut::with_capacity(READ),
            incoming: Incoming::new(topic, refused),
            up: Vec::new(),
            up_taken: 0,
            outgoing: Outgoing::new(seconds),
            owed: Vec::new(),
            waiting: BytesMut::new(),
            unflushed: false,
            deaf: false,
            awaited: Awaited::default(),
            room: Room::default(),
            said: None,
            heard: now,
            sent: now,
            pinged: now,
            accepted: false,
            timer: Box::pin(sleep_until(now)),
            told: None,
            untold: 0,
            ended: false,
        };
        (link, watch)
    }

    /// Ends the stream for `end`.
    fn fail(&mut self, end: End) -> io::Error {
        self.ended = true;
        let mut state = self.watch.state();
        if let End::Unanswered(..) = end {
            state.passed_over = self.awaited.passed_over(Instant::now());
        }
        state.end.get_or_insert(end);
        drop(state);
        io::ErrorKind::ConnectionAborted.into()
    }

    /// Sends what the network takes, and looks at the clock.
    fn drive(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.ended {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.keep_alive(cx)?;
        self.say_what_is_wanted();
        if let Poll::Ready(Err(error)) = self.send(cx) {
            // What the broker said before it closed the connection is still to be read, and says more.
            log::debug!("broker: cannot send: {error}");
            self.deaf = true;
            self.waiting.clear();
            self.unflushed = false;
        }
        Ok(())
    }

    /// Reads from the network.
    fn poll_network(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.arrived.resize(READ, 0);
        let mut buf = ReadBuf::new(&mut self.arrived);
        let read = Pin::new(&mut self.network).poll_read(cx, &mut buf);
        let count = buf.filled().len();
        self.arrived.truncate(count);
        match ready!(read) {
            Ok(()) if count == 0 => Poll::Ready(Err(self.fail(End::Closed))),
            Ok(()) => {
                self.heard = Instant::now();
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(self.fail(End::Failed(error)))),
        }
    }

    /// Sends until the network takes no more. Ready or pending, it knows whom to wake.
    fn send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deaf {
            self.waiting.clear();
        }
        while !self.waiting.is_empty() {
            let sent = Pin::new(&mut self.network).poll_write(cx, &self.waiting);
            match ready!(sent) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => self.waiting.advance(count),
                Err(error) => return Poll::Ready(Err(error)),
            }
            self.unflushed = true;
        }
        // A large message is over: its memory goes.
        if self.waiting.capacity() > READ {
            self.waiting = BytesMut::new();
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.network).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends a packet of ours, at the next border between packets of the library.
    fn owe(&mut self, packet: &[u8]) {
        self.room
            .sending(self.awaited.sent_so_far(), Instant::now());
        self.awaited.sent_bytes(packet.len());
        match self.outgoing.is_between_packets() {
            true => self.waiting.extend_from_slice(packet),
            false => self.owed.extend_from_slice(packet),
        }
        self.watch.state().quiet = false;
    }

    /// Takes bytes of the library.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let now = Instant::now();
        let from = self.waiting.len();
        self.sent = now;
        self.room.sending(self.awaited.sent_so_far(), now);
        let mut rest = bytes.to_vec();
        let mut rest = rest.as_mut_slice();
        while !rest.is_empty() {
            let Ok((count, written)) = self.outgoing.feed(rest) else {
                return Err(self.fail(End::Malformed));
            };
            let (packet, behind) = rest.split_at_mut(count);
            self.awaited.sent_bytes(packet.len());
            self.waiting.extend_from_slice(packet);
            rest = behind;
            if let Some(written) = written {
                self.awaited.sent(&written, now);
                self.waiting
                    .extend_from_slice(&std::mem::take(&mut self.owed));
            }
        }
        debug_assert!(self.waiting.len() - from >= bytes.len());
        self.count();
        Ok(())
    }

    /// Looks at arrived bytes to the end of a packet at most.
    fn look(&mut self) -> io::Result<()> {
        let fed = self
            .incoming
            .feed(&self.arrived, &mut self.up, &self.awaited);
        let Ok((count, arrived)) = fed else {
            return Err(self.fail(End::Malformed));
        };
        self.arrived.advance(count);
        if let Some(arrived) = arrived {
            self.arrived_whole(arrived);
        }
        Ok(())
    }

    fn arrived_whole(&mut self, arrived: Arrived) {
        if arrived.kind == header::CONNACK {
            self.accepted = true;
        }
        self.awaited.answered(arrived.kind, arrived.id);
        self.count();
        if arrived.dropped.is_none() {
            self.watch.state().last = Some(Packet::of(&arrived));
        }
        match arrived.dropped.clone() {
            None => return,
            Some(Dropped::Ours) => {
                self.awaited.ponged();
                self.count();
                return self.watch.tell_answered();
            }
            Some(Dropped::Foreign(topic)) => self.watch.foreign(topic),
            Some(Dropped::TooLong) => {
                self.watch.skipped();
                self.tell("a message over 1 MiB", arrived.size);
            }
            Some(Dropped::Unusable) => {
                self.watch.skipped();
                self.tell("an unusable packet", arrived.size);
            }
        }
        // Or it would come again with every connection, and those behind it would not.
        if let (header::PUBLISH, Some(id)) = (arrived.kind, arrived.id) {
            let [high, low] = id.to_be_bytes();
            match arrived.qos {
                1 => self.owe(&[header::PUBACK << 4, 2, high, low]),
                // The library answers the PUBREL.
                2 => self.owe(&[header::PUBREC << 4, 2, high, low]),
                _ => {}
            }
        }
    }

    fn tell(&mut self, what: &str, size: usize) {
        let now = Instant::now();
        if self.told.is_some_and(|told| now < told + TOLD_EVERY) {
            self.untold += 1;
            return;
        }
        self.told = Some(now);
        let untold = std::mem::take(&mut self.untold);
        log::warn!("broker: skipped {what} ({size} bytes); {untold} more since the last such line");
    }

    fn hand_up(&mut self, buf: &mut ReadBuf<'_>) {
        let left = &self.up[self.up_taken..];
        let count = left.len().min(buf.remaining());
        buf.put_slice(&left[..count]);
        self.up_taken += count;
        if self.up_taken == self.up.len() {
            self.up.clear();
            self.up_taken = 0;
        }
    }
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let mut passed = 0;
        loop {
            this.drive(cx)?;
            if this.watch.state().paused || this.waiting.len() > READ_ONLY_BELOW {
                return Poll::Pending;
            }
            if !this.up.is_empty() {
                this.hand_up(buf);
                return Poll::Ready(Ok(()));
            }
            if passed >= TURN {
                // Polled once, it wakes us after the others and after a look at timers and sockets.
                let _pending = pin!(yield_now()).poll(cx);
                return Poll::Pending;
            }
            if this.arrived.is_empty() {
                ready!(this.poll_network(cx))?;
            }
            let before = this.arrived.len();
            this.look()?;
            passed += before - this.arrived.len();
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.waiting.len() < WAITING_MAX {
            this.take(bytes)?;
            this.drive(cx)?;
            return Poll::Ready(Ok(bytes.len()));
        }
        this.drive(cx)?;
        if this.waiting.len() < WAITING_MAX {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.drive(cx)?;
        if this.watch.state().draining && (!this.waiting.is_empty() || this.unflushed) {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().network).poll_shutdown(cx)
    }
}
