//! The table while its disk fails or is late.

use super::{Effect, Number, Step, Table};

impl Table {
    /// The disk did not take the batch. Jobs whose acceptance was in it are refused, their starts wait for
    /// another attempt, outcomes are published all the same.
    pub fn failed(&mut self) {
        self.is_late = false;
        let steps = self.under_way.take().unwrap_or_default();
        self.give_up(steps);
    }

    /// The disk has had the batch for a long time. Jobs whose acceptance is in it stay undecided until
    /// [`Table::written`] or [`Table::failed`]; everything else is done as if it had failed.
    pub fn late(&mut self) {
        let mut undecided: Vec<(Number, Step)> = Vec::new();
        let mut others = Vec::new();
        for (number, step) in self.under_way.take().unwrap_or_default() {
            match step {
                Step::Accept => undecided.push((number, step)),
                Step::AcceptStarted => {
                    // Its worker is free for a job that needs no disk.
                    self.stop_start(number);
                    undecided.push((number, Step::Accept));
                }
                Step::Start | Step::Finish => {
                    // Cancelled before its acceptance was certain, a job ends when that is.
                    let is_new = undecided.iter().any(|(new, _)| *new == number);
                    let steps = if is_new { &mut undecided } else { &mut others };
                    steps.push((number, step));
                }
            }
        }
        let accepted = undecided.iter().filter(|(_, step)| *step == Step::Accept);
        let late = accepted.map(|(number, _)| Effect::Late(*number));
        self.effects.extend(late);
        self.under_way = Some(undecided);
        self.is_late = true;
        self.give_up(others);
        self.go_without();
    }

    /// Takes the steps that wait for the disk without it, as far as they may be: see [`Table::failed`].
    pub fn go_without(&mut self) {
        if self.register.is_waiting() {
            self.register.lost();
        }
        let is_with_disk = self.under_way.is_some() && !self.is_late;
        if is_with_disk || self.steps.is_empty() {
            return;
        }
        self.outgoing.clear();
        let undecided = self.under_way.as_deref().unwrap_or_default();
        let is_undecided = |step: &(Number, Step)| undecided.iter().any(|(new, _)| *new == step.0);
        let steps = std::mem::take(&mut self.steps);
        let (undecided, steps) = steps.into_iter().partition(is_undecided);
        self.steps = undecided;
        self.give_up(steps);
    }

    /// Has the batch that a disk does not take, or is late with, written with the next one, to another disk.
    pub fn write_again(&mut self) {
        self.is_late = false;
        if let Some(steps) = self.under_way.take() {
            self.rewrite = true;
            self.register.lost();
            self.steps.splice(..0, steps);
        }
    }

    /// True while the disk is late.
    pub fn is_late(&self) -> bool {
        self.is_late
    }

    fn give_up(&mut self, steps: Vec<(Number, Step)>) {
        self.rewrite = true;
        self.register.lost();
        // From the last to the first, so that starts come back to the queue in their order.
        for (number, step) in steps.into_iter().rev() {
            self.took(number);
            match step {
                Step::Accept | Step::AcceptStarted => {
                    self.forget(number);
                    self.effects.push_front(Effect::Refused(number));
                }
                // The job waits again, before all others.
                Step::Start => {
                    if self.stop_start(number) {
                        self.line(number).push_front(number);
                    }
                }
                Step::Finish => self.effects.push_front(Effect::Ended(number)),
            }
        }
    }
}
