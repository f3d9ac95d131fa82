//! The steps of the script, in its order.

use std::time::Instant;

use serde_json::json;

use super::{Play, Scene, SceneError};
use crate::collector::Mode;
use crate::mqtt_side::Words;
use crate::report_tail::Glance;

/// A job that only a shell can answer, and its answer.
const SUM: &str = "echo lab-$((6 * 7))";
const SUM_ANSWER: &str = "lab-42\n";

/// Reports that have to pile up before the API comes back.
const PILE: u64 = 3;

/// The device is there, `status/…`.
const PING: &str = "PING";

/// A job was taken; a job has ended.
const DELIVERED: &str = "DELIVERED";
const PROCESSED: &str = "PROCESSED";

impl Play<'_> {
    pub(super) async fn scene(&mut self, scene: Scene) -> Result<String, SceneError> {
        match scene {
            Scene::Registers => self.registers().await,
            Scene::Delivers => self.delivers().await,
            Scene::JobByBroker => self.job_by_broker().await,
            Scene::JobByBus => self.job_by_bus().await,
            Scene::Health => self.health().await,
            Scene::ApiReturns => self.api_returns().await,
            Scene::BrokerReturns => self.broker_returns().await,
            Scene::BusReturns => self.bus_returns().await,
            Scene::Recovers => self.recovers().await,
            Scene::Undoes => self.undoes().await,
        }
    }

    async fn registers(&mut self) -> Result<String, SceneError> {
        // So that the reports can be compared with what is true.
        let churn = self.lab.router.set_churn(0).await;
        churn.map_err(crate::lab::LabError::from)?;
        let agent = self.lab.start_agent()?;
        let pid = agent.pid();
        self.patience.agent = Some(agent.end());
        let registered = self
            .patience
            .clone()
            .soon("object 'socketman' on the bus", self.lab.registered());
        let object = registered.await??;
        let methods: Vec<&str> = object.methods.iter().map(|m| m.name.as_str()).collect();
        Ok(format!(
            "pid {pid} offers object '{}' with {}",
            object.path,
            methods.join(", ")
        ))
    }

    async fn delivers(&mut self) -> Result<String, SceneError> {
        let first = self.delivered(1).await?;
        let truth = self.lab.router.facts().macs();
        if first.stations != truth {
            return Err(SceneError::Wrong(format!(
                "the router has the stations {truth:?}, the report {:?}",
                first.stations
            )));
        }
        Ok(format!(
            "report {} has the router's {} stations and {} interfaces in {} bytes",
            first.seq,
            first.stations.len(),
            first.interfaces,
            first.bytes
        ))
    }

    async fn job_by_broker(&mut self) -> Result<String, SceneError> {
        // The presence message comes after the subscription: a job sent now reaches the agent.
        self.hear("the presence message", |words| words.event_type == PING)
            .await?;
        let sent = Instant::now();
        let id = self.lab.send_job(SUM).await?;
        let answer = self.answer(&id).await?;
        Ok(format!(
            "'{SUM}' said '{answer}' after {} ms",
            sent.elapsed().as_millis()
        ))
    }

    async fn job_by_bus(&mut self) -> Result<String, SceneError> {
        let command = "echo to stderr >&2; exit 7";
        let args = json!({"msg": command});
        let run = self.lab.call("run_job", &args);
        let reply = self
            .patience
            .clone()
            .soon("answer of run_job", run)
            .await??;
        let seen = (
            reply["exit_code"].as_i64(),
            reply["success"].as_bool(),
            reply["stderr"].as_str(),
        );
        if seen != (Some(7), Some(false), Some("to stderr\n")) {
            return Err(SceneError::Wrong(format!("'{command}' gave {reply}")));
        }
        Ok(format!(
            "'{command}' ended with exit code 7 after {} ms, as it should",
            reply["duration_ms"]
        ))
    }

    async fn health(&mut self) -> Result<String, SceneError> {
        let probe = self.lab.call("probe", &());
        let health = self
            .patience
            .clone()
            .soon("answer of probe", probe)
            .await??;
        let probe = &health["evidence"]["probe"];
        let seen = (
            health["code"].as_u64(),
            health["evidence"]["proof"].as_str(),
            probe["web"]["result"].as_str(),
        );
        if seen != (Some(9), Some("broker"), Some("ok")) {
            return Err(SceneError::Wrong(format!("health is {health}")));
        }
        Ok(format!(
            "code 9 by the session with the broker; a probe by {} took {} ms",
            probe["route"]["device"].as_str().unwrap_or("no device"),
            probe["ms"]
        ))
    }

    async fn api_returns(&mut self) -> Result<String, SceneError> {
        self.lab.set_api(Mode::Down).await?;
        let piled = self.lab.status_when(|status| {
            status["api"]["last_error"].is_string()
                && status["spool"]["reports"].as_u64() >= Some(PILE)
        });
        let what = format!("{PILE} reports waiting while the API is down");
        let status = self.patience.clone().soon(what, piled).await?;
        let waiting = status["spool"]["reports"].as_u64().unwrap_or(0);
        let newest_delivered = self.newest()?;
        self.lab.set_api(Mode::Up).await?;
        let back = Instant::now();
        // Everything that waited has a seq up to this.
        self.delivered(newest_delivered + waiting).await?;
        let took = back.elapsed();
        let delivered = self.complete()?;
        Ok(format!(
            "{waiting} reports waited and came {} ms after the API was back; 1 to {delivered} are all \
             there",
            took.as_millis()
        ))
    }

    async fn broker_returns(&mut self) -> Result<String, SceneError> {
        self.lab
            .mqtt
            .down()
            .await
            .map_err(crate::lab::LabError::from)?;
        let cut = self
            .lab
            .status_when(|status| status["mqtt"]["connected"] == json!(false));
        self.patience
            .clone()
            .soon("the agent notices that the broker is gone", cut)
            .await?;
        let id = self.lab.send_job(SUM).await?;
        self.lab
            .mqtt
            .up()
            .await
            .map_err(crate::lab::LabError::from)?;
        let back = Instant::now();
        self.answer(&id).await?;
        let took = back.elapsed();
        let status = self.lab.call("status", &()).await?;
        if status["mqtt"]["reconnects"].as_u64() < Some(1) {
            return Err(SceneError::Wrong(format!(
                "the job was answered without a new session: {}",
                status["mqtt"]
            )));
        }
        Ok(format!(
            "a job sent while it was away was answered {} ms after it was back",
            took.as_millis()
        ))
    }

    async fn bus_returns(&mut self) -> Result<String, SceneError> {
        let before = self.lab.call("status", &()).await?;
        self.lab.stop_bus().await;
        let newest = self.newest()?;
        self.lab.start_bus()?;
        let back = Instant::now();
        let registered = self
            .patience
            .clone()
            .soon("object 'socketman' back on the bus", self.lab.registered());
        registered.await??;
        let took = back.elapsed();
        let status = self.lab.call("status", &()).await?;
        if status["uptime"].as_u64() < before["uptime"].as_u64() {
            return Err(SceneError::Wrong("the agent was restarted".to_owned()));
        }
        // Of the reports from now on, one has the stations again.
        let truth = self.lab.router.facts().macs();
        let mut seq = newest;
        let report = loop {
            let report = self.delivered(seq + 1).await?;
            if report.stations == truth {
                break report;
            }
            seq = report.seq;
        };
        self.complete()?;
        Ok(format!(
            "object back {} ms after the bus; report {} has all {} stations",
            took.as_millis(),
            report.seq,
            report.stations.len()
        ))
    }

    /// Waits until the API has accepted a report with this seq or a later one.
    async fn delivered(&mut self, seq: u64) -> Result<Glance, SceneError> {
        let mut record = self.lab.api.watch();
        let arrives = async {
            loop {
                self.reports.extend(self.tail.read_new()?);
                let newest = self.reports.iter().max_by_key(|report| report.seq);
                if let Some(newest) = newest.filter(|report| report.seq >= seq) {
                    return Ok(newest.clone());
                }
                if record.changed().await.is_err() {
                    return Err(SceneError::Wrong("the API has ended".to_owned()));
                }
            }
        };
        self.patience
            .clone()
            .soon(format!("report {seq} at the API"), arrives)
            .await?
    }

    fn newest(&mut self) -> Result<u64, SceneError> {
        self.reports.extend(self.tail.read_new()?);
        Ok(self.reports.iter().map(|r| r.seq).max().unwrap_or(0))
    }

    /// Makes sure that no report is missing and none was declared lost; says the newest.
    fn complete(&mut self) -> Result<u64, SceneError> {
        let newest = self.newest()?;
        let missing: Vec<u64> = self
            .lab
            .api
            .record()
            .missing()
            .iter()
            .map(|id| id.seq)
            .collect();
        if !missing.is_empty() {
            return Err(SceneError::Wrong(format!(
                "reports lost: {missing:?} of {newest}"
            )));
        }
        let declared: Vec<u64> = self
            .reports
            .iter()
            .filter(|r| r.missing > 0)
            .map(|r| r.seq)
            .collect();
        if !declared.is_empty() {
            return Err(SceneError::Wrong(format!(
                "losses declared by reports {declared:?}"
            )));
        }
        Ok(newest)
    }

    /// Waits for a message of the device.
    pub(super) async fn hear(
        &mut self,
        what: &str,
        wanted: impl Fn(&Words) -> bool,
    ) -> Result<Words, SceneError> {
        Ok(self
            .patience
            .clone()
            .soon(what, self.ear.wait_for(wanted))
            .await??)
    }

    /// Waits for both answers to a job and checks them; its output in one line.
    async fn answer(&mut self, id: &str) -> Result<String, SceneError> {
        let about = |event_type: &'static str| {
            move |words: &Words| words.event_type == event_type && words.id == id
        };
        self.hear("DELIVERED for the job", about(DELIVERED)).await?;
        let answer = self.hear("PROCESSED for the job", about(PROCESSED)).await?;
        let meta = answer.meta;
        if meta.success != Some(true) || meta.msg != SUM_ANSWER {
            return Err(SceneError::Wrong(format!(
                "'{SUM}' was answered with {meta:?}"
            )));
        }
        Ok(meta.msg.trim_end().to_owned())
    }
}
