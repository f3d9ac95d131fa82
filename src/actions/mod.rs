//! Actions on the device: interfaces and radios by netifd, services by their init scripts, the reboot.
//!
//! Recovery and guard decide; this module acts. An action is done when the
//! device has taken it up. Its effect shows elsewhere, in the facts of health or in the state of the
//! bus, and the caller waits for that.
//!
//! ```text
//!  recovery, guard ─Action─► Actions ─┬─ubus─► netifd, procd
//!                                     └─────► /etc/init.d/NAME restart
//! ```

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::Serialize;
use tokio::process::Command;
use tokio::time::timeout;
use ubus::Client;

use crate::process::file::under;

/// Longest wait until netifd or procd has taken an action up.
const ASKED_WITHIN: Duration = Duration::from_secs(10);

/// Longest wait for an init script, which may wait for the service it stops.
const SCRIPT_WITHIN: Duration = Duration::from_secs(60);

/// A service that is restarted by its init script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    Network,
    Firewall,
    Dnsmasq,
}

impl Service {
    /// The name of its init script.
    pub fn name(self) -> &'static str {
        match self {
            Service::Network => "network",
            Service::Firewall => "firewall",
            Service::Dnsmasq => "dnsmasq",
        }
    }
}

/// An action on the device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Asks for a new lease: `network.interface.NAME` `renew`.
    Renew(String),
    /// Takes an interface down: `network.interface.NAME` `down`.
    Down(String),
    /// Brings an interface up: `network.interface.NAME` `up`.
    Up(String),
    /// Takes a radio down: `network.wireless` `down`. It stays down until it is brought up.
    RadioDown(String),
    /// Brings a radio up: `network.wireless` `up`.
    RadioUp(String),
    /// Runs `/etc/init.d/NAME restart`.
    Restart(Service),
    /// Has procd reload the services that follow a package of UCI.
    ConfigChanged(String),
    /// Asks procd for a reboot.
    Reboot,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Renew(name) => write!(f, "renew of interface {name}"),
            Action::Down(name) => write!(f, "interface {name} down"),
            Action::Up(name) => write!(f, "interface {name} up"),
            Action::RadioDown(name) => write!(f, "radio {name} down"),
            Action::RadioUp(name) => write!(f, "radio {name} up"),
            Action::Restart(service) => write!(f, "{} restart", service.name()),
            Action::ConfigChanged(package) => write!(f, "reload for package {package}"),
            Action::Reboot => f.write_str("reboot"),
        }
    }
}

/// Why an action was not taken up. It may still have had an effect.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    #[error("ubus call {path} {method}: {error}")]
    Bus {
        path: String,
        method: &'static str,
        error: ubus::Error,
    },
    #[error("{} restart: {error}", script.display())]
    Script {
        script: PathBuf,
        error: std::io::Error,
    },
    #[error("{} restart: {status}", script.display())]
    Failed { script: PathBuf, status: ExitStatus },
    #[error("{} restart: not done within {} s", script.display(), SCRIPT_WITHIN.as_secs())]
    Late { script: PathBuf },
}

/// The end of an action.
pub type Done<'a> = Pin<Box<dyn Future<Output = Result<(), ActionError>> + Send + 'a>>;

/// Acts on a device; the real one is [`Device`], tests and the dry run have others.
pub trait Actions: Send + Sync {
    /// Has `action` taken up, within 60 s.
    fn perform<'a>(&'a self, action: &'a Action) -> Done<'a>;
}

/// The device this agent runs on.
#[derive(Debug, Clone)]
pub struct Device {
    client: Client,
    root: PathBuf,
}

impl Device {
    /// The device behind the bus of `client`, with its init scripts below `root`.
    pub fn new(client: Client, root: &Path) -> Self {
        Device {
            client,
            root: root.to_owned(),
        }
    }

    async fn call<A: Serialize>(
        &self,
        path: String,
        method: &'static str,
        args: A,
    ) -> Result<(), ActionError> {
        let asked = async {
            let args = ubus::to_members(&args)?;
            self.client
                .call_raw(&path, method, args, ASKED_WITHIN)
                .await
        };
        match asked.await {
            Ok(_) => Ok(()),
            Err(error) => Err(ActionError::Bus {
                path,
                method,
                error,
            }),
        }
    }

    async fn interface(&self, name: &str, method: &'static str) -> Result<(), ActionError> {
        self.call(format!("network.interface.{name}"), method, Nothing {})
            .await
    }

    async fn radio(&self, device: &str, method: &'static str) -> Result<(), ActionError> {
        self.call("network.wireless".to_owned(), method, Radio { device })
            .await
    }

    /// The script goes on if the agent ends or gives up waiting for it.
    async fn restart(&self, service: Service) -> Result<(), ActionError> {
        let script = under(
            &self.root,
            Path::new(&format!("/etc/init.d/{}", service.name())),
        );
        let mut command = Command::new(&script);
        command.arg("restart").process_group(0);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let ran = match command.spawn() {
            Ok(mut child) => timeout(SCRIPT_WITHIN, child.wait()).await,
            Err(error) => return Err(ActionError::Script { script, error }),
        };
        match ran {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(ActionError::Failed { script, status }),
            Ok(Err(error)) => Err(ActionError::Script { script, error }),
            Err(_elapsed) => Err(ActionError::Late { script }),
        }
    }
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct Radio<'a> {
    device: &'a str,
}

#[derive(Serialize)]
struct ServiceEvent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    data: Package<'a>,
}

#[derive(Serialize)]
struct Package<'a> {
    package: &'a str,
}

impl Actions for Device {
    fn perform<'a>(&'a self, action: &'a Action) -> Done<'a> {
        Box::pin(async move {
            match action {
                Action::Renew(name) => self.interface(name, "renew").await,
                Action::Down(name) => self.interface(name, "down").await,
                Action::Up(name) => self.interface(name, "up").await,
                Action::RadioDown(name) => self.radio(name, "down").await,
                Action::RadioUp(name) => self.radio(name, "up").await,
                Action::Restart(service) => self.restart(*service).await,
                Action::ConfigChanged(package) => {
                    let data = Package { package };
                    let event = ServiceEvent {
                        kind: "config.change",
                        data,
                    };
                    self.call("service".to_owned(), "event", event).await
                }
                Action::Reboot => self.call("system".to_owned(), "reboot", Nothing {}).await,
            }
        })
    }
}
