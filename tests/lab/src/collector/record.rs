//! The collector's record of requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::Mode;

/// Requests remembered; older ones are forgotten, reports never.
const REQUESTS_MAX: usize = 1000;

/// The identity of a report.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReportId {
    pub boot_id: Arc<str>,
    pub seq: u64,
}

/// A request, as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: Option<String>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Headers of the part `data`.
    pub part_headers: Vec<(String, String)>,
    /// Reports in it; those of a request that was not accepted too.
    pub reports: Vec<ReportId>,
    /// The body of a result or a ping.
    pub json: Option<Value>,
    /// The status that the server meant to send; `None` if not HTTP.
    pub status: Option<u16>,
}

impl Request {
    /// The value of a header, if there is one.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

/// Everything the collector has seen.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The newest requests.
    pub requests: Vec<Request>,
    /// Their number in all.
    pub requests_total: u64,
    /// Accepted reports in the order they came.
    pub reports: Vec<ReportId>,
    /// The server's present behaviour.
    pub(super) mode: Option<Mode>,
    /// Why it does nothing any more.
    pub(super) failure: Option<String>,
}

impl Record {
    pub(super) fn add(&mut self, request: Request) {
        if self.requests.len() == REQUESTS_MAX {
            self.requests.remove(0);
        }
        self.requests.push(request);
        self.requests_total += 1;
    }

    /// Reports accepted more than once.
    pub fn duplicates(&self) -> Vec<ReportId> {
        let mut seen = BTreeSet::new();
        let repeats = self.reports.iter().filter(|id| !seen.insert(*id));
        repeats.cloned().collect()
    }

    /// Reports below the newest of their boot that never came.
    pub fn missing(&self) -> Vec<ReportId> {
        let mut boots: BTreeMap<&Arc<str>, BTreeSet<u64>> = BTreeMap::new();
        for ReportId { boot_id, seq } in &self.reports {
            boots.entry(boot_id).or_default().insert(*seq);
        }
        let mut missing = Vec::new();
        for (boot_id, seqs) in boots {
            let last = seqs.last().copied().unwrap_or(0);
            missing.extend(
                (1..last)
                    .filter(|seq| !seqs.contains(seq))
                    .map(|seq| ReportId {
                        boot_id: boot_id.clone(),
                        seq,
                    }),
            );
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(list: &[(&str, u64)]) -> Vec<ReportId> {
        let id = |&(boot_id, seq): &(&str, u64)| ReportId {
            boot_id: boot_id.into(),
            seq,
        };
        list.iter().map(id).collect()
    }

    #[test]
    fn repeats_and_holes_are_found_per_boot() {
        let record = Record {
            reports: ids(&[("a", 1), ("a", 4), ("b", 2), ("a", 4), ("a", 2)]),
            ..Record::default()
        };
        assert_eq!(record.duplicates(), ids(&[("a", 4)]));
        assert_eq!(record.missing(), ids(&[("a", 3), ("b", 1)]));
    }
}
