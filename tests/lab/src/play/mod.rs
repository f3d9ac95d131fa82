//! The whole story as a script: everything the agent is for, then everything that can go away and
//! come back. Each step waits for what is to happen, with a deadline.

mod network;
mod scenes;

use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{json, Value};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::agent_process::End;
use crate::lab::{Lab, LabError};
use crate::mqtt_side::{Deaf, Ear};
use crate::report_tail::{Glance, ReportTail};

/// Time of a step for what does not depend on the agent's intervals.
const STEP_WITHIN: Duration = Duration::from_secs(30);

/// Time that the agent's longest waits (a backoff of 300 s, a heartbeat of 60 s, a ping every 30 s) add to
/// that, divided by the time scale.
const INTERVALS_WITHIN: Duration = Duration::from_secs(400);

/// Why a step did not happen.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    #[error("not within {} s: {what}", .within.as_secs())]
    Late { what: String, within: Duration },
    #[error("the agent ended: {0}")]
    Died(String),
    #[error("{0}")]
    Wrong(String),
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error(transparent)]
    Deaf(#[from] Deaf),
    #[error("accepted reports: {0}")]
    Reports(#[from] io::Error),
}

/// A step of the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    Registers,
    Delivers,
    JobByBroker,
    JobByBus,
    Health,
    ApiReturns,
    BrokerReturns,
    BusReturns,
    Recovers,
    Undoes,
}

impl Scene {
    /// The script.
    pub const ALL: [Scene; 8] = [
        Scene::Registers,
        Scene::Delivers,
        Scene::JobByBroker,
        Scene::JobByBus,
        Scene::Health,
        Scene::ApiReturns,
        Scene::BrokerReturns,
        Scene::BusReturns,
    ];

    /// The steps that follow where the lab has a network.
    pub const WITH_NETWORK: [Scene; 2] = [Scene::Recovers, Scene::Undoes];

    /// The step in words.
    pub fn name(self) -> &'static str {
        match self {
            Scene::Registers => "agent registers on the bus",
            Scene::Delivers => "report collected and delivered",
            Scene::JobByBroker => "job over MQTT answered",
            Scene::JobByBus => "job over ubus answered",
            Scene::Health => "health known and probed",
            Scene::ApiReturns => "API down and up again, nothing lost",
            Scene::BrokerReturns => "broker down and up again, job answered",
            Scene::BusReturns => "bus restarted, object back",
            Scene::Recovers => "default route lost, brought back by the ladder",
            Scene::Undoes => "network job that cuts the device off undone",
        }
    }
}

/// The course of a step.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    pub name: &'static str,
    pub ok: bool,
    pub ms: u64,
    /// The observation, or the reason why it failed.
    pub detail: String,
}

/// The course of the script.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Everything happened.
    pub ok: bool,
    /// The steps played: the script ends with the first that fails.
    pub steps: Vec<Step>,
    /// Different reports that the API accepted.
    pub reports_delivered: usize,
    /// The agent's recent jobs at the end, newest first.
    pub jobs: Vec<Value>,
    /// The agent's status at the end; null if it does not answer.
    pub status: Value,
}

/// A lab on which the script is being played.
struct Play<'a> {
    lab: &'a mut Lab,
    ear: Ear,
    tail: ReportTail,
    /// Every report accepted so far, repeats included.
    reports: Vec<Glance>,
    patience: Patience,
}

/// Plays the script on a lab whose agent has not been started; `show` gets each step as it ends.
///
/// # Errors
///
/// `show` failed; a step that fails is part of the outcome.
pub async fn play(
    lab: &mut Lab,
    mut show: impl FnMut(&Step) -> io::Result<()>,
) -> io::Result<Outcome> {
    let scale = lab.program().time_scale;
    let mut play = Play {
        ear: lab.mqtt.listen(),
        tail: ReportTail::new(lab.place().reports()),
        lab,
        reports: Vec::new(),
        patience: Patience {
            within: STEP_WITHIN + INTERVALS_WITHIN / scale,
            agent: None,
        },
    };
    let mut steps = Vec::new();
    let network: &[Scene] = match play.lab.site() {
        Ok(_) => &Scene::WITH_NETWORK,
        Err(_) => &[],
    };
    for scene in Scene::ALL.iter().chain(network).copied() {
        let start = Instant::now();
        let (ok, detail) = match play.scene(scene).await {
            Ok(detail) => (true, detail),
            Err(error) => (false, error.to_string()),
        };
        let step = Step {
            name: scene.name(),
            ok,
            ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
            detail,
        };
        show(&step)?;
        steps.push(step);
        if !ok {
            break;
        }
    }
    let ok = steps.iter().all(|step| step.ok);
    Ok(play.outcome(ok, steps).await)
}

impl Play<'_> {
    /// The words of API and agent at the end.
    async fn outcome(self, ok: bool, steps: Vec<Step>) -> Outcome {
        let mut delivered = self.lab.api.reports();
        delivered.sort();
        delivered.dedup();
        let (jobs, status) = match ok {
            true => (
                self.lab.call("jobs", &()).await,
                self.lab.call("status", &()).await,
            ),
            // It may be gone; then the steps say why.
            false => (Ok(Value::Null), self.lab.call("status", &()).await),
        };
        Outcome {
            ok: ok && jobs.is_ok() && status.is_ok(),
            steps,
            reports_delivered: delivered.len(),
            jobs: match jobs {
                Ok(mut reply) => match reply["jobs"].take() {
                    Value::Array(jobs) => jobs,
                    _ => Vec::new(),
                },
                Err(_) => Vec::new(),
            },
            status: status.unwrap_or(json!(null)),
        }
    }
}

/// Longest wait for an event: not longer than the agent lives.
#[derive(Clone)]
struct Patience {
    within: Duration,
    /// None before the agent was started.
    agent: Option<watch::Receiver<End>>,
}

impl Patience {
    async fn soon<T>(
        mut self,
        what: impl Into<String>,
        happens: impl Future<Output = T>,
    ) -> Result<T, SceneError> {
        let within = self.within;
        let died = async {
            match &mut self.agent {
                // An error is an agent that the lab has let go.
                Some(agent) => match agent.wait_for(Option::is_some).await.as_deref() {
                    Ok(Some(Ok(status))) => status.to_string(),
                    _ => "unknown how".to_owned(),
                },
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            happened = timeout(within, happens) => happened.map_err(|_| SceneError::Late {
                what: what.into(),
                within,
            }),
            how = died => Err(SceneError::Died(how)),
        }
    }
}
