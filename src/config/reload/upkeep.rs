//! The files that go with the settings in the state directory: last good copies, and options that are held
//! strict. They are written on a thread, one change after the other, so that flash that is slow or stuck
//! holds up a reload alone, and that not for ever.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::timeout;

use crate::config::Problem;
use crate::tasks::{aside, NotDone};

/// Longest wait for the disk.
const WITHIN: Duration = Duration::from_secs(10);

type Outcome = Result<Vec<Problem>, NotDone>;

/// Changes of those files.
#[derive(Default)]
pub(super) struct Upkeep {
    /// The change that has taken too long.
    late: Option<Pin<Box<dyn Future<Output = Outcome> + Send>>>,
}

/// The reload that a change belongs to.
pub(super) struct Waiting(Weak<()>);

impl Waiting {
    /// False if the reload is over: what is not done yet is no longer to be done.
    pub(super) fn is_on(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl Upkeep {
    /// Has `change` made in `state_dir`, and returns its errors. While an earlier change is late there is
    /// no other: that is an error too.
    pub(super) async fn make(
        &mut self,
        state_dir: &Path,
        change: impl FnOnce(&Waiting) -> Vec<Problem> + Send + 'static,
    ) -> Vec<Problem> {
        if timeout(WITHIN, self.late_one()).await.is_err() {
            return vec![problem(state_dir, &NotDone::Late)];
        }
        let is_on = Arc::new(());
        let waiting = Waiting(Arc::downgrade(&is_on));
        let mut work = Box::pin(aside("settings", None, move || change(&waiting)));
        match timeout(WITHIN, &mut work).await {
            Ok(Ok(errors)) => errors,
            Ok(Err(error)) => vec![problem(state_dir, &error)],
            Err(_) => {
                self.late = Some(work);
                vec![problem(state_dir, &NotDone::Late)]
            }
        }
    }

    /// Completes when the change that is late has been made; at once without one. Cancel safe.
    async fn late_one(&mut self) {
        if let Some(late) = &mut self.late {
            // Its reload is over, and the next one tells of errors.
            drop(late.await);
            self.late = None;
        }
    }

    /// The same, but never without one: it is time to make the changes that could not be made meanwhile.
    pub(super) async fn caught_up(&mut self) {
        match self.late {
            Some(_) => self.late_one().await,
            None => std::future::pending().await,
        }
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
