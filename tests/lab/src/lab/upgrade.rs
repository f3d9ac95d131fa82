//! Upgrades of the router: the agent as part of its firmware, images that are written, jobs that ask for it.

use std::path::Path;

use serde_json::Value;

use super::network::inside;
use super::service::Service;
use super::{Lab, LabError, AGENT_ENDS_WITHIN};
use crate::collector::Mode;
use crate::firmware::{Boots, Image, Manager, System, AGENT};
use crate::router::Flash;
use crate::site::WanFault;

/// A power cut while an image is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The device has a second slot, and boots the system before.
    KeepsTheOld,
    /// The device is dead.
    EndsTheDevice,
}

impl Lab {
    /// Makes the agent part of the router's firmware: it runs from there from its next start on, and an image or
    /// a package can put another one in its place.
    ///
    /// # Errors
    ///
    /// A file of the router cannot be written.
    pub fn install(&mut self, manager: Manager) -> Result<(), LabError> {
        let root = self.place.root();
        let given = self.given.clone();
        let system = System::install(&root, &given, manager).map_err(LabError::Flash)?;
        let program = root.join(AGENT);
        self.program.binary = match &self.site {
            Ok(site) => inside(site, &program, &self.place)?,
            Err(_) => program,
        };
        self.system = Some(system);
        Ok(())
    }

    /// The router's firmware.
    ///
    /// # Errors
    ///
    /// The agent is not part of it.
    pub fn system(&self) -> Result<&System, LabError> {
        self.system.as_ref().ok_or(LabError::NotInstalled)
    }

    /// Is there an agent to start?
    pub(super) fn has_agent(&self) -> bool {
        let system = self.system.as_ref();
        system.is_none_or(|system| system.program().is_some())
    }

    /// Has the power cut while the next image is written.
    pub fn cut_while_flashing(&mut self, cut: Cut) {
        self.cut = Some(cut);
    }

    /// Writes an image as init does: processes get SIGTERM, then SIGKILL; the image is written, and the
    /// router boots what is there then.
    ///
    /// # Errors
    ///
    /// The router does not come back.
    pub async fn flash(&mut self, flash: Flash) -> Result<(), LabError> {
        let system = self.system()?.clone();
        let image = Image::read(&flash.image).map_err(LabError::Flash)?;
        let settings = flash.settings.clone();
        if let Some(agent) = &self.agent {
            agent.ask_to_end()?;
        }
        flash.bus_ended();
        if let Some(agent) = &mut self.agent {
            // One that does not end in time is killed.
            let _ = agent.terminate(AGENT_ENDS_WITHIN).await;
        }
        self.lose_power().await?;
        let boots = match self.cut.take() {
            Some(Cut::KeepsTheOld) => Boots::Old,
            Some(Cut::EndsTheDevice) => Boots::Nothing,
            None => image.boots,
        };
        if matches!(boots, Boots::New | Boots::Offline) {
            let written = system.flash(&image, settings.as_deref());
            written.map_err(LabError::Flash)?;
        }
        if boots == Boots::Nothing {
            return Ok(());
        }
        self.boot().await?;
        if boots == Boots::Offline {
            self.lose_network().await?;
        }
        // A fresh system has no agent that is enabled.
        let is_enabled = boots == Boots::Old || settings.is_some();
        match is_enabled && self.service.is_enabled() && self.has_agent() {
            true => self.start_agent().map(drop),
            false => {
                self.service = Service::down(is_enabled);
                Ok(())
            }
        }
    }

    /// Takes the network away: the cable, or without one, broker and API.
    async fn lose_network(&mut self) -> Result<(), LabError> {
        if self.site.is_ok() {
            return self.fail_wan(WanFault::Carrier).await;
        }
        self.mqtt.down().await?;
        self.set_api(Mode::Down).await
    }

    /// Sends a job of type `upgrade` by the broker and says its id; returns when the broker has it.
    ///
    /// # Errors
    ///
    /// The broker is gone.
    pub async fn send_upgrade(&mut self, msg: &Value) -> Result<String, LabError> {
        self.send_typed_job("upgrade", &msg.to_string()).await
    }

    /// The board that the router says it is.
    ///
    /// # Errors
    ///
    /// Its file cannot be read.
    pub fn board(&self) -> Result<String, LabError> {
        let path = self.place.root().join("tmp/sysinfo/board_name");
        let name = std::fs::read_to_string(path).map_err(LabError::Flash)?;
        Ok(name.trim().to_owned())
    }

    /// The release that the router runs, as its files name it.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn release(&self) -> Result<String, LabError> {
        let path = self.place.root().join(Path::new("etc/openwrt_release"));
        let text = std::fs::read_to_string(path).map_err(LabError::Flash)?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("DISTRIB_REVISION="));
        Ok(line.unwrap_or_default().trim_matches('\'').to_owned())
    }
}
