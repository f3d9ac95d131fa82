//! Jobs handed in and not yet decided on.

use std::collections::VecDeque;
use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rumqttc::{ManualAck, Outgoing};
use tokio::time::{timeout_at, Instant};

use crate::jobs::{Decision, Pending};

/// Jobs read and not yet decided on, and bytes of them, beyond which nothing is read. As many may be late: if the jobs part
/// takes none, those that follow wait.
const UNDECIDED: usize = 16;
const BYTES: usize = 256 * 1024;

/// A job that waits longer for its decision is late, and holds up no other. An answer of the broker to a reply of ours, which
/// is not read either, has 30 s.
const LATE: Duration = Duration::from_secs(20);

struct Job {
    ack: Option<ManualAck>,
    decision: Pending,
    bytes: usize,
    since: Instant,
}

impl Job {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Decision> {
        Pin::new(&mut self.decision).poll(context)
    }
}

/// Jobs the jobs part is deciding on, in the order it does; each with what acknowledges it.
#[derive(Default)]
pub(super) struct Undecided {
    waiting: VecDeque<Job>,
    /// The disk may keep these waiting for long.
    late: VecDeque<Job>,
    /// Acknowledgements of jobs that were decided on, until the client library has sent them.
    sending: Vec<ManualAck>,
}

impl Undecided {
    pub(super) fn is_full(&self) -> bool {
        is_full(&self.waiting)
    }

    /// When the oldest is late.
    fn late_at(&self) -> Option<Instant> {
        let oldest = self.waiting.front().filter(|_| !is_full(&self.late));
        oldest.map(|job| job.since + LATE)
    }

    /// True if a job that has this acknowledgement is undecided, or if the acknowledgement is about to be sent. Some brokers
    /// send a job again on the same connection until they have it. Its packet id stands for no other job before that (MQTT
    /// 3.1.1, section 2.3.1), and the client library ends the connection for a second acknowledgement.
    pub(super) fn has(&self, ack: &ManualAck) -> bool {
        let mut jobs = self.late.iter().chain(&self.waiting);
        jobs.any(|job| job.ack.as_ref() == Some(ack)) || self.sending.contains(ack)
    }

    /// Adds a job of so many bytes.
    pub(super) fn push(&mut self, ack: Option<ManualAck>, decision: Pending, bytes: usize) {
        let since = Instant::now();
        self.waiting.push_back(Job {
            ack,
            decision,
            bytes,
            since,
        });
    }

    /// The acknowledgement of a job is about to be sent.
    pub(super) fn sends(&mut self, ack: ManualAck) {
        self.sending.push(ack);
    }

    /// The client library sent a packet.
    pub(super) fn sent(&mut self, packet: &Outgoing) {
        self.sending.retain(|ack| match (ack, packet) {
            (ManualAck::PubAck(ack), Outgoing::PubAck(id)) => ack.pkid != *id,
            (ManualAck::PubRec(ack), Outgoing::PubRec(id)) => ack.pkid != *id,
            _ => true,
        });
    }

    /// The oldest decision, when it is made; the first one that is made if nothing more is read, for a disk may keep
    /// the oldest waiting. `None` when a job becomes late, so that more may be read. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<(Option<ManualAck>, Decision)> {
        let late_at = self.late_at();
        let decided = poll_fn(|context| self.poll(context));
        let Some(late_at) = late_at else {
            return Some(decided.await);
        };
        if let Ok(decided) = timeout_at(late_at, decided).await {
            return Some(decided);
        }
        self.late.extend(self.waiting.pop_front());
        None
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<(Option<ManualAck>, Decision)> {
        let turns = if self.is_full() { usize::MAX } else { 1 };
        for (jobs, turns) in [(&mut self.late, usize::MAX), (&mut self.waiting, turns)] {
            for (at, job) in jobs.iter_mut().enumerate().take(turns) {
                if let Poll::Ready(decision) = job.poll(context) {
                    let ack = jobs.remove(at).and_then(|job| job.ack);
                    return Poll::Ready((ack, decision));
                }
            }
        }
        Poll::Pending
    }
}

fn is_full(jobs: &VecDeque<Job>) -> bool {
    let bytes: usize = jobs.iter().map(|job| job.bytes).sum();
    jobs.len() >= UNDECIDED || bytes >= BYTES
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use rumqttc::PubAck;
    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    fn push(undecided: &mut Undecided, bytes: usize) -> oneshot::Sender<Decision> {
        let (sender, decision) = oneshot::channel();
        undecided.push(None, decision.into(), bytes);
        sender
    }

    fn known(id: &str) -> Decision {
        Decision::Known { id: id.into() }
    }

    async fn next(undecided: &mut Undecided) -> Option<Decision> {
        undecided.next().await.map(|(_, decision)| decision)
    }

    #[tokio::test]
    async fn decisions_come_in_order_unless_the_oldest_would_hold_up_all_that_follow() {
        let mut undecided = Undecided::default();
        let mut senders = VecDeque::new();
        senders.extend((0..UNDECIDED - 1).map(|_| push(&mut undecided, 1)));
        senders.remove(1).unwrap().send(known("1")).unwrap();
        tokio::select! {
            biased;
            decided = next(&mut undecided) => panic!("{decided:?}"),
            () = ready(()) => {}
        }
        senders.push_back(push(&mut undecided, 1));
        assert!(undecided.is_full());
        assert_eq!(next(&mut undecided).await, Some(known("1")));
        assert!(!undecided.is_full());
        senders.pop_back().unwrap().send(known("last")).unwrap();
        senders.pop_front().unwrap().send(known("0")).unwrap();
        assert_eq!(next(&mut undecided).await, Some(known("0")));
    }

    #[tokio::test(start_paused = true)]
    async fn jobs_that_the_disk_is_late_with_hold_up_no_others_and_are_acknowledged_in_the_end() {
        let mut undecided = Undecided::default();
        let began = Instant::now();
        let long = push(&mut undecided, BYTES);
        let behind = push(&mut undecided, 1);
        assert!(undecided.is_full());
        behind.send(known("behind")).unwrap();
        assert_eq!(next(&mut undecided).await, Some(known("behind")));
        assert_eq!(next(&mut undecided).await, None);
        // Before the broker has to be taken for gone.
        assert!(!undecided.is_full() && began.elapsed() < Duration::from_secs(30));
        push(&mut undecided, 1).send(known("new")).unwrap();
        assert_eq!(next(&mut undecided).await, Some(known("new")));
        tokio::time::advance(Duration::from_secs(86400)).await;
        long.send(known("long")).unwrap();
        assert_eq!(next(&mut undecided).await, Some(known("long")));
    }

    #[tokio::test(start_paused = true)]
    async fn late_jobs_do_not_fill_the_memory() {
        let mut undecided = Undecided::default();
        let senders: Vec<_> = (0..4).map(|_| push(&mut undecided, BYTES / 2)).collect();
        for _ in 0..2 {
            assert_eq!(next(&mut undecided).await, None);
        }
        assert!(timeout(10 * LATE, next(&mut undecided)).await.is_err());
        assert!(undecided.is_full() && senders.iter().all(|sender| !sender.is_closed()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_is_known_until_its_acknowledgement_is_sent() {
        let [ack, other] = [7, 8].map(|id| ManualAck::PubAck(PubAck::new(id)));
        let mut undecided = Undecided::default();
        let (sender, decision) = oneshot::channel();
        undecided.push(Some(ack.clone()), decision.into(), 1);
        assert!(undecided.has(&ack) && !undecided.has(&other));
        assert_eq!(next(&mut undecided).await, None);
        assert!(undecided.has(&ack), "it is late");
        sender.send(known("7")).unwrap();
        assert_eq!(next(&mut undecided).await, Some(known("7")));
        assert!(!undecided.has(&ack), "it may end unacknowledged");
        undecided.sends(ack.clone());
        undecided.sent(&Outgoing::PubAck(8));
        undecided.sent(&Outgoing::PubRec(7));
        assert!(undecided.has(&ack) && !undecided.has(&other));
        undecided.sent(&Outgoing::PubAck(7));
        assert!(!undecided.has(&ack));
    }
}
