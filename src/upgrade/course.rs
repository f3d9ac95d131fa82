//! From the job to the point of no return, and past it as far as this agent lives.

mod flash;
mod install;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use durable::{read_whole, replace, Directory};
use serde::Deserialize;
use tokio::time::timeout;

use super::download::Download;
use super::handle::Shared;
use super::places::on_disk;
use super::record::{Phase, Record};
use super::request::{Format, Request, Source, Undo, What};
use super::tools::{self, Ended};
use super::watcher;
use crate::jobs::{Doing, End, Hold, Outcome, Ticket, UPGRADE};
use crate::tasks::spawn;

use flash::SYSUPGRADE_WITHIN;

/// Longest wait for the board's name.
const BOARD_WITHIN: Duration = Duration::from_secs(10);

/// Longest wait for the end of a network change that is on trial.
const GUARD_WITHIN: Duration = Duration::from_secs(1800);

/// Largest package, bytes.
const PACKAGE_MAX: u64 = 16 << 20;

/// The answer to an upgrade without settings.
const NO_REPORT: &str = "flashing, no report follows";

/// Files in RAM.
const FILE: &str = "new";
const UNDO: &str = "undo";

/// The answer of `system board`, as far as it matters.
#[derive(Deserialize)]
struct Board {
    board_name: String,
}

fn failed(reason: impl Into<String>) -> Outcome {
    Outcome::without_command(End::Processed, UPGRADE, Some(reason.into()))
}

fn rejected(reason: impl Into<String>) -> Outcome {
    Outcome::without_command(End::Rejected, UPGRADE, Some(reason.into()))
}

pub(super) fn interrupted(reason: &str) -> Outcome {
    Outcome::without_command(End::Interrupted, UPGRADE, Some(reason.to_owned()))
}

/// A tool that did not do its work.
fn refused(ended: Ended) -> Outcome {
    Outcome {
        stdout: ended.output,
        ..failed(ended.error.unwrap_or_default())
    }
}

impl Shared {
    /// Carries out the upgrade of a job.
    pub(super) async fn run(
        self: Arc<Self>,
        ticket: Ticket,
        msg: String,
        mut stopped: Doing<bool>,
    ) -> Option<Outcome> {
        let request = match Request::read(&msg, self.settings().api.insecure) {
            Ok(request) => request,
            // The option has changed since it was accepted.
            Err(reason) => return Some(rejected(reason)),
        };
        let prepared = tokio::select! {
            prepared = Box::pin(self.prepare(&ticket, &request)) => prepared,
            is_cancelled = &mut stopped => Err(match is_cancelled {
                true => failed("cancelled"),
                false => interrupted("the agent stopped"),
            }),
        };
        if let Err(outcome) = prepared {
            let (places, is_image) = (self.places.clone(), request.format == Format::Image);
            if let Err(error) = on_disk(move || places.clear(is_image)).await {
                log::warn!("upgrade: what is left of it cannot be removed: {error}");
            }
            return self.end(outcome).await;
        }
        // From here on nobody stops it.
        drop(stopped);
        self.hold.send_replace(Hold::Starts);
        self.part.busy.send_replace(true);
        let work = async {
            match &request.what {
                What::Image { keep: false, .. } => {
                    spawn(Arc::clone(&self).flash_after_answer(ticket));
                    Some(Outcome {
                        stdout: NO_REPORT.to_owned(),
                        ..Outcome::without_command(End::Processed, UPGRADE, None)
                    })
                }
                What::Image { release, .. } => {
                    let outcome = self.flash(&ticket, release).await;
                    self.end(outcome).await
                }
                What::Package { release, undo, .. } => {
                    let undo = matches!(undo, Undo::Package(_));
                    let release = release.as_deref();
                    let outcome = self.install(&ticket, request.format, release, undo).await;
                    self.end(outcome).await
                }
            }
        };
        let mut ends = self.part.ends.clone();
        tokio::select! {
            outcome = Box::pin(work) => outcome,
            // The next agent knows the outcome.
            () = ends.requested() => None,
        }
    }

    /// Everything goes on as before.
    async fn end(&self, outcome: Outcome) -> Option<Outcome> {
        self.set_free();
        self.forget_files().await;
        Some(outcome)
    }

    async fn forget_files(&self) {
        let ram = self.places.ram();
        // In RAM: it goes with the next boot.
        let _ = on_disk(move || std::fs::remove_dir_all(ram)).await;
    }

    /// Makes all preparations that change nothing yet.
    async fn prepare(&self, ticket: &Ticket, request: &Request) -> Result<(), Outcome> {
        self.check_device(request).await?;
        self.tell("fetching", &ticket.id);
        let places = self.places.clone();
        let is_image = request.format == Format::Image;
        let cleared = move || {
            places.clear(is_image)?;
            places.fresh_ram()
        };
        let ram = on_disk(cleared).await.map_err(failed)?;
        if let What::Package {
            undo: Undo::Package(undo),
            ..
        } = &request.what
        {
            let name = request.format.file_name(UNDO);
            let fetched = self.fetch(undo, &ram, &name).await;
            fetched.map_err(|error| failed(format!("the package before: {error}")))?;
            let own = self.places.own();
            let mut from = ram.clone();
            let kept = on_disk(move || keep_undo(&mut from, &own, &name)).await;
            kept.map_err(|error| failed(format!("the package before is not kept: {error}")))?;
        }
        let name = request.format.file_name(FILE);
        let fetched = self.fetch(&request.source, &ram, &name).await;
        fetched.map_err(failed)?;
        if is_image {
            let ended = self.sysupgrade(&["-T"], SYSUPGRADE_WITHIN).await;
            if ended.error.is_some() {
                return Err(refused(ended));
            }
        }
        // The undo of a network change does not survive this.
        let mut guarded = self.part.guarded.clone();
        let pace = self.settings().pace;
        let free = timeout(pace.of(GUARD_WITHIN), guarded.wait_for(|guarded| !guarded));
        let is_late = free.await.is_err();
        match is_late {
            false => Ok(()),
            true => Err(failed("a network change is still on trial")),
        }
    }

    async fn check_device(&self, request: &Request) -> Result<(), Outcome> {
        if self.settings().state_dir != self.places.state_dir {
            let why =
                "option state_dir was changed: an upgrade needs a restart of the agent before";
            return Err(failed(why));
        }
        if let Some(wanted) = request.what.board() {
            let asked = self
                .part
                .client
                .call("system", "board", &(), BOARD_WITHIN)
                .await;
            let board: Board = asked
                .map_err(|error| failed(format!("the name of the board is not known: {error}")))?;
            if board.board_name != wanted {
                let is = board.board_name;
                return Err(rejected(format!("the board is {is}, not {wanted}")));
            }
        }
        let tool = match request.format {
            Format::Image => "sysupgrade",
            format => watcher::manager(&format.file_name(FILE)).0,
        };
        if tools::find(&self.places.root, tool).is_none() {
            return Err(rejected(format!("this device has no {tool}")));
        }
        match request.what {
            What::Image {
                has_agent: false, ..
            } if !self.places.in_firmware().exists() => Err(rejected(
                "the firmware has no socketman of its own, so that the image may have none either; \
                 has_agent says that it has",
            )),
            _ => Ok(()),
        }
    }

    async fn fetch(&self, source: &Source, ram: &Directory, name: &str) -> Result<(), String> {
        let tell = |have: u64, size: Option<u64>, error: Option<&str>| {
            self.part.facts.send_modify(|facts| {
                facts.received = Some(have);
                facts.size = size;
                facts.error = error.map(str::to_owned);
            });
        };
        let settings = self.settings().clone();
        let download = Download {
            api: &settings.api,
            pace: settings.pace,
            resolver: self.part.resolver.clone(),
            directory: ram,
            tell: &tell,
        };
        download.fetch(source, name).await
    }

    /// A record of this device now.
    async fn record(&self, phase: Phase, ticket: &Ticket) -> Record {
        let needs = self.part.witnesses.reached().await;
        Record {
            phase,
            key: ticket.key.clone(),
            id: ticket.id.clone(),
            boot: self.boot.clone(),
            macs: self.macs.clone(),
            wanted: None,
            before: String::new(),
            code: needs.code,
            broker: needs.broker,
            packages: None,
            output: String::new(),
            reason: None,
        }
    }
}

/// Puts the package before on flash, whole.
fn keep_undo(from: &mut Directory, own: &Path, name: &str) -> io::Result<()> {
    use durable::Disk;
    let package = read_whole(from, name, PACKAGE_MAX)?;
    replace(&mut Directory::open(own)?, name, &package)?;
    from.remove(name)
}
