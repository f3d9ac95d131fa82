//! The lines between host and machine.

use serde::{Deserialize, Serialize};

use super::{cell, jobs, records, reports, trial, Kind};

/// The task of a machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Start on the medium and go on living there.
    Live(Live),
    /// Start on the medium, tell what is there, and unmount it.
    Check(Start),
    /// End a life and unmount its medium.
    Stop(Kind),
}

/// A start on a medium.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Start {
    pub kind: Kind,
    /// Counts the lives on a medium, in the order of their time.
    pub boot: u32,
    /// `None` = a life begins. Otherwise this many checks of the same cut were cut short.
    pub check: Option<u32>,
    /// Jobs whose fate is asked for.
    pub jobs: Vec<String>,
    /// There is an overlay over squashfs, and the medium is its upper directory.
    pub overlay: bool,
    /// Options of the mount, with commas between them.
    pub mount: String,
}

/// A life.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Live {
    pub start: Start,
    pub seed: u64,
    /// False = nothing is waited for: it has to go wrong.
    pub syncs: bool,
    /// Bytes to leave free on the medium.
    pub leave: Option<u64>,
}

/// A line from a machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    /// `None` of the machine itself.
    pub kind: Option<Kind>,
    pub word: Word,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// The machine takes orders.
    Ready,
    /// It has started on the medium.
    Found(Box<Found>),
    Cell(cell::Said),
    Records(records::Said),
    Reports(reports::Said),
    Jobs(jobs::Said),
    Trial(trial::Said),
    /// The life has ended, or could not begin.
    Failed(String),
    Stopped,
}

/// The state of all stores after a start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found {
    pub cell: cell::Found,
    pub records: records::Found,
    pub reports: reports::Found,
    pub jobs: jobs::Found,
    pub trial: trial::Found,
}
