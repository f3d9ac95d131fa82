//! The log lines of a test's thread.

use std::cell::RefCell;
use std::sync::Once;

use log::{Level, LevelFilter, Log, Metadata, Record};

thread_local! {
    static LINES: RefCell<Option<Vec<(Level, String)>>> = const { RefCell::new(None) };
}

struct Ear;

/// Keeps what this thread logs from now on, at any level.
pub(crate) fn listen() {
    static EAR: Once = Once::new();
    EAR.call_once(|| {
        log::set_logger(&Ear).expect("no other test starts logging");
        log::set_max_level(LevelFilter::Trace);
    });
    LINES.set(Some(Vec::new()));
}

/// The levels of the lines so far that begin with `beginning`.
pub(crate) fn levels(beginning: &str) -> Vec<Level> {
    LINES.with_borrow(|lines| {
        let lines = lines.iter().flatten();
        let lines = lines.filter(|(_, line)| line.starts_with(beginning));
        lines.map(|(level, _)| *level).collect()
    })
}

impl Log for Ear {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = (record.level(), record.args().to_string());
        LINES.with_borrow_mut(|lines| {
            if let Some(lines) = lines {
                lines.push(line);
            }
        });
    }

    fn flush(&self) {}
}
