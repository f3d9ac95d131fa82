//! The short form of `socketman-lab soak`.

use std::io::{self, Write};
use std::path::Path;

use socketman_lab::soak::{self, SoakArgs};

#[tokio::test]
async fn with_a_fault_every_second_nothing_is_lost_and_nothing_is_left_behind() {
    let args = SoakArgs {
        minutes: 1,
        seed: fastrand::u64(..1_000_000),
    };
    let counted = Path::new(env!("CARGO_BIN_EXE_socketman-counted"));
    let mut text = format!("soak of {} min, seed {}\n", args.minutes, args.seed).into_bytes();
    let figures = soak::run(&args, counted, &mut text).await;
    // Past the test runner, which shows what is printed of failed tests only.
    let _ = io::stdout().write_all(&text);
    let wrong = figures.unwrap().wrong();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
