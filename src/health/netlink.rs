//! The kernel's word by netlink: that links, addresses or routes changed, and the state of a neighbour.
//!
//! A change is only a hint: what is in force is looked up in /proc and /sys.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{bind, recv, send, RecvFlags, SendFlags};
use tokio::io::unix::AsyncFd;
use tokio::io::Interest;

use crate::collect::kernel::netlink::{message, socket, u16_at};

/// Links, addresses of IPv4 and IPv6, routes of IPv4 and IPv6: the RTMGRP_ bits of linux/rtnetlink.h.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// Messages that are read in one go.
const TURN: usize = 64;

const MESSAGE_MAX: usize = 4096;

const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_REPLACE: u16 = 0x100;
const NDA_DST: u16 = 1;
/// Of `ndm_state` in the whole message: behind `struct nlmsghdr`, inside `struct ndmsg`.
const STATE_AT: usize = 16 + 8;

/// States of linux/neighbour.h.
const INCOMPLETE: u16 = 0x01;
const REACHABLE: u16 = 0x02;
const PROBE: u16 = 0x10;
const FAILED: u16 = 0x20;

fn open(groups: u32) -> io::Result<OwnedFd> {
    let socket = socket()?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// Changes of the network.
pub(super) struct Changes(AsyncFd<OwnedFd>);

impl Changes {
    pub(super) fn listen() -> io::Result<Self> {
        let socket = open(GROUPS)?;
        // Deprecated for types whose descriptor may change under it; the call in its place is unsafe.
        #[allow(deprecated)]
        AsyncFd::with_interest(socket, Interest::READABLE).map(Changes)
    }

    /// Returns when something has changed. Cancel safe.
    pub(super) async fn next(&self) -> io::Result<()> {
        let mut ready = self.0.readable().await?;
        let mut buffer = [0; MESSAGE_MAX];
        for _ in 0..TURN {
            match recv(&self.0, &mut buffer[..], RecvFlags::TRUNC) {
                Ok(_) => {}
                // Messages were lost, which is a change as well.
                Err(rustix::io::Errno::NOBUFS | rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    ready.clear_ready();
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// The kernel's state of a neighbour on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Neighbour {
    /// Has answered of late.
    Reachable,
    /// Is being asked, and has not answered yet.
    Asked,
    /// Did not answer.
    Failed,
    /// Nothing is known.
    Unknown,
}

/// The kernel's neighbours.
pub(super) struct Neighbours(OwnedFd);

impl Neighbours {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Neighbours(open(0)?))
    }

    /// Has the kernel ask a neighbour that it knows whether it is still there. False if it may not, or
    /// does not know it.
    pub(super) fn ask_again(&self, index: u32, address: IpAddr) -> bool {
        let flags = NLM_F_REQUEST | NLM_F_REPLACE | 0x4; // with an acknowledgement
        let asked = request(RTM_NEWNEIGH, flags, index, address, PROBE);
        let reply = self.exchange(&asked);
        // NLMSG_ERROR with error 0.
        reply.is_ok_and(|reply| word(&reply, 4) == 2 && reply.get(16..20) == Some(&[0; 4]))
    }

    /// Asks the kernel about a neighbour; since Linux 5.0.
    pub(super) fn state(&self, index: u32, address: IpAddr) -> Neighbour {
        let asked = request(RTM_GETNEIGH, NLM_F_REQUEST, index, address, 0);
        match self.exchange(&asked) {
            Ok(reply) if word(&reply, 4) == RTM_NEWNEIGH => match word(&reply, STATE_AT) {
                REACHABLE => Neighbour::Reachable,
                FAILED => Neighbour::Failed,
                INCOMPLETE | PROBE => Neighbour::Asked,
                _ => Neighbour::Unknown,
            },
            _ => Neighbour::Unknown,
        }
    }

    /// The kernel answers before the call that asks returns.
    fn exchange(&self, asked: &[u8]) -> io::Result<Vec<u8>> {
        let mut buffer = [0; MESSAGE_MAX];
        // An answer that nobody took.
        while recv(&self.0, &mut buffer[..], RecvFlags::empty()).is_ok() {}
        send(&self.0, asked, SendFlags::empty())?;
        let (count, _) = recv(&self.0, &mut buffer[..], RecvFlags::empty())?;
        Ok(buffer[..count.min(MESSAGE_MAX)].to_vec())
    }
}

/// A message about one neighbour.
fn request(kind: u16, flags: u16, index: u32, address: IpAddr, state: u16) -> Vec<u8> {
    let (family, octets) = match address {
        IpAddr::V4(v4) => (2u8, v4.octets().to_vec()),
        IpAddr::V6(v6) => (10, v6.octets().to_vec()),
    };
    let attribute = 4 + octets.len();
    let mut body = vec![family, 0, 0, 0];
    body.extend(index.to_ne_bytes());
    body.extend(state.to_ne_bytes());
    body.extend([0; 2]);
    body.extend(u16::try_from(attribute).unwrap_or(0).to_ne_bytes());
    body.extend(NDA_DST.to_ne_bytes());
    body.extend(octets);
    message(kind, flags, &body)
}

/// 16 bits at `at`; 0 beyond the end.
fn word(message: &[u8], at: usize) -> u16 {
    u16_at(message, at).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_layout_of_the_kernels_structures() {
        let v4 = request(RTM_GETNEIGH, NLM_F_REQUEST, 3, [192, 0, 2, 1].into(), 0);
        assert_eq!(v4.len(), 36);
        assert_eq!(v4[..4], 36u32.to_ne_bytes());
        assert_eq!(word(&v4, 4), 30);
        assert_eq!((v4[16], &v4[20..24]), (2, &3u32.to_ne_bytes()[..]));
        assert_eq!(v4[32..], [192, 0, 2, 1]);
        let v6 = request(RTM_NEWNEIGH, 0, 3, "fe80::1".parse().unwrap(), PROBE);
        assert_eq!((v6.len(), v6[16], word(&v6, STATE_AT)), (48, 10, PROBE));
        assert_eq!((word(&[1], 0), word(&[], 7)), (0, 0));
    }

    #[test]
    fn the_kernel_understands_the_question_and_knows_no_neighbour_on_loopback() {
        let Ok(neighbours) = Neighbours::open() else {
            eprintln!("skipped: no netlink socket may be opened here");
            return;
        };
        let asked = request(RTM_GETNEIGH, NLM_F_REQUEST, 1, [192, 0, 2, 77].into(), 0);
        let reply = neighbours.exchange(&asked).unwrap();
        // NLMSG_ERROR: -ENOENT (no such route), not -EINVAL (a bad message).
        assert_eq!(word(&reply, 4), 2);
        assert_eq!(reply[16..20], (-2i32).to_ne_bytes());
        let state = neighbours.state(1, [192, 0, 2, 77].into());
        assert_eq!(state, Neighbour::Unknown);
    }
}
