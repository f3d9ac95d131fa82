//! Keeps a line for each word, then takes all lines out again, as a server would get them: `keep DIRECTORY WORD...`.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use spool::{Bounds, Reading, Spool, Stamp};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let directory = PathBuf::from(args.next().ok_or("usage: keep DIRECTORY WORD...")?);
    let bounds = Bounds {
        ram: 1 << 20,
        flash: 0,
        flash_daily: 0,
    };
    let now = Reading {
        epoch: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        mono: 0,
        synced: true,
    };
    let mut spool = Spool::open(&directory, "an-example", bounds)?;
    for word in args {
        let line = |stamp: &Stamp<'_>| format!("{{\"{word}\":{}}}", stamp.seq).into_bytes();
        spool.append(&line, now)?;
    }
    while let Some(batch) = spool.next_batch(64 << 10, now) {
        print!("{}", String::from_utf8(batch.lines()?)?);
        spool.delivered(batch.id, now);
    }
    Ok(())
}
