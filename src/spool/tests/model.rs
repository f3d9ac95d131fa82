//! Random use, compared with a list.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Op {
    Append(usize),
    Take(u64),
    Deliver,
    KeepBack,
    Restart,
    Boot,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => (0usize..400).prop_map(Op::Append),
        3 => (0u64..3000).prop_map(Op::Take),
        3 => Just(Op::Deliver),
        1 => Just(Op::KeepBack),
        1 => Just(Op::Restart),
        1 => Just(Op::Boot),
    ]
}

/// The list: every report that is neither delivered nor known to be dropped, in order.
struct Model {
    boot: u32,
    next_seq: u64,
    waiting: Vec<(String, u64)>,
    taken: Option<Batch>,
    declared: u64,
}

impl Model {
    fn boot_id(&self) -> String {
        format!("boot-{}", self.boot)
    }

    /// What a batch holds is waiting, in this order; without a bound it is the very beginning.
    fn check(&self, batch: &Batch, bounded: bool) -> Result<(), TestCaseError> {
        let ids: Vec<_> = arrived(&batch.lines)
            .into_iter()
            .map(|a| (a.boot_id, a.seq))
            .collect();
        prop_assert_eq!(ids.len() as u64, batch.reports);
        if bounded {
            let mut waiting = self.waiting.iter();
            prop_assert!(
                ids.iter().all(|id| waiting.any(|known| known == id)),
                "{:?}",
                ids
            );
        } else {
            prop_assert_eq!(&ids, &self.waiting[..ids.len()]);
        }
        Ok(())
    }

    fn deliver(&mut self, batch: &Batch) {
        for report in arrived(&batch.lines) {
            let id = (report.boot_id, report.seq);
            self.waiting.retain(|known| *known != id);
            self.declared += report.gaps.iter().map(|g| g.count).sum::<u64>();
        }
    }
}

fn play(ops: Vec<Op>, max: u64) -> Result<(), TestCaseError> {
    let bounded = max < LARGE;
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("spool");
    let mut model = Model {
        boot: 0,
        next_seq: 1,
        waiting: Vec::new(),
        taken: None,
        declared: 0,
    };
    let mut spool = Spool::open(&dir, &model.boot_id(), max).unwrap();
    for op in ops.into_iter().chain([Op::Append(0), Op::KeepBack]) {
        match op {
            Op::Append(pad) => {
                spool.append(&report(7, pad)).unwrap();
                model.waiting.push((model.boot_id(), model.next_seq));
                model.next_seq += 1;
            }
            Op::Take(max_bytes) => {
                model.taken = spool.next_batch(max_bytes);
                if let Some(batch) = &model.taken {
                    model.check(batch, bounded)?;
                } else {
                    prop_assert_eq!(spool.facts().reports, 0);
                }
            }
            Op::Deliver => {
                if let Some(batch) = model.taken.take() {
                    model.deliver(&batch);
                    spool.delivered(batch.id);
                }
            }
            Op::KeepBack => {
                if let Some(batch) = model.taken.take() {
                    spool.kept_back(batch.id);
                }
            }
            Op::Restart | Op::Boot => {
                if matches!(op, Op::Boot) {
                    model.boot += 1;
                    model.next_seq = 1;
                }
                model.taken = None;
                spool = Spool::open(&dir, &model.boot_id(), max).unwrap();
            }
        }
        let facts = spool.facts();
        prop_assert!(facts.bytes <= max);
        prop_assert!(facts.last_error.is_none(), "{:?}", facts.last_error);
        if !bounded {
            prop_assert_eq!(facts.reports, model.waiting.len() as u64);
        }
    }
    while let Some(batch) = spool.next_batch(2000) {
        model.check(&batch, bounded)?;
        model.deliver(&batch);
        spool.delivered(batch.id);
    }
    prop_assert_eq!(
        model.waiting.len() as u64,
        model.declared,
        "missing = declared"
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn with_room_enough_everything_arrives_once_and_in_order(ops in prop::collection::vec(op(), 0..120)) {
        play(ops, LARGE)?;
    }

    #[test]
    fn without_room_what_does_not_arrive_is_declared(ops in prop::collection::vec(op(), 0..120)) {
        play(ops, 5000)?;
    }
}
