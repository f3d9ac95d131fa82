//! The queue of one publisher.
//!
//! Replies go in order, many at a time, until the broker closes a connection on some of them. Those are
//! suspects then: they go one at a time, and alone, so that it shows which of them it was. Others come
//! first, so that no suspect holds them up; but after [`TURN`] others a suspect has its turn.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::publisher::{Replies, Reply};
use super::Item;
use crate::jobs::FEW;

/// Replies handed out to one publisher and neither taken nor given back.
pub(super) const WINDOW: usize = 64;

/// Replies that may pass while a suspect waits.
const TURN: usize = 64;

#[derive(Debug)]
pub(super) struct Line {
    pub(super) waiting: VecDeque<Item>,
    pub(super) suspects: VecDeque<Item>,
    /// Handed out.
    pub(super) out: usize,
    /// A suspect is among them, alone.
    pub(super) suspect_out: bool,
    /// Others handed out since the last suspect.
    passed: usize,
    pub(super) sender: mpsc::Sender<Reply>,
}

impl Line {
    pub(super) fn new() -> (Self, Replies) {
        // One place: what the publisher has not asked for stays here.
        let (sender, replies) = mpsc::channel(1);
        let line = Line {
            waiting: VecDeque::new(),
            suspects: VecDeque::new(),
            out: 0,
            suspect_out: false,
            passed: 0,
            sender,
        };
        (line, Replies::new(replies))
    }

    /// Everything was taken, or nobody is left who could.
    pub(super) fn is_settled(&self) -> bool {
        let empty = self.waiting.is_empty() && self.suspects.is_empty();
        empty && self.out == 0 || self.sender.is_closed()
    }

    /// True if something may be handed out now.
    pub(super) fn is_ready(&self) -> bool {
        match self.is_turn_of_suspects() {
            _ if self.suspect_out => false,
            true => self.out == 0,
            false => !self.waiting.is_empty() && self.out < WINDOW,
        }
    }

    fn is_turn_of_suspects(&self) -> bool {
        !self.suspects.is_empty() && (self.waiting.is_empty() || self.passed >= TURN)
    }

    /// Takes out the next reply, and whether it is a suspect.
    pub(super) fn pop(&mut self) -> Option<(Item, bool)> {
        if !self.is_ready() {
            return None;
        }
        if self.is_turn_of_suspects() {
            self.passed = 0;
            return self.suspects.pop_front().map(|item| (item, true));
        }
        self.passed = match self.suspects.is_empty() {
            true => 0,
            false => self.passed + 1,
        };
        let next = self.waiting.pop_front();
        if self.waiting.is_empty() {
            self.waiting.shrink_to(FEW);
        }
        next.map(|item| (item, false))
    }
}
