//! The events of one life of the agent.

use Step::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A report of this size, roughly.
    Append(usize),
    /// Seconds pass.
    Wait(u64),
    /// The clock is wrong by so many seconds; whether it is known to be right.
    Clock(i64, bool),
    /// A batch of up to so many bytes arrives.
    Deliver(u64),
    /// A batch does not arrive.
    KeepBack,
    /// The oldest report is refused, and set aside.
    Refuse,
    /// A report that was set aside is sent again alone: it arrives, or is refused for good.
    Again(bool),
    /// Reports set aside go back to their place.
    TakeBack,
    /// The oldest report is sent once and not again.
    GiveUp,
    /// A batch is too large, its half arrives.
    Halve,
    /// The newest report arrives ahead of the others.
    Newest,
    /// The agent is killed and starts again.
    Restart,
    /// The agent ends in peace, and the device restarts.
    Reboot,
}

pub(crate) const YEARS: i64 = 10 * 31_557_600;

/// A life in which everything happens: more than 200 steps.
pub(crate) fn scenario() -> Vec<Step> {
    let mut steps = vec![Clock(-YEARS, false)];
    let collect = |steps: &mut Vec<Step>, count: usize, every: u64, pad: usize| {
        for _ in 0..count {
            steps.extend([Append(pad), Wait(every)]);
        }
    };
    collect(&mut steps, 5, 15, 40);
    steps.extend([Clock(0, true), Append(20), Deliver(400)]);
    collect(&mut steps, 6, 15, 90);
    steps.extend([Newest, Deliver(300), Restart, Halve, Refuse, KeepBack]);
    steps.extend([Deliver(100), Refuse, Append(20), Again(false), Again(true)]);
    steps.extend([Refuse, Deliver(100), TakeBack, Refuse, Append(10)]);
    // Offline: flash gets some every 10 min, and RAM runs out of room.
    collect(&mut steps, 40, 61, 120);
    steps.extend([KeepBack, Refuse, Newest, Restart, KeepBack, Refuse]);
    collect(&mut steps, 12, 61, 200);
    steps.extend([Newest, Again(false), Deliver(600), Restart, Deliver(600)]);
    steps.extend([GiveUp, Halve]);
    collect(&mut steps, 4, 15, 60);
    steps.extend([Deliver(5000), Deliver(5000), KeepBack]);
    collect(&mut steps, 12, 61, 60);
    steps.extend([KeepBack, Wait(600), Append(10), Reboot]);
    // It starts with a wrong clock, and is not told the time before reports have to go.
    steps.push(Clock(YEARS, false));
    steps.extend([KeepBack, Append(30), KeepBack]);
    collect(&mut steps, 14, 61, 50);
    steps.extend([Deliver(700), Restart, Deliver(200), KeepBack]);
    collect(&mut steps, 12, 61, 130);
    steps.extend([Clock(0, true), KeepBack, Append(10), Deliver(900)]);
    collect(&mut steps, 3, 15, 10);
    steps.extend([
        Refuse,
        Again(false),
        Deliver(5000),
        Deliver(5000),
        Deliver(5000),
        Append(1),
    ]);
    steps
}

/// A life by chance.
pub(crate) fn by_chance(rng: &mut fastrand::Rng, count: usize) -> Vec<Step> {
    let mut offline = false;
    (0..count)
        .map(|_| {
            if rng.u8(..20) == 0 {
                offline = !offline;
            }
            match rng.u8(..24) {
                0..10 => Append(rng.usize(..250)),
                10..15 => Wait([1, 15, 61, 300, 700][rng.usize(..5)]),
                15 => Clock([-YEARS, 0, YEARS, 5000][rng.usize(..4)], false),
                // A second more or less: that is as exact as a clock is.
                16 => Clock(rng.i64(0..2), true),
                17 if rng.bool() => Restart,
                17 if rng.u8(..4) == 0 => Reboot,
                18 if rng.bool() => Refuse,
                18 => match rng.u8(..6) {
                    0 => GiveUp,
                    1..3 => Again(false),
                    3..5 => Again(true),
                    _ => TakeBack,
                },
                19 => Newest,
                20 if !offline => Halve,
                _ if offline => KeepBack,
                _ => Deliver([0, 300, 1500][rng.usize(..3)]),
            }
        })
        .collect()
}
