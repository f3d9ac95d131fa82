//! The surroundings of a session.

use tokio::sync::watch;

use super::super::link::Refused;
use super::super::supply::Supply;
use super::super::topic::Topics;
use super::super::{Facts, Settings};
use crate::jobs;

/// The parts that a session works with; they outlive it.
pub(in crate::mqtt) struct Around<'a> {
    pub(in crate::mqtt) settings: &'a Settings,
    pub(in crate::mqtt) topics: &'a Topics,
    pub(in crate::mqtt) jobs: &'a jobs::Handle,
    pub(in crate::mqtt) supply: &'a mut Supply,
    pub(in crate::mqtt) facts: &'a watch::Sender<Facts>,
    pub(in crate::mqtt) refused: &'a Refused,
}
