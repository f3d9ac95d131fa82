//! The files that go with the settings in the state directory: last good copies, and options that are held
//! strict. They are written on a thread, one change after the other, so that flash that is slow or stuck
//! holds up a reload alone, and that not for ever.

use std::future::pending;
use std::path::Path;
use std::time::Duration;

use crate::config::Problem;
use crate::tasks::{InTurn, NotDone, Waiting};

/// Longest wait for the disk, and for a change that is late.
const WITHIN: Duration = Duration::from_secs(10);

/// Changes of those files.
#[derive(Default)]
pub(super) struct Upkeep {
    disk: InTurn,
    /// A change has taken too long.
    is_late: bool,
}

impl Upkeep {
    /// Has `change` made in `state_dir`, and returns its errors. While an earlier change is late there is
    /// no other: that is an error too.
    pub(super) async fn make(
        &mut self,
        state_dir: &Path,
        change: impl FnOnce(&Waiting) -> Vec<Problem> + Send + 'static,
    ) -> Vec<Problem> {
        let (_waits, waiting) = Waiting::new();
        let work = move || change(&waiting);
        let made = self.disk.aside("settings", WITHIN, work).await;
        self.is_late = matches!(made, Err(NotDone::Late));
        made.unwrap_or_else(|error| vec![problem(state_dir, &error)])
    }

    /// Completes when a change that was late has been made: it is time to make those that could not be made
    /// meanwhile. Never if none was. Cancel safe.
    pub(super) async fn caught_up(&mut self) {
        if !self.is_late {
            return pending().await;
        }
        self.disk.caught_up().await;
        self.is_late = false;
    }
}

fn problem(state_dir: &Path, error: &NotDone) -> Problem {
    Problem {
        option: Some("state_dir".into()),
        source: state_dir.display().to_string(),
        line: None,
        reason: format!("no copy of the settings can be kept: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn changes_are_made_one_after_the_other_though_one_is_late() {
        let mut upkeep = Upkeep::default();
        let (done, order) = mpsc::channel();
        let (let_go, stuck) = mpsc::channel::<()>();
        let first = {
            let done = done.clone();
            move |waiting: &Waiting| {
                assert!(stuck.recv().is_err());
                done.send(("first", waiting.is_on())).unwrap();
                Vec::new()
            }
        };
        let said =
            |errors: Vec<Problem>| -> Vec<_> { errors.iter().map(Problem::to_string).collect() };
        let late = "/state: option 'state_dir': no copy of the settings can be kept: \
                    the disk does not answer in time";
        let dir = Path::new("/state");
        assert_eq!(said(upkeep.make(dir, first).await), [late]);
        // The next one waits, and is not made at all.
        let never = |_: &Waiting| panic!("on purpose");
        assert_eq!(said(upkeep.make(dir, never).await), [late]);
        let none = timeout(WITHIN, upkeep.caught_up());
        assert!(none.await.is_err());
        tokio::time::resume();
        drop(let_go);
        upkeep.caught_up().await;
        assert_eq!(order.recv().unwrap(), ("first", false));
        let last = move |waiting: &Waiting| {
            done.send(("last", waiting.is_on())).unwrap();
            Vec::new()
        };
        assert_eq!(upkeep.make(dir, last).await, []);
        assert_eq!(order.recv().unwrap(), ("last", true));
        let none = timeout(Duration::from_millis(10), upkeep.caught_up());
        assert!(none.await.is_err());
    }
}
