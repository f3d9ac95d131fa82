//! The start of a router, and the reasons of its end.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::ground::Ground;
use super::machine::Machine;
use super::netifd::Uplink;
use super::scripts::Scripts;
use super::{epoch, Router, Steps, ToInit, Tree, World};
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

impl Router {
    /// A router that boots: files in /etc are as the last boot left them, those in RAM are new. With a
    /// ground its network comes up. Needs a tokio runtime.
    pub fn boot(boot: Boot<'_>) -> Result<Self, Error> {
        let at = |source| Error::Tree {
            path: boot.root.to_owned(),
            source,
        };
        let world = World::booted(boot.stations, boot.seed, epoch(), boot.number);
        let on_cable = boot.ground.is_some();
        let tree = Tree::booted(boot.root, &world, on_cable).map_err(at)?;
        Scripts::plant(boot.root).map_err(at)?;
        let scripts = Scripts::open(boot.root).map_err(Error::Scripts)?;
        let ground = match boot.ground {
            Some((device, uplink)) => Some(Ground::boot(boot.root, device, uplink)?),
            None => None,
        };
        let mut router = Self::with(world, tree);
        router.machine = Machine::new(boot.root, ground, boot.pace);
        router.scripts = Some(scripts);
        router.requests = Some(boot.requests);
        router.steps = boot.steps;
        router.steps.booted();
        Ok(router)
    }
}
