//! The start of a router, and the reasons of its end.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::netifd::Uplink;
use super::{Steps, ToInit};
use crate::site::{Namespace, NamespaceError};

/// Why the router is no more.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("files of the router in {path}: {source}")]
    Tree { path: PathBuf, source: io::Error },
    #[error("network of the router: {0}")]
    Network(#[from] NamespaceError),
    #[error("scripts of the router: {0}")]
    Scripts(io::Error),
    #[error("objects of the router: {0}")]
    Bus(#[from] ubus::Error),
    #[error("the connection of the router's objects ended")]
    Ended,
}

/// Settings that a router starts from.
#[derive(Debug)]
pub struct Boot<'a> {
    /// Where its files are.
    pub root: &'a Path,
    pub stations: usize,
    pub seed: u64,
    /// The number of its boots before.
    pub number: u32,
    /// The namespace it stands in, and what the other end of its cable does.
    pub ground: Option<(Arc<Namespace>, Uplink)>,
    /// The factor by which its services' times pass faster than on a router.
    pub pace: u32,
    /// Where orders go that concern the device as a whole.
    pub requests: mpsc::Sender<ToInit>,
    /// The steps of its programs.
    pub steps: Steps,
}
