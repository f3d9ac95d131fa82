//! Health: does the device reach the world, and if not, why?
//!
//! ```text
//!  mqtt, upload ─facts─► proof of life ─────────────────────────────┐
//!  kernel, netifd ─signs─► way lost: proof ends, probe at once      │
//!  route, gateways, name servers, connection, web ─► findings ──────┴► verdict ─► belief ─► Facts
//! ```
//!
//! * `proof`: a session with the broker, or an accepted delivery, is proof enough; then only a probe
//!   every 15 min completes the evidence
//! * `signs`: when the kernel or netifd tell that link, address or route of the way out is gone, proof is
//!   what arrives after that, and two quick probes decide within seconds
//! * `uplink`: which interface of netifd the way out goes by
//! * `probe`: what is tried without proof, every `monitor`, each with its deadline
//! * `verdict`: findings to a code and a verdict
//! * `belief`: two probes have to agree before a bad verdict is believed
//! * `state`, `task`: what is known, and when what is done
//! * [`facts`](Facts): what comes of it
//! * [`radio`]: the radios, each with a verdict of its own

mod belief;
mod facts;
mod netlink;
mod probe;
mod proof;
pub mod radio;
mod signs;
mod state;
mod task;
#[cfg(test)]
mod tests;
mod uplink;
mod verdict;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::collect::DeviceEvents;
use crate::config::{self, Config, Url};
use crate::process::ask::{Asker, Asks};
use crate::process::clock::Pace;
use crate::process::shutdown::{Shutdown, Work};
use crate::{http, lookup, mqtt};
use probe::{Prober, Task};
use task::Probe;
use ubus::Client;

pub use facts::{Evidence, Facts, Proof, Server, Uplink, Verdict};
pub use probe::{
    Answers, Connect, Findings, Gateway, Lookup, Resolved, Route, Server as NameServer, Web,
    WebResult, LONGEST,
};
pub use state::Known;

/// Settings the part is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub health: config::Health,
    /// Between two reports, which take the verdict.
    pub monitor: Duration,
    /// Between two deliveries, which are proof.
    pub heartbeat: Duration,
    /// Where they go; empty = nowhere.
    pub stats_url: Url,
    pub pace: Pace,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Settings {
            health: config.health.clone(),
            monitor: config.collect.monitor,
            heartbeat: config.upload.heartbeat,
            stats_url: config.upload.url.clone(),
            pace: config.pace,
        }
    }
}

/// Everything the health task owns.
#[derive(Debug, Clone)]
pub struct Part {
    pub settings: Settings,
    /// Prefix of /proc and /sys.
    pub root: PathBuf,
    /// Shared with all parts but the broker link.
    pub resolver: lookup::Resolver,
    pub mqtt: watch::Receiver<mqtt::Facts>,
    pub api: watch::Receiver<http::Facts>,
    pub facts: watch::Sender<Facts>,
    /// The code of the facts, for the reports.
    pub code: watch::Sender<Option<u8>>,
    /// Changes of the verdict, for the reports.
    pub events: DeviceEvents,
    /// For netifd.
    pub client: Client,
    /// From [`asks`](crate::process::ask::asks).
    pub asks: Asks,
    /// Left by the part before this one.
    pub known: Arc<Mutex<Known>>,
}

/// Asks the health task for a probe.
pub type Handle = Asker<Facts>;

impl Handle {
    /// Has a full probe made now, or joins the one under way, and returns the facts after it; within
    /// [`LONGEST`]. `None` if the task has ended.
    pub async fn probe(&self) -> Option<Facts> {
        self.ask(|facts| facts.probes).await
    }
}

/// Watches over the health of the device until `shutdown`.
pub async fn run(part: Part, shutdown: Shutdown) {
    let resolver = part.resolver.clone();
    let prober = Arc::new(Prober::new(
        &part.settings.health,
        part.root.clone(),
        resolver,
    ));
    part.asks.take_over();
    let probe = move |task: Task| -> Probe {
        let prober = Arc::clone(&prober);
        Box::pin(async move { prober.probe(&task).await })
    };
    let (signs, heard) = mpsc::channel(signs::WAITING);
    let (device, of_device) = watch::channel(None);
    let client = part.client.clone();
    let works: Vec<Work<'_>> = vec![
        Box::pin(part.watch(Box::new(probe), heard, device)),
        Box::pin(signs::hear_kernel(signs.clone())),
        Box::pin(signs::hear_netifd(client, of_device, signs)),
    ];
    shutdown.cut_short(works).await;
}
