//! Status messages of a session: the device is there, or it goes.

use rumqttc::{PublishOptions, QoS};

use super::{Around, Session};
use crate::mqtt::client::{presence_qos, status_qos};
use crate::mqtt::error::refused;
use crate::mqtt::{address, status};
use crate::process::clock;

impl Session<'_> {
    pub(super) fn ping(&self) -> Result<(), String> {
        let options = PublishOptions::new(status_qos(&self.around.settings.broker));
        let ping = status::ping(clock::epoch_seconds());
        self.client
            .try_publish(self.around.topics.status.as_str(), ping, options)
            .map_err(refused)
    }

    /// Says that the device is there, or that it goes.
    pub(super) fn say_presence(&self, online: bool) -> Result<(), String> {
        let Around {
            settings, topics, ..
        } = &self.around;
        let options = PublishOptions::new(presence_qos(&settings.broker))
            .retain(settings.broker.status_retain);
        let connect = status::connect(&topics.client_id, clock::epoch_seconds(), online);
        self.client
            .try_publish(topics.status.as_str(), connect, options)
            .map_err(refused)
    }

    /// Removes what earlier settings had the broker keep: an empty message does (MQTT 3.1.1, section 3.3.1.3).
    pub(super) fn remove_stale_presence(&mut self) -> Result<(), String> {
        let Around {
            settings,
            topics,
            supply,
            ..
        } = &mut self.around;
        let current = settings
            .broker
            .status_retain
            .then_some(topics.status.as_str());
        for topic in supply.retained.stale(&address(&settings.broker), current) {
            log::info!("broker: removing a retained status message of earlier settings");
            let options = PublishOptions::new(QoS::AtLeastOnce).retained();
            let notice = self
                .client
                .try_publish_tracked(topic.as_str(), Vec::new(), options)
                .map_err(refused)?;
            self.removals.push(notice, topic);
        }
        Ok(())
    }
}
