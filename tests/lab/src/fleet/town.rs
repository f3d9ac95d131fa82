//! A town full of devices.

use std::sync::Arc;
use std::time::Duration;

use socketman::config::{Config, UploadFormat};
use socketman::upload::Settings;

use super::api::Api;
use super::broker::Broker;
use super::clock::{Clock, Tasks};
use super::device::{connect, deliver};
use super::measured::Measured;
use super::scenario::{Fate, Scenario};
use super::sizes::Sizes;

/// Devices that nothing has brought into step have started at some time in this long.
const STARTS: Duration = Duration::from_secs(600);

/// Devices with one broker and one API.
#[derive(Debug)]
pub struct Town {
    agents: u32,
    settings: Arc<Settings>,
    seed: u64,
    sizes: Sizes,
}

impl Town {
    /// `agents` with the default settings but for `spread`, s.
    pub fn new(agents: u32, spread: u64, seed: u64, sizes: &Sizes) -> Self {
        let config = Config::default().with(|config| {
            config.spread = Duration::from_secs(spread);
            // Its body is the batch's bytes, and nothing is copied.
            config.upload.format = UploadFormat::Ndjson;
        });
        Town {
            agents,
            settings: Arc::new((&config).into()),
            seed,
            sizes: sizes.clone(),
        }
    }

    /// Lives through `scenario`.
    pub fn live(&self, scenario: &Scenario) -> Measured {
        // The agent's own chance.
        fastrand::seed(self.seed);
        let clock = Clock::default();
        let unwell = (scenario.from(), scenario.to());
        let api = Api::new(&clock, scenario.api, unwell);
        let kicks = scenario.broker == Fate::Kicks;
        let broker = Broker::new(&clock, kicks, scenario.broker_unwell());
        let mut tasks = Tasks::default();
        for number in 0..self.agents {
            let start = match scenario.is_power_cut() {
                true => Duration::ZERO,
                false => STARTS.mul_f64(fastrand::f64()),
            };
            let (settings, sizes) = (Arc::clone(&self.settings), self.sizes.clone());
            let (at, api) = (clock.clone(), api.clone());
            tasks.add(async move {
                at.until(start).await;
                deliver(settings, number, at, sizes, api).await;
            });
            let settings = Arc::clone(&self.settings);
            let (at, broker) = (clock.clone(), broker.clone());
            tasks.add(async move {
                at.until(start).await;
                connect(settings, at, broker).await;
            });
        }
        tasks.run(&clock, scenario.end());
        let usual = self.usual();
        Measured::of(
            self.agents,
            self.settings.spread,
            scenario,
            usual,
            &broker,
            &api,
        )
    }

    /// Requests and bytes a second that the API has of the fleet while nothing happens: one request a heartbeat and device.
    fn usual(&self) -> (f64, f64) {
        let (heartbeat, monitor) = (self.settings.upload.heartbeat, self.settings.monitor);
        let requests = f64::from(self.agents) / heartbeat.as_secs_f64();
        let reports = heartbeat.as_secs() / monitor.as_secs().max(1);
        let bytes = self
            .sizes
            .of(usize::try_from(reports).unwrap_or(usize::MAX));
        (requests, requests * bytes as f64)
    }
}
