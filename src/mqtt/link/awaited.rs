//! Answers that the broker owes, and by when: no wait for the peer is without an end. No I/O.
//!
//! Everything is answered in MQTT, and the connection keeps the order of bytes: an answer shows that
//! everything up to the packet it answers has arrived. The bytes behind it are the unacknowledged ones,
//! and each deadline is longer by 1 s per 512 of them, so that a slow line is not taken for a dead one.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::header;
use super::outgoing::Written;

/// Longest wait for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Longest wait for the CONNACK: a server that is silent so far may have others beside it.
const CONNACK_WITHIN: Duration = Duration::from_secs(10);

/// Bytes that the slowest line takes in a second.
const SLOWEST: u64 = 512;

/// Something the broker has to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mqtt) enum Asked {
    Connect,
    Subscription,
    Unsubscription,
    Result,
    Delivery,
    Status,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Asked::Connect => "the login",
            Asked::Subscription => "the subscription to jobs",
            Asked::Unsubscription => "the end of a subscription",
            Asked::Result => "a result",
            Asked::Delivery => "the receipt of a job",
            Asked::Status => "a status message",
        })
    }
}

#[derive(Debug)]
struct Waiting {
    asked: Asked,
    /// Type of the packet that answers.
    answer: u8,
    id: Option<u16>,
    /// Bytes sent up to its end.
    end: u64,
    due: Instant,
    within: Duration,
}

impl Waiting {
    /// When half of its time is over.
    fn half(&self) -> Instant {
        self.due - self.within / 2
    }
}

/// Packets that were sent and are not answered yet. The library bounds them: it has 100 packet ids in use at most.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    waiting: Vec<Waiting>,
    /// Bytes sent up to the end of each PINGREQ that is not answered, and when.
    pings: VecDeque<(u64, Instant)>,
    sent: u64,
    acknowledged: u64,
    /// When the newest question was sent that is answered.
    proof: Option<Instant>,
}

impl Awaited {
    /// `count` bytes more are on their way.
    pub(super) fn sent_bytes(&mut self, count: usize) {
        self.sent += count as u64;
    }

    /// A packet ended with the last byte sent.
    pub(super) fn sent(&mut self, packet: &Written, now: Instant) {
        let (asked, answer) = match packet.kind {
            header::CONNECT => (Asked::Connect, header::CONNACK),
            header::SUBSCRIBE => (Asked::Subscription, header::SUBACK),
            header::UNSUBSCRIBE => (Asked::Unsubscription, header::UNSUBACK),
            header::PUBREL => (Asked::Status, header::PUBCOMP),
            header::PUBLISH if packet.qos == 1 => (published(&packet.topic), header::PUBACK),
            header::PUBLISH if packet.qos == 2 => (published(&packet.topic), header::PUBREC),
            _ => return,
        };
        let within = match asked {
            Asked::Connect => CONNACK_WITHIN,
            _ => ANSWER_WITHIN,
        } + self.allowance();
        self.waiting.push(Waiting {
            asked,
            answer,
            id: packet.id,
            end: self.sent,
            due: now + within,
            within,
        });
    }

    /// A PINGREQ ended with the last byte sent.
    pub(super) fn pinged(&mut self, now: Instant) {
        self.pings.push_back((self.sent, now));
    }

    /// The broker answered a PINGREQ.
    pub(super) fn ponged(&mut self) {
        if let Some((end, at)) = self.pings.pop_front() {
            self.acknowledged = self.acknowledged.max(end);
            self.proof = self.proof.max(Some(at));
        }
    }

    /// A packet of type `kind` came.
    pub(super) fn answered(&mut self, kind: u8, id: Option<u16>) {
        let answers = |waiting: &Waiting| waiting.answer == kind && waiting.id == id;
        if let Some(at) = self.waiting.iter().position(answers) {
            let waiting = self.waiting.swap_remove(at);
            self.acknowledged = self.acknowledged.max(waiting.end);
            self.proof = self.proof.max(Some(waiting.due - waiting.within));
        }
    }

    /// When the newest question was sent that is answered.
    pub(super) fn proof(&self) -> Option<Instant> {
        self.proof
    }

    /// True if a packet of type `kind` is an answer to one that was sent.
    pub(super) fn waits_for(&self, kind: u8, id: Option<u16>) -> bool {
        let mut waiting = self.waiting.iter();
        waiting.any(|waiting| waiting.answer == kind && waiting.id == id)
    }

    /// When the broker is to be asked with a PINGREQ if it is still there: half of the time of an answer has
    /// passed, and nothing shows that the broker read on. So it shows in the end if it was silent or passed
    /// one packet over.
    pub(super) fn doubt_due(&self) -> Option<Instant> {
        let asked = self.pings.back().map_or(0, |(end, _)| *end);
        let known = self.acknowledged.max(asked);
        let mut open = self.waiting.iter().filter(|waiting| waiting.end > known);
        let first = open.next()?.half();
        Some(open.fold(first, |first, waiting| first.min(waiting.half())))
    }

    /// Replies that the broker passed over: half of their time and more is over, and something that was sent
    /// after them has an answer. They are so many of the oldest ones.
    pub(super) fn passed_over(&self, now: Instant) -> usize {
        let is_reply =
            |waiting: &&Waiting| matches!(waiting.asked, Asked::Result | Asked::Delivery);
        let replies = self.waiting.iter().filter(is_reply);
        let passed = replies.filter(|reply| reply.end < self.acknowledged && reply.half() <= now);
        passed.count()
    }

    /// True if everything that was sent has an answer.
    pub(super) fn is_quiet(&self) -> bool {
        self.sent == self.acknowledged
    }

    /// True if a PINGREQ behind everything that was sent has no answer yet.
    pub(super) fn is_asking(&self) -> bool {
        self.pings.back().is_some_and(|(end, _)| *end == self.sent)
    }

    /// True if the byte before `end` and all before it have an answer.
    pub(super) fn has_answer_to(&self, end: u64) -> bool {
        self.acknowledged >= end
    }

    /// Bytes sent so far.
    pub(super) fn sent_so_far(&self) -> u64 {
        self.sent
    }

    /// The answer that is due first: when, what was asked, and within which time.
    pub(super) fn next_due(&self) -> Option<(Instant, Asked, Duration)> {
        let first = self.waiting.iter().min_by_key(|waiting| waiting.due)?;
        Some((first.due, first.asked, first.within))
    }

    /// Messages not acknowledged.
    pub(super) fn messages(&self) -> usize {
        let is_message = |waiting: &&Waiting| {
            matches!(
                waiting.answer,
                header::PUBACK | header::PUBREC | header::PUBCOMP
            )
        };
        self.waiting.iter().filter(is_message).count()
    }

    /// The time that the unacknowledged bytes may take.
    pub(super) fn allowance(&self) -> Duration {
        Duration::from_secs((self.sent - self.acknowledged) / SLOWEST)
    }
}

/// The kind of a message, by the first level of its topic.
fn published(topic: &[u8]) -> Asked {
    match topic.split(|byte| *byte == b'/').next() {
        Some(b"pub") => Asked::Result,
        Some(b"delivery") => Asked::Delivery,
        _ => Asked::Status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(topic: &str, id: u16) -> Written {
        Written {
            kind: header::PUBLISH,
            qos: 1,
            id: Some(id),
            topic: topic.into(),
        }
    }

    fn seconds(awaited: &Awaited, now: Instant) -> Option<(u64, Asked)> {
        let (due, asked, within) = awaited.next_due()?;
        assert_eq!(due, now + within);
        Some((within.as_secs(), asked))
    }

    #[test]
    fn every_question_has_a_deadline_until_it_is_answered() {
        let now = Instant::now();
        for (kind, qos, topic, answer, asked) in [
            (header::CONNECT, 0, "", header::CONNACK, Asked::Connect),
            (
                header::SUBSCRIBE,
                1,
                "",
                header::SUBACK,
                Asked::Subscription,
            ),
            (
                header::UNSUBSCRIBE,
                1,
                "",
                header::UNSUBACK,
                Asked::Unsubscription,
            ),
            (header::PUBLISH, 1, "pub/a", header::PUBACK, Asked::Result),
            (
                header::PUBLISH,
                1,
                "delivery/a",
                header::PUBACK,
                Asked::Delivery,
            ),
            (
                header::PUBLISH,
                2,
                "status/a",
                header::PUBREC,
                Asked::Status,
            ),
            (header::PUBREL, 1, "", header::PUBCOMP, Asked::Status),
        ] {
            let mut awaited = Awaited::default();
            let id = Some(7).filter(|_| kind != header::CONNECT);
            let packet = Written {
                kind,
                qos,
                id,
                topic: topic.into(),
            };
            awaited.sent_bytes(100);
            awaited.sent(&packet, now);
            let within = if kind == header::CONNECT { 10 } else { 30 };
            assert_eq!(seconds(&awaited, now), Some((within, asked)));
            awaited.answered(header::PUBACK, Some(8));
            awaited.answered(header::PINGRESP, None);
            assert!(awaited.next_due().is_some());
            awaited.answered(answer, id);
            assert_eq!(awaited.next_due(), None);
            assert_eq!(awaited.allowance(), Duration::ZERO);
        }
    }

    #[test]
    fn a_reply_is_passed_over_if_what_came_after_it_is_answered_and_it_is_late() {
        let now = Instant::now();
        let late = now + Duration::from_secs(15);
        let mut awaited = Awaited::default();
        for id in 1..=3 {
            awaited.sent_bytes(10);
            awaited.sent(&publish("pub/a", id), now);
        }
        assert_eq!(awaited.doubt_due(), Some(late));
        assert_eq!(awaited.passed_over(late), 0);
        awaited.answered(header::PUBACK, Some(2));
        assert_eq!(awaited.doubt_due(), Some(late));
        assert_eq!(awaited.passed_over(now), 0);
        assert_eq!(awaited.passed_over(late), 1);
        awaited.sent_bytes(2);
        awaited.pinged(now);
        assert_eq!(awaited.doubt_due(), None);
        awaited.ponged();
        assert_eq!(awaited.passed_over(late), 2);
        // One that has its time yet is not late.
        awaited.sent_bytes(10);
        awaited.sent(&publish("delivery/a", 4), late);
        awaited.sent_bytes(10);
        awaited.sent(&publish("status/a", 5), late);
        awaited.answered(header::PUBACK, Some(5));
        assert_eq!(awaited.passed_over(late), 2);
        assert_eq!(awaited.passed_over(late + Duration::from_secs(15)), 3);
    }

    #[test]
    fn all_is_quiet_when_the_last_byte_is_answered() {
        let mut awaited = Awaited::default();
        assert!(awaited.is_quiet() && !awaited.is_asking());
        awaited.sent_bytes(2);
        awaited.pinged(Instant::now());
        assert!(!awaited.is_quiet() && awaited.is_asking());
        awaited.sent_bytes(4);
        assert!(!awaited.is_asking());
        awaited.ponged();
        assert!(!awaited.is_quiet());
        awaited.sent_bytes(2);
        awaited.pinged(Instant::now());
        awaited.ponged();
        assert!(awaited.is_quiet() && !awaited.is_asking());
    }

    #[test]
    fn an_answer_proves_the_way_at_the_time_of_its_question() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut awaited = Awaited::default();
        awaited.sent(&publish("pub/a", 1), at(1));
        awaited.pinged(at(2));
        awaited.sent(&publish("pub/a", 2), at(3));
        assert_eq!(awaited.proof(), None);
        awaited.answered(header::PUBACK, Some(2));
        assert_eq!(awaited.proof(), Some(at(3)));
        awaited.ponged();
        assert_eq!(awaited.proof(), Some(at(3)), "an older one proves nothing");
    }

    #[test]
    fn nothing_is_expected_for_what_has_no_answer() {
        let mut awaited = Awaited::default();
        for (kind, qos) in [(header::PUBLISH, 0), (header::PUBACK, 0), (14, 0)] {
            let packet = Written {
                qos,
                kind,
                ..publish("status/a", 1)
            };
            awaited.sent(&packet, Instant::now());
        }
        assert_eq!(awaited.next_due(), None);
    }

    #[test]
    fn unacknowledged_bytes_make_deadlines_longer_and_answers_make_them_shorter() {
        let now = Instant::now();
        let mut awaited = Awaited::default();
        awaited.sent_bytes(51_200);
        awaited.sent(&publish("pub/a", 1), now);
        assert_eq!(seconds(&awaited, now), Some((130, Asked::Result)));
        awaited.sent_bytes(2);
        awaited.pinged(Instant::now());
        awaited.sent_bytes(5120);
        awaited.sent(&publish("pub/a", 2), now);
        assert_eq!(awaited.allowance(), Duration::from_secs(110));
        assert_eq!(awaited.messages(), 2);
        // The first message arrived, for the PINGREQ behind it did.
        awaited.ponged();
        assert_eq!(awaited.allowance(), Duration::from_secs(10));
        awaited.answered(header::PUBACK, Some(2));
        assert_eq!(awaited.allowance(), Duration::ZERO);
        assert_eq!(seconds(&awaited, now), Some((130, Asked::Result)));
    }
}
