//! The lab's bus, and the agent as it is seen there.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;
use tokio::time::{interval, MissedTickBehavior};
use ubus::{blobmsg, ObjectInfo};

use super::{Lab, LabError, ANSWER_WITHIN, LOOK_EVERY};
use crate::ubusd::{self, Credentials, Peers, Ubusd};

impl Lab {
    /// Ends the bus daemon and starts another at the same socket.
    pub async fn restart_bus(&mut self) -> Result<(), LabError> {
        self.stop_bus().await;
        self.start_bus()
    }

    /// Ends the bus daemon.
    pub async fn stop_bus(&mut self) {
        if let Some(bus) = self.bus.take() {
            bus.stop().await;
        }
    }

    /// Starts a bus daemon at the lab's socket.
    pub fn start_bus(&mut self) -> Result<(), LabError> {
        self.bus = Some(open_bus(&self.place.socket())?);
        Ok(())
    }

    /// Calls a method of the agent.
    pub async fn call<A>(&self, method: &str, args: &A) -> Result<Value, LabError>
    where
        A: Serialize + ?Sized,
    {
        let failed = |error| LabError::Call {
            method: method.to_owned(),
            error,
        };
        let args = ubus::to_members(args).map_err(failed)?;
        let call = self
            .client
            .call_raw("socketman", method, args, ANSWER_WITHIN);
        let replies = call.await.map_err(failed)?;
        let data = replies.first().ok_or_else(|| failed(ubus::Error::NoData))?;
        let table = blobmsg::Value::from_members(data).map_err(|error| failed(error.into()))?;
        serde_json::to_value(table).map_err(|error| failed(ubus::Error::Decode(error.to_string())))
    }

    /// Waits until the agent's object is on the bus.
    pub async fn registered(&self) -> Result<ObjectInfo, LabError> {
        let listened = self.client.listen("ubus.object.add").await;
        let mut events = listened.map_err(LabError::Listen)?;
        let mut state = self.client.state();
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let found = match self.client.lookup("socketman", ANSWER_WITHIN).await {
                Ok(found) => found,
                Err(ubus::Error::Status(ubus::Status::NOT_FOUND) | ubus::Error::Disconnected) => {
                    Vec::new()
                }
                Err(error) => return Err(LabError::Listen(error)),
            };
            if let Some(object) = found.into_iter().next() {
                return Ok(object);
            }
            // Something appeared, or the bus came back with what was there before we listened.
            tokio::select! {
                heard = events.next() => {
                    heard.ok_or(LabError::Listen(ubus::Error::Disconnected))?;
                }
                changed = state.changed() => {
                    changed.map_err(|_| LabError::Listen(ubus::Error::Disconnected))?;
                }
                // After a reconnect a look-up may be answered before the events are ordered again:
                // what appears in between is not heard.
                _ = looks.tick() => {}
            }
        }
    }

    /// Waits until `wanted` holds of the agent's status, and returns that. While the agent cannot be
    /// reached it goes on asking.
    pub async fn status_when(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            match self.call("status", &()).await {
                Ok(status) if wanted(&status) => return status,
                Ok(_) | Err(_) => {}
            }
        }
    }
}

pub(super) fn open_bus(path: &Path) -> Result<Ubusd, LabError> {
    let options = ubusd::Options {
        // Whoever starts the lab is root on its router.
        peers: Peers::All(Credentials::root()),
        ..ubusd::Options::default()
    };
    Ubusd::start_with(path, options).map_err(|error| LabError::Bus {
        path: path.to_owned(),
        error,
    })
}
