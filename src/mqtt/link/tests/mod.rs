//! The link, from bytes to a whole connection.

mod connection;
mod incoming;
mod outgoing;

use super::*;

const TOPIC: &str = "sub/f/k/m";

const CONNECT: [u8; 15] = [
    0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 0, 0, 0, 0, 1, b'i',
];

/// A PUBLISH with a payload of so many bytes.
fn publish(qos: u8, id: u16, topic: &str, payload: usize) -> Vec<u8> {
    let mut body = u16::try_from(topic.len()).unwrap().to_be_bytes().to_vec();
    body.extend(topic.as_bytes());
    if qos > 0 {
        body.extend(id.to_be_bytes());
    }
    body.resize(body.len() + payload, b'x');
    packet(0x30 | qos << 1, &body)
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    let remaining = body.len();
    header::Header { first, remaining }.write(&mut packet);
    packet.extend(body);
    packet
}
