//! A package: installed by a process of its own.

use std::io;
use std::path::Path;
use std::time::Duration;

use durable::Directory;

use super::{failed, FILE, UNDO};
use crate::jobs::{Outcome, Ticket};
use crate::upgrade::handle::Shared;
use crate::upgrade::places::on_disk;
use crate::upgrade::record::{Packages, Phase, Record};
use crate::upgrade::request::Format;
use crate::upgrade::watcher;

/// Longest run of the package manager.
const INSTALL_WITHIN: Duration = Duration::from_secs(1800);

impl Shared {
    /// Installs the package. Returns only if this agent is not replaced.
    pub(super) async fn install(
        &self,
        ticket: &Ticket,
        format: Format,
        release: Option<&str>,
        has_undo: bool,
    ) -> Outcome {
        self.tell(Phase::Installing.name(), &ticket.id);
        let settings = self.settings().clone();
        let ms = |time: Duration| u64::try_from(settings.pace.of(time).as_millis()).unwrap_or(0);
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
            trial_ms: ms(settings.rollback_timeout),
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
}
