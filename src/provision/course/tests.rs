use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const BOTH: Reached = Reached {
    broker: true,
    api: true,
};
const BROKER: Reached = Reached {
    broker: true,
    api: false,
};
const NONE: Reached = Reached {
    broker: false,
    api: false,
};

fn course() -> Course {
    Course::new(Duration::from_secs(10), Pace::REAL)
}

fn session(number: u64) -> Reach {
    Reach {
        session: Some(number),
        ..Reach::default()
    }
}

/// Asks of a course that waits, however long; returns how long that was.
fn asked(course: &mut Course, need: Need, now: &mut Instant) -> Duration {
    let begun = *now;
    loop {
        match course.next(need, BOTH, *now) {
            Next::Until(at) => *now = at,
            Next::Ask => return *now - begun,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_without_credentials_asks_by_the_one_retry_rule_for_ever() {
    let (mut course, mut now) = (course(), Instant::now());
    for n in 0..100 {
        let wait = asked(&mut course, Need::Credentials, &mut now);
        let bound = 300.min(10.max(1 << n.min(9)));
        assert!(wait <= Duration::from_secs(bound), "{n}: {wait:?}");
        course.failed(Need::Credentials, now);
    }
    assert_eq!(course.next(Need::Nothing, BOTH, now), Next::Rest);
}

#[tokio::test(start_paused = true)]
async fn a_denial_counts_after_three_answers_over_a_quarter_of_an_hour() {
    let start = Instant::now();
    // Answers in minutes, and whether that is enough.
    for (answers, expected) in [
        (&[0, 15][..], false),
        (&[0, 1, 2, 3, 4, 14], false),
        (&[0, 7, 15], true),
        (&[0, 0, 0, 0, 15], true),
    ] {
        let mut course = course();
        let mut reach = Reach::default();
        let mut now = start;
        for minute in answers {
            now = start + *minute * MINUTE;
            reach.denied = reach.denied.wrapping_add(1);
            course.hear(&reach, now);
        }
        let is_due = course.next(Need::Others, BOTH, now) != Next::Rest;
        assert_eq!(is_due, expected, "{answers:?}");
        // A request that is accepted afterwards clears it.
        reach.accepted = Some(now);
        course.hear(&reach, now);
        assert_eq!(course.next(Need::Others, BOTH, now), Next::Rest);
    }
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_denials_asks_once_an_hour_at_most_and_never_together() {
    let (mut course, mut now) = (course(), Instant::now());
    let mut reach = Reach::default();
    let end = now + 24 * 60 * MINUTE;
    let mut asked: Vec<Instant> = Vec::new();
    while now < end {
        reach.denied = reach.denied.wrapping_add(1);
        course.hear(&reach, now);
        if course.next(Need::Others, BOTH, now) == Next::Ask {
            asked.push(now);
            course.failed(Need::Others, now);
        }
        now += MINUTE / 2;
    }
    assert!((19..=24).contains(&asked.len()), "{}", asked.len());
    let gaps: Vec<_> = asked.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(gaps.iter().all(|gap| *gap >= 60 * MINUTE), "{gaps:?}");
    assert!(gaps.iter().any(|gap| *gap != gaps[0]), "no jitter");
}

#[tokio::test(start_paused = true)]
async fn an_answer_accepted_between_two_storms_of_denials_does_not_shorten_the_hour() {
    let (mut course, start) = (course(), Instant::now());
    let mut reach = Reach::default();
    let mut storm = |course: &mut Course, minutes: [u32; 3]| {
        for minute in minutes {
            reach.denied = reach.denied.wrapping_add(1);
            course.hear(&reach, start + minute * MINUTE);
        }
        let mut now = start + minutes[2] * MINUTE;
        asked(course, Need::Others, &mut now);
        course.failed(Need::Others, now);
        reach.accepted = Some(now);
        course.hear(&reach, now);
        assert_eq!(course.next(Need::Others, BOTH, now), Next::Rest);
        now
    };
    let first = storm(&mut course, [0, 7, 15]);
    let second = storm(&mut course, [17, 24, 32]);
    assert!(second - first >= 60 * MINUTE, "{:?}", second - first);
    let third = storm(&mut course, [80, 87, 95]);
    assert!(third - second >= 60 * MINUTE, "{:?}", third - second);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_loses_its_credentials_waits_no_hour_that_a_denial_began() {
    let failed: fn(&mut Course, Instant) = |course, now| course.failed(Need::Others, now);
    for end in [failed, Course::nothing_new] {
        for is_broken in [false, true] {
            let (mut course, mut now) = (course(), Instant::now());
            let mut reach = Reach::default();
            for _ in 0..3 {
                now += 8 * MINUTE;
                reach.denied = reach.denied.wrapping_add(1);
                course.hear(&reach, now);
            }
            asked(&mut course, Need::Others, &mut now);
            end(&mut course, now);
            assert_ne!(course.next(Need::Others, BOTH, now), Next::Ask);
            now += MINUTE;
            if is_broken {
                // The file of the settings, while it is edited.
                assert_eq!(course.next(Need::Nothing, BOTH, now), Next::Rest);
            }
            let wait = asked(&mut course, Need::Credentials, &mut now);
            assert!(wait <= Duration::from_secs(10), "{is_broken}: {wait:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn settings_that_were_tried_are_an_hour_old_before_others_are_asked_for_whatever_is_denied() {
    let (mut course, start) = (course(), Instant::now());
    course.settled(start);
    let mut now = start + 10 * MINUTE;
    course.failed(Need::Others, now);
    assert_eq!(course.next(Need::Others, BOTH, now), Next::Rest);
    asked(&mut course, Need::Credentials, &mut now);
    assert!(now - start >= 60 * MINUTE, "{:?}", now - start);
}

#[tokio::test(start_paused = true)]
async fn settings_hold_when_they_reach_what_those_before_reached() {
    let start = Instant::now();
    let with_api = |reach: Reach, at| Reach {
        accepted: Some(at),
        ..reach
    };
    let later = start + MINUTE;
    for (old, configured, reach, expected) in [
        (BOTH, BOTH, session(2), false),
        (BOTH, BOTH, with_api(session(2), later), true),
        // A report that the settings before brought there.
        (BOTH, BOTH, with_api(session(2), start), false),
        // A session of the settings before.
        (BROKER, BOTH, session(1), false),
        (BROKER, BOTH, session(2), true),
        (BROKER, BOTH, with_api(Reach::default(), later), false),
        // No broker any more: the API has to do.
        (
            BROKER,
            Reached {
                broker: false,
                api: true,
            },
            with_api(Reach::default(), later),
            true,
        ),
        (NONE, BOTH, session(2), true),
        (NONE, BOTH, with_api(Reach::default(), later), true),
        (NONE, BOTH, Reach::default(), false),
    ] {
        let mut course = course();
        course.hear(&session(1), start);
        course.begun(old, false, start);
        course.hear(&reach, later);
        let kept = course.next(Need::Others, configured, later) == Next::Keep;
        assert_eq!(kept, expected, "{old:?} {configured:?} {reach:?}");
    }
    let mut course = course();
    course.hear(&session(1), start);
    course.begun(BROKER, true, start);
    assert_eq!(course.next(Need::Others, BOTH, start), Next::Keep);
}

#[tokio::test(start_paused = true)]
async fn settings_that_reach_less_go_after_ten_minutes_if_those_before_worked() {
    let start = Instant::now();
    let end = start + 10 * MINUTE;
    let mut course = course();
    course.hear(&session(1), start);
    let old = course.reached(start);
    assert_eq!(old, BROKER);
    course.begun(old, false, start);
    course.hear(&Reach::default(), start);
    assert!(course.is_trial());
    assert_eq!(course.next(Need::Others, BOTH, start), Next::Until(end));
    assert_eq!(course.next(Need::Others, BOTH, end), Next::Undo);
    course.settled(end);
    // A device without credentials is not thrown from one to the other.
    let mut now = end;
    let wait = asked(&mut course, Need::Credentials, &mut now);
    assert!(wait >= 60 * MINUTE, "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn settings_that_reach_nothing_stay_if_nothing_was_reached_before_and_are_asked_for_again() {
    let start = Instant::now();
    let mut course = course();
    course.begun(NONE, false, start);
    let mut now = start + 10 * MINUTE;
    assert!(matches!(
        course.next(Need::Others, BOTH, now),
        Next::Until(_)
    ));
    assert!(course.is_doubtful() && !course.is_trial());
    for _ in 0..3 {
        let wait = asked(&mut course, Need::Others, &mut now);
        assert!((60 * MINUTE..=75 * MINUTE).contains(&wait), "{wait:?}");
        course.failed(Need::Others, now);
    }
    course.hear(&session(1), now);
    assert_eq!(course.next(Need::Others, BOTH, now), Next::Keep);
}

#[tokio::test(start_paused = true)]
async fn a_server_was_reached_if_that_was_within_ten_minutes() {
    let start = Instant::now();
    let mut course = course();
    assert_eq!(course.reached(start), NONE);
    course.hear(&session(1), start);
    // It lasted an hour.
    let lost = start + 60 * MINUTE;
    course.hear(&Reach::default(), lost);
    assert_eq!(course.reached(lost + 10 * MINUTE), BROKER);
    assert_eq!(course.reached(lost + 11 * MINUTE), NONE);
}
