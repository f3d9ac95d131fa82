//! Bytes that a message may have which must not hold up others: what the line takes in half a second.
//! No I/O.

use std::time::Duration;

use tokio::time::Instant;

/// As much on every line, bytes: half a second on one of 1 KB/s.
const LEAST: usize = 512;

/// As much on a fast line, bytes.
const MOST: usize = 4096;

/// A line that takes longer is slow.
const SLOW: Duration = Duration::from_millis(500);

/// A line that takes so long at most takes twice as much in time, too.
const FAST: Duration = Duration::from_millis(250);

/// The bytes that go over the line in a short time, measured by the answers of the broker.
#[derive(Debug)]
pub(super) struct Room {
    bytes: usize,
    /// Since when something is not answered, and how many bytes were sent before it.
    since: Option<(Instant, u64)>,
}

impl Default for Room {
    fn default() -> Self {
        Room {
            bytes: LEAST,
            since: None,
        }
    }
}

impl Room {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes are about to be sent, after `sent` others.
    pub(super) fn sending(&mut self, sent: u64, now: Instant) {
        self.since.get_or_insert((now, sent));
    }

    /// Everything is answered, `sent` bytes in all.
    pub(super) fn all_answered(&mut self, sent: u64, now: Instant) {
        let Some((at, before)) = self.since.take() else {
            return;
        };
        let took = now.saturating_duration_since(at);
        if took > SLOW {
            self.bytes = LEAST;
        } else if took <= FAST && (sent - before) * 2 >= self.bytes as u64 {
            self.bytes = (2 * self.bytes).min(MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends so many bytes, which are answered after so many ms.
    fn send(room: &mut Room, sent: &mut u64, bytes: u64, ms: u64) -> usize {
        let now = Instant::now();
        room.sending(*sent, now);
        *sent += bytes;
        room.sending(*sent, now + Duration::from_millis(ms / 2));
        room.all_answered(*sent, now + Duration::from_millis(ms));
        room.bytes()
    }

    #[test]
    fn a_line_is_slow_until_it_has_shown_that_it_is_fast() {
        let (mut room, mut sent) = (Room::default(), 0);
        assert_eq!(room.bytes(), 512);
        // A few bytes say nothing.
        assert_eq!(send(&mut room, &mut sent, 4, 1), 512);
        assert_eq!(send(&mut room, &mut sent, 512, 1), 1024);
        assert_eq!(send(&mut room, &mut sent, 1024, 250), 2048);
        assert_eq!(send(&mut room, &mut sent, 2048, 400), 2048);
        assert_eq!(send(&mut room, &mut sent, 9999, 9), 4096);
        assert_eq!(send(&mut room, &mut sent, 9999, 9), 4096);
        assert_eq!(send(&mut room, &mut sent, 4, 501), 512);
    }

    #[test]
    fn a_message_holds_up_others_for_a_second_at_most_on_a_line_of_any_speed() {
        for bytes_a_second in [1000, 2000, 5000, 20_000, 1_000_000] {
            let (mut room, mut sent) = (Room::default(), 0);
            for _ in 0..50 {
                let bytes = room.bytes() as u64;
                let ms = bytes * 1000 / bytes_a_second;
                assert!(ms < 1000, "{bytes} bytes in {ms} ms");
                send(&mut room, &mut sent, bytes, ms);
                send(&mut room, &mut sent, 20, 20_000 / bytes_a_second);
            }
        }
    }
}
