//! One probe: route, name look-up and connection, web check. Each has its deadline; together they
//! take [`LONGEST`] at most.

mod connect;
mod lookup;
mod route;
mod web;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::clock::epoch_seconds;
use crate::config::Config;
use crate::lookup::Resolver;

pub use connect::Connect;
pub use lookup::{Lookup, Resolved};
pub use route::Route;
pub use web::{Web, WebResult};

use web::WebCheck;

/// A probe has ended after this.
pub const LONGEST: Duration = Duration::from_secs(16);

/// What one probe found. A check that is switched off, or was not worth trying, is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// When it ended, seconds since the epoch.
    pub at: u64,
    /// How long it took.
    pub ms: u64,
    pub route: Route,
    /// Absent for an address in place of a name, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookup: Option<Lookup>,
    /// Absent if the look-up gave no address, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<Connect>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web: Option<Web>,
}

impl Findings {
    /// Whether look-up and connection succeeded; `None` if they were not tried.
    pub(super) fn health_check(&self) -> Option<bool> {
        match (&self.lookup, &self.connect) {
            (None, None) => None,
            (_, connect) => Some(connect.as_ref().is_some_and(Connect::succeeded)),
        }
    }

    /// Whether the right page came; `None` if it was not tried.
    pub(super) fn web_check(&self) -> Option<bool> {
        let web = self.web.as_ref()?;
        Some(web.result == WebResult::Ok)
    }
}

/// What is probed, as the options say.
pub(super) struct Prober {
    root: PathBuf,
    /// Host and port of the health check; `None` = off.
    health: Option<(String, u16)>,
    web: Option<WebCheck>,
    resolver: Resolver,
}

impl Prober {
    /// `root` is the prefix of /proc and /sys.
    pub(super) fn new(config: &Config, root: PathBuf, resolver: Resolver) -> Self {
        let host = config.health_url.as_str();
        Prober {
            root,
            health: (!host.is_empty()).then(|| (host.to_owned(), config.health_port)),
            web: WebCheck::new(&config.web_url, &config.web_body, &resolver),
            resolver,
        }
    }

    /// Probes. `uplink` is the device that had the default route last.
    pub(super) async fn probe(&self, uplink: Option<&str>) -> Findings {
        let start = Instant::now();
        let mut found = Findings {
            at: 0,
            ms: 0,
            route: Route::look(&self.root, uplink),
            lookup: None,
            connect: None,
            web: None,
        };
        if found.route.found {
            if let Some((host, port)) = &self.health {
                (found.lookup, found.connect) = self.reach(host, *port).await;
            }
            if let Some(web) = &self.web {
                found.web = Some(web.ask().await);
            }
        }
        found.at = epoch_seconds();
        found.ms = millis(start);
        found
    }

    async fn reach(&self, host: &str, port: u16) -> (Option<Lookup>, Option<Connect>) {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return (None, Connect::to(&[address], port).await);
        }
        let lookup = Lookup::of(host, &self.resolver).await;
        let connect = Connect::to(&lookup.addresses, port).await;
        (Some(lookup), connect)
    }
}

/// Time since `start`, ms.
fn millis(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}
