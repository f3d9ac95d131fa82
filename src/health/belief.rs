//! Belief in a row of judgements: one that is worse than the one before has to be
//! confirmed, one that is better counts at once. Pure.

use super::verdict::Judgement;

/// Remembers the newest judgement.
#[derive(Debug, Default)]
pub(super) struct Belief {
    newest: Option<Judgement>,
}

impl Belief {
    /// Takes the next judgement and says what to believe: the better one of the last two. `None` if
    /// the first one ever is bad.
    pub(super) fn observe(&mut self, new: Judgement) -> Option<Judgement> {
        match self.newest.replace(new) {
            Some(before) if before.badness() < new.badness() => Some(before),
            None if new.badness() > 0 => None,
            _ => Some(new),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::facts::Verdict;
    use super::*;

    const OFFLINE: Judgement = Judgement {
        code: 1,
        verdict: Verdict::NoInternet,
    };
    const PORTAL: Judgement = Judgement {
        code: 4,
        verdict: Verdict::CaptivePortal,
    };
    const PARTLY: Judgement = Judgement {
        code: 6,
        verdict: Verdict::Ok,
    };

    fn believed(seen: &[Judgement]) -> Vec<Option<u8>> {
        let mut belief = Belief::default();
        let judged = seen.iter().map(|seen| belief.observe(*seen));
        judged
            .map(|believed| believed.map(|one| one.code))
            .collect()
    }

    #[test]
    fn two_probes_must_agree_before_offline_is_believed_and_one_success_ends_it() {
        let ok = Judgement::ALIVE;
        assert_eq!(
            believed(&[ok, OFFLINE, ok, OFFLINE, OFFLINE, OFFLINE, ok, OFFLINE]),
            [9, 9, 9, 9, 1, 1, 9, 9].map(Some)
        );
        assert_eq!(believed(&[OFFLINE, OFFLINE]), [None, Some(1)]);
        assert_eq!(believed(&[PARTLY, ok, PARTLY]), [6, 9, 6].map(Some));
        assert_eq!(
            believed(&[ok, PORTAL, OFFLINE, OFFLINE, PORTAL]),
            [9, 9, 4, 1, 4].map(Some)
        );
    }

    proptest! {
        #[test]
        fn offline_is_never_believed_of_less_than_two_probes_in_a_row(
            seen in proptest::collection::vec(
                proptest::sample::select(vec![Judgement::ALIVE, PARTLY, PORTAL, OFFLINE]), 1..40)
        ) {
            let mut belief = Belief::default();
            let mut before: Option<Judgement> = None;
            for new in seen {
                let believed = belief.observe(new);
                let last_two = [before, Some(new)];
                if believed.is_some_and(Judgement::is_offline) {
                    prop_assert!(last_two.iter().all(|one| one.is_some_and(Judgement::is_offline)));
                }
                // Never worse than what the newest probe found, and a success counts at once.
                prop_assert!(believed.is_none_or(|one| one.badness() <= new.badness()));
                prop_assert!(new.badness() > 0 || believed == Some(new));
                prop_assert!(before.is_none() || believed.is_some());
                before = Some(new);
            }
        }
    }
}
