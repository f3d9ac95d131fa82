//! The moment at which a device delivers: always the same point of its heartbeat, and another point than its
//! neighbours.

use std::time::Duration;

use crate::identity::Identity;

/// Where in `heartbeat` the device `mac` delivers: in `[0, heartbeat)`, the same for ever.
///
/// The spelling makes no difference.
pub fn phase(mac: &Identity, heartbeat: Duration) -> Duration {
    let hex = mac.digits();
    // FNV-1a: stable across versions and machines, which std's hasher does not promise.
    let hash = hex.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // Its low bits are too regular for MACs that count up; a multiply-shift folds all bits in.
    let part = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11;
    heartbeat.mul_f64(part as f64 / (1u64 << 53) as f64)
}

/// Time until the next moment at `phase` of a heartbeat, `since` the beats began; never zero.
pub fn until_next(since: Duration, phase: Duration, heartbeat: Duration) -> Duration {
    let beat = heartbeat.as_nanos().max(1);
    let into = since.as_nanos() % beat;
    let wait = match phase.as_nanos() % beat {
        phase if phase > into => phase - into,
        phase => phase + beat - into,
    };
    Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
}

/// The number of times that `phase` of a heartbeat has come, `since` the beats began.
pub fn beats(since: Duration, phase: Duration, heartbeat: Duration) -> u128 {
    let beat = heartbeat.as_nanos().max(1);
    (since.as_nanos() + beat - phase.as_nanos() % beat) / beat
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Duration = Duration::from_secs(60);

    fn identity(text: &str) -> Identity {
        text.parse().unwrap()
    }

    #[test]
    fn a_device_keeps_its_phase_however_its_mac_is_written() {
        let own = phase(&identity("0A:1B:2c:3d:4e:5f"), BEAT);
        assert_eq!(own, phase(&identity("0a-1b-2c-3d-4e-5f"), BEAT));
        assert_eq!(own, phase(&identity("0a1b2c3d4e5f"), BEAT));
        // Another value would move every device of a fleet with an upgrade.
        assert_eq!(own.as_millis(), 33_008);
    }

    #[test]
    fn a_thousand_neighbours_spread_over_the_whole_heartbeat() {
        let mut per_second = [0; 60];
        for n in 0..1200 {
            let mac = format!("00:11:22:33:{:02x}:{:02x}", n / 256, n % 256);
            per_second[phase(&identity(&mac), BEAT).as_secs() as usize] += 1;
        }
        let (least, most) = (per_second.iter().min(), per_second.iter().max());
        assert!(least >= Some(&5) && most <= Some(&40), "{per_second:?}");
    }

    #[test]
    fn the_next_beat_is_always_ahead_and_at_most_a_heartbeat_away() {
        let s = Duration::from_secs;
        assert_eq!(until_next(s(0), s(10), BEAT), s(10));
        assert_eq!(until_next(s(10), s(10), BEAT), s(60));
        assert_eq!(until_next(s(11), s(10), BEAT), s(59));
        assert_eq!(until_next(s(119), s(0), BEAT), s(1));
        assert_eq!(until_next(s(120), s(0), BEAT), s(60));
    }

    #[test]
    fn a_beat_is_counted_at_its_phase() {
        let s = Duration::from_secs;
        let counts = [0, 9, 10, 69, 70].map(|at| beats(s(at), s(10), BEAT));
        assert_eq!(counts, [0, 0, 1, 1, 2]);
        // When a wait for the next beat is over, it has come.
        let now = s(33) + until_next(s(33), s(10), BEAT);
        assert_eq!(beats(now, s(10), BEAT), beats(s(33), s(10), BEAT) + 1);
    }
}
