//! From the job to the point of no return, and past it as far as this agent lives.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use durable::{read_whole, replace, Directory};
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use super::download::Download;
use super::handle::Shared;
use super::places::{on_disk, on_thread};
use super::record::{Packages, Phase, Record};
use super::request::{Format, Request, Source, Undo, What};
use super::resume::{not_restarted, RESTART_WITHIN};
use super::tools::{self, Ended};
use super::watcher;
use crate::jobs::{Doing, End, Hold, Outcome, Ticket, UPGRADE};

/// Longest wait for the board's name.
const BOARD_WITHIN: Duration = Duration::from_secs(10);

/// Longest run of `sysupgrade -T`, and of sysupgrade until it takes the device down.
const SYSUPGRADE_WITHIN: Duration = Duration::from_secs(600);

/// sysupgrade that has begun ends with an error as well, for the bus goes away under it; the device follows.
const GOES_DOWN_WITHIN: Duration = Duration::from_secs(30);

/// Longest run of the package manager.
const INSTALL_WITHIN: Duration = Duration::from_secs(1800);

/// Longest wait for the end of a network change that is on trial.
const GUARD_WITHIN: Duration = Duration::from_secs(1800);

/// Longest wait until the ledger stands still.
const STILL_WITHIN: Duration = Duration::from_secs(60);

/// Longest wait until somebody has the answer after which no report follows.
const ANSWER_WITHIN: Duration = Duration::from_secs(300);

/// Largest package, bytes.
const PACKAGE_MAX: u64 = 16 << 20;

/// The answer to an upgrade without settings.
const NO_REPORT: &str = "flashing, no report follows";

/// Files in RAM.
const FILE: &str = "new";
const UNDO: &str = "undo";
const LOG: &str = "log";

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
        let request = match Request::read(&msg, self.config().insecure) {
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
                    tokio::spawn(Arc::clone(&self).flash_after_answer(ticket));
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
        let _ = on_thread(move || std::fs::remove_dir_all(ram)).await;
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
        let pace = self.config().pace;
        let free = timeout(pace.of(GUARD_WITHIN), guarded.wait_for(|guarded| !guarded));
        let is_late = free.await.is_err();
        match is_late {
            false => Ok(()),
            true => Err(failed("a network change is still on trial")),
        }
    }

    async fn check_device(&self, request: &Request) -> Result<(), Outcome> {
        if self.config().state_dir != self.places.state_dir {
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
        let download = Download {
            config: self.config(),
            resolver: self.part.resolver.clone(),
            directory: ram,
            tell: &tell,
        };
        download.fetch(source, name).await
    }

    /// Runs sysupgrade on the image.
    async fn sysupgrade(&self, options: &[&'static str], within: Duration) -> Ended {
        let (root, ram) = (self.places.root.clone(), self.places.ram());
        let options = options.to_vec();
        let within = self.config().pace.of(within);
        let run = move || {
            let image = ram.join(Format::Image.file_name(FILE));
            let image = image.display().to_string();
            let arguments: Vec<&str> = options.into_iter().chain([&*image]).collect();
            tools::run(&root, &ram.join(LOG), "sysupgrade", &arguments, within)
        };
        on_thread(run).await.unwrap_or_else(|| Ended {
            error: Some("there is no thread for sysupgrade".to_owned()),
            output: String::new(),
        })
    }

    /// Flashes the image. Returns only if that failed.
    async fn flash(&self, ticket: &Ticket, release: &str) -> Outcome {
        self.tell(Phase::Flashing.name(), &ticket.id);
        let record = Record {
            wanted: Some(release.to_owned()),
            before: self.release.clone(),
            ..self.record(Phase::Flashing, ticket).await
        };
        self.held.send_replace(false);
        let mut held = self.held.subscribe();
        self.hold.send_replace(Hold::Ledger);
        let still = held.wait_for(|held| *held);
        if timeout(STILL_WITHIN, still).await.is_err() {
            return failed("the ledger of jobs does not come to rest");
        }
        let places = self.places.clone();
        let keep = move || {
            places.keep_ledger()?;
            places.write(&record)
        };
        if let Err(error) = on_disk(keep).await {
            self.forget_record().await;
            return failed(format!(
                "what has to outlive the flashing is not kept: {error}"
            ));
        }
        let outcome = self.go_down(&[]).await;
        self.forget_record().await;
        outcome
    }

    async fn forget_record(&self) {
        let places = self.places.clone();
        if let Err(error) = on_disk(move || places.clear(true)).await {
            log::warn!("upgrade: its record cannot be removed: {error}");
        }
    }

    /// Has sysupgrade take the device down. Returns if that does not happen.
    async fn go_down(&self, options: &[&'static str]) -> Outcome {
        log::warn!("upgrade: flashing; the device restarts");
        let pace = self.config().pace;
        let ended = self.sysupgrade(options, SYSUPGRADE_WITHIN).await;
        if ended.error.is_some() {
            sleep(pace.of(GOES_DOWN_WITHIN)).await;
            return refused(ended);
        }
        sleep(pace.of(RESTART_WITHIN)).await;
        failed(not_restarted())
    }

    /// Flashes the image without settings, once somebody has the answer.
    async fn flash_after_answer(self: Arc<Self>, ticket: Ticket) {
        let pace = self.config().pace;
        self.tell(Phase::Flashing.name(), &ticket.id);
        let mut taken = self.taken.subscribe();
        let answered = taken.wait_for(|key| *key == ticket.key);
        if timeout(pace.of(ANSWER_WITHIN), answered).await.is_err() {
            log::warn!("upgrade: nobody has taken the answer; the device is flashed all the same");
        }
        let outcome = self.go_down(&["-n"]).await;
        let why = outcome.reason.unwrap_or_default();
        log::error!("upgrade: the device was not flashed: {why}");
        drop(self.end(failed(why)).await);
    }

    /// Installs the package. Returns only if this agent is not replaced.
    async fn install(
        &self,
        ticket: &Ticket,
        format: Format,
        release: Option<&str>,
        has_undo: bool,
    ) -> Outcome {
        self.tell(Phase::Installing.name(), &ticket.id);
        let config = self.config();
        let ms = |time: Duration| u64::try_from(config.pace.of(time).as_millis()).unwrap_or(0);
        let own = self.places.own();
        let undo = own.join(format.file_name(UNDO));
        let new = self.places.ram().join(format.file_name(FILE));
        let program = std::env::current_exe().unwrap_or_default();
        let program = program.display().to_string();
        // Of a file that somebody has replaced meanwhile.
        let program = program
            .strip_suffix(" (deleted)")
            .unwrap_or(&program)
            .to_owned();
        let before = on_disk(|| watcher::hash_of(Path::new("/proc/self/exe"))).await;
        let packages = Packages {
            new: new.display().to_string(),
            undo: has_undo.then(|| undo.display().to_string()),
            root: self.places.root.display().to_string(),
            program,
            program_before: before.unwrap_or_default(),
            trial_ms: ms(config.rollback_timeout),
            install_ms: ms(INSTALL_WITHIN),
        };
        let record = Record {
            wanted: release.map(str::to_owned),
            before: env!("CARGO_PKG_VERSION").to_owned(),
            packages: Some(packages),
            ..self.record(Phase::Ready, ticket).await
        };
        let (places, written) = (self.places.clone(), record.clone());
        let begin = move || -> io::Result<_> {
            let program = watcher::copy_program(&Directory::open(&places.ram())?)?;
            places.write(&written)?;
            Ok(program)
        };
        let started = match on_disk(begin).await {
            Ok(program) => {
                let started = watcher::start(&program, watcher::INSTALL, &own);
                started.map_err(|error| error.to_string())
            }
            Err(error) => Err(error),
        };
        if let Err(error) = started {
            let places = self.places.clone();
            if let Err(error) = on_disk(move || places.clear(false)).await {
                log::warn!("upgrade: its record cannot be removed: {error}");
            }
            return failed(format!("the installation cannot be watched: {error}"));
        }
        let record = self.follow(record, false).await;
        let outcome = record.outcome();
        self.decided.send_replace(Some(record));
        outcome.unwrap_or_else(|| failed("the upgrade ended without a decision"))
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
