//! Collected and delivered reports: the two sides that must agree.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use spool::{Gap, Reason};

use super::report;

/// Boot, in order, and seq.
pub type Id = (usize, u64);

/// A report that was collected.
#[derive(Debug, Clone)]
pub struct Collected {
    /// When it really was.
    pub at: u64,
    /// The time the clock showed.
    pub clock: u64,
    pub synced: bool,
}

/// Everything that happened, as the world outside the agent knows it.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    pub collected: BTreeMap<Id, Collected>,
    /// Reports on the way to a server, whose bytes are fixed from then on.
    pub sent: BTreeMap<Id, Vec<u8>>,
    pub arrived: BTreeSet<Id>,
    /// They arrived, and the process ended, the power was cut or the disk failed before that was noted
    /// for certain: if there is no room for them afterwards they are declared, and what they declare is
    /// declared again.
    pub unnoticed: BTreeSet<Id>,
    /// Times a process ended in the middle of something.
    pub ends: u64,
    /// Reports that were in RAM only may be gone.
    pub power_cuts: u64,
}

impl Ledger {
    /// A line is sent: the same identity is the same report, and its times are right.
    pub fn send(&mut self, line: &[u8], context: &str) -> Id {
        let report: Value = serde_json::from_slice(line).expect("a line is JSON");
        let device = &report["device"];
        let id = report::id(line);
        if let Some(known) = self.sent.get(&id) {
            let [known, line] = [known, line].map(String::from_utf8_lossy);
            assert_eq!(known, line, "{context}: {id:?} came with other bytes");
            return id;
        }
        // One that was being kept when the process ended may have been kept.
        if let Some(known) = self.collected.get(&id) {
            let at = device["created_at"]
                .as_u64()
                .expect("a report has its time");
            let expected = match device["clock"].as_str().expect("a report names its clock") {
                "ok" if known.synced => known.clock,
                "unsynced" if !known.synced => known.clock,
                "restamped" if !known.synced => known.at,
                other => unreachable!("{context}: {id:?} says {other}, {known:?}"),
            };
            assert!(
                at.abs_diff(expected) <= 1,
                "{context}: {id:?} at {at}, {known:?}"
            );
            let event = report["events"][0]["at"]
                .as_u64()
                .expect("an event has its time");
            assert_eq!(at - event, 3, "{context}: {id:?}");
        }
        self.sent.insert(id, line.to_vec());
        id
    }

    /// Gaps of all that arrived.
    pub fn gaps(&self) -> Vec<Gap> {
        self.gaps_in(&mut self.arrived.iter())
    }

    /// Gaps that these reports declare, all of which were sent.
    pub fn gaps_in(&self, ids: &mut dyn Iterator<Item = &Id>) -> Vec<Gap> {
        ids.flat_map(|id| gaps_of(&self.sent[id])).collect()
    }

    /// Everything collected has arrived or is declared.
    pub fn check(&self, context: &str) {
        let gaps = self.gaps();
        let exact: u64 = gaps.iter().filter_map(|gap| gap.count).sum();
        let unknown: Vec<&Gap> = gaps.iter().filter(|gap| gap.count.is_none()).collect();
        let counted: Vec<&Gap> = gaps.iter().filter(|gap| gap.count.is_some()).collect();
        for gap in &gaps {
            assert!(gap.to.is_some(), "{context}: {gap:?} has no end");
            assert_eq!(
                gap.count.is_none(),
                gap.reason == Reason::Power,
                "{context}"
            );
        }
        let missing: Vec<(&Id, &Collected)> = self
            .collected
            .iter()
            .filter(|(id, _)| !self.arrived.contains(id))
            .collect();
        // Clocks that are right differ by a second.
        let holds = |gap: &Gap, at: u64| gap.from <= Some(at + 1) && gap.to >= Some(at - 1);
        let within = |gaps: &[&Gap], report: &Collected| {
            let mut gaps = gaps.iter();
            gaps.any(|gap| holds(gap, report.at) || holds(gap, report.clock))
        };
        let all = missing.len() as u64;
        let say = || format!("{context}: missing {missing:?}\ndeclared {gaps:?}");
        // When it was is known of reports taken by a clock that was right.
        let certain = missing
            .iter()
            .filter(|(_, report)| report.synced || unknown.is_empty());
        let outside: Vec<&(&Id, &Collected)> = certain
            .filter(|(_, report)| !within(&unknown, report))
            .collect();
        assert!(outside.len() as u64 <= exact, "{outside:?} of {}", say());
        for (id, report) in outside {
            assert!(within(&counted, report), "{id:?} {report:?} of {}", say());
        }
        // What was being kept when the process ended is declared, or not.
        let lines = self.unnoticed.iter().map(|id| &self.sent[id]);
        let again: Vec<Gap> = lines.flat_map(|line| gaps_of(line)).collect();
        let counted = again.iter().filter_map(|gap| gap.count);
        let twice = counted.sum::<u64>() + self.unnoticed.len() as u64;
        assert!(exact <= all + self.ends + twice, "{}", say());
        // The first start cannot know that there was nothing before it. A cut leaves doubt on either
        // side of the last report on flash.
        let again = again.iter().filter(|gap| gap.count.is_none()).count() as u64;
        let doubts = 1 + 2 * self.power_cuts + again;
        let distinct: BTreeSet<_> = unknown.iter().map(|gap| (gap.from, gap.to)).collect();
        assert!(distinct.len() as u64 <= doubts, "{}", say());
        if self.power_cuts == 0 {
            assert!(all <= exact, "{}", say());
        }
    }
}

fn gaps_of(line: &[u8]) -> Vec<Gap> {
    #[derive(serde::Deserialize)]
    struct Line {
        device: Device,
        #[serde(default)]
        gaps: Vec<Gap>,
    }
    #[derive(serde::Deserialize)]
    struct Device {
        clock: String,
    }
    let Line { device, mut gaps } = serde_json::from_slice(line).expect("a line is a report");
    // The report that declares it is the end of it, whatever the clock said.
    let unsure = gaps.iter_mut().filter(|_| device.clock == "unsynced");
    unsure.for_each(|gap| gap.to = Some(u64::MAX));
    gaps
}
