//! The agent as a service of init: wanted or not, started again when it ends, killed when it does not.

use std::time::Duration;

use tokio::time::{sleep_until, Instant};

use super::{Lab, LabError};
use crate::router::Verb;

/// procd starts a service again this long after it has ended: `respawn 3600 5 0`.
const RESPAWN_AFTER: Duration = Duration::from_secs(5);

/// Time that an instance has to end after SIGTERM: `term_timeout 10`.
const TERM_TIMEOUT: Duration = Duration::from_secs(10);

/// Init's plan for the agent.
#[derive(Debug, Default)]
pub(super) struct Service {
    /// It starts with the router.
    enabled: bool,
    wanted: bool,
    /// It is started then.
    start_at: Option<Instant>,
    /// It is killed then, if it has not ended.
    kill_at: Option<Instant>,
}

impl Service {
    /// A service that runs.
    pub(super) fn started() -> Self {
        Service {
            enabled: true,
            wanted: true,
            ..Service::default()
        }
    }

    /// A service that does not run, and starts with the router if `enabled`.
    pub(super) fn down(enabled: bool) -> Self {
        Service {
            enabled,
            ..Service::default()
        }
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Returns when something is due.
    pub(super) async fn due(&self) {
        match self.start_at.into_iter().chain(self.kill_at).min() {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

impl Lab {
    /// Does init start the agent again when it ends?
    pub fn is_agent_wanted(&self) -> bool {
        self.service.wanted
    }

    /// Does what the agent's init script asks of procd, which does not wait for it.
    ///
    /// # Errors
    ///
    /// The agent cannot be told to end, or cannot be started.
    pub fn obey_script(&mut self, verb: Verb) -> Result<(), LabError> {
        if verb != Verb::Start {
            self.service.wanted = false;
            self.service.start_at = None;
            if let Some(agent) = &self.agent {
                agent.ask_to_end()?;
                self.service.kill_at = Some(Instant::now() + TERM_TIMEOUT);
            }
        }
        if verb != Verb::Stop {
            self.service.wanted = true;
            // One that is ending is waited for.
            if self.agent.is_none() {
                self.start_service()?;
            }
        }
        Ok(())
    }

    /// The agent has ended.
    pub(super) fn service_ended(&mut self) -> Result<(), LabError> {
        let was_told = self.service.kill_at.take().is_some();
        match (self.service.wanted, was_told) {
            (true, true) => self.start_service(),
            (true, false) => {
                let after = RESPAWN_AFTER / self.program.time_scale.max(1);
                self.service.start_at = Some(Instant::now() + after);
                Ok(())
            }
            (false, _) => Ok(()),
        }
    }

    pub(super) fn service_due(&mut self) -> Result<(), LabError> {
        let now = Instant::now();
        if self.service.start_at.is_some_and(|at| at <= now) {
            self.start_service()?;
        }
        if self.service.kill_at.is_some_and(|at| at <= now) {
            self.service.kill_at = None;
            if let Some(agent) = &self.agent {
                agent.ask_to_die()?;
            }
        }
        Ok(())
    }

    /// Starts the agent, if the router has one.
    fn start_service(&mut self) -> Result<(), LabError> {
        self.service.start_at = None;
        match self.has_agent() {
            true => self.start_agent().map(drop),
            false => Ok(()),
        }
    }
}
