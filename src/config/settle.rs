//! Rules that concern several options together.

use std::time::Duration;

use super::chosen::{flag, Chosen, Source};
use super::load::{position, At, Loading};
use super::options::find;
use super::{Config, Guard, Pem};

/// Shortest time offline before a reboot.
const REBOOT_MIN: Duration = Duration::from_secs(300);

/// Port of the broker when none is given.
pub(super) fn default_port(tls: bool) -> u16 {
    match tls {
        true => 8883,
        false => 1883,
    }
}

/// Delivery interval when none is given.
pub(super) fn default_heartbeat(monitor: Duration) -> Duration {
    Duration::from_secs(60).max(monitor * 2)
}

impl Loading<'_> {
    /// To be called when every source is taken.
    pub(super) fn settle(&mut self) {
        self.settle_client_certificate();
        if self.source("port") == Source::Default {
            self.config.broker.port = default_port(self.config.broker.tls);
        }
        self.settle_heartbeat();
        self.settle_reboot();
        self.settle_directories();
        self.warn_of_exposure();
        if !self.config.jobs.pubkey.is_empty() || self.closed.jobs().is_some() {
            self.switch_off("web_jobs", |config| &mut config.jobs.from_web);
            self.switch_off("api_commands", |config| &mut config.api.commands);
        }
        let settled = [
            ("port", self.config.broker.port.to_string()),
            (
                "heartbeat",
                self.config.upload.heartbeat.as_secs().to_string(),
            ),
            ("reboot", self.config.recovery.reboot.as_secs().to_string()),
            ("web_jobs", flag(self.config.jobs.from_web)),
            ("api_commands", flag(self.config.api.commands)),
        ];
        for (name, value) in settled {
            self.chosen(name).set(value);
        }
    }

    /// A certificate without its key, or a key without its certificate, shows nothing to the broker.
    fn settle_client_certificate(&mut self) {
        let has = (
            self.config.broker.tls_cert.is_some(),
            self.config.broker.tls_key.is_some(),
        );
        let (there, missing) = match has {
            (true, false) => ("tls_cert", "tls_key"),
            (false, true) => ("tls_key", "tls_cert"),
            _ => return,
        };
        // A held option already has its error.
        if self.closed.is_held(missing) {
            return;
        }
        let why = format!("is set without '{missing}'");
        let guard = Guard::Link(Pem::Certificate);
        let at = At(self.source(there), None);
        let problem = self.problem(Some(there), at, format!("{why}; {}", guard.effect()));
        self.errors.push(problem);
        self.closed.option(there, guard, &why);
    }

    /// Delivery has to be rarer than collection.
    fn settle_heartbeat(&mut self) {
        let (monitor, heartbeat) = (self.config.collect.monitor, self.config.upload.heartbeat);
        if self.source("heartbeat") == Source::Default {
            self.config.upload.heartbeat = default_heartbeat(monitor);
        } else if heartbeat <= monitor {
            let used = monitor * 2;
            let (short, monitor) = (heartbeat.as_secs(), monitor.as_secs());
            let reason = format!(
                "{short} s is not above monitor ({monitor} s), {} s is used",
                used.as_secs()
            );
            self.warn_settled("heartbeat", &reason);
            self.config.upload.heartbeat = used;
        }
    }

    /// A network restart takes longer than a short wait for the reboot.
    fn settle_reboot(&mut self) {
        let asked = self.config.recovery.reboot;
        if !asked.is_zero() && asked < REBOOT_MIN {
            let (asked, used) = (asked.as_secs(), REBOOT_MIN.as_secs());
            self.warn_settled(
                "reboot",
                &format!("{asked} s is too soon, {used} s is used"),
            );
            self.config.recovery.reboot = REBOOT_MIN;
        }
    }

    /// Unsigned ways in are closed where signatures are asked for.
    fn switch_off(&mut self, name: &str, field: fn(&mut Config) -> &mut bool) {
        if std::mem::take(field(&mut self.config)) && self.source(name) != Source::Default {
            self.warn_settled(name, "is off while job_pubkey is set");
        }
    }

    pub(super) fn warn_settled(&mut self, name: &str, reason: &str) {
        let at = At(self.source(name), None);
        self.warn(name, at, reason);
    }

    pub(super) fn source(&self, name: &str) -> Source {
        self.options[position(find(name).expect("the table has it"))].source
    }

    pub(super) fn chosen(&mut self, name: &str) -> &mut Chosen {
        &mut self.options[position(find(name).expect("the table has it"))]
    }
}
