//! Guard: a job that cuts the device off is undone.
//!
//! A network job changes files in /etc/config and has services take them up. If the device is worse off
//! afterwards nobody can reach it to mend that. So the files are saved before the command begins, and put
//! back if the device does not reach what it reached before.
//!
//! ```text
//!  jobs ─arm─► LuCI free? ─► test ─► snapshot ─► armed ─► the command runs
//!                 │ 90 s                                        │
//!                 └─► REJECTED                                ended
//!                                                               │ rollback_timeout
//!                        kept ◄─ reached what it did before ◄─ test ─► undoing ─► undone
//!                                                                                  │ services reload
//!                                       reverted ◄─ back ◄─ 30 s ◄─────────────────┤
//!                                           ▲                                      │ network, firewall, dnsmasq
//!                                           └────── back ◄─ 60 s ◄─────────────────┤ restart
//!                                                                                  └─► one reboot
//! ```
//!
//! * [`desk`]: the durable steps, plain code over disks: [`journal`], [`snapshot`], [`picture`], [`folder`]
//! * [`decide`]: keep or undo, from evidence and time alone
//! * [`json`]: config.json, which no snapshot has
//! * `own`: our own settings, which jobs of every type are watched for
//! * `owed`: the last word on a trial, until the disk takes it
//! * `unread`: a trial of an earlier agent that the disk has not given yet
//! * `luci`: the undo of LuCI, which goes first
//! * [`place`]: the firmware that a journal belongs to
//! * `task`: what drives all of it
//!
//! After any death at any moment the next agent first finds the journal: a trial
//! under way begins again, an undo that has begun is finished. A job that restarts the device is therefore a
//! change as any other. The agent that decides reports the outcome of the job. The journal goes when
//! the outcome is recorded.

pub mod decide;
pub mod desk;
mod facts;
pub mod files;
pub mod folder;
mod handle;
pub mod journal;
pub mod json;
mod luci;
mod owed;
mod own;
pub mod picture;
pub mod place;
mod places;
pub mod snapshot;
mod task;
mod trial;
mod unread;

use std::io;

use desk::{Desk, Undone};
use journal::Journal;

use crate::terminal::safe;

pub use facts::Facts;
pub use handle::Handle;
pub use places::{find, may_have_trial, Found};
pub use task::{new, run, Part, Surroundings};
pub use trial::Witnesses;

/// Words for the result of an undo that was tried again.
const PUT_BACK_LATER: &str = "the files were put back later";

/// Puts the files back, and adds a failure to the words for the result.
fn undo(desk: &mut Desk, journal: &mut Journal) {
    match desk.undo(journal) {
        Ok(undone) => add_undone(journal, &undone),
        Err(error) => not_put_back(journal, &error),
    }
}

fn not_put_back(journal: &mut Journal, error: &io::Error) {
    log::error!("guard: {error}");
    add_reason(journal, &format!("not put back: {error}"));
}

/// Adds what an undo could not do in silence to the words for the result.
fn add_undone(journal: &mut Journal, undone: &Undone) {
    add_conflicts(journal, &undone.conflicts);
    if !undone.failed.is_empty() {
        let failed = format!("could not be put back: {}", undone.failed.join(", "));
        log::error!("guard: {}", safe(&failed));
        add_reason(journal, &failed);
    }
}

/// Says where files are that somebody changed after the command, if there are any.
fn add_conflicts(journal: &mut Journal, names: &[String]) {
    if !names.is_empty() {
        let names = names.join(", ");
        let words = format!("changed by others meanwhile and kept in conflict/: {names}");
        add_reason(journal, &words);
    }
}

fn add_reason(journal: &mut Journal, words: &str) {
    journal.reason = Some(match journal.reason.take() {
        // An undo that is tried again may fail as before.
        Some(reason) if reason.contains(words) => reason,
        Some(reason) => format!("{reason}; {words}"),
        None => words.to_owned(),
    });
}
