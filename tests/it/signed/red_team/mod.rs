//! Everything that who holds broker and API can do to a device with keys.
//!
//! An operator signs jobs. The attacker has all of them, for every device, and sends them as they are,
//! changed, mixed, spelt in other ways, late, and again; he sets the device's clock, answers as the API
//! with any date, and cuts the power. What may run is worked out once more, from the list of what was
//! signed. After each payload the two have to agree: nothing runs that was not signed, nothing runs
//! twice, and what section 8 allows does run.

mod attack;
mod device;
mod order;
mod tally;
mod world;

use ring::signature::{Ed25519KeyPair, KeyPair};
use socketman::config::PublicKey;
use socketman_lab::schedules::{self, Schedules};

use tally::Tally;
use world::World;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// When the program was made.
const BUILT: u64 = 1_790_000_000;

const MAC: &str = "94:83:c4:a1:b2:00";

/// Payloads, in the usual and in the long form.
const CASES: u64 = 1_000_000;
const CASES_LONG: u64 = 10_000_000;

/// Payloads in one world.
const CASES_OF_A_WORLD: u64 = 500;

/// Keys of operators. The last one is never in the settings.
const KEYS: usize = 4;

#[test]
fn who_holds_broker_and_api_makes_nothing_run_that_was_not_signed_and_nothing_twice() {
    let pairs: Vec<_> = (1..=KEYS as u8)
        .map(|seed| Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
        .collect();
    let publics: Vec<_> = pairs
        .iter()
        .map(|pair| PublicKey(pair.public_key().as_ref().try_into().unwrap()))
        .collect();
    let cases = match std::env::var_os(schedules::VARIABLE) {
        Some(_) => CASES_LONG,
        None => CASES,
    };
    let worlds = cases / CASES_OF_A_WORLD;
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let work = |thread| {
            let (pairs, publics) = (&pairs, &publics);
            move || {
                let mut tally = Tally::default();
                for seed in (thread..worlds).step_by(threads as usize) {
                    tally.add(World::new(seed, pairs, publics).run());
                }
                tally
            }
        };
        let running: Vec<_> = (0..threads).map(|n| scope.spawn(work(n))).collect();
        for thread in running {
            match thread.join() {
                Ok(of_thread) => tally.add(of_thread),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    println!("{tally:#?}");
    let mut schedules = Schedules::of("red team against signed jobs");
    schedules.add(tally.cases);
    schedules.report();
    assert!(tally.cases >= cases);
    // Each way was gone often.
    assert_eq!(tally.refused.len(), 11, "{tally:#?}");
    for (way, count) in &tally.refused {
        assert!(*count > cases / 10_000, "{way}: {count}");
    }
    for count in [
        tally.accepted,
        tally.known,
        tally.full,
        tally.started,
        tally.refused_at_start,
        tally.forgotten,
        tally.after_forgotten,
    ] {
        assert!(count > cases / 10_000, "{tally:#?}");
    }
}
