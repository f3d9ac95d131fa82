//! The gate that every job passes: the judge, with the settings, the name and the time of the moment.

use tokio::sync::watch;

use super::message::Job;
use super::signature::{check_time, Floor, Judge, Keys, Refusal, BUILT};
use super::Settings;
use crate::identity::Identity;
use crate::process::clock::{Clock, Reading, ServerDate};

/// Asks the judge, and keeps the floor that he judges by.
#[derive(Debug)]
pub(super) struct Gate {
    options: watch::Receiver<Settings>,
    mac: watch::Receiver<Identity>,
    clock: Clock,
    /// The clocks of servers whose certificates were verified.
    dates: watch::Receiver<Option<ServerDate>>,
    floor: Floor,
}

impl Gate {
    /// With the system's clock, and no server's.
    pub(super) fn new(options: watch::Receiver<Settings>, mac: watch::Receiver<Identity>) -> Self {
        Gate {
            options,
            mac,
            clock: Clock::default(),
            dates: watch::channel(None).1,
            floor: Floor::new(BUILT, 0),
        }
    }

    /// Takes the time from `clock`, and from servers as `dates` has it.
    pub(super) fn take_time_from(
        &mut self,
        clock: Clock,
        dates: watch::Receiver<Option<ServerDate>>,
    ) {
        self.clock = clock;
        self.dates = dates;
    }

    /// Device and signature of a job that came from outside.
    pub(super) fn admit(&self, job: &Job) -> Result<(), Refusal> {
        let (options, identity) = (self.options.borrow(), self.mac.borrow());
        Judge::new(Keys::of(&options), &identity).admit(job)
    }

    /// Is there still time for a job? One that never expires needs no clock.
    pub(super) fn in_time(&mut self, job: &Job) -> Result<(), Refusal> {
        if job.expires.is_none() {
            return Ok(());
        }
        let reading = self.read();
        check_time(job, self.floor.now(reading))
    }

    /// All of it again, for a job from outside that starts now.
    pub(super) fn again(&mut self, job: &Job) -> Result<(), Refusal> {
        self.admit(job)?;
        self.in_time(job)
    }

    /// A job that was admitted is about to be accepted. If it was signed, it is no earlier than its
    /// `timestamp`, and true says that the floor has risen; if not, a signature that nobody looked at is
    /// taken away from it.
    pub(super) fn accepted(&mut self, job: &mut Job) -> bool {
        if !self.has_keys() {
            job.sig = None;
        }
        let before = self.floor.persisted();
        if let (Some(timestamp), Some(_)) = (job.timestamp, &job.sig) {
            self.floor.job(timestamp);
        }
        self.floor.persisted() > before
    }

    /// The clock, as jobs are judged by it.
    pub(super) fn now(&mut self) -> Reading {
        self.read()
    }

    /// True if signatures are checked.
    pub(super) fn has_keys(&self) -> bool {
        matches!(Keys::of(&self.options.borrow()), Keys::Set(_))
    }

    /// A floor that an earlier agent kept has turned up, seconds since the epoch.
    pub(super) fn recalled(&mut self, kept: u64) {
        self.floor.recalled(kept);
    }

    /// The floor that has to outlive a restart, seconds since the epoch.
    pub(super) fn kept(&self) -> u64 {
        self.floor.persisted()
    }

    /// Hears what a server says of the time while the clock stands as it did then. Cancel safe.
    pub(super) async fn told(&mut self) {
        match self.dates.clone().changed().await {
            Ok(()) => drop(self.read()),
            // Nobody asks servers any more.
            Err(_) => std::future::pending().await,
        }
    }

    /// The clock, after what servers have said since the last time.
    fn read(&mut self) -> Reading {
        let told = self.dates.borrow_and_update();
        let date = told.filter(|_| told.has_changed());
        drop(told);
        if let Some(date) = date {
            self.clock.heard(date);
        }
        let reading = self.clock.read();
        if let Some(date) = date {
            self.floor.date(reading, date.epoch);
        }
        reading
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::config::Config;
    use crate::process::clock::epoch_seconds;

    #[tokio::test]
    async fn a_date_counts_for_good_if_the_clock_was_right_when_it_came() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("clock");
        std::fs::write(&file, "0 1").unwrap();
        let (sender, dates) = watch::channel(None);
        let options = watch::channel((&Config::default()).into()).1;
        let mac = watch::channel("94:83:c4:a1:b2:00".parse().unwrap()).1;
        let mut gate = Gate::new(options, mac);
        gate.take_time_from(Clock::new(Some(file.clone())), dates);
        let now = epoch_seconds() + 100;
        sender.send_replace(Some(ServerDate::now(now)));
        gate.told().await;
        assert_eq!(gate.floor.persisted(), now);
        let quiet = timeout(Duration::from_millis(1), gate.told()).await;
        assert!(quiet.is_err(), "each date is heard once");

        std::fs::write(&file, "-315360000 0").unwrap();
        sender.send_replace(Some(ServerDate::now(now + 100)));
        gate.told().await;
        assert_eq!(gate.floor.persisted(), now);
        let reading = gate.read();
        assert_eq!(gate.floor.now(reading), now + 100);

        drop(sender);
        let quiet = timeout(Duration::from_millis(1), gate.told()).await;
        assert!(quiet.is_err());
    }
}
