//! Steps of jobs, and what follows from them.

use super::*;

#[test]
fn nothing_follows_from_a_step_before_it_is_certain() {
    let mut desk = Desk::new(Bounds::default());
    let table = &mut desk.table;
    let number = table.accept(Source::Mqtt, job("a"), true, Some(START), at(0));
    let number = number.unwrap();
    let batch = table.take_batch(at(0)).unwrap();
    assert_eq!((batch.records.len(), batch.urgent), (1, true));
    assert!(table.poll().is_none() && table.take_batch(at(0)).is_none());
    table.written();
    assert_eq!(table.poll(), Some(Effect::Accepted(number)));
    assert_eq!(table.poll(), Some(Effect::Run(number)));
    assert_eq!(table.take_command(number).as_deref(), Some("echo a"));
    table.finish(number, printed(3), at(0));
    let unfinished = table.known(Source::Mqtt, "a");
    assert!(matches!(unfinished, Some(Known::Unfinished(n)) if n == number));
    assert!(table.poll().is_none());
    assert_eq!(desk.write(), [Effect::Ended(number)]);
    assert_eq!(desk.finished("a").stdout, "xxx");
}

#[test]
fn a_second_outcome_is_ignored() {
    let mut desk = Desk::new(Bounds::default());
    let number = desk.run("a", 1);
    desk.table.finish(number, printed(2), at(0));
    assert_eq!(desk.write(), []);
    assert_eq!(desk.finished("a").stdout, "x");
}

#[test]
fn the_whole_outcome_is_kept_until_reported_then_its_beginning() {
    let mut desk = Desk::new(Bounds::default());
    let number = desk.run("a", 10_000);
    let mut desk = desk.next(BOOT);
    assert_eq!(desk.finished("a").stdout.len(), 10_000);
    let numbers: Vec<_> = std::iter::from_fn(|| desk.table.poll()).collect();
    assert_eq!(numbers, [Effect::Ended(number)]);
    desk.table.reported(number, at(5));
    desk.write();
    let brief = desk.finished("a");
    assert_eq!((brief.stdout.len(), brief.truncated), (BRIEF, true));
    assert_eq!(desk.next(BOOT).finished("a").stdout.len(), BRIEF);
}

#[test]
fn a_full_table_takes_an_id_again_a_day_after_a_report() {
    let bounds = Bounds {
        broker: KEPT + 1,
        bus: 2,
        keep: 100,
    };
    let mut desk = Desk::new(bounds);
    for n in 0..=KEPT {
        let number = desk.run(&n.to_string(), 0);
        desk.table.reported(number, at(n as u32));
        desk.write();
    }
    let mut desk = desk.next(BOOT);
    let accept = |desk: &mut Desk, id: &str, age| {
        let accepted = desk
            .table
            .accept(Source::Mqtt, job(id), true, None, at(age));
        desk.write();
        accepted
    };
    assert_eq!(accept(&mut desk, "new", 99), Err(Full));
    // The bus has room of its own.
    let local = desk
        .table
        .accept(Source::Ubus, job("new"), true, None, at(99));
    assert!(local.is_ok());
    accept(&mut desk, "new", 100).unwrap();
    assert!(desk.table.known(Source::Mqtt, "0").is_none());
    assert!(desk.table.known(Source::Mqtt, "1").is_some());
    assert_eq!(desk.table.ids(Source::Mqtt), KEPT + 1);
}

#[test]
fn unreported_output_is_bounded_and_says_what_it_lost() {
    let mut desk = Desk::new(Bounds::default());
    let first = desk.run("a", UNREPORTED_MAX - 10);
    assert!(!desk.finished("a").truncated);
    desk.run("b", 100);
    let second = desk.finished("b");
    assert_eq!((second.stdout.len(), second.truncated), (10, true));
    desk.table.reported(first, at(0));
    desk.run("c", 1000);
    assert!(!desk.finished("c").truncated);
}

#[test]
fn ten_thousand_outcomes_do_not_fill_the_memory() {
    let mut desk = Desk::new(Bounds::default());
    for n in 0..10_000 {
        let number = desk.run(&n.to_string(), BRIEF);
        desk.table.reported(number, at(0));
        desk.write();
        desk.disk.clear();
        assert!(desk.table.kept_bytes <= KEPT_BYTES && desk.table.jobs.len() <= KEPT);
    }
    assert_eq!(desk.table.unreported_bytes, 0);
    let oldest = desk.finished("0");
    assert!(oldest.success && oldest.truncated && oldest.stdout.is_empty());
    assert_eq!(desk.finished("9999").stdout.len(), BRIEF);
    assert!(desk.accept("one more").is_err());
}

#[test]
fn a_disk_that_fails_refuses_jobs_defers_starts_and_publishes_outcomes() {
    let mut desk = Desk::new(Bounds::default());
    let (runs, waits) = (desk.accept("runs").unwrap(), desk.accept("waits").unwrap());
    desk.table.start(runs, START);
    desk.write();
    desk.table.finish(runs, printed(1), at(0));
    desk.table.start(waits, START);
    let new = desk
        .table
        .accept(Source::Mqtt, job("new"), true, None, at(0));
    let new = new.unwrap();
    assert_eq!(desk.fail(), [Effect::Ended(runs), Effect::Refused(new)]);
    assert!(desk.table.is_failing());
    assert!(desk.table.known(Source::Mqtt, "new").is_none());
    let ready = |desk: &Desk, has_disk| desk.table.ready(has_disk).map(|ready| ready.number);
    assert_eq!(
        (ready(&desk, true), ready(&desk, false)),
        (Some(waits), None)
    );
    // A job that is not recorded passes those that wait for the disk.
    let local = desk
        .table
        .accept(Source::Ubus, job("local"), false, None, at(0));
    let local = local.unwrap();
    assert_eq!(
        (ready(&desk, true), ready(&desk, false)),
        (Some(waits), Some(local))
    );
    desk.table.start(local, START);
    let effects: Vec<_> = std::iter::from_fn(|| desk.table.poll()).collect();
    assert_eq!(effects, [Effect::Accepted(local), Effect::Run(local)]);
    desk.table.finish(local, printed(0), at(0));
    assert_eq!(desk.table.poll(), Some(Effect::Ended(local)));
    // Everything is written again, and what was refused is not among it.
    desk.table.start(waits, START);
    assert_eq!(desk.write(), [Effect::Run(waits)]);
    assert!(!desk.table.is_failing());
    let desk = desk.next([2; 16]);
    assert!(desk.table.known(Source::Mqtt, "new").is_none());
    assert_eq!(desk.finished("runs").stdout, "x");
    let waited = desk.table.known(Source::Mqtt, "waits");
    assert!(matches!(waited, Some(Known::Unfinished(_))), "{waited:?}");
}

#[test]
fn going_on_without_the_disk_refuses_what_waits_for_it_and_leaves_what_is_with_it() {
    let mut desk = Desk::new(Bounds::default());
    let table = &mut desk.table;
    table.go_without();
    assert!(!table.is_failing(), "nothing waited for the disk");
    assert!(table.is_written() && table.is_settled());
    let first = table.accept(Source::Mqtt, job("a"), true, None, at(0));
    assert!(table.is_written() && !table.is_settled());
    assert!(table.take_batch(at(0)).is_some());
    let second = table.accept(Source::Mqtt, job("b"), true, None, at(0));
    table.go_without();
    assert!(table.poll().is_none() && !table.is_failing() && !table.is_written());
    table.written();
    assert_eq!(table.poll(), Some(Effect::Accepted(first.unwrap())));
    assert!(
        table.is_written() && !table.is_settled(),
        "the second waits"
    );
    table.go_without();
    assert_eq!(table.poll(), Some(Effect::Refused(second.unwrap())));
    assert!(table.is_failing() && table.is_settled());
}

#[test]
fn jobs_are_counted_where_they_are_whether_the_disk_works_or_not() {
    let mut desk = Desk::new(Bounds::default());
    let guarded = || Job {
        type_name: "network".into(),
        ..job("b")
    };
    let counts = |desk: &Desk| {
        let table = &desk.table;
        (table.queued(), table.running(), table.runs_alone())
    };
    let first = desk.accept("a").unwrap();
    assert_eq!(counts(&desk), (1, 0, false));
    desk.table.start(first, START);
    assert_eq!(counts(&desk), (0, 1, false));
    desk.fail();
    assert_eq!(counts(&desk), (1, 0, false), "it waits again");
    desk.table.start(first, START);
    desk.write();
    for fails in [true, false] {
        let second = desk
            .table
            .accept(Source::Mqtt, guarded(), true, Some(START), at(0));
        assert_eq!(counts(&desk), (0, 2, true));
        if fails {
            assert_eq!(desk.fail(), [Effect::Refused(second.unwrap())]);
        } else {
            desk.write();
            desk.table.finish(second.unwrap(), printed(0), at(0));
        }
        assert_eq!(counts(&desk), (0, 1, false));
    }
    desk.table.finish(first, printed(0), at(0));
    assert_eq!(counts(&desk), (0, 0, false));
    assert_eq!(desk.table.rooms.broker.queued, 0);
}

#[test]
fn a_ledger_that_is_read_late_keeps_the_jobs_that_need_no_record() {
    let mut left = Desk::new(Bounds::default());
    for id in ["queued", "both"] {
        left.accept(id).unwrap();
    }
    let ran = left.run("ran", 1);
    left.table.reported(ran, at(0));
    left.write();

    let mut lived = Table::new(Bounds::default());
    let mut accept = |source, id: &str, start| {
        let accepted = lived.accept(source, job(id), false, start, at(0));
        accepted.unwrap()
    };
    let runs = accept(Source::Ubus, "runs", Some(START));
    let waits = accept(Source::Ubus, "waits", None);
    let ping = accept(Source::Mqtt, "ping", Some(START));
    let both = accept(Source::Mqtt, "both", Some(START));
    let taken = accept(Source::Ubus, "taken", Some(START));
    for number in [ping, both, taken] {
        lived.finish(number, printed(1), at(0));
    }
    lived.reported(taken, at(0));

    let mut table = Table::read_beside(&lived, left.disk);
    table.go_on(BOOT, at(table.began()), &|_| false);
    table.take_over(lived);
    assert_eq!((table.queued(), table.running()), (3, 1));
    assert_eq!((table.rooms.bus.loose, table.rooms.broker.loose), (2, 1));
    assert_eq!(table.all_ids(), 3);
    for (source, id, number) in [
        (Source::Ubus, "runs", runs),
        (Source::Ubus, "waits", waits),
        (Source::Mqtt, "ping", ping),
    ] {
        assert_eq!(table.number(source, id), Some(number), "{id}");
    }
    let known = table.known(Source::Mqtt, "both");
    assert!(
        matches!(known, Some(Known::Unfinished(n)) if n != both),
        "{known:?}"
    );
    for number in [runs, waits, ping] {
        table.finish(number, printed(0), at(0));
        table.reported(number, at(0));
    }
    assert_eq!((table.queued(), table.running()), (2, 0));
    assert_eq!((table.rooms.bus.loose, table.rooms.broker.loose), (0, 0));
    assert_eq!((table.rooms.bus.queued, table.unreported_bytes), (0, 0));
    let new = table.accept(Source::Mqtt, job("new"), true, None, at(0));
    assert!(new.is_ok_and(|new| table.number(Source::Mqtt, "new") == Some(new)));
}

#[test]
fn jobs_that_wait_are_counted_by_the_next_agent() {
    let mut desk = Desk::new(Bounds::default());
    desk.accept("a").unwrap();
    desk.accept("b").unwrap();
    let held = desk.table.rooms.broker.queued;
    let mut desk = desk.next(BOOT);
    assert_eq!(
        (desk.table.queued(), desk.table.rooms.broker.queued),
        (2, held)
    );
    let next = desk.table.ready(true).unwrap().number;
    desk.table.start(next, START);
    assert_eq!(
        (desk.table.queued(), desk.table.rooms.broker.queued),
        (1, held / 2)
    );
}

#[test]
fn a_guarded_job_that_an_earlier_agent_started_runs_alone_until_it_is_judged() {
    let mut desk = Desk::new(Bounds::default());
    let guarded = Job {
        type_name: "network".into(),
        ..job("a")
    };
    let start = Some(START);
    let accepted = desk.table.accept(Source::Mqtt, guarded, true, start, at(0));
    accepted.unwrap();
    desk.write();
    let mut table = Table::read(desk.table.bounds, desk.disk);
    table.go_on(BOOT, at(0), &|_| true);
    let judged = table.poll();
    let Some(Effect::Judge(number)) = judged else {
        panic!("{judged:?}");
    };
    assert_eq!((table.running(), table.runs_alone()), (1, true));
    table.finish(number, printed(0), at(0));
    assert_eq!((table.running(), table.runs_alone()), (0, false));
}

#[test]
fn the_output_of_a_job_that_is_refused_counts_for_nothing() {
    let mut desk = Desk::new(Bounds::default());
    let start = Some(START);
    let accepted = desk
        .table
        .accept(Source::Mqtt, job("a"), true, start, at(0));
    let number = accepted.unwrap();
    desk.table.finish(number, printed(100), at(0));
    assert_eq!(desk.table.unreported_bytes, 100);
    desk.fail();
    assert_eq!(desk.table.unreported_bytes, 0);
    assert_eq!(desk.table.ids(Source::Mqtt), 0);
}

#[test]
fn a_job_cancelled_before_it_is_recorded_never_runs() {
    let mut desk = Desk::new(Bounds::default());
    let table = &mut desk.table;
    let start = Some(START);
    let number = table.accept(Source::Mqtt, job("a"), true, start, at(0));
    let number = number.unwrap();
    table.finish(number, printed(0), at(0));
    let effects = desk.write();
    assert_eq!(effects, [Effect::Accepted(number), Effect::Ended(number)]);
    assert_eq!((desk.table.running(), desk.table.queued()), (0, 0));
}

#[test]
fn a_reboot_is_reported_by_the_agent_of_the_next_boot() {
    for (boot, end) in [(BOOT, End::Interrupted), ([2; 16], End::Processed)] {
        let mut desk = Desk::new(Bounds::default());
        let mut reboot = job("a");
        (reboot.kind, reboot.type_name) = (Kind::Reboot, "reboot".into());
        let start = Some(START);
        let accepted = desk.table.accept(Source::Mqtt, reboot, true, start, at(0));
        accepted.unwrap();
        desk.write();
        let mut desk = desk.next(boot);
        desk.write();
        let outcome = desk.finished("a");
        assert_eq!((outcome.end, outcome.success), (end, end == End::Processed));
        assert_eq!(outcome.type_name, "reboot");
    }
}
