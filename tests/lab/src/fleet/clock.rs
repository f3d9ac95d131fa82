//! Simulated time, and the tasks that wait for it.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

/// A clock that stands still while anybody does something.
#[derive(Debug, Clone)]
pub struct Clock(Rc<Hands>);

#[derive(Debug)]
struct Hands {
    begun: Instant,
    /// Since it began.
    now: Cell<Duration>,
    /// The moment that the task being polled waits for.
    wanted: Cell<Option<Duration>>,
}

impl Default for Clock {
    fn default() -> Self {
        Clock(Rc::new(Hands {
            begun: Instant::now(),
            now: Cell::default(),
            wanted: Cell::default(),
        }))
    }
}

impl Clock {
    /// Time since the clock began.
    pub fn now(&self) -> Duration {
        self.0.now.get()
    }

    /// The same as the agent's code wants it.
    pub fn instant(&self) -> Instant {
        self.0.begun + self.now()
    }

    /// Waits until `at`.
    pub async fn until(&self, at: Duration) {
        poll_fn(|_| match at <= self.now() {
            true => Poll::Ready(()),
            false => {
                let wanted = self.0.wanted.get();
                self.0
                    .wanted
                    .set(Some(wanted.map_or(at, |other| other.min(at))));
                Poll::Pending
            }
        })
        .await;
    }

    /// Waits for so long.
    pub async fn sleep(&self, time: Duration) {
        self.until(self.now() + time).await;
    }
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Tasks that wait for nothing but the clock.
#[derive(Default)]
pub struct Tasks {
    tasks: Vec<Task>,
    /// The next moment of each.
    agenda: BinaryHeap<Reverse<(Duration, usize)>>,
}

impl Tasks {
    /// Adds one, to begin at once.
    pub fn add(&mut self, task: impl Future<Output = ()> + 'static) {
        self.agenda
            .push(Reverse((Duration::ZERO, self.tasks.len())));
        self.tasks.push(Box::pin(task));
    }

    /// Lets time pass until `end`; every task runs at its moments. One that waits for anything else, or has ended, is
    /// not heard of again.
    pub fn run(&mut self, clock: &Clock, end: Duration) {
        let mut context = Context::from_waker(Waker::noop());
        while let Some(&Reverse((at, task))) = self.agenda.peek() {
            if at > end {
                break;
            }
            self.agenda.pop();
            clock.0.now.set(at.max(clock.now()));
            let ended = self.tasks[task].as_mut().poll(&mut context).is_ready();
            if let Some(next) = clock.0.wanted.take().filter(|_| !ended) {
                self.agenda.push(Reverse((next, task)));
            }
        }
        clock.0.now.set(end);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn tasks_run_at_their_moments_in_order_and_nobody_waits_for_real() {
        let (clock, seen) = (Clock::default(), Rc::new(RefCell::new(Vec::new())));
        let mut tasks = Tasks::default();
        for every in [3, 5] {
            let (clock, seen) = (clock.clone(), Rc::clone(&seen));
            tasks.add(async move {
                loop {
                    clock.sleep(Duration::from_secs(every)).await;
                    seen.borrow_mut().push((clock.now().as_secs(), every));
                }
            });
        }
        tasks.run(&clock, Duration::from_secs(9));
        assert_eq!(*seen.borrow(), [(3, 3), (5, 5), (6, 3), (9, 3)]);
        tasks.run(&clock, Duration::from_secs(10));
        assert_eq!(seen.borrow().last(), Some(&(10, 5)));
        assert_eq!(clock.now(), Duration::from_secs(10));
    }
}
