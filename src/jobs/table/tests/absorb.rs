//! A ledger that was left, taken into the one in use.

use super::*;

#[test]
fn jobs_of_a_ledger_that_is_left_do_not_run_again_and_results_nobody_has_are_published() {
    let mut left = Desk::new(Bounds::default());
    left.accept("both").unwrap();
    left.accept("waits").unwrap();
    let started = left.accept("started").unwrap();
    left.table.start(started, START);
    left.write();
    left.run("done", 3);
    let number = left.run("reported", 1);
    left.table.reported(number, at(0));
    let here = left
        .table
        .accept(Source::Ubus, job("here"), true, None, at(0));
    here.unwrap();
    left.write();

    let mut desk = Desk::new(Bounds::default());
    desk.accept("before").unwrap();
    let both = desk.accept("both").unwrap();
    let other = Table::read_beside(&desk.table, left.disk.clone());
    desk.table.absorb(other);
    let known = desk.table.known(Source::Mqtt, "both");
    assert!(matches!(known, Some(Known::Unfinished(n)) if n == both));
    let expected = [
        ("waits", End::Interrupted),
        ("started", End::Interrupted),
        ("done", End::Processed),
        ("reported", End::Processed),
    ];
    for (id, end) in expected {
        assert_eq!(desk.finished(id).end, end, "{id}");
    }
    assert!(matches!(
        desk.table.known(Source::Ubus, "here"),
        Some(Known::Finished(_))
    ));
    let published: Vec<Number> = ["waits", "started", "done"]
        .map(|id| desk.table.number(Source::Mqtt, id).unwrap())
        .into();
    let mut ended = desk.write();
    ended.sort_by_key(|effect| format!("{effect:?}"));
    let mut wanted: Vec<Effect> = published.iter().map(|n| Effect::Ended(*n)).collect();
    wanted.sort_by_key(|effect| format!("{effect:?}"));
    assert_eq!(ended, wanted);
    assert_eq!(desk.finished("done").stdout, "xxx");

    // Once more, as after a kill before the other one was removed: nothing is published twice that is reported.
    for number in published {
        desk.table.reported(number, at(0));
    }
    let other = Table::read_beside(&desk.table, left.disk);
    desk.table.absorb(other);
    assert!(desk.table.poll().is_none());
    // It is all in the next snapshot.
    let batch = desk.table.take_snapshot(at(0)).unwrap();
    desk.disk = batch.records;
    desk.table.written();
    let next = desk.next(BOOT);
    for (id, end) in expected {
        assert_eq!(next.finished(id).end, end, "{id}");
    }
}
