//! The memory's rules.

use crate::boot::{Cause, Change, Memory, Now, Refusal, Why};

const DAY: u64 = 86_400;

fn at(boot: &str, uptime: u64) -> Now<'_> {
    Now { boot, uptime }
}

fn recovery() -> Change {
    Change::Reboot(Why::Recovery)
}

#[test]
fn time_without_power_makes_the_day_longer_and_never_shorter() {
    let mut memory = Memory::default();
    for boot in ["a", "b", "c"] {
        memory.apply(Change::Online, at(boot, 30)).unwrap();
        memory.apply(recovery(), at(boot, 600)).unwrap();
    }
    // For any number and length of power cuts, and for boots of any unseen length.
    for boot in ["d", "e", "f"] {
        memory.apply(Change::Online, at(boot, 50_000)).unwrap();
        assert_eq!(
            memory.apply(recovery(), at(boot, 50_100)),
            Err(Refusal::Budget)
        );
    }
    memory.apply(Change::Online, at("f", 50_000 + DAY)).unwrap();
    memory.apply(recovery(), at("f", 50_000 + DAY)).unwrap();
}

#[test]
fn an_outage_has_one_reboot_whoever_restarts_in_it() {
    let mut memory = Memory::default();
    memory.apply(recovery(), at("a", 600)).unwrap();
    assert!(!memory.counters.has_rebooted(), "it has not come yet");
    memory.advance(at("b", 20));
    assert!(memory.counters.has_rebooted());
    assert_eq!(memory.apply(recovery(), at("b", 700)), Err(Refusal::Outage));
    memory.apply(Change::Online, at("b", 800)).unwrap();
    memory.apply(recovery(), at("b", 1500)).unwrap();
    assert_eq!(memory.counters.used(), 2);
}

#[test]
fn the_undo_of_a_job_counts_in_the_same_budget() {
    let undo = || {
        Change::Reboot(Why::Guard {
            job: "j".to_owned(),
        })
    };
    let mut memory = Memory::default();
    for boot in ["a", "b", "c"] {
        memory.apply(undo(), at(boot, 600)).unwrap();
    }
    assert_eq!(memory.apply(undo(), at("d", 600)), Err(Refusal::Budget));
    assert!(
        memory.counters.has_rebooted(),
        "the ladder does not add one"
    );
}

#[test]
fn a_persons_job_reboots_whatever_the_budget_says_and_is_not_counted() {
    let mut memory = Memory::lost();
    let job = Change::Reboot(Why::Job { id: "j".to_owned() });
    memory.apply(job, at("a", 1)).unwrap();
    assert_eq!(memory.counters.used(), 3);
    assert!(memory.asked.is_some());
    memory.apply(Change::Refused, at("a", 2)).unwrap();
    assert_eq!(memory.asked, None);
}

#[test]
fn what_flash_says_is_bounded_whatever_it_is() {
    let text = r#"{"counters":{"ages":[4294967295,90000,5],"outage":true,"pending":true},
        "uptime":18446744073709551615,"boot":"a","logged":4294967295,"unknown":[1]}"#;
    let mut memory: Memory = Memory::decode(text.as_bytes()).unwrap();
    memory.advance(at("a", 7));
    memory.advance(at("a", u64::MAX));
    assert_eq!(memory.counters.used(), 0);
    let panics: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    let told = Change::Told {
        cause: Cause::Power,
        release: None,
        panics,
    };
    memory.apply(told, at("b", 1)).unwrap();
    assert_eq!(memory.panics.len(), 64);
    for text in ["null", r#"{"counters":{"ages":[1]}}"#, "\u{0}"] {
        assert_eq!(Memory::decode(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn what_is_remembered_survives_as_it_is() {
    let mut memory = Memory::default();
    memory.apply(recovery(), at("a", 600)).unwrap();
    let told = Change::Told {
        cause: Cause::Recovery,
        release: Some("24.10.1 r1".to_owned()),
        panics: vec!["abc".to_owned()],
    };
    memory.apply(told, at("b", 60)).unwrap();
    let text = serde_json::to_string(&memory).unwrap();
    assert_eq!(Memory::decode(text.as_bytes()), Some(memory));
    assert!(text.len() < 400, "{text}");
}
