//! Counts of what became of the attacker's payloads.

use std::collections::HashMap;

use socketman::jobs::signature::Refusal;

/// Counts of the outcomes.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) cases: u64,
    pub(super) accepted: u64,
    pub(super) known: u64,
    pub(super) full: u64,
    pub(super) refused: HashMap<&'static str, u64>,
    pub(super) refused_at_start: u64,
    pub(super) started: u64,
    pub(super) forgotten: u64,
    pub(super) after_forgotten: u64,
}

impl Tally {
    pub(super) fn refused(&mut self, refusal: &Refusal) {
        let name = match refusal {
            Refusal::OtherDevice => "other device",
            Refusal::Closed(_) => "unusable keys",
            Refusal::Unsigned => "unsigned",
            Refusal::NoSignature => "no signature",
            Refusal::Missing(_) => "missing",
            Refusal::Backwards => "backwards",
            Refusal::LivesTooLong => "lives too long",
            Refusal::Text(_) => "text",
            Refusal::WrongSignature => "wrong signature",
            Refusal::Expired => "expired",
        };
        *self.refused.entry(name).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: Tally) {
        self.cases += other.cases;
        self.accepted += other.accepted;
        self.known += other.known;
        self.full += other.full;
        self.refused_at_start += other.refused_at_start;
        self.started += other.started;
        self.forgotten += other.forgotten;
        self.after_forgotten += other.after_forgotten;
        for (name, count) in other.refused {
            *self.refused.entry(name).or_default() += count;
        }
    }
}
