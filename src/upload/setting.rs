//! The surroundings of a delivery.

use tokio::sync::watch;

use super::Settings;
use crate::http::Facts;
use crate::identity::Identity;
use crate::process::ask::Asks;

/// The agent around the rounds: settings they read, facts they tell.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    pub settings: &'a Settings,
    pub mac: &'a Identity,
    pub facts: &'a watch::Sender<Facts>,
    pub asks: &'a Asks,
}
