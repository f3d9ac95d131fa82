//! Counts and lines stay right when jobs go, and when a table is read or taken over.

use super::super::rooms::{BROKER_QUEUE_MAX, BUS_QUEUE_MAX};
use super::*;

fn guarded(id: &str) -> Job {
    Job {
        type_name: "network".into(),
        ..job(id)
    }
}

#[test]
fn a_job_that_waits_and_is_refused_by_the_disk_counts_no_more() {
    let mut desk = Desk::new(Bounds::default());
    let refused = desk.table.accept(Source::Mqtt, job("a"), true, None, at(0));
    assert_eq!(desk.table.queued(), 1);
    assert_eq!(desk.fail(), [Effect::Refused(refused.unwrap())]);
    assert_eq!(
        (desk.table.queued(), desk.table.rooms.broker.queued),
        (0, 0)
    );
}

#[test]
fn a_job_that_ends_before_its_turn_leaves_the_others_in_line() {
    let mut desk = Desk::new(Bounds::default());
    let [first, second, third] = ["a", "b", "c"].map(|id| desk.accept(id).unwrap());
    desk.table.finish(second, printed(0), at(0));
    for number in [first, third] {
        assert_eq!(desk.table.ready(true).unwrap().number, number);
        desk.table.start(number, START);
    }
    assert!(desk.table.ready(true).is_none());
}

#[test]
fn a_guarded_job_that_is_taken_over_runs_alone() {
    let mut lived = Table::new(Bounds::default());
    let runs = lived.accept(Source::Ubus, guarded("runs"), false, Some(START), at(0));
    let mut table = Table::read_beside(&lived, Vec::new());
    table.go_on(BOOT, at(0), &|_| false);
    table.take_over(lived);
    assert_eq!((table.running(), table.runs_alone()), (1, true));
    table.finish(runs.unwrap(), printed(0), at(0));
    assert_eq!((table.running(), table.runs_alone()), (0, false));
}

#[test]
fn an_upgrade_that_an_earlier_agent_started_counts_until_it_is_decided() {
    let mut desk = Desk::new(Bounds::default());
    let upgrade = Job {
        kind: Kind::Upgrade,
        type_name: "upgrade".into(),
        ..job("u")
    };
    let start = Some(START);
    let number = desk.table.accept(Source::Mqtt, upgrade, true, start, at(0));
    desk.write();
    let number = number.unwrap();
    let mut table = Table::read(desk.table.bounds, desk.disk);
    table.go_on(BOOT, at(0), &|_| true);
    assert!(table.is_upgrading());
    assert_eq!(table.running(), 0);
    table.finish(number, printed(0), at(0));
    assert!(!table.is_upgrading());
}

#[test]
fn ids_that_a_table_knew_alone_may_not_run_again_when_it_is_left() {
    let mut left = Table::new(Bounds::default());
    let id = |id: &str| {
        let outcome = printed(0);
        Id::new(Key::new(Source::Mqtt, id), 0, 0, &outcome)
    };
    left.seen(Source::Mqtt).insert(id("gone"));
    left.seen(Source::Mqtt).insert(id("here"));
    let mut desk = Desk::new(Bounds::default());
    let here = desk.accept("here").unwrap();
    desk.table.absorb(left);
    let gone = desk.table.known(Source::Mqtt, "gone");
    assert!(matches!(gone, Some(Known::Finished(_))), "{gone:?}");
    let known = desk.table.known(Source::Mqtt, "here");
    assert!(matches!(known, Some(Known::Unfinished(n)) if n == here));
    assert!(desk
        .table
        .seen(Source::Mqtt)
        .get(Key::new(Source::Mqtt, "here"))
        .is_none());
}

#[test]
fn no_more_jobs_wait_than_there_is_room_for_whatever_is_read() {
    let records = (0..8).map(|n| Record::Accepted {
        key: Key::new(Source::Mqtt, &n.to_string()),
        source: Source::Mqtt,
        start: None,
        job: Box::new(Job {
            msg: "x".repeat(1 << 20),
            ..job(&n.to_string())
        }),
    });
    let table = Table::read(Bounds::default(), records.collect::<Vec<_>>());
    let room = BROKER_QUEUE_MAX + BUS_QUEUE_MAX;
    let queued = table.rooms.broker.queued;
    assert!((room - (2 << 20)..=room).contains(&queued), "{queued}");
    // The others may not run either.
    let last = table.known(Source::Mqtt, "7");
    assert!(matches!(last, Some(Known::Finished(_))), "{last:?}");
}

#[test]
fn a_recorded_job_and_an_id_of_one_that_is_gone_take_a_place_each() {
    for (source, other) in [(Source::Mqtt, Source::Ubus), (Source::Ubus, Source::Mqtt)] {
        let mut table = Table::new(Bounds::default());
        table.accept(source, job("a"), true, None, at(0)).unwrap();
        assert_eq!((table.ids(source), table.ids(other)), (1, 0));
        let gone = Id::new(Key::new(source, "gone"), 0, 0, &printed(0));
        table.seen(source).insert(gone);
        assert_eq!((table.ids(source), table.ids(other)), (2, 0));
    }
}

#[test]
fn a_table_is_quiet_when_nothing_waits_runs_or_is_being_written() {
    let mut desk = Desk::new(Bounds::default());
    assert!(desk.table.is_quiet());
    let number = desk.accept("a").unwrap();
    let job = desk.table.job(number);
    assert_eq!(job.map(|job| &job.msg[..]), Some("echo a"));
    assert!(!desk.table.is_quiet() && desk.table.started().next().is_none());
    desk.table.start(number, START);
    desk.write();
    assert!(!desk.table.is_quiet() && desk.table.started().eq([number]));
    desk.table.finish(number, printed(0), at(0));
    assert!(!desk.table.is_quiet());
    desk.write();
    assert!(desk.table.is_quiet() && desk.table.job(number).is_none());
}
