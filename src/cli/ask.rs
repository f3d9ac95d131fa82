//! Asking the running agent over the bus.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::time::timeout;
use ubus::blobmsg::Value;
use ubus::{Client, Status};

use super::view::{of_reply, Shown};
use super::BusArgs;
use crate::bus::PATH;
use crate::tasks::spawn;
use crate::terminal;

/// Deadline for the greeting of the bus.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Deadline for an answer; `run_job` answers after 15 s at the latest.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Between two looks for the agent while an answer is awaited: the bus does not report an agent that goes
/// before it answers.
const STILL_THERE: Duration = Duration::from_secs(1);

/// Why a person got no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("cannot connect to the bus at {path}: {reason}; is ubusd running?")]
    NoBus { path: String, reason: String },
    #[error("socketman is not running; set option 'enabled' of /etc/config/socketman to 1, then: /etc/init.d/socketman restart")]
    NotRunning,
    #[error("not permitted: ask as root")]
    NotPermitted,
    /// The bus shows its objects to root alone.
    #[error("the agent is not to be seen: it does not run, or only root may ask it")]
    NotSeen,
    #[error("socketman {method}: the agent restarted before it answered; see: socketman status")]
    Restarted { method: &'static str },
    #[error("the agent has ended, and the job '{id}' with it")]
    EndedMeanwhile { id: String },
    #[error("the bus was lost before the agent answered; the job may run, see: socketman jobs")]
    LostJob,
    #[error(
        "{error}; the job '{id}' may go on, see: ubus call socketman job '{{\"id\": \"{id}\"}}'"
    )]
    LostSight { id: String, error: Box<AskError> },
    #[error("the agent is busy; ask again in a moment")]
    AgentBusy,
    #[error("the agent has not collected anything yet; ask again in a moment")]
    NothingYet,
    #[error("socketman {method}: {error}")]
    Bus {
        method: &'static str,
        error: ubus::Error,
    },
    #[error("standard output: {0}")]
    Output(#[from] std::io::Error),
}

impl AskError {
    /// Did the connection to the bus end?
    pub(super) fn is_lost_bus(&self) -> bool {
        let disconnected = ubus::Error::Disconnected;
        matches!(self, AskError::Bus { error, .. } if *error == disconnected)
    }
}

/// The agent on the other side of the bus.
pub(super) struct Agent {
    client: Client,
}

impl Agent {
    /// Connects to the bus; has to be called within a runtime.
    pub(super) async fn connect(bus: &BusArgs) -> Result<Self, AskError> {
        let path = bus.socket();
        let (client, connection) = ubus::connect(&path);
        // Ends when the client is dropped.
        spawn(connection.run());
        let mut state = client.state();
        let known = state.wait_for(|state| state.connected || state.error.is_some());
        let reason = match timeout(CONNECT_TIMEOUT, known).await {
            Ok(Ok(state)) if state.connected => None,
            Ok(Ok(state)) => Some(state.error.clone().unwrap_or_default()),
            Ok(Err(_)) | Err(_) => Some("no greeting".to_owned()),
        };
        match reason {
            None => Ok(Agent { client }),
            Some(reason) => Err(AskError::NoBus {
                path: shown(&path),
                reason,
            }),
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Calls a method of the agent.
    pub(super) async fn call<A, R>(&self, method: &'static str, args: &A) -> Result<R, AskError>
    where
        A: Serialize + ?Sized,
        R: Shown + Default,
    {
        let failed = |error| AskError::Bus { method, error };
        let args = ubus::to_members(args).map_err(failed)?;
        let replies = self.call_raw(method, args).await?;
        let reply = replies.first().ok_or(ubus::Error::NoData);
        Ok(of_reply(reply.map_err(failed)?))
    }

    async fn call_raw(&self, method: &'static str, args: Vec<u8>) -> Result<Vec<Bytes>, AskError> {
        let call = self.client.call_raw(PATH, method, args, ANSWER_TIMEOUT);
        self.answer(method, call).await
    }

    /// The answer of `call`, unless the agent goes before it answers.
    async fn answer<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<T, ubus::Error>>,
    ) -> Result<T, AskError> {
        tokio::select! {
            biased;
            answer = call => answer.map_err(|error| explained(method, error)),
            gone = self.gone(method) => Err(gone),
        }
    }

    /// Completes when the agent that is on the bus now has gone from it.
    async fn gone(&self, method: &'static str) -> AskError {
        let mut first = None;
        loop {
            let id = match self.client.lookup(PATH, ANSWER_TIMEOUT).await {
                Ok(objects) => objects.first().map(|object| object.id),
                Err(error) => return explained(method, error),
            };
            if *first.get_or_insert(id) != id {
                return AskError::Restarted { method };
            }
            tokio::time::sleep(STILL_THERE).await;
        }
    }

    /// Calls a method without arguments and prints its reply as JSON.
    pub(super) async fn print_json(&self, method: &'static str) -> Result<(), AskError> {
        let replies = self.call_raw(method, Vec::new()).await?;
        let data = replies
            .first()
            .ok_or(ubus::Error::NoData)
            .and_then(|data| Ok(Value::from_members(data)?))
            .map_err(|error| AskError::Bus { method, error })?;
        let mut out = std::io::stdout().lock();
        std::io::Write::write_all(&mut out, pretty(&data)?.as_bytes())?;
        Ok(())
    }
}

/// JSON for a person or a program: its strings may come from anybody.
fn pretty(data: &Value) -> std::io::Result<String> {
    let json = serde_json::to_string_pretty(data).map_err(std::io::Error::from)?;
    Ok(terminal::safe_json(&json) + "\n")
}

fn explained(method: &'static str, error: ubus::Error) -> AskError {
    explained_to(rustix::process::geteuid().is_root(), method, error)
}

fn explained_to(root: bool, method: &'static str, error: ubus::Error) -> AskError {
    match error {
        ubus::Error::Status(Status::NOT_FOUND) if root => AskError::NotRunning,
        ubus::Error::Status(Status::NOT_FOUND) => AskError::NotSeen,
        ubus::Error::Status(Status::PERMISSION_DENIED) => AskError::NotPermitted,
        ubus::Error::Status(Status::NO_DATA) => AskError::NothingYet,
        ubus::Error::Status(Status::TIMEOUT) => AskError::AgentBusy,
        error => AskError::Bus { method, error },
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::{assert_harmless, HOSTILE};

    #[test]
    fn json_of_the_agent_cannot_drive_the_terminal() {
        let data = Value::Table(vec![(b"ssid".to_vec(), Value::String(HOSTILE.into()))]);
        assert_harmless(&pretty(&data).unwrap(), 1);
    }

    #[test]
    fn an_agent_that_only_root_can_see_is_not_said_to_be_down() {
        for (root, status, words) in [
            (true, Status::NOT_FOUND, "socketman is not running; "),
            (false, Status::NOT_FOUND, "the agent is not to be seen: "),
            (true, Status::TIMEOUT, "the agent is busy; "),
            (true, Status::NO_MEMORY, "socketman status: "),
        ] {
            let said = explained_to(root, "status", ubus::Error::Status(status)).to_string();
            assert!(said.starts_with(words), "{said}");
        }
    }
}
