//! The end of the agent: from a signal to every part.

use std::future::{poll_fn, Future};
use std::io;
use std::pin::Pin;

use tokio::signal::unix::{signal, Signal, SignalKind};
use tokio::sync::watch;

/// Tells every [`Shutdown`] made with it that the agent ends. Dropping it says the same.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

/// Work in a box, so that [`Shutdown::cut_short`] is compiled once.
pub(crate) type Work<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Knows whether the agent ends; each part holds one.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// A trigger and the handle to clone for the parts.
pub fn shutdown() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Ends the agent; doing it again changes nothing.
    pub fn fire(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Completes when the agent ends, at once if it ends already. Safe to drop and call again.
    pub async fn requested(&mut self) {
        // An error says that the trigger is gone: nobody is left to work for.
        let _ended = self.0.wait_for(|ended| *ended).await;
    }

    /// Does all of `works` until one of them ends by itself, or the agent does.
    pub(crate) async fn cut_short(mut self, mut works: Vec<Work<'_>>) {
        let mut requested = std::pin::pin!(self.requested());
        poll_fn(|context| {
            let mut ended = requested.as_mut().poll(context);
            for work in &mut works {
                if ended.is_pending() {
                    ended = work.as_mut().poll(context);
                }
            }
            ended
        })
        .await;
    }
}

/// The signals that end the agent. From [`Signals::listen`] on they no longer kill the process.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches SIGTERM and SIGINT. Needs a tokio runtime with I/O.
    pub fn listen() -> io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Completes with the name of the next signal; one that came before the call counts.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::process::{getpid, kill_process, Signal as Number};
    use tokio::time::timeout;

    use super::*;

    const LONG: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn every_clone_hears_of_the_end_and_so_does_one_made_later() {
        let (trigger, mut first) = shutdown();
        let mut second = first.clone();
        assert!(!first.is_requested());
        assert!(timeout(LONG, first.requested()).await.is_err());

        trigger.fire();
        trigger.fire();
        first.requested().await;
        first.requested().await;
        second.requested().await;
        let mut late = second.clone();
        late.requested().await;
        assert!(late.is_requested());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_trigger_ends_the_parts_too() {
        let (trigger, mut part) = shutdown();
        drop(trigger);
        timeout(LONG, part.requested()).await.unwrap();
        assert!(part.is_requested());
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_cut_short_by_its_own_end_and_by_that_of_the_agent() {
        let (trigger, part) = shutdown();
        let endless = || -> Work<'_> { Box::pin(std::future::pending()) };
        let short: Work<'_> = Box::pin(tokio::time::sleep(LONG));
        part.clone().cut_short(vec![endless(), short]).await;
        let cut = part.clone().cut_short(vec![endless()]);
        assert!(timeout(LONG, cut).await.is_err());
        trigger.fire();
        part.cut_short(vec![endless(), endless()]).await;
    }

    #[tokio::test]
    async fn sigterm_and_sigint_are_delivered_instead_of_killing_the_process() {
        let mut signals = Signals::listen().unwrap();
        for (number, name) in [(Number::TERM, "SIGTERM"), (Number::INT, "SIGINT")] {
            kill_process(getpid(), number).unwrap();
            assert_eq!(timeout(LONG, signals.next()).await.unwrap(), name);
        }
    }
}
