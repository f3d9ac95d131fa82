//! A firmware image: tested, and flashed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{failed, refused, FILE};
use crate::jobs::{Hold, Outcome, Ticket};
use crate::tasks::aside;
use crate::upgrade::handle::Shared;
use crate::upgrade::places::on_disk;
use crate::upgrade::record::{Phase, Record};
use crate::upgrade::request::Format;
use crate::upgrade::resume::{not_restarted, RESTART_WITHIN};
use crate::upgrade::tools::{self, Ended};

/// Longest run of `sysupgrade -T`, and of sysupgrade until it takes the device down.
pub(super) const SYSUPGRADE_WITHIN: Duration = Duration::from_secs(600);

/// sysupgrade that has begun ends with an error as well, for the bus goes away under it; the device follows.
const GOES_DOWN_WITHIN: Duration = Duration::from_secs(30);

/// Longest wait until the ledger stands still.
const STILL_WITHIN: Duration = Duration::from_secs(60);

/// Longest wait until somebody has the answer after which no report follows.
const ANSWER_WITHIN: Duration = Duration::from_secs(300);

/// The output of sysupgrade, in RAM.
const LOG: &str = "log";

impl Shared {
    /// Runs sysupgrade on the image.
    pub(super) async fn sysupgrade(&self, options: &[&'static str], within: Duration) -> Ended {
        let (root, ram) = (self.places.root.clone(), self.places.ram());
        let options = options.to_vec();
        let within = self.settings().pace.of(within);
        let run = move || {
            let image = ram.join(Format::Image.file_name(FILE));
            let image = image.display().to_string();
            let arguments: Vec<&str> = options.into_iter().chain([&*image]).collect();
            tools::run(&root, &ram.join(LOG), "sysupgrade", &arguments, within)
        };
        // It has a deadline of its own.
        let ended = aside("sysupgrade", None, run).await;
        ended.unwrap_or_else(|_| Ended {
            error: Some("there is no thread for sysupgrade".to_owned()),
            output: String::new(),
        })
    }

    /// Flashes the image. Returns only if that failed.
    pub(super) async fn flash(&self, ticket: &Ticket, release: &str) -> Outcome {
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
        let pace = self.settings().pace;
        let ended = self.sysupgrade(options, SYSUPGRADE_WITHIN).await;
        if ended.error.is_some() {
            sleep(pace.of(GOES_DOWN_WITHIN)).await;
            return refused(ended);
        }
        sleep(pace.of(RESTART_WITHIN)).await;
        failed(not_restarted())
    }

    /// Flashes the image without settings, once somebody has the answer.
    pub(super) async fn flash_after_answer(self: Arc<Self>, ticket: Ticket) {
        let pace = self.settings().pace;
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
}
