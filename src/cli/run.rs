//! `socketman run -- COMMAND`: a job on the running agent, as if its shell were here.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::ask::{Agent, AskError};
use super::words::safe;
use super::BusArgs;
use crate::api::JOB_EVENT;
use crate::ubus::{from_members, Events, Heard};

/// How long to wait for the event before the agent is asked again: events may be lost.
const ASK_AGAIN: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct RunArgs<'a> {
    msg: &'a str,
}

#[derive(Serialize)]
struct JobArgs<'a> {
    id: &'a str,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reply {
    id: String,
    state: String,
    exit_code: Option<i32>,
    signal: Option<i32>,
    output: String,
    stderr: String,
    truncated: bool,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Changed {
    id: String,
}

/// Runs `command`, prints its output and ends as it did: with its exit code, or 128 + its signal.
pub async fn run(command: &str, bus: &BusArgs) -> Result<ExitCode, AskError> {
    let agent = Agent::connect(bus).await?;
    let listened = agent.client().listen(JOB_EVENT).await;
    let mut events = listened.map_err(|error| AskError::Bus {
        method: "run_job",
        error,
    })?;
    let mut reply: Reply = agent.call("run_job", &RunArgs { msg: command }).await?;
    while matches!(reply.state.as_str(), "queued" | "running") {
        changed(&mut events, &reply.id).await;
        let id = std::mem::take(&mut reply.id);
        reply = match agent.call("job", &JobArgs { id: &id }).await {
            Err(AskError::NotRunning | AskError::NotSeen | AskError::Restarted { .. }) => {
                return Err(AskError::EndedMeanwhile { id: safe(&id) });
            }
            asked => asked?,
        };
    }
    std::io::stdout().write_all(reply.output.as_bytes())?;
    std::io::stderr().write_all(reply.stderr.as_bytes())?;
    if reply.truncated {
        eprintln!("socketman: there was more output than is kept");
    }
    if let Some(reason) = &reply.reason {
        eprintln!("socketman: {}: {}", safe(&reply.state), safe(reason));
    }
    Ok(match (reply.exit_code, reply.signal) {
        (Some(code), _) => ExitCode::from(code as u8),
        (None, Some(signal)) => ExitCode::from((128 + signal) as u8),
        (None, None) => ExitCode::FAILURE,
    })
}

/// Waits until the job's state may have changed.
async fn changed(events: &mut Events, id: &str) {
    let news = async {
        while let Some(heard) = events.next().await {
            match heard {
                Heard::Event { data, .. } => {
                    if from_members::<Changed>(&data).is_ok_and(|changed| changed.id == id) {
                        return;
                    }
                }
                Heard::Lost { .. } => return,
            }
        }
    };
    // Either way the agent is asked next.
    let _ = timeout(ASK_AGAIN, news).await;
}
