//! Things done once after a start of the device: `boot_cmd` is run, `boot_url` is called until it answers.
//!
//! Both wait until the device has the settings it works with. A restart of the agent repeats neither: what is done is
//! noted with the boot's id in the cell `state_dir/provision/boot`, the command before it runs.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use durable::{Cell, Directory};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::sleep;

use super::desk::aside;
use super::{Facts, Settings};
use crate::http::{Answer, Client, Endpoint, HttpError};
use crate::lookup::Resolver;
use crate::outage::Outage;
use crate::process::backoff::Backoff;
use crate::process::shutdown::Shutdown;
use crate::written::{flag, text, Fields};

const DIRECTORY: &str = "provision";
const CELL: &str = "boot";

/// Runs a command of the device's own settings as a job, and returns once it is accepted; an error in words.
pub type RunCommand =
    Box<dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// The belongings of the task.
pub struct Part {
    pub settings: watch::Receiver<Arc<Settings>>,
    pub facts: watch::Receiver<Facts>,
    pub resolver: Resolver,
    /// The state directory that is in use until the agent ends.
    pub state_dir: PathBuf,
    /// The kernel's id of this boot.
    pub boot_id: String,
    pub run: RunCommand,
}

/// The things done in a boot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
struct Noted {
    boot_id: String,
    cmd: bool,
    url: bool,
}

impl Noted {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::parse(bytes)?;
        Some(Noted {
            boot_id: fields.required("boot_id", text)?,
            cmd: fields.required("cmd", flag)?,
            url: fields.required("url", flag)?,
        })
    }
}

/// Does it, and ends; at `shutdown` at the latest.
pub async fn run(part: Part, shutdown: Shutdown) {
    shutdown.cut_short(vec![Box::pin(part.work())]).await;
}

impl Part {
    async fn work(mut self) {
        if self.facts.wait_for(|facts| facts.is_ready).await.is_err() {
            return;
        }
        let settings = self.settings.borrow().clone();
        let provision = &settings.provision;
        if provision.boot_cmd.is_empty() && provision.boot_url.is_empty() {
            return;
        }
        let mut noted = self.noted().await;
        if !provision.boot_cmd.is_empty() && !noted.cmd {
            noted.cmd = true;
            self.note(&noted).await;
            match (self.run)(provision.boot_cmd.reveal().to_owned()).await {
                Ok(()) => log::info!("boot_cmd runs"),
                Err(error) => log::error!("boot_cmd does not run: {error}"),
            }
        }
        if !provision.boot_url.is_empty() && !noted.url {
            self.call().await;
            noted.url = true;
            self.note(&noted).await;
        }
    }

    /// Calls boot_url until it answers, or is not set any more.
    async fn call(&self) {
        let settings = self.settings.borrow().clone();
        let mut backoff = Backoff::new(settings.spread, settings.pace);
        let mut outage = Outage::default();
        loop {
            sleep(backoff.next_wait()).await;
            let settings = self.settings.borrow().clone();
            if settings.provision.boot_url.is_empty() {
                return;
            }
            let error = match self.call_once(&settings).await {
                Ok((host, Answer::Accepted)) => {
                    log::info!("boot_url: {host} accepted");
                    return;
                }
                Ok((host, answer)) => format!("{host} {answer}"),
                Err(error) => error.to_string(),
            };
            log::log!(outage.level(&error), "boot_url: {error}");
        }
    }

    async fn call_once(&self, settings: &Settings) -> Result<(String, Answer), HttpError> {
        let Settings { api, mac, .. } = settings;
        let url = settings.provision.boot_url.reveal();
        let mut endpoint = Endpoint::new("boot_url", url, api, mac.as_str())?;
        if api.token.is_empty() {
            endpoint = endpoint.asking(&[("mac", mac.as_str())]);
        }
        let mut client = Client::new(api.clone(), self.resolver.clone());
        let reply = client.call(&endpoint).await?;
        Ok((endpoint.host().to_owned(), reply.answer))
    }

    async fn noted(&self) -> Noted {
        let state_dir = self.state_dir.clone();
        let read = aside(move || read(&state_dir)).await;
        let noted = match read.map_err(|error| error.to_string()) {
            Ok(Ok(noted)) => noted,
            Ok(Err(error)) | Err(error) => {
                log::warn!(
                    "state_dir/{DIRECTORY}: {error}; it is not known what this boot has done"
                );
                Noted::default()
            }
        };
        match noted.boot_id == self.boot_id {
            true => noted,
            false => Noted {
                boot_id: self.boot_id.clone(),
                ..Noted::default()
            },
        }
    }

    async fn note(&self, noted: &Noted) {
        let (state_dir, noted) = (self.state_dir.clone(), noted.clone());
        let written = aside(move || write(&state_dir, &noted)).await;
        let written = written.map_err(|error| error.to_string());
        if let Ok(Err(error)) | Err(error) = written {
            log::warn!("state_dir/{DIRECTORY}: {error}; a restart of the agent may do it again");
        }
    }
}

fn read(state_dir: &Path) -> Result<Noted, String> {
    let directory = state_dir.join(DIRECTORY);
    let is_there = directory.try_exists();
    if !is_there.map_err(|error| error.to_string())? {
        return Ok(Noted::default());
    }
    let mut directory = Directory::open(&directory).map_err(|error| error.to_string())?;
    let cell = Cell::new(CELL).read(&mut directory);
    let cell = cell.map_err(|error| error.to_string())?;
    let noted = cell.and_then(|bytes| Noted::decode(&bytes));
    Ok(noted.unwrap_or_default())
}

fn write(state_dir: &Path, noted: &Noted) -> Result<(), String> {
    let directory = Directory::open(&state_dir.join(DIRECTORY));
    let mut directory = directory.map_err(|error| error.to_string())?;
    let bytes = serde_json::to_vec(noted).expect("strings always encode");
    let written = Cell::new(CELL).write(&mut directory, &bytes);
    written.map_err(|error| error.to_string())
}
