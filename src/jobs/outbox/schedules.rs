//! Random schedules: replies, a broker that refuses some of them by closing the connection, and a link that
//! flaps, in simulated time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use tokio::time::Instant;

use super::*;

/// Replies that the publisher has under way at most, as the broker link.
const IN_FLIGHT: usize = 32;

/// From a reply to its acknowledgement, ms.
const ROUND_TRIP: u64 = 50;

/// Between two connections, ms.
const AWAY: u64 = 1000;

/// The broker's treatment of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taste {
    Takes,
    /// Closes the connection on the whole one.
    TooLong,
    /// Closes the connection on it in any case.
    Never,
}

/// Ends of connections that no reply brought about.
#[derive(Debug, Clone)]
enum Ends {
    /// The broker closes them after so many ms each.
    Closed(Vec<u64>),
    /// The broker is silent after so many ms each.
    TimedOut(Vec<u64>),
    No,
}

#[derive(Debug, Clone)]
struct Scene {
    /// When each reply is offered, ms.
    offers: Vec<(u64, Taste)>,
    ends: Ends,
}

#[derive(Debug, Default)]
struct Seen {
    /// Acknowledged replies, and whether the result was bare.
    taken: BTreeMap<String, bool>,
    given_up: BTreeSet<String>,
    /// Connections that the broker closed on a reply.
    ends: usize,
    /// Replies that still wait.
    left: usize,
}

fn id(n: usize) -> String {
    format!("job-{n}")
}

fn play(scene: &Scene, until: u64) -> Seen {
    let start = Instant::now();
    let (mut outbox, mut outlets, mut returns) = Outbox::new(Outlet::Broker);
    let replies = &mut outlets.broker;
    let taste: BTreeMap<String, Taste> = (0..)
        .map(id)
        .zip(scene.offers.iter().map(|o| o.1))
        .collect();
    let mut offers: VecDeque<(u64, usize)> = scene
        .offers
        .iter()
        .enumerate()
        .map(|(n, o)| (o.0, n))
        .collect();
    offers.make_contiguous().sort_unstable();
    let (mut seen, mut now, mut connection) = (Seen::default(), 0, 0);
    let mut connected_at = 0;
    // When its answer comes, the reply, whether it is bare.
    let mut flight: VecDeque<(u64, Reply, bool)> = VecDeque::new();
    let settle = |outbox: &mut Outbox, returns: &mut mpsc::Receiver<Returned>, seen: &mut Seen| {
        while let Ok(returned) = returns.try_recv() {
            if let Settled::GivenUp(item) = outbox.settle(&returned, start) {
                seen.given_up.insert(item.id().to_string());
            }
        }
    };
    while now < until {
        while offers.front().is_some_and(|(at, _)| *at <= now) {
            let (_, n) = offers.pop_front().unwrap();
            outbox.result(&id(n).into());
        }
        settle(&mut outbox, &mut returns, &mut seen);
        let life = match &scene.ends {
            Ends::Closed(lives) | Ends::TimedOut(lives) => {
                lives.get(connection % lives.len()).copied()
            }
            Ends::No => None,
        };
        let mut closed = None;
        if now >= connected_at {
            if now == connected_at {
                replies.give_back();
                settle(&mut outbox, &mut returns, &mut seen);
            }
            // The broker answers in order.
            while flight.front().is_some_and(|(at, ..)| *at <= now) {
                let (_, reply, bare) = flight.pop_front().unwrap();
                let is_result = reply.channel == Channel::Result;
                let refused = match taste.get(&*reply.id) {
                    _ if !is_result => false,
                    Some(Taste::TooLong) => !bare,
                    Some(Taste::Never) => true,
                    _ => false,
                };
                if refused {
                    flight.push_front((now, reply, bare));
                    closed = Some(true);
                    seen.ends += 1;
                    break;
                }
                if is_result {
                    seen.taken.insert(reply.id.to_string(), bare);
                }
                reply.acknowledged();
            }
            if closed.is_none() && life.is_some_and(|life| now >= connected_at + life) {
                closed = Some(matches!(scene.ends, Ends::Closed(_)));
            }
            settle(&mut outbox, &mut returns, &mut seen);
            while closed.is_none() && flight.len() < IN_FLIGHT {
                if let Some(reply) = replies.try_next() {
                    let bare = reply.payload.starts_with(b"Bare");
                    flight.push_back((now + ROUND_TRIP, reply, bare));
                    continue;
                }
                if !outbox.is_ready(Outlet::Broker) {
                    break;
                }
                let permit = outbox.sender(Outlet::Broker).try_reserve_owned().unwrap();
                outbox.hand_out(Outlet::Broker, permit, |_, extent| {
                    Some(format!("{extent:?}").into_bytes())
                });
            }
        }
        if let Some(by_broker) = closed {
            let alone = flight.len() == 1;
            match by_broker {
                true => flight
                    .drain(..)
                    .for_each(|(_, reply, _)| reply.closed(alone)),
                false => while flight.pop_back().is_some() {},
            }
            connection += 1;
            connected_at = now + AWAY;
        }
        let next = [
            offers.front().map(|(at, _)| *at),
            Some(connected_at).filter(|at| *at > now),
            flight.front().map(|(at, ..)| *at),
            life.filter(|_| closed.is_none())
                .map(|life| connected_at + life),
        ];
        match next.into_iter().flatten().filter(|at| *at > now).min() {
            Some(at) => now = at,
            None => break,
        }
    }
    seen.left =
        outbox.broker.waiting.len() + outbox.broker.suspects.len() + outbox.handed_out.len();
    seen
}

fn scenes(tastes: BoxedStrategy<Taste>, ends: BoxedStrategy<Ends>) -> impl Strategy<Value = Scene> {
    let offers = proptest::collection::vec((0..20_000u64, tastes), 1..40);
    (offers, ends).prop_map(|(mut offers, ends)| {
        for (at, _) in &mut offers {
            *at -= *at % 10;
        }
        Scene { offers, ends }
    })
}

fn lives() -> BoxedStrategy<Vec<u64>> {
    // Long enough for a reply to go through, and never the same twice.
    proptest::collection::vec(200..30_000u64, 7..20).boxed()
}

fn any_taste() -> BoxedStrategy<Taste> {
    prop_oneof![
        8 => Just(Taste::Takes),
        1 => Just(Taste::TooLong),
        1 => Just(Taste::Never),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_reply_gets_through_and_poison_goes_bare_or_is_given_up_in_bounded_ends(
        scene in scenes(any_taste(), Just(Ends::No).boxed()),
    ) {
        let seen = play(&scene, 4_000_000);
        let mut poisons = 0;
        for (n, (_, taste)) in scene.offers.iter().enumerate() {
            let reply = id(n);
            match taste {
                Taste::Takes => prop_assert_eq!(seen.taken.get(&reply), Some(&false)),
                Taste::TooLong => prop_assert_eq!(seen.taken.get(&reply), Some(&true)),
                Taste::Never => {
                    prop_assert!(seen.given_up.contains(&reply));
                    prop_assert!(!seen.taken.contains_key(&reply));
                }
            }
            poisons += usize::from(*taste != Taste::Takes);
        }
        prop_assert_eq!(seen.left, 0);
        // Six that count, as many that do not, and those at which several were on their way.
        prop_assert!(seen.ends <= 13 * poisons + 1, "{} ends, {} poisons", seen.ends, poisons);
    }

    #[test]
    fn nothing_is_cut_or_given_up_when_the_broker_merely_flaps(
        scene in scenes(Just(Taste::Takes).boxed(), lives().prop_map(Ends::Closed).boxed()),
    ) {
        let seen = play(&scene, 600_000);
        prop_assert_eq!(seen.given_up.len() + seen.left, 0);
        prop_assert_eq!(seen.taken.len(), scene.offers.len());
        prop_assert!(seen.taken.values().all(|bare| !bare));
    }

    #[test]
    fn time_outs_count_against_nobody(
        scene in scenes(any_taste(), lives().prop_map(Ends::TimedOut).boxed()),
    ) {
        let seen = play(&scene, 4_000_000);
        for (n, (_, taste)) in scene.offers.iter().enumerate() {
            if *taste == Taste::Takes {
                prop_assert_eq!(seen.taken.get(&id(n)), Some(&false));
            }
        }
    }
}

#[test]
fn a_broker_that_is_always_silent_takes_nothing_away() {
    let scene = Scene {
        offers: vec![(0, Taste::Takes); 40],
        ends: Ends::TimedOut(vec![20]),
    };
    let seen = play(&scene, 1_000_000);
    assert_eq!((seen.given_up.len(), seen.left), (0, 40));
}
