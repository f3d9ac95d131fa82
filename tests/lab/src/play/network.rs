//! The steps that need the lab's network: an outage that the ladder ends, a network job that is undone.

use std::fs;
use std::io;
use std::time::Instant;

use serde_json::{json, Value};

use super::{Play, SceneError};
use crate::lab::LabError;
use crate::mqtt_side::Words;

/// The interface towards the provider, and the file that says so.
const INTERFACE: &str = "wan";
const FILE: &str = "etc/config/network";

impl Play<'_> {
    /// Nobody but the ladder mends this: netifd believes that its route is there.
    pub(super) async fn recovers(&mut self) -> Result<String, SceneError> {
        let quiet = self.lab.call("status", &()).await?["recovery"]["step"].clone();
        let client = self.lab.client().clone();
        let heard = client.listen("network.interface").await;
        let mut heard = heard.map_err(LabError::Listen)?;
        let lost = Instant::now();
        let device = self.lab.site()?.device().clone();
        device
            .ip("route del default")
            .map_err(|error| SceneError::Lab(error.into()))?;
        let told = self
            .lab
            .status_when(|status| status["health"]["verdict"] == "no_route");
        self.patience
            .clone()
            .soon("the verdict no_route", told)
            .await?;
        let told = lost.elapsed();

        let climbs = self
            .lab
            .status_when(|status| status["recovery"]["step"] != quiet);
        let status = self
            .patience
            .clone()
            .soon("a step of the ladder", climbs)
            .await?;
        let first = status["recovery"]["step"].clone();
        // Down, then up.
        for _ in 0..2 {
            let event = self.patience.clone().soon(
                format!("interface {INTERFACE} goes down and comes up"),
                heard.next(),
            );
            event.await?.ok_or_else(|| {
                SceneError::Wrong("the bus ended while interfaces were watched".to_owned())
            })?;
        }
        let back = self.lab.status_when(|status| {
            status["health"]["verdict"] == "ok"
                && status["mqtt"]["connected"] == json!(true)
                && status["recovery"]["step"] == quiet
        });
        let status = self
            .patience
            .clone()
            .soon("online again, and the ladder at rest", back)
            .await?;
        if status["recovery"]["reboots_24h"].as_u64() != Some(0) {
            let recovery = &status["recovery"];
            return Err(SceneError::Wrong(format!(
                "the device rebooted: {recovery}"
            )));
        }
        Ok(format!(
            "no_route told after {} ms, first step {}, online again after {} ms",
            told.as_millis(),
            in_words(&first),
            lost.elapsed().as_millis()
        ))
    }

    pub(super) async fn undoes(&mut self) -> Result<String, SceneError> {
        let root = self.lab.place().root();
        let before = fs::read(root.join(FILE))?;
        let command = format!(
            "cd {} && sed -i s/eth0/eth9/ {FILE} && etc/init.d/network reload",
            root.display()
        );
        let sent = Instant::now();
        let id = self.lab.send_typed_job("network", &command).await?;
        let armed = self
            .lab
            .status_when(|status| status["guard"]["armed"] == json!(true));
        self.patience
            .clone()
            .soon("the guard is armed", armed)
            .await?;
        let answer = self
            .hear("the result of the network job", |words: &Words| {
                words.id == id && words.event_type != "DELIVERED"
            })
            .await?;
        if answer.meta.rolled_back != Some(true) || answer.meta.success != Some(false) {
            return Err(SceneError::Wrong(format!(
                "it was answered with {answer:?}"
            )));
        }
        let done = self
            .lab
            .status_when(|status| status["guard"]["armed"] == json!(false));
        self.patience
            .clone()
            .soon("the guard is done", done)
            .await?;
        match fs::read(root.join(FILE)) {
            Ok(after) if after == before => {}
            Ok(_) => return Err(SceneError::Wrong(format!("{FILE} is not as before"))),
            Err(error) => {
                let text = format!("{FILE}: {error}");
                return Err(io::Error::new(error.kind(), text).into());
            }
        }
        Ok(format!(
            "{INTERFACE} was led to a device that is not there; undone and answered after {} ms",
            sent.elapsed().as_millis()
        ))
    }
}

fn in_words(step: &Value) -> String {
    match step.as_str() {
        Some(step) => step.to_owned(),
        None => step.to_string(),
    }
}
