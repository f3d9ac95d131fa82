//! Questions to the kernel over rtnetlink, and its addresses and neighbours: which device has which address is in
//! no file of /proc for IPv4, and neighbours of IPv6 are in none at all.
//!
//! ```text
//! request   len type flags seq pid │ family, zeros
//! replies   len type flags seq pid │ family …, index │ attributes: len type value, padded to 4      (many)
//!           len DONE …
//! ```
//!
//! All numbers are in the byte order of the machine. A dump is made while it is read, so no read waits.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    recv, sendto, socket_with, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType,
};

use crate::collect::sources::netifd::network::better_v6;
use crate::mac::Mac;
use crate::sorted;

/// Types of messages, and flags, from the kernel's headers.
const ERROR: u16 = 2;
const DONE: u16 = 3;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const NEW_NEIGHBOUR: u16 = 28;
const GET_NEIGHBOUR: u16 = 30;
const REQUEST: u16 = 1;
const REQUEST_DUMP: u16 = 0x301;

const HEADER: usize = 16;

/// Of an address: that of the peer on a point-to-point link, and our own; of a neighbour: its
/// address, and its MAC.
const FIRST: u16 = 1;
const SECOND: u16 = 2;

/// States of a neighbour that answered once: reachable, stale, delay, probe, permanent.
const HEARD: u16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x80;
const REACHABLE: u16 = 0x02;

/// We answer for it, it is not there.
const PROXY: u8 = 0x08;

/// Messages that are read of one dump.
const MAX_MESSAGES: usize = 8192;

/// More than a message of a dump takes; the kernel fills what it is given.
const BUFFER: usize = 32 << 10;

/// More than the answer to one question takes.
const ANSWER: usize = 4096;

/// The addresses of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Own {
    pub(crate) v4: Option<Ipv4Addr>,
    /// Not a link-local one; a public one if there is one.
    pub(crate) v6: Option<Ipv6Addr>,
}

/// The addresses of all devices.
pub(crate) fn addresses() -> io::Result<Vec<(String, Own)>> {
    let socket = socket()?;
    let mut by_index: Vec<(u32, Own)> = Vec::new();
    dump(
        &socket,
        GET_ADDRESS,
        AddressFamily::UNSPEC,
        &mut |kind, body| {
            if let Some((index, ip)) = (kind == NEW_ADDRESS).then(|| address(body)).flatten() {
                let known = by_index.iter().position(|(of, _)| *of == index);
                let at = known.unwrap_or(by_index.len());
                if at == by_index.len() {
                    by_index.push((index, Own::default()));
                }
                let own = &mut by_index[at].1;
                match ip {
                    IpAddr::V4(ip) => own.v4 = own.v4.or(Some(ip)),
                    IpAddr::V6(ip) if ip.is_unicast_link_local() => {}
                    IpAddr::V6(ip) => better_v6(&mut own.v6, ip),
                }
            }
        },
    )?;
    let named = by_index.into_iter().filter_map(|(index, own)| {
        // Gone meanwhile, if it has no name.
        let name = rustix::net::netdevice::index_to_name(&socket, index).ok()?;
        Some((name, own))
    });
    Ok(named.collect())
}

/// The neighbours of IPv6 that answered lately, those that are reachable first.
pub(crate) fn neighbours() -> io::Result<Vec<(Mac, Ipv6Addr)>> {
    let socket = socket()?;
    let mut found = Vec::new();
    dump(
        &socket,
        GET_NEIGHBOUR,
        AddressFamily::INET6,
        &mut |kind, body| {
            found.extend((kind == NEW_NEIGHBOUR).then(|| neighbour(body)).flatten());
        },
    )?;
    sorted::by_key(&mut found, |(state, _, _)| state & REACHABLE == 0);
    Ok(found.into_iter().map(|(_, mac, ip)| (mac, ip)).collect())
}

/// A socket for messages of the kernel's network, whose reads do not wait.
pub(crate) fn socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // No protocol is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    Ok(socket)
}

/// A message for the kernel; sequence and port of the sender are 0.
pub(crate) fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + body.len()).unwrap_or(0);
    let mut message = Vec::with_capacity(HEADER + body.len());
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// Asks for everything of one kind, and calls `each` with type and body of every message.
pub(super) fn dump(
    socket: &OwnedFd,
    kind: u16,
    family: AddressFamily,
    each: &mut dyn FnMut(u16, &[u8]),
) -> io::Result<()> {
    // As long as the longest of the bodies, which begin with the family.
    let mut body = [0; 12];
    body[0] = family.as_raw() as u8;
    to_kernel(socket, &message(kind, REQUEST_DUMP, &body))?;
    let mut buffer = vec![0; BUFFER];
    for _ in 0..MAX_MESSAGES {
        let (length, _) = recv(socket, buffer.as_mut_slice(), RecvFlags::empty())?;
        if !read(&buffer[..length.min(BUFFER)], each)? {
            return Ok(());
        }
    }
    Err(io::Error::other("a dump of the kernel has no end"))
}

/// Asks for one thing, and calls `each` with type and body of the answer.
pub(super) fn ask(
    socket: &OwnedFd,
    kind: u16,
    body: &[u8],
    each: &mut dyn FnMut(u16, &[u8]),
) -> io::Result<()> {
    to_kernel(socket, &message(kind, REQUEST, body))?;
    let mut buffer = [0; ANSWER];
    let (length, _) = recv(socket, &mut buffer[..], RecvFlags::empty())?;
    read(&buffer[..length.min(ANSWER)], each).map(drop)
}

fn to_kernel(socket: &OwnedFd, message: &[u8]) -> io::Result<()> {
    let kernel = SocketAddrNetlink::new(0, 0);
    sendto(socket, message, SendFlags::empty(), &kernel)?;
    Ok(())
}

/// Takes the messages of one datagram apart; false after the last of the dump.
fn read(mut datagram: &[u8], each: &mut dyn FnMut(u16, &[u8])) -> io::Result<bool> {
    let broken = || io::Error::other("a message of the kernel is cut");
    while !datagram.is_empty() {
        let length = u32_at(datagram, 0).and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or_else(broken)?;
        let kind = u16_at(datagram, 4).ok_or_else(broken)?;
        let body = datagram.get(HEADER..length).ok_or_else(broken)?;
        match kind {
            DONE => return Ok(false),
            ERROR => {
                let error = u32_at(body, 0).ok_or_else(broken)? as i32;
                return Err(io::Error::from_raw_os_error(error.saturating_neg()));
            }
            _ => each(kind, body),
        }
        let next = length.next_multiple_of(4).min(datagram.len());
        datagram = &datagram[next..];
    }
    Ok(true)
}

/// Family, length of the prefix, flags, scope, index (32 bits), attributes.
fn address(body: &[u8]) -> Option<(u32, IpAddr)> {
    let index = u32_at(body, 4)?;
    let (mut ours, mut other) = (None, None);
    for (kind, value) in attributes(body.get(8..)?) {
        match kind {
            // On links that are not point-to-point it is ours, too.
            FIRST => other = ip(value),
            SECOND => ours = ip(value),
            _ => {}
        }
    }
    Some((index, ours.or(other)?))
}

/// Family, padding (24 bits), index (32 bits), state (16 bits), flags, type, attributes.
fn neighbour(body: &[u8]) -> Option<(u16, Mac, Ipv6Addr)> {
    let (state, flags) = (u16_at(body, 8)?, *body.get(10)?);
    (state & HEARD != 0 && flags & PROXY == 0).then_some(())?;
    let (mut address, mut mac) = (None, None);
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            FIRST => address = ip(value),
            SECOND => mac = <[u8; 6]>::try_from(value).ok().map(Mac::from),
            _ => {}
        }
    }
    let mac = mac.filter(Mac::is_individual)?;
    match address? {
        IpAddr::V6(ip) if !ip.is_unicast_link_local() && !ip.is_multicast() => {
            Some((state, mac, ip))
        }
        _ => None,
    }
}

/// Types and values; ends where they stop being well formed.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let (kind, value) = (u16_at(bytes, 2)?, bytes.get(4..length)?);
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
        Some((kind, value))
    })
}

pub(super) fn ip(value: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(value).map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(value).map(IpAddr::from);
    v4.or_else(|_| v6()).ok()
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

/// An attribute as the kernel writes it.
#[cfg(test)]
pub(super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = super::message(kind, 0, body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn neighbour_of(state: u16, flags: u8, ip: &str, mac: &[u8]) -> Vec<u8> {
        let mut body = vec![10, 0, 0, 0];
        body.extend(7u32.to_ne_bytes());
        body.extend(state.to_ne_bytes());
        body.extend([flags, 1]);
        body.extend(attribute(SECOND, mac));
        body.extend(attribute(FIRST, &ip.parse::<Ipv6Addr>().unwrap().octets()));
        body
    }

    #[test]
    fn our_address_on_a_point_to_point_link_is_not_the_peers() {
        let mut body = vec![2, 32, 0, 0];
        body.extend(9u32.to_ne_bytes());
        body.extend(attribute(FIRST, &[100, 64, 0, 1]));
        body.extend(attribute(SECOND, &[100, 64, 12, 7]));
        body.extend(attribute(3, b"ppp0\0"));
        assert_eq!(address(&body), Some((9, [100, 64, 12, 7].into())));
    }

    #[test]
    fn neighbours_that_never_answered_or_are_on_the_link_alone_are_none() {
        const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
        let found = |state, flags, ip, mac: &[u8]| {
            neighbour(&neighbour_of(state, flags, ip, mac)).map(|(_, _, ip)| ip.to_string())
        };
        assert_eq!(
            found(0x04, 0, "2001:db8::5", &MAC).as_deref(),
            Some("2001:db8::5")
        );
        assert_eq!(found(0x01, 0, "2001:db8::5", &MAC), None);
        assert_eq!(found(0x20, 0, "2001:db8::5", &MAC), None);
        assert_eq!(found(0x02, PROXY, "2001:db8::5", &MAC), None);
        assert_eq!(found(0x02, 0, "fe80::1", &MAC), None);
        assert_eq!(found(0x40, 0, "ff02::1", &[0x33, 0x33, 0, 0, 0, 1]), None);
        assert_eq!(found(0x02, 0, "2001:db8::5", &[0; 6]), None);
        assert_eq!(found(0x02, 0, "2001:db8::5", &[1; 8]), None);
    }

    #[test]
    fn messages_that_are_cut_or_errors_end_the_dump() {
        let mut seen = Vec::new();
        let mut take = |bytes: &[u8]| {
            read(bytes, &mut |kind, body: &[u8]| {
                seen.push((kind, body.len()))
            })
        };
        let mut two = message(NEW_ADDRESS, &[1; 5]);
        two.extend(message(NEW_NEIGHBOUR, &[]));
        assert!(take(&two).unwrap());
        two.extend(message(DONE, &[0; 4]));
        assert!(!take(&two).unwrap());
        let refused = take(&message(ERROR, &(-1i32).to_ne_bytes())).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(1));
        for end in 1..two.len() {
            // Never a panic, never a loop.
            take(&two[..end]).unwrap_or_default();
        }
        assert!(take(&[0; 16]).is_err());
        assert_eq!(seen[0], (NEW_ADDRESS, 5));
    }

    #[test]
    fn bytes_at_random_never_panic() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..20_000 {
            let mut bytes = neighbour_of(2, 0, "2001:db8::5", &[2; 6]);
            for _ in 0..3 {
                let at = rng.usize(..bytes.len());
                bytes[at] = rng.u8(..);
            }
            bytes.truncate(rng.usize(..=bytes.len()));
            address(&bytes);
            neighbour(&bytes);
            read(&bytes, &mut |_, _| {}).unwrap_or_default();
        }
    }

    #[test]
    fn the_kernel_tells_the_address_of_the_loopback() {
        let addresses = addresses().unwrap();
        let (_, lo) = addresses.iter().find(|(name, _)| name == "lo").unwrap();
        assert_eq!(lo.v4, Some(Ipv4Addr::LOCALHOST));
        neighbours().unwrap();
    }
}
