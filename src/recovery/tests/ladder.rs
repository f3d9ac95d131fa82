//! The ladder's times, and what it permits.

use crate::config::Recover;
use crate::recovery::ladder::{Hindrance, Ladder, Next, Permit, Sight, Step, World};

const OFFLINE: Sight = Sight {
    world: World::Offline,
    permit: Permit::All,
    proof: false,
    interface: true,
    shared: false,
    guarded: false,
    held: false,
    recover: Recover::Full,
    reboot: 600,
    reboots_left: 3,
    rebooted: false,
};

const ONLINE: Sight = Sight {
    world: World::Online,
    permit: Permit::Nothing,
    ..OFFLINE
};

/// The steps that are taken in so many seconds of one sight, and when. No step takes time.
fn climb(ladder: &mut Ladder, sight: Sight, seconds: u32) -> Vec<(u32, Step)> {
    let mut steps = Vec::new();
    ladder.observe(&sight, 0);
    for at in 0..=seconds {
        if at > 0 {
            ladder.observe(&sight, 1);
        }
        while let Next::Take(step) = ladder.next(&sight) {
            steps.push((at, step));
            ladder.took(step, 0);
        }
    }
    steps
}

fn steps(sight: Sight, seconds: u32) -> Vec<(u32, Step)> {
    climb(&mut Ladder::default(), sight, seconds)
}

#[test]
fn a_lasting_outage_climbs_to_the_reboot_and_then_restarts_the_network_ever_more_rarely() {
    let expected = [
        (30, Step::Renew),
        (60, Step::DownUp),
        (120, Step::NetworkRestart),
        (360, Step::NetworkRestart),
        (600, Step::Reboot),
    ];
    assert_eq!(steps(OFFLINE, 1199), expected);
    let never = Sight {
        reboot: 0,
        ..OFFLINE
    };
    let restarts = [120, 360, 840, 1440, 2040, 2640].map(|at| (at, Step::NetworkRestart));
    assert_eq!(steps(never, 3000)[2..], restarts);
}

#[test]
fn recover_bounds_the_ladder() {
    for (recover, expected) in [
        (Recover::Nothing, &[][..]),
        (
            Recover::Interface,
            &[(30, Step::Renew), (60, Step::DownUp)][..],
        ),
    ] {
        let sight = Sight { recover, ..OFFLINE };
        assert_eq!(steps(sight, 90_000), expected, "{recover:?}");
    }
}

#[test]
fn a_way_out_that_others_look_after_is_only_renewed() {
    let sight = Sight {
        shared: true,
        ..OFFLINE
    };
    assert_eq!(steps(sight, 90_000), [(30, Step::Renew)]);
}

#[test]
fn without_a_known_interface_its_steps_are_left_out() {
    let sight = Sight {
        interface: false,
        ..OFFLINE
    };
    let expected = [
        (120, Step::NetworkRestart),
        (360, Step::NetworkRestart),
        (600, Step::Reboot),
    ];
    assert_eq!(steps(sight, 700), expected);
}

#[test]
fn a_silent_resolver_is_restarted_and_reboots_only_if_it_is_our_own() {
    let names = |own| Sight {
        permit: Permit::Names { own },
        ..OFFLINE
    };
    let both = [(30, Step::DnsmasqRestart), (60, Step::Renew)];
    assert_eq!(steps(names(false), 90_000), both);
    let own = steps(names(true), 700);
    assert_eq!(own, [both[0], both[1], (600, Step::Reboot)]);
}

#[test]
fn proof_of_life_a_guard_a_hold_and_a_fault_of_others_leave_the_device_alone() {
    for sight in [
        Sight {
            proof: true,
            ..OFFLINE
        },
        Sight {
            guarded: true,
            ..OFFLINE
        },
        Sight {
            held: true,
            ..OFFLINE
        },
        Sight {
            permit: Permit::Nothing,
            ..OFFLINE
        },
        Sight {
            world: World::Unknown,
            ..OFFLINE
        },
    ] {
        assert_eq!(steps(sight, 90_000), [], "{sight:?}");
    }
}

#[test]
fn while_a_guard_is_armed_the_ladders_clock_stands_still() {
    let mut ladder = Ladder::default();
    assert_eq!(climb(&mut ladder, OFFLINE, 50), [(30, Step::Renew)]);
    let guarded = Sight {
        guarded: true,
        ..OFFLINE
    };
    assert_eq!(climb(&mut ladder, guarded, 5000), []);
    assert_eq!(ladder.next(&guarded), Next::Wait(Hindrance::Guarded));
    assert_eq!(ladder.next(&OFFLINE), Next::In(10, Step::DownUp));
}

#[test]
fn a_fault_that_becomes_ours_late_is_met_from_the_lowest_step_on() {
    let mut ladder = Ladder::default();
    let elsewhere = Sight {
        permit: Permit::Nothing,
        ..OFFLINE
    };
    assert_eq!(climb(&mut ladder, elsewhere, 7200), []);
    assert_eq!(climb(&mut ladder, OFFLINE, 599).len(), 4);
    assert_eq!(ladder.next(&OFFLINE), Next::In(1, Step::Reboot));
}

#[test]
fn a_step_that_takes_long_puts_the_next_one_off() {
    let mut ladder = Ladder::default();
    climb(&mut ladder, OFFLINE, 29);
    ladder.observe(&OFFLINE, 1);
    assert_eq!(ladder.next(&OFFLINE), Next::Take(Step::Renew));
    ladder.took(Step::Renew, 60);
    assert_eq!(ladder.next(&OFFLINE), Next::In(20, Step::DownUp));
}

/// Row 40 of what broke the original: it rebooted 13 s into the second loss.
#[test]
fn a_route_that_comes_back_restarts_the_timer() {
    let mut ladder = Ladder::default();
    let sight = Sight {
        reboot: 300,
        ..OFFLINE
    };
    assert_eq!(climb(&mut ladder, sight, 40), [(30, Step::Renew)]);
    assert!(!ladder.is_idle());
    assert_eq!(climb(&mut ladder, ONLINE, 275), []);
    assert!(ladder.is_idle());
    let second = climb(&mut ladder, sight, 301);
    assert_eq!(second.first(), Some(&(30, Step::Renew)));
    assert_eq!(second.last(), Some(&(300, Step::Reboot)));
}

/// The original came to its restart of the network in no case.
#[test]
fn the_network_is_restarted_before_the_device() {
    for reboot in [300, 600, 86_400] {
        let sight = Sight { reboot, ..OFFLINE };
        let steps = steps(sight, 100_000);
        let at = |step| steps.iter().position(|(_, taken)| *taken == step);
        assert!(at(Step::NetworkRestart) < at(Step::Reboot), "{steps:?}");
    }
}

#[test]
fn no_reboot_is_asked_for_when_none_is_left_or_this_outage_has_had_its_own() {
    for sight in [
        Sight {
            reboots_left: 0,
            ..OFFLINE
        },
        Sight {
            rebooted: true,
            ..OFFLINE
        },
        Sight {
            reboot: 0,
            ..OFFLINE
        },
    ] {
        let steps = steps(sight, 90_000);
        assert!(steps.iter().all(|(_, step)| *step != Step::Reboot));
    }
}

#[test]
fn a_reboot_that_was_not_taken_up_is_asked_for_again_and_nothing_else_is_done_meanwhile() {
    let mut ladder = Ladder::default();
    let steps = climb(&mut ladder, OFFLINE, 1300);
    let last: Vec<u32> = steps.iter().rev().take(2).map(|(at, _)| *at).collect();
    assert_eq!(last, [1200, 600], "{steps:?}");
}

/// Broker and API are down for a week, the world is not: server_unreachable, and now and then a doubt.
#[test]
fn a_healthy_device_without_its_servers_is_never_touched() {
    let mut ladder = Ladder::default();
    let week = 7 * 86_400;
    let mut taken = 0;
    for at in (0..week).step_by(10) {
        // One probe in a thousand finds nothing; two in a row would have to, to be believed.
        let world = match at % 10_000 {
            0 => World::Unknown,
            _ => World::Online,
        };
        let sight = Sight { world, ..ONLINE };
        ladder.observe(&sight, 10);
        taken += u32::from(ladder.next(&sight) != Next::Idle);
    }
    assert_eq!(taken, 0);
}
