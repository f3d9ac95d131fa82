//! The quick form of `socketman-lab fleet`.

use std::io::{self, Write};

use serde_json::Value;
use socketman_lab::fleet::{self, FleetArgs, Sizes, Town, SCENARIOS, SPREAD};

const QUICK: u32 = 1000;

fn args(agents: u32) -> FleetArgs {
    FleetArgs {
        agents,
        json: None,
        seed: 1,
    }
}

#[test]
fn a_fleet_comes_back_within_its_bounds_whatever_has_happened() {
    let mut table = Vec::new();
    let figures = fleet::run(&args(QUICK), &mut table).unwrap();
    // Past the test runner, which shows what is printed of failed tests only.
    let _ = io::stdout().write_all(&table);
    assert!(figures.ok(), "{}", String::from_utf8_lossy(&table));
    // Without turns, an API has hours of reports in minutes: the figures see it.
    let at_once = figures.scenarios.last().unwrap();
    assert_eq!(
        (at_once.name, at_once.spread),
        ("outage-10h", fleet::DEFAULT_SPREAD)
    );
    assert!(at_once.peak_upload_ratio > 4.0, "{at_once}");

    let json = serde_json::to_value(&figures).unwrap();
    assert_eq!(json["agents"], QUICK);
    let scenarios = json["scenarios"].as_array().unwrap();
    assert_eq!(scenarios.len(), 2 * SCENARIOS.len());
    for scenario in scenarios {
        let members: Vec<&String> = scenario.as_object().unwrap().keys().collect();
        let mut expected = [
            "name",
            "spread",
            "peak_connect_share",
            "back_99_s",
            "peak_upload_ratio",
            "ok",
        ];
        expected.sort_unstable();
        assert_eq!(members, expected);
        assert!(scenario["name"].is_string() && scenario["ok"].is_boolean());
    }
}

#[test]
fn one_seed_gives_one_course() {
    let sizes = Sizes::measure().unwrap();
    let course = |seed| -> Vec<Value> {
        let town = Town::new(100, SPREAD, seed, &sizes);
        let measured = SCENARIOS[..4].iter().map(|scenario| town.live(scenario));
        measured
            .map(|one| serde_json::to_value(one).unwrap())
            .collect()
    };
    assert_eq!(course(7), course(7));
    assert_ne!(course(7), course(8));
}
