//! What a stream of reports lacks, said in the stream itself.

use serde::{Deserialize, Serialize};

/// Why reports are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// There was no room for them.
    Full,
    /// They were on disk and could not be read again whole.
    Damaged,
    /// They were to be sent once, and could not be.
    Unsent,
}

/// Reports that were collected and will not arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// When the first of them was taken, seconds since the epoch; `None` if that was lost with it.
    pub from: Option<u64>,
    /// When the last of them was taken, seconds since the epoch.
    pub to: Option<u64>,
    /// How many they are, exactly.
    pub count: u64,
    pub reason: Reason,
}

/// Gaps that wait to be declared, at most one for each reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Gaps(Vec<Gap>);

impl Gaps {
    /// Adds `gap`; one of the same reason is widened, so that the list cannot grow.
    pub(crate) fn add(&mut self, gap: Gap) {
        if gap.count == 0 {
            return;
        }
        let Some(known) = self.0.iter_mut().find(|known| known.reason == gap.reason) else {
            self.0.push(gap);
            return;
        };
        known.from = [known.from, gap.from].into_iter().flatten().min();
        known.to = [known.to, gap.to].into_iter().flatten().max();
        known.count = known.count.saturating_add(gap.count);
    }

    pub(crate) fn extend(&mut self, gaps: impl IntoIterator<Item = Gap>) {
        gaps.into_iter().for_each(|gap| self.add(gap));
    }

    pub(crate) fn as_slice(&self) -> &[Gap] {
        &self.0
    }

    pub(crate) fn into_vec(self) -> Vec<Gap> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(from: Option<u64>, to: Option<u64>, count: u64, reason: Reason) -> Gap {
        Gap {
            from,
            to,
            count,
            reason,
        }
    }

    #[test]
    fn gaps_of_one_reason_become_one_and_keep_their_count() {
        let mut gaps = Gaps::default();
        gaps.add(gap(Some(20), Some(30), 2, Reason::Full));
        gaps.add(gap(None, None, 1, Reason::Damaged));
        gaps.add(gap(Some(10), Some(15), 3, Reason::Full));
        gaps.add(gap(None, Some(40), 1, Reason::Damaged));
        gaps.add(gap(Some(1), Some(99), 0, Reason::Full));
        assert_eq!(
            gaps.into_vec(),
            [
                gap(Some(10), Some(30), 5, Reason::Full),
                gap(None, Some(40), 2, Reason::Damaged),
            ]
        );
    }

    #[test]
    fn a_gap_is_written_as_the_reports_carry_it() {
        assert_eq!(
            serde_json::to_string(&gap(Some(1), None, 2, Reason::Full)).unwrap(),
            r#"{"from":1,"to":null,"count":2,"reason":"full"}"#
        );
    }
}
