//! Anything a daemon may send.

use proptest::prelude::*;

use super::*;
use crate::object::Method;

proptest! {
    /// Any frame in any state: no panic, and requests stay bounded.
    #[test]
    fn no_frame_can_break_the_protocol(
        frames in proptest::collection::vec(
            (0u8..14, 0u16..6, 0u32..4, proptest::collection::vec(any::<u8>(), 0..64), 0u8..6),
            0..60,
        )
    ) {
        let mut desk = Desk::connected();
        desk.protocol.add_object(1, "me", vec![Method::new("m", &[])], desk.now);
        desk.protocol.subscribe(2, "*", desk.now);
        desk.protocol.listen(3, "*", desk.now);
        desk.call(4);
        for (kind, seq, peer, noise, shape) in frames {
            let payload = match shape {
                0 => noise,
                1 => Writer::new().status(i32::from(seq)).into_bytes(),
                2 => Writer::new().word(attr::OBJID, peer + 4).into_bytes(),
                3 => Writer::new()
                    .word(attr::OBJID, peer + 4)
                    .text(attr::METHOD, b"ubus.object.add")
                    .nested(attr::DATA, &noise)
                    .into_bytes(),
                4 => Writer::new()
                    .text(attr::OBJPATH, b"x")
                    .word(attr::OBJID, peer + 4)
                    .nested(attr::SIGNATURE, &noise)
                    .into_bytes(),
                _ => Writer::new()
                    .word(attr::OBJID, peer + 4)
                    .word(attr::TARGET, peer)
                    .into_bytes(),
            };
            let frame = Frame { version: 0, kind, seq, peer, blob_id: 0, payload: payload.into() };
            desk.protocol.frame(&frame, desk.now);
            desk.outputs();
        }
        desk.now += Duration::from_secs(3600);
        desk.protocol.time(desk.now);
        desk.outputs();
        // Nothing is overdue; what is still awaited (a refused object offered again) has its time.
        prop_assert!(desk.protocol.deadline().is_none_or(|at| at > desk.now));
    }
}
