//! `socketman run -- COMMAND`: a job on the running agent, as if its shell were here.
//!
//! The job goes on while the bus restarts: it is asked for again until the agent is back there.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{sleep, timeout, Instant};
use ubus::{Events, Heard, State};

use super::ask::{Agent, AskError};
use super::view::{of_reply, shown};
use super::words::safe;
use super::BusArgs;
use crate::bus::JOB_EVENT;

/// Between two looks at a running job: it may have said something, and events may be lost.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Longest time without an answer after the bus was lost. The agent is back within a second of its bus.
const LOST_FOR: Duration = Duration::from_secs(10);

/// Between two questions meanwhile.
const LOST_AGAIN: Duration = Duration::from_millis(250);

#[derive(Serialize)]
struct RunArgs<'a> {
    msg: &'a str,
}

#[derive(Serialize)]
struct JobArgs<'a> {
    id: &'a str,
}

shown! {
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
}

shown! {
    struct Changed {
        id: String,
    }
}

/// A growing text, of which so many bytes were printed.
#[derive(Debug, Default)]
struct Printed(usize);

impl Printed {
    /// The part of `text` that was not printed yet. The last character of a text that `grows` may not be whole:
    /// it comes with what follows.
    fn news<'t>(&mut self, text: &'t str, grows: bool) -> &'t str {
        let text = match grows {
            true => text.trim_end_matches(char::REPLACEMENT_CHARACTER),
            false => text,
        };
        let news = text.get(self.0..).unwrap_or_default();
        self.0 += news.len();
        news
    }
}

/// Runs `command`, prints its output and ends as it did: with its exit code, or 128 + its signal. The output
/// of a command that takes longer than `run_job` waits is printed as it comes.
pub async fn run(command: &str, bus: &BusArgs) -> Result<ExitCode, AskError> {
    let agent = Agent::connect(bus).await?;
    let listened = agent.client().listen(JOB_EVENT).await;
    let mut events = listened.map_err(|error| AskError::Bus {
        method: "run_job",
        error,
    })?;
    let mut bus = agent.client().state();
    bus.mark_unchanged();
    let mut reply: Reply = match agent.call("run_job", &RunArgs { msg: command }).await {
        // It may have taken the job, and nothing may run twice.
        Err(error) if error.is_lost_bus() => return Err(AskError::LostJob),
        asked => asked?,
    };
    let (mut output, mut errors) = (Printed::default(), Printed::default());
    loop {
        let grows = matches!(reply.state.as_str(), "queued" | "running");
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(output.news(&reply.output, grows).as_bytes())?;
        stdout.flush()?;
        std::io::stderr().write_all(errors.news(&reply.stderr, grows).as_bytes())?;
        if !grows {
            break;
        }
        drop(stdout);
        changed(&mut events, &reply.id).await;
        let id = std::mem::take(&mut reply.id);
        reply = asked(&agent, &mut bus, &id).await?;
    }
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

/// Asks for the job, again and again for a while if the bus was lost since the last time.
async fn asked(
    agent: &Agent,
    bus: &mut watch::Receiver<State>,
    id: &str,
) -> Result<Reply, AskError> {
    let mut lost = None;
    loop {
        let error = match agent.call("job", &JobArgs { id }).await {
            Err(error) => error,
            reply => {
                bus.mark_unchanged();
                return reply;
            }
        };
        let is_gone = matches!(
            error,
            AskError::NotRunning | AskError::NotSeen | AskError::Restarted { .. }
        );
        if error.is_lost_bus() || bus.has_changed().unwrap_or(true) {
            lost.get_or_insert_with(Instant::now);
        }
        match lost {
            Some(lost) if lost.elapsed() < LOST_FOR => sleep(LOST_AGAIN).await,
            None if is_gone => return Err(AskError::EndedMeanwhile { id: safe(id) }),
            _ => {
                return Err(AskError::LostSight {
                    id: safe(id),
                    error: Box::new(error),
                })
            }
        }
    }
}

/// Waits until the job's state may have changed.
async fn changed(events: &mut Events, id: &str) {
    let news = async {
        while let Some(heard) = events.next().await {
            match heard {
                Heard::Event { data, .. } => {
                    if of_reply::<Changed>(&data).id == id {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_growing_output_is_printed_once_and_no_half_character() {
        let mut printed = Printed::default();
        assert_eq!(printed.news("", true), "");
        assert_eq!(printed.news("caf\u{fffd}", true), "caf");
        assert_eq!(printed.news("café\n", true), "é\n");
        assert_eq!(printed.news("café\n", true), "");
        // The agent keeps less of it than it has shown.
        assert_eq!(printed.news("caf", true), "");
        assert_eq!(printed.news("café\nbye\u{fffd}", false), "bye\u{fffd}");
    }
}
