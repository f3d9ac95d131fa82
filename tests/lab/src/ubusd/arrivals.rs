//! Clients in the order in which their sockets woke up.
//!
//! ubusd serves its clients in the order the kernel reports them, so what one program does before
//! another is seen before it. One waker for all sockets could not tell.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The clients that are to be served, each once.
#[derive(Debug, Clone, Default)]
pub(super) struct Arrivals {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    clients: VecDeque<u32>,
    daemon: Option<Waker>,
}

/// Puts one client into the row.
struct Turn {
    client: u32,
    arrivals: Arrivals,
}

impl Arrivals {
    /// Wakes `daemon` from now on when somebody comes.
    pub(super) fn listen(&self, daemon: &Waker) {
        self.lock().daemon = Some(daemon.clone());
    }

    pub(super) fn add(&self, client: u32) {
        let mut state = self.lock();
        if !state.clients.contains(&client) {
            state.clients.push_back(client);
        }
        if let Some(daemon) = state.daemon.take() {
            drop(state);
            daemon.wake();
        }
    }

    /// Clients that came until now.
    pub(super) fn take(&self) -> VecDeque<u32> {
        std::mem::take(&mut self.lock().clients)
    }

    /// Adds `client` when woken.
    pub(super) fn waker(&self, client: u32) -> Waker {
        Waker::from(Arc::new(Turn {
            client,
            arrivals: self.clone(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A list of numbers is whole whatever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.arrivals.add(self.client);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn clients_are_served_once_each_in_the_order_they_came() {
        let arrivals = Arrivals::default();
        for client in [7, 3, 7, 5] {
            arrivals.waker(client).wake();
        }
        assert_eq!(arrivals.take(), [7, 3, 5]);
        assert!(arrivals.take().is_empty());
    }

    #[test]
    fn the_daemon_is_woken_once_for_all_that_come_before_it_looks() {
        let (arrivals, count) = (Arrivals::default(), Arc::new(Count::default()));
        arrivals.listen(&Waker::from(count.clone()));
        arrivals.add(1);
        arrivals.add(2);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        arrivals.listen(&Waker::from(count.clone()));
        arrivals.add(1);
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }
}
