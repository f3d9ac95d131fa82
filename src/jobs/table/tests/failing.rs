//! Disks that are late.

use super::*;

fn effects(table: &mut Table) -> Vec<Effect> {
    std::iter::from_fn(|| table.poll()).collect()
}

/// A table whose disk is late with a job that waits and one that is to start, beside the end of an older one.
fn late() -> (Desk, [Number; 4]) {
    let mut desk = Desk::new(Bounds::default());
    let (runs, old) = (desk.accept("runs").unwrap(), desk.accept("old").unwrap());
    desk.table.start(runs, START);
    desk.write();
    let table = &mut desk.table;
    let mut accept = |id, start| table.accept(Source::Mqtt, job(id), true, start, at(0));
    let waits = accept("waits", None).unwrap();
    let starts = accept("starts", Some(START)).unwrap();
    table.start(old, START);
    table.finish(runs, printed(1), at(0));
    assert!(table.take_batch(at(0)).is_some());
    let refused = table.accept(Source::Mqtt, job("behind"), true, None, at(0));
    table.late();
    let mut effects = effects(table);
    effects.sort_by_key(|effect| format!("{effect:?}"));
    let refused = Effect::Refused(refused.unwrap());
    let mut expected = [
        Effect::Ended(runs),
        Effect::Late(waits),
        Effect::Late(starts),
        refused,
    ];
    expected.sort_by_key(|effect| format!("{effect:?}"));
    assert_eq!(effects, expected);
    (desk, [runs, old, waits, starts])
}

#[test]
fn jobs_that_the_disk_is_late_with_are_neither_accepted_nor_refused_before_it_answers() {
    for is_written in [true, false] {
        let (mut desk, [_, old, waits, starts]) = late();
        let table = &mut desk.table;
        // No worker waits with them.
        assert_eq!((table.queued(), table.running()), (3, 0));
        assert!(
            table.is_failing()
                && !table.is_settled()
                && table.known(Source::Mqtt, "behind").is_none()
        );
        assert!(table.take_batch(at(0)).is_none() && table.take_snapshot(at(0)).is_none());
        assert_eq!(table.ready(true).map(|ready| ready.number), Some(old));
        match is_written {
            true => table.written(),
            false => table.failed(),
        }
        let effect = match is_written {
            true => Effect::Accepted,
            false => Effect::Refused,
        };
        assert_eq!(effects(table), [effect(waits), effect(starts)]);
        let left = if is_written { 3 } else { 1 };
        assert_eq!(table.queued(), left);
        // The disk may have something else: the table is written as a whole.
        assert!(table.is_failing() && !table.is_late());
        let start = if is_written { starts } else { old };
        table.start(start, START);
        assert_eq!(desk.write(), [Effect::Run(start)]);
        assert!(!desk.table.is_failing() && desk.table.is_settled());
        let desk = desk.next(BOOT);
        for id in ["waits", "starts"] {
            assert_eq!(desk.table.known(Source::Mqtt, id).is_some(), is_written);
        }
        assert_eq!(desk.finished("runs").stdout, "x");
    }
}

#[test]
fn a_job_that_is_cancelled_while_the_disk_is_late_with_it_ends_when_it_is_decided() {
    for is_written in [true, false] {
        let (mut desk, [_, _, waits, starts]) = late();
        let table = &mut desk.table;
        table.finish(starts, printed(0), at(0));
        table.go_without();
        assert_eq!(effects(table), []);
        match is_written {
            true => table.written(),
            false => table.failed(),
        }
        let mut expected = match is_written {
            true => vec![Effect::Accepted(waits), Effect::Accepted(starts)],
            false => vec![Effect::Refused(waits), Effect::Refused(starts)],
        };
        expected.push(Effect::Ended(starts));
        assert_eq!(desk.write(), expected);
        assert_eq!(desk.table.outcome(starts).is_some(), is_written);
    }
}

#[test]
fn a_batch_that_one_disk_is_late_with_is_written_to_another() {
    let (mut desk, [_, _, waits, starts]) = late();
    desk.table.write_again();
    assert!(!desk.table.is_late());
    assert_eq!(
        desk.write(),
        [Effect::Accepted(waits), Effect::Accepted(starts)]
    );
    let desk = desk.next(BOOT);
    for id in ["waits", "starts"] {
        assert!(desk.table.known(Source::Mqtt, id).is_some(), "{id}");
    }
}
