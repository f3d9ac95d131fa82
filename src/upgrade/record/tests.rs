use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

pub(in crate::upgrade) fn record(phase: Phase, packages: Option<Packages>) -> Record {
    Record {
        phase,
        key: "63f7f2ef43cc92ee".into(),
        id: "upgrade-1".into(),
        boot: "boot-1".into(),
        macs: vec!["94:83:C4:A1:B2:00".into()],
        wanted: Some("24.10.2".into()),
        before: "24.10.1 r1".into(),
        code: 9,
        broker: true,
        packages,
        output: String::new(),
        reason: None,
    }
}

fn kinds() -> [Option<Packages>; 3] {
    let with = Packages {
        undo: Some("/etc/socketman/state/upgrade/undo.ipk".into()),
        ..Packages::default()
    };
    [None, Some(Packages::default()), Some(with)]
}

fn events() -> Vec<Event> {
    let why = || "why".to_owned();
    vec![
        Event::Booted("24.10.2 r2".into()),
        Event::Booted("24.10.1 r1".into()),
        Event::Stuck(why()),
        Event::Begins,
        Event::Installed,
        Event::NotInstalled(why()),
        Event::Alive,
        Event::Late(why()),
        Event::Cut,
    ]
}

#[test]
fn every_order_of_events_ends_in_one_outcome_that_says_the_truth() {
    let mut walks = 0_u64;
    for kind in kinds() {
        let first = match kind {
            None => Phase::Flashing,
            Some(_) => Phase::Ready,
        };
        let start = record(first, kind.clone());
        // All walks of seven events, by what was seen on the way.
        let mut reached = vec![(start, Vec::new())];
        for _ in 0..7 {
            let mut next = Vec::new();
            let mut seen = HashSet::new();
            for (record, past) in reached {
                for event in events() {
                    walks += 1;
                    let after = record.clone().after(event.clone());
                    if record.phase.is_decided() {
                        assert_eq!(after, record, "{event:?} after the end");
                        continue;
                    }
                    let mut past: Vec<Event> = past.clone();
                    if after != record {
                        past.push(event);
                    }
                    check(&after, &past, &kind);
                    if seen.insert((after.phase, format!("{past:?}"))) {
                        next.push((after, past));
                    }
                }
            }
            reached = next;
        }
        assert!(reached
            .iter()
            .all(|(record, past)| past.len() <= 5 || record.phase.is_decided()));
    }
    println!("upgrade machine: {walks} steps");
}

fn check(record: &Record, past: &[Event], kind: &Option<Packages>) {
    let alive = past.contains(&Event::Alive);
    let undo = kind
        .as_ref()
        .is_some_and(|packages| packages.undo.is_some());
    assert_eq!(record.phase == Phase::Success, alive, "{past:?}");
    if record.phase == Phase::Undone || record.phase == Phase::Undoing {
        assert!(undo, "{past:?}");
    }
    if record.phase == Phase::Interrupted {
        assert_eq!(past, [Event::Cut], "nothing was begun");
    }
    let outcome = record.outcome();
    assert_eq!(outcome.is_some(), record.phase.is_decided());
    if let Some(outcome) = outcome {
        assert_eq!(outcome.success, alive);
        assert_eq!(outcome.reason.is_some(), !alive, "{past:?}");
        assert_eq!(outcome.rolled_back, record.phase == Phase::Undone);
    }
}

#[test]
fn a_cut_never_ends_a_trial_and_never_begins_an_installation_again() {
    for kind in kinds() {
        for phase in Phase::ALL {
            let after = record(phase, kind.clone()).after(Event::Cut);
            match phase {
                Phase::Ready => assert_eq!(after.phase, Phase::Interrupted),
                Phase::Installing => {
                    assert!(matches!(after.phase, Phase::Undoing | Phase::Failed));
                }
                phase => assert_eq!(after, record(phase, kind.clone())),
            }
        }
    }
}

proptest! {
    #[test]
    fn a_record_is_read_as_it_was_written(
        phase in 0..9_usize,
        text in ".{0,300}",
        code in any::<u8>(),
        undo in any::<bool>(),
        trial in any::<u64>(),
    ) {
        let packages = Packages {
            new: text.clone(),
            undo: undo.then(|| text.clone()),
            trial_ms: trial,
            ..Packages::default()
        };
        let mut written = record(Phase::ALL[phase], undo.then_some(packages));
        written.code = code;
        written.output.clone_from(&text);
        written.reason = Some(text);
        prop_assert_eq!(Record::decode(&written.encode()), Some(written));
    }

    #[test]
    fn bytes_of_others_are_no_record(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(Record::decode(&bytes), None);
    }
}

#[test]
fn a_record_fits_its_cell_whatever_was_said() {
    let mut record = record(Phase::Failed, None);
    record.output = "\0é".repeat(100_000);
    record.reason = Some("\u{1f600}".repeat(100_000));
    let bytes = record.encode();
    assert!(bytes.len() <= durable::VALUE_MAX, "{}", bytes.len());
    let read = Record::decode(&bytes).unwrap();
    assert!(record.output.ends_with(&read.output));
}

#[test]
fn a_release_is_known_by_version_revision_or_both() {
    let running = "24.10.2 r28739-d9340319c6";
    for wanted in [running, "24.10.2", "r28739-d9340319c6"] {
        assert!(is_release(running, Some(wanted)), "{wanted}");
    }
    for wanted in ["24.10", "24.10.1", "r28739", ""] {
        assert!(!is_release(running, Some(wanted)), "{wanted}");
    }
    assert!(is_version("0.2.0", None));
    assert!(is_version("0.2.0", Some("0.2.0")) && is_version("0.2.0", Some("0.2.0-r1")));
    assert!(!is_version("0.2.0", Some("0.2.1-r1")) && !is_version("0.2.0", Some("r1")));
}

#[test]
fn a_record_belongs_to_hardware_with_one_of_its_addresses() {
    let of = |macs: &[&str]| {
        let present: Vec<String> = macs.iter().map(|mac| (*mac).to_owned()).collect();
        record(Phase::Flashing, None).is_of(&present)
    };
    assert!(of(&["94:83:C4:A1:B2:00", "94:83:C4:A1:B2:01"]));
    assert!(of(&[]), "drivers that are missing");
    assert!(!of(&["94:83:C4:A1:B2:01"]));
}
