//! Bytes of the library, in every way they can be split.

use super::*;

#[test]
fn our_packets_go_between_those_of_the_library_and_connect_has_the_keepalive() {
    for at in 0..=CONNECT.len() {
        let mut outgoing = Outgoing::new(0x1234);
        let mut bytes = CONNECT;
        let (first, second) = bytes.split_at_mut(at);
        assert!(outgoing.is_between_packets());
        let (_, mut written) = outgoing.feed(first).unwrap();
        assert_eq!(
            outgoing.is_between_packets(),
            at == 0 || at == CONNECT.len()
        );
        if !second.is_empty() {
            written = outgoing.feed(second).unwrap().1;
        }
        assert_eq!(written.unwrap().kind, header::CONNECT);
        assert_eq!(bytes[10..12], [0x12, 0x34]);
    }
}
