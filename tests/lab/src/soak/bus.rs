//! Questions and jobs by the bus, from somebody who does not mind that it goes away.

use std::time::Duration;

use serde_json::{json, Value};
use tokio::sync::watch;
use tokio::time::{interval, MissedTickBehavior};
use ubus::{blobmsg, Client};

use super::Failure;

/// Between two calls.
const EVERY: Duration = Duration::from_millis(700);

/// An answer to a call. Those that make the agent do something take longer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The calls, in turn.
const CALLS: [&str; 9] = [
    "status", "stats", "jobs", "run_job", "history", "config", "reload", "probe", "upload",
];

/// The number of calls, and that of answers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Calls {
    pub(super) made: u32,
    pub(super) answered: u32,
}

impl Calls {
    /// Calls one method after the other until `stop` says so.
    pub(super) async fn round(
        &mut self,
        client: &Client,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
                _ = ticks.tick() => {}
            }
            let method = CALLS[self.made as usize % CALLS.len()];
            self.made += 1;
            let args = match method {
                "run_job" => json!({"msg": "echo by the bus"}),
                _ => json!({}),
            };
            let answer = call(client, method, &args).await?;
            self.answered += u32::from(answer.is_some());
            let said = answer.as_ref().and_then(|answer| answer["output"].as_str());
            if let (Some(answer), Some(said)) = (&answer, said) {
                if answer["success"] == true && said != "by the bus\n" {
                    return Err(format!("the answer to run_job is {answer}").into());
                }
            }
        }
    }
}

/// The answer; none while bus or agent are not there.
async fn call(client: &Client, method: &str, args: &Value) -> Result<Option<Value>, Failure> {
    let args = ubus::to_members(args)?;
    let call = client.call_raw("socketman", method, args, ANSWER_WITHIN);
    let Ok(replies) = call.await else {
        return Ok(None);
    };
    let members = replies.first().map_or(&[][..], |reply| reply);
    let table = blobmsg::Value::from_members(members)?;
    Ok(Some(serde_json::to_value(table)?))
}
