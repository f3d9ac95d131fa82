//! Replies that the broker may not take: it closes the connection and does not say why.
//!
//! An end of the connection counts against a reply only if that one was on its way alone, the broker closed
//! the connection, and another reply was acknowledged before the next count: a broker that closes every
//! connection says nothing about one reply. After three counts it goes without output, for its size is the
//! likely reason; after three more it is given up.

use std::collections::{HashMap, VecDeque};

use super::Item;

/// Counts after which a reply goes without output.
const WHOLE: u8 = 3;

/// Counts after which it is given up.
const GIVEN_UP: u8 = 2 * WHOLE;

/// Replies remembered that went without output or not at all; the oldest goes.
const REMEMBERED: usize = 64;

/// The part of a reply that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::jobs) enum Extent {
    Whole,
    /// Without output.
    Bare,
}

#[derive(Debug, Default)]
struct Doubt {
    counts: u8,
    /// Acknowledgements at the last count.
    at: u64,
}

/// Replies under suspicion, and what is held against each.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    doubts: HashMap<Item, Doubt>,
    /// Replies acknowledged so far.
    acknowledged: u64,
    /// Counts of replies that are out of the outbox: a sender may ask for the result of a job again, or the
    /// broker may send a retained job again and again.
    remembered: VecDeque<(Item, u8)>,
}

impl Doubts {
    /// True if the reply is under suspicion.
    pub(super) fn contain(&self, item: &Item) -> bool {
        self.doubts.contains_key(item)
    }

    /// The broker closed the connection while this one was on its way with others.
    pub(super) fn suspect(&mut self, item: &Item) {
        let counts = self.remembered_counts(item);
        let at = self.acknowledged;
        let doubt = Doubt { counts, at };
        self.doubts.entry(item.clone()).or_insert(doubt);
    }

    /// The broker closed the connection while this one was on its way alone. Returns whether it is to be
    /// given up.
    pub(super) fn count(&mut self, item: &Item) -> bool {
        self.suspect(item);
        let acknowledged = self.acknowledged;
        let Some(doubt) = self.doubts.get_mut(item) else {
            return false;
        };
        if doubt.counts == 0 || acknowledged > doubt.at {
            doubt.counts += 1;
            doubt.at = acknowledged;
        }
        doubt.counts >= GIVEN_UP
    }

    /// True if the next end would not count for want of an acknowledgement in between.
    pub(super) fn wants_proof(&self, item: &Item) -> bool {
        let doubt = self.doubts.get(item);
        doubt.is_some_and(|doubt| doubt.counts > 0 && doubt.at == self.acknowledged)
    }

    /// The part of the reply that is to be sent.
    pub(super) fn extent(&self, item: &Item) -> Extent {
        let counts = match self.doubts.get(item) {
            Some(doubt) => doubt.counts,
            None => self.remembered_counts(item),
        };
        match counts {
            WHOLE.. => Extent::Bare,
            _ => Extent::Whole,
        }
    }

    /// True if the reply was given up before.
    pub(super) fn has_given_up(&self, item: &Item) -> bool {
        self.remembered_counts(item) >= GIVEN_UP
    }

    /// The broker has the reply.
    pub(super) fn acknowledged(&mut self, item: &Item) {
        self.acknowledged += 1;
        self.forget(item);
    }

    /// The reply is out of the outbox.
    pub(super) fn forget(&mut self, item: &Item) {
        let Some(doubt) = self
            .doubts
            .remove(item)
            .filter(|doubt| doubt.counts >= WHOLE)
        else {
            return;
        };
        self.remembered.retain(|(known, _)| known != item);
        if self.remembered.len() >= REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back((item.clone(), doubt.counts));
    }

    fn remembered_counts(&self, item: &Item) -> u8 {
        let known = self.remembered.iter().find(|(known, _)| known == item);
        known.map_or(0, |(_, counts)| *counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(id: &str) -> Item {
        Item::Result(id.into())
    }

    #[test]
    fn three_counts_leave_the_output_out_and_three_more_give_the_reply_up() {
        let (mut doubts, poison) = (Doubts::default(), result("a"));
        for count in 1..=5 {
            assert!(!doubts.count(&poison));
            let extent = if count < 3 {
                Extent::Whole
            } else {
                Extent::Bare
            };
            assert_eq!(doubts.extent(&poison), extent);
            doubts.acknowledged(&result("b"));
        }
        assert!(doubts.count(&poison));
        doubts.forget(&poison);
        assert!(doubts.has_given_up(&poison) && !doubts.contain(&poison));
    }

    #[test]
    fn ends_without_an_acknowledgement_between_them_count_once() {
        let (mut doubts, reply) = (Doubts::default(), result("a"));
        for _ in 0..100 {
            assert!(!doubts.count(&reply));
            assert!(doubts.wants_proof(&reply));
        }
        doubts.acknowledged(&result("b"));
        assert!(!doubts.wants_proof(&reply));
        assert_eq!(doubts.extent(&reply), Extent::Whole);
    }

    #[test]
    fn a_reply_that_goes_through_is_cleared_but_goes_bare_again_if_it_had_to() {
        let (mut doubts, reply) = (Doubts::default(), result("a"));
        doubts.suspect(&reply);
        doubts.acknowledged(&reply);
        assert_eq!(doubts.extent(&reply), Extent::Whole);
        for _ in 0..3 {
            doubts.count(&reply);
            doubts.acknowledged(&result("b"));
        }
        doubts.acknowledged(&reply);
        assert!(!doubts.contain(&reply));
        assert_eq!(doubts.extent(&reply), Extent::Bare);
    }

    #[test]
    fn remembered_replies_are_bounded() {
        let mut doubts = Doubts::default();
        for n in 0..1000 {
            let reply = result(&n.to_string());
            for _ in 0..3 {
                doubts.count(&reply);
                doubts.acknowledged(&result("b"));
            }
            doubts.acknowledged(&reply);
        }
        assert_eq!(doubts.remembered.len(), REMEMBERED);
        assert!(doubts.doubts.is_empty());
    }
}
