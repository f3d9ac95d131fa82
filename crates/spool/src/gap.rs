//! Gaps in a stream of reports, declared in the stream itself.

use serde::{Deserialize, Serialize};

use super::record::NUMBER_MAX;

/// Gaps that wait to be declared, at most: a report carries all of them.
const GAPS_MAX: usize = 16;

/// Gaps of one reason that are no further apart are one, s.
const NEAR: u64 = 3600;

/// Why reports are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// There was no room for them, not even for one an hour.
    Full,
    /// There was no room for all of them: those between one per minute, 5 minutes or hour are gone.
    Thinned,
    /// Lost in RAM when the power was cut; their number is unknown.
    Power,
    /// Damaged on disk.
    Damaged,
    /// The server does not take them, and takes others.
    Refused,
    /// Not delivered at the one attempt they had (option `no-cache`).
    Unsent,
}

/// Reports that were collected and will not arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Not before this, seconds since the epoch; `None` if nobody knows.
    pub from: Option<u64>,
    /// Not after this, seconds since the epoch. In a report it is always known: what has no end of
    /// its own ends with the report that declares it.
    pub to: Option<u64>,
    /// Their exact number; `None` for [`Reason::Power`], and for [`Reason::Damaged`] where a whole file was set
    /// aside unread.
    pub count: Option<u64>,
    /// Why they are missing.
    pub reason: Reason,
}

impl Gap {
    /// The loss of a report, taken at `at`, if anybody knows when that was.
    pub(crate) fn one(at: Option<u64>, reason: Reason) -> Self {
        Gap {
            from: at,
            to: at,
            count: Some(1),
            reason,
        }
    }

    /// The same without times that cannot be, and with a count that can.
    pub(crate) fn bounded(self) -> Self {
        let known = |at: Option<u64>| at.filter(|at| *at <= NUMBER_MAX);
        Gap {
            from: known(self.from),
            to: known(self.to),
            count: self.count.map(|count| count.min(NUMBER_MAX)),
            reason: self.reason,
        }
    }

    /// Distance to `other`, s; 0 if they touch, and if either has no end.
    fn distance(&self, other: &Gap) -> u64 {
        let apart = |end: Option<u64>, start: Option<u64>| match (end, start) {
            (Some(end), Some(start)) => start.saturating_sub(end),
            _ => 0,
        };
        apart(self.to, other.from).max(apart(other.to, self.from))
    }

    /// May the two be one? Knowing nothing must not swallow what is known.
    fn joins(&self, other: &Gap) -> bool {
        self.reason == other.reason && self.count.is_some() == other.count.is_some()
    }

    fn widen(&mut self, other: &Gap) {
        // An end that nobody knows makes the whole's unknown.
        self.from = self.from.zip(other.from).map(|(a, b)| a.min(b));
        self.to = self.to.zip(other.to).map(|(a, b)| a.max(b));
        self.count = self
            .count
            .zip(other.count)
            .map(|(a, b)| a.saturating_add(b).min(NUMBER_MAX));
    }
}

/// Gaps that wait to be declared: few, because those near each other become one, and the nearest of
/// too many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Gaps(Vec<Gap>);

impl Gaps {
    /// The gaps that a line declares; they are lost with it.
    pub(crate) fn declared_in(line: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Line {
            #[serde(default)]
            gaps: Vec<Gap>,
        }
        let mut gaps = Gaps::default();
        // Most declare none, and need not be read for that.
        let key = b"\"gaps\"";
        if line.windows(key.len()).any(|window| window == key) {
            if let Ok(line) = serde_json::from_slice::<Line>(line) {
                gaps.extend(line.gaps.into_iter().map(Gap::bounded));
            }
        }
        gaps
    }

    pub(crate) fn add(&mut self, gap: Gap) {
        if gap.count == Some(0) {
            return;
        }
        let near = |known: &&mut Gap| {
            let counted = known.count.is_some() && known.distance(&gap) <= NEAR;
            known.joins(&gap) && counted || **known == gap
        };
        if let Some(known) = self.0.iter_mut().find(near) {
            return known.widen(&gap);
        }
        self.0.push(gap);
        while self.0.len() > GAPS_MAX && self.join_nearest() {}
    }

    /// Makes one of two; false if no two have the same reason.
    fn join_nearest(&mut self) -> bool {
        let pairs = (0..self.0.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
        let joining = pairs.filter(|&(a, b)| self.0[a].joins(&self.0[b]));
        let Some((a, b)) = joining.min_by_key(|&(a, b)| self.0[a].distance(&self.0[b])) else {
            return false;
        };
        let gap = self.0.remove(b);
        self.0[a].widen(&gap);
        true
    }

    pub(crate) fn extend(&mut self, gaps: impl IntoIterator<Item = Gap>) {
        gaps.into_iter().for_each(|gap| self.add(gap));
    }

    /// Takes the end from every gap that ended at `at`.
    pub(crate) fn reopen(&mut self, at: u64) {
        for gap in &mut self.0 {
            gap.to = gap.to.filter(|to| *to != at);
        }
    }

    pub(crate) fn as_slice(&self) -> &[Gap] {
        &self.0
    }

    pub(crate) fn into_vec(self) -> Vec<Gap> {
        self.0
    }

    /// Ends at `at` every gap without an end. One that would begin after its end comes from clocks that do
    /// not agree, and has an unknown beginning.
    pub(crate) fn until(mut self, at: u64) -> Self {
        for gap in &mut self.0 {
            let to = *gap.to.get_or_insert(at);
            gap.from = gap.from.filter(|from| *from <= to);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gap(from: Option<u64>, to: Option<u64>, count: u64, reason: Reason) -> Gap {
        Gap {
            from,
            to,
            count: Some(count),
            reason,
        }
    }

    #[test]
    fn gaps_of_one_reason_near_each_other_become_one_and_keep_their_count() {
        let mut gaps = Gaps::default();
        gaps.add(gap(Some(20), Some(30), 2, Reason::Full));
        gaps.add(gap(None, None, 1, Reason::Damaged));
        gaps.add(gap(Some(10), Some(15), 3, Reason::Full));
        gaps.add(gap(None, Some(40), 1, Reason::Damaged));
        gaps.add(gap(Some(1), Some(99), 0, Reason::Full));
        gaps.add(gap(Some(31 + NEAR), Some(32 + NEAR), 4, Reason::Full));
        assert_eq!(
            gaps.into_vec(),
            [
                gap(Some(10), Some(30), 5, Reason::Full),
                gap(None, None, 2, Reason::Damaged),
                gap(Some(31 + NEAR), Some(32 + NEAR), 4, Reason::Full),
            ]
        );
    }

    #[test]
    fn too_many_gaps_become_fewer_and_lose_no_report() {
        let mut gaps = Gaps::default();
        let unknown = Gap {
            count: None,
            ..gap(None, None, 0, Reason::Power)
        };
        gaps.add(unknown.clone());
        for n in 0..100 {
            let at = n * 10 * NEAR;
            gaps.add(gap(Some(at), Some(at), 1, Reason::Thinned));
            gaps.add(gap(Some(at), Some(at), 1, Reason::Refused));
        }
        let gaps = gaps.into_vec();
        assert_eq!(gaps.len(), GAPS_MAX);
        assert!(gaps.contains(&unknown));
        for reason in [Reason::Thinned, Reason::Refused] {
            let of = gaps.iter().filter(|gap| gap.reason == reason);
            assert_eq!(of.clone().filter_map(|gap| gap.count).sum::<u64>(), 100);
            assert_eq!(of.clone().filter_map(|gap| gap.from).min(), Some(0));
            assert_eq!(of.filter_map(|gap| gap.to).max(), Some(990 * NEAR));
        }
    }

    #[test]
    fn a_gap_is_written_as_the_reports_carry_it() {
        let mut gaps = Gaps::default();
        gaps.add(gap(Some(1), None, 2, Reason::Full));
        assert_eq!(
            serde_json::to_string(gaps.until(7).as_slice()).unwrap(),
            r#"[{"from":1,"to":7,"count":2,"reason":"full"}]"#
        );
    }

    fn any_gap() -> impl Strategy<Value = Gap> {
        let at = || proptest::option::of((0..50_u64).prop_map(|hours| hours * NEAR));
        let reason = prop::sample::select(vec![Reason::Full, Reason::Thinned, Reason::Damaged]);
        let count = proptest::option::of(0..9_u64);
        (at(), at(), count, reason).prop_map(|(from, to, count, reason)| Gap {
            from,
            to,
            count,
            reason,
        })
    }

    proptest! {
        /// However many there are: no report of them is lost, none is invented, and no time gets narrower.
        #[test]
        fn gaps_that_are_joined_cover_the_same_reports(all in proptest::collection::vec(any_gap(), 0..60)) {
            let mut gaps = Gaps::default();
            gaps.extend(all.iter().cloned());
            let joined = gaps.as_slice();
            prop_assert!(joined.len() <= GAPS_MAX);
            for reason in [Reason::Full, Reason::Thinned, Reason::Damaged] {
                let count = |gaps: &[Gap]| -> u64 {
                    let of = gaps.iter().filter(|gap| gap.reason == reason);
                    of.filter_map(|gap| gap.count).sum()
                };
                prop_assert_eq!(count(joined), count(&all), "{:?}", reason);
            }
            for gap in all.iter().filter(|gap| gap.count != Some(0)) {
                let covers = |whole: &Gap| {
                    let begins = whole.from.is_none_or(|from| gap.from.is_some_and(|own| from <= own));
                    let ends = whole.to.is_none_or(|to| gap.to.is_some_and(|own| own <= to));
                    whole.joins(gap) && begins && ends
                };
                prop_assert!(joined.iter().any(covers), "{:?} in {:?}", gap, joined);
            }
        }
    }
}
