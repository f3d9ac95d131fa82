//! Verdicts row by row, and the ages they depend on.

use std::time::Duration;

use super::*;
use crate::process::clock::Pace;

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

fn evidence() -> Evidence {
    Evidence {
        netifd: Some(Netifd {
            off: false,
            up: true,
            failed: false,
            has_ap: true,
        }),
        waits_for_client: false,
        hostapd: says(State::Enabled, SECOND),
        radar: None,
        silence: Silence::Short,
    }
}

fn says(state: State, lasting: Duration) -> Hostapd {
    Hostapd::Says {
        state,
        lasting,
        cac_left: 0,
    }
}

fn absent(lasting: Duration, serving: bool) -> Hostapd {
    Hostapd::Absent { lasting, serving }
}

fn verdict(evidence: &Evidence) -> Verdict {
    judge(evidence, &Limits::at(Pace::REAL)).verdict
}

/// The verdict when netifd says otherwise.
fn by_netifd(change: impl Fn(&mut Netifd)) -> Verdict {
    let mut evidence = evidence();
    let mut netifd = evidence.netifd.unwrap();
    change(&mut netifd);
    evidence.netifd = Some(netifd);
    verdict(&evidence)
}

fn by_hostapd(hostapd: Hostapd) -> Verdict {
    verdict(&Evidence {
        hostapd,
        ..evidence()
    })
}

#[test]
fn netifd_says_whether_it_is_off_or_has_failed() {
    assert_eq!(by_netifd(|_| {}), Verdict::Ok);
    assert_eq!(by_netifd(|netifd| netifd.off = true), Verdict::Off);
    assert_eq!(
        by_netifd(|netifd| netifd.failed = true),
        Verdict::SetupFailed
    );
    let silent = Evidence {
        netifd: None,
        ..evidence()
    };
    assert_eq!(verdict(&silent), Verdict::Unknown);
    let clients = |up: bool| {
        by_netifd(|netifd| {
            (netifd.has_ap, netifd.up, netifd.failed) = (false, up, !up);
        })
    };
    assert_eq!(
        (clients(true), clients(false)),
        (Verdict::Ok, Verdict::Unknown)
    );
}

#[test]
fn what_passes_by_itself_is_waited_for_as_long_as_it_may_last() {
    for state in [State::Acs, State::HtScan, State::CountryUpdate] {
        assert_eq!(by_hostapd(says(state, 5 * MINUTE)), Verdict::Waiting);
        let late = by_hostapd(says(state, 5 * MINUTE + SECOND));
        assert_eq!(late, Verdict::NotBeaconing);
    }
    assert_eq!(
        by_hostapd(says(State::NoIr, 900 * MINUTE)),
        Verdict::Waiting
    );
    for state in [State::Disabled, State::Uninitialized] {
        assert_eq!(by_hostapd(says(state, SECOND)), Verdict::NotBeaconing);
        let after = |radar| {
            verdict(&Evidence {
                hostapd: says(state, SECOND),
                radar: Some(radar),
                silence: Silence::Radar,
                ..evidence()
            })
        };
        assert_eq!(after(30 * MINUTE), Verdict::Waiting);
        assert_eq!(after(30 * MINUTE + SECOND), Verdict::NotBeaconing);
    }
    let listens = Hostapd::Says {
        state: State::Dfs,
        lasting: 900 * MINUTE,
        cac_left: 1,
    };
    assert_eq!(by_hostapd(listens), Verdict::Waiting);
    assert_eq!(
        by_hostapd(says(State::Dfs, 900 * MINUTE)),
        Verdict::NotBeaconing
    );
    let waits = Evidence {
        waits_for_client: true,
        hostapd: says(State::Disabled, 900 * MINUTE),
        ..evidence()
    };
    assert_eq!(verdict(&waits), Verdict::Waiting);
}

#[test]
fn without_an_object_it_depends_on_the_channel_how_long_is_too_long() {
    let silent = |silence, lasting| {
        verdict(&Evidence {
            hostapd: absent(lasting, true),
            silence,
            ..evidence()
        })
    };
    for (silence, limit) in [
        (Silence::Short, MINUTE),
        (Silence::Scan, 5 * MINUTE),
        (Silence::Radar, 35 * MINUTE),
        (Silence::Weather, 60 * MINUTE),
    ] {
        assert_eq!(
            silent(silence, limit - SECOND),
            Verdict::Waiting,
            "{silence:?}"
        );
        assert_eq!(silent(silence, limit), Verdict::SetupFailed, "{silence:?}");
    }
    // Nobody listens for radar in a hostapd that is gone, or before it knew the radio.
    let gone = Evidence {
        hostapd: absent(MINUTE, false),
        silence: Silence::Weather,
        ..evidence()
    };
    assert_eq!(verdict(&gone), Verdict::SetupFailed);
    let mut pending = Evidence {
        hostapd: absent(MINUTE, true),
        silence: Silence::Weather,
        ..evidence()
    };
    pending.netifd.as_mut().unwrap().up = false;
    assert_eq!(verdict(&pending), Verdict::SetupFailed);
    assert_eq!(by_hostapd(Hostapd::Unknown), Verdict::Unknown);
}

#[test]
fn the_channel_says_whether_radar_may_silence_it() {
    let silence = |band: &str, channel, wide| {
        let configured = Configured {
            band: Some(band.into()),
            channel,
            wide,
            ..Configured::default()
        };
        configured.silence()
    };
    assert_eq!(silence("2g", Some(6), false), Silence::Short);
    assert_eq!(silence("2g", None, false), Silence::Scan);
    assert_eq!(silence("5g", Some(36), false), Silence::Short);
    assert_eq!(silence("5g", Some(36), true), Silence::Radar);
    assert_eq!(silence("5g", Some(60), false), Silence::Radar);
    assert_eq!(silence("5g", Some(100), false), Silence::Weather);
    assert_eq!(silence("5g", Some(149), false), Silence::Short);
    assert_eq!(silence("5g", None, false), Silence::Weather);
    assert_eq!(silence("6g", Some(37), false), Silence::Radar);
}

fn radio(kind: Option<&str>) -> Configured {
    Configured {
        name: "radio0".into(),
        kind: kind.map(str::to_owned),
        band: Some("2g".into()),
        channel: Some(6),
        up: Some(true),
        autostart: Some(true),
        disabled: Some(false),
        failed: Some(false),
        vifs: vec![Vif {
            mode: Mode::Ap,
            ifname: Some("phy0-ap0".into()),
            networks: vec!["lan".into()],
        }],
        ..Configured::default()
    }
}

fn sight(radio: Configured, state: Option<State>) -> Sight {
    let status = |state| Status {
        state: Some(state),
        ..Status::default()
    };
    Sight {
        radios: Some(vec![radio]),
        aps: Some(Vec::from_iter(state.map(|state| Ap {
            name: "phy0-ap0".into(),
            status: Some(status(state)),
        }))),
        serving: true,
        ..Sight::default()
    }
}

/// The verdict of the only radio after looks at these times.
fn after(looks: &[(u64, Sight)]) -> Verdict {
    let mut tracker = Tracker::new(Pace::REAL);
    for (at, sight) in looks {
        tracker.look(Duration::from_secs(*at), sight);
    }
    tracker.radios()[0].verdict
}

#[test]
fn a_driver_that_hostapd_does_not_serve_has_no_fault_that_anybody_could_see() {
    let gone = |kind| sight(radio(kind), None);
    assert_eq!(
        after(&[(0, gone(None)), (60, gone(None))]),
        Verdict::SetupFailed
    );
    let ours = Some("mac80211");
    assert_eq!(
        after(&[(0, gone(ours)), (60, gone(ours))]),
        Verdict::SetupFailed
    );
    let other = Some("mtwifi");
    assert_eq!(
        after(&[(0, gone(other)), (900, gone(other))]),
        Verdict::Unknown
    );
    let mut deaf = gone(None);
    deaf.serving = false;
    assert_eq!(
        after(&[(0, deaf.clone()), (900, deaf.clone())]),
        Verdict::Unknown
    );
    // Once it was there, its absence means something.
    let there = sight(radio(other), Some(State::Enabled));
    assert_eq!(
        after(&[(0, there), (1, deaf.clone()), (61, deaf)]),
        Verdict::SetupFailed
    );
}

#[test]
fn networks_that_were_taken_down_take_their_access_points_with_them() {
    let mut closed = sight(radio(None), None);
    closed.closed = Some(vec!["lan".into()]);
    assert_eq!(
        after(&[(0, closed.clone()), (900, closed.clone())]),
        Verdict::Off
    );
    // Up again, it gets its time.
    let open = sight(radio(None), None);
    assert_eq!(
        after(&[(0, closed.clone()), (900, closed), (901, open)]),
        Verdict::Waiting
    );
}

#[test]
fn sources_that_are_missing_or_strange_make_it_unknown_and_no_fault() {
    let fine = || sight(radio(None), Some(State::Enabled));
    let no_netifd = Sight::default();
    assert_eq!(after(&[(0, fine()), (20, no_netifd)]), Verdict::Unknown);
    let mut no_hostapd = fine();
    no_hostapd.aps = None;
    assert_eq!(after(&[(0, fine()), (20, no_hostapd)]), Verdict::Unknown);
    let mut silent = fine();
    silent.aps.as_mut().unwrap()[0].status = None;
    assert_eq!(after(&[(0, fine()), (900, silent)]), Verdict::Unknown);
    let mut strange = fine();
    strange.aps.as_mut().unwrap()[0].status = Some(Status::default());
    assert_eq!(after(&[(0, fine()), (900, strange)]), Verdict::Unknown);
    let mut flagless = fine();
    flagless.radios.as_mut().unwrap()[0].autostart = None;
    assert_eq!(after(&[(0, flagless)]), Verdict::Unknown);
}

#[test]
fn radar_before_the_agent_started_is_believed_in_until_the_radio_beacons() {
    let five = || Configured {
        band: Some("5g".into()),
        channel: Some(52),
        ..radio(None)
    };
    let stuck = || sight(five(), Some(State::Disabled));
    let fine = || sight(five(), Some(State::Enabled));
    assert_eq!(after(&[(0, stuck()), (1800, stuck())]), Verdict::Waiting);
    assert_eq!(
        after(&[(0, stuck()), (1801, stuck())]),
        Verdict::NotBeaconing
    );
    assert_eq!(after(&[(0, fine()), (20, stuck())]), Verdict::NotBeaconing);
    let mut tracker = Tracker::new(Pace::REAL);
    tracker.look(SECOND, &fine());
    tracker.radar(2 * SECOND, "phy0-ap0");
    tracker.look(3 * SECOND, &stuck());
    assert_eq!(tracker.radios()[0].verdict, Verdict::Waiting);
}

#[test]
fn changes_are_told_once_and_faults_last_from_one_kind_to_the_next() {
    let mut tracker = Tracker::new(Pace::REAL);
    let look = |tracker: &mut Tracker, at: u64, state| {
        let changes = tracker.look(Duration::from_secs(at), &sight(radio(None), state));
        let told = changes.into_iter().map(|change| change.now.verdict);
        told.collect::<Vec<_>>()
    };
    assert_eq!(look(&mut tracker, 0, Some(State::Enabled)), [Verdict::Ok]);
    assert_eq!(look(&mut tracker, 20, Some(State::Enabled)), []);
    let told = look(&mut tracker, 40, Some(State::Disabled));
    assert_eq!(told, [Verdict::NotBeaconing]);
    assert_eq!(tracker.radios()[0].faulty, Some(Duration::from_secs(40)));
    assert_eq!(look(&mut tracker, 60, Some(State::Uninitialized)), []);
    assert_eq!(tracker.radios()[0].faulty, Some(Duration::from_secs(40)));
    assert_eq!(look(&mut tracker, 80, Some(State::Enabled)), [Verdict::Ok]);
    assert_eq!(tracker.radios()[0].faulty, None);
}
