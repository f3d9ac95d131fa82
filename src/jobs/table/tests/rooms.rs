//! No source uses up the room of the other.

use super::*;

#[test]
fn answers_that_nobody_takes_use_up_the_room_of_their_own_source_alone() {
    let mut table = Table::new(Bounds::default());
    let mut accept = |source, id: usize| {
        let (job, start) = (job(&id.to_string()), Some(START));
        let number = table.accept(source, job, false, start, at(0))?;
        table.finish(number, printed(0), at(0));
        Ok(number)
    };
    for id in 0..LOOSE_MAX {
        accept(Source::Mqtt, id).unwrap();
    }
    assert_eq!(accept(Source::Mqtt, LOOSE_MAX), Err(Full));
    let taken = accept(Source::Ubus, 0).unwrap();
    table.reported(taken, at(0));
    let first = table.number(Source::Mqtt, "0").unwrap();
    table.reported(first, at(0));
    let more = table.accept(Source::Mqtt, job("more"), false, None, at(0));
    assert!(more.is_ok(), "one was taken");
}

#[test]
fn a_burst_of_jobs_does_not_keep_its_room() {
    let mut desk = Desk::new(Bounds::default());
    let burst: Vec<Number> = (0..1000)
        .map(|id| {
            desk.table
                .accept(Source::Mqtt, job(&id.to_string()), true, None, at(0))
        })
        .collect::<Result<_, Full>>()
        .unwrap();
    assert!(desk.table.keys.capacity() >= 1000);
    for number in burst {
        desk.table.finish(number, printed(0), at(0));
        desk.write();
        desk.table.reported(number, at(0));
    }
    assert_eq!(desk.table.keys.len(), KEPT);
    assert!(desk.table.keys.capacity() < 4 * KEPT);
    assert!(desk.table.known(Source::Mqtt, "0").is_some());
}

#[test]
fn jobs_that_wait_use_up_the_room_of_their_own_source_and_keep_no_job_from_starting_at_once() {
    for (waits, other) in [(Source::Mqtt, Source::Ubus), (Source::Ubus, Source::Mqtt)] {
        let mut desk = Desk::new(Bounds::default());
        let of = |id: &str| Job {
            msg: "x".repeat(1 << 20),
            ..job(id)
        };
        let mut accepted = Vec::new();
        let full = loop {
            let id = accepted.len().to_string();
            match desk.table.accept(waits, of(&id), true, None, at(0)) {
                Ok(number) => accepted.push(number),
                Err(full) => break full,
            }
        };
        assert_eq!(full, Full);
        assert!((1..=4).contains(&accepted.len()), "{waits:?}");
        let table = &mut desk.table;
        for recorded in [false, true] {
            let id = recorded.to_string();
            let started = table.accept(waits, of(&id), recorded, Some(START), at(0));
            assert!(started.is_ok(), "{waits:?}: it does not wait");
        }
        let of_other = table.accept(other, of("other"), true, None, at(0));
        assert!(of_other.is_ok(), "{other:?} has room of its own");
        for number in accepted {
            table.finish(number, printed(0), at(0));
        }
        assert!(table.accept(waits, of("n"), true, None, at(0)).is_ok());
    }
}

#[test]
fn jobs_that_have_begun_take_no_room_from_those_that_wait_when_the_next_agent_reads_them() {
    let mut desk = Desk::new(Bounds::default());
    let of = |n: usize| Job {
        msg: "x".repeat(1 << 20),
        ..job(&n.to_string())
    };
    // More than may wait at once.
    for n in 0..8 {
        let number = desk.table.accept(Source::Mqtt, of(n), true, None, at(0));
        let number = number.unwrap();
        let batch = desk.table.take_batch(at(0)).unwrap();
        desk.disk.extend(batch.records);
        desk.table.written();
        if n < 7 {
            desk.table.start(number, START);
            desk.table.finish(number, printed(0), at(0));
            let batch = desk.table.take_batch(at(0)).unwrap();
            desk.disk.extend(batch.records);
            desk.table.written();
        }
    }
    let desk = desk.next(BOOT);
    assert_eq!(desk.table.queued(), 1, "the last one still waits");
    let ready = desk.table.ready(true).expect("the last one");
    assert_eq!(ready.job.id, "7");
}
