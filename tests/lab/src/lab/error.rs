//! Faults of the lab.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::agent_process::ProcessError;
use crate::mqtt_side::MqttError;
use crate::place::PlaceError;
use crate::router;
use crate::site::NamespaceError;

/// Why the lab does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("no network namespaces: {0}")]
    NoSite(String),
    #[error(transparent)]
    Site(#[from] NamespaceError),
    #[error("bus {path}: {error}")]
    Bus { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Router(#[from] router::Error),
    #[error(transparent)]
    RouterGone(#[from] router::Gone),
    #[error("API at {address}: {error}")]
    Api {
        address: SocketAddr,
        error: io::Error,
    },
    #[error(transparent)]
    Mqtt(#[from] MqttError),
    #[error(transparent)]
    Agent(#[from] ProcessError),
    #[error("socketman {method}: {error}")]
    Call { method: String, error: ubus::Error },
    #[error("the bus: {0}")]
    Listen(ubus::Error),
    #[error("flash of the router: {0}")]
    Flash(io::Error),
    #[error("server of images and packages: {0}")]
    Depot(io::Error),
    #[error("{path}: {error}")]
    Settings { path: PathBuf, error: io::Error },
    #[error("the agent is not installed on this lab's router")]
    NotInstalled,
}
