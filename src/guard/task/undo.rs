//! The verdict on a network job, and the way back.

use std::time::Duration;

use tokio::time::Instant;

use super::Task;
use crate::actions::{Action, Service};
use crate::boot::Why;
use crate::config::PACKAGE;
use crate::guard::decide::{Next, Trial};
use crate::guard::desk::Desk;
use crate::guard::journal::{Journal, Phase};
use crate::guard::{add_reason, add_undone, not_put_back, undo, PUT_BACK_LATER};
use crate::jobs::Judged;

/// Longest wait for the bus before services are told.
const BUS_WITHIN: Duration = Duration::from_secs(60);

impl Task {
    /// Tests the way out, and keeps or undoes the change.
    pub(super) async fn try_out(&mut self, mut journal: Journal, timeout: Duration) -> Judged {
        let Err(lost) = self.is_good(&journal, timeout).await else {
            self.own_keep().await;
            return self.decide(journal, false).await;
        };
        self.event(format!("job '{}' is undone: {lost}", journal.id));
        add_reason(&mut journal, &format!("{lost}: undone"));
        let own_changed = self.own_changed();
        if own_changed {
            self.own_undone(&mut journal).await;
        }
        let own_is_back = own_changed && self.own_left.is_none();
        journal.back = Some(self.found.place.boot.clone());
        let undone = self.with_journal(&mut journal, move |desk, journal| {
            if own_is_back {
                is_ours(desk, journal);
            }
            undo(desk, journal);
            Ok(())
        });
        if let Err(error) = undone.await {
            not_put_back(&mut journal, &error);
        }
        self.bring_back(&mut journal).await;
        self.own_left = None;
        self.decide(journal, true).await
    }

    /// Can our settings be used, and does the device reach what it reached before? Why not, if not.
    pub(super) async fn is_good(
        &mut self,
        journal: &Journal,
        timeout: Duration,
    ) -> Result<(), String> {
        self.own_usable().await?;
        let (needs, pace) = (journal.needs, self.pace());
        let trial = Trial::verify(needs, timeout, pace, Instant::now());
        self.tell(true, Some(trial.until()), &journal.id);
        if self.witnesses.next(&trial, needs, pace).await == Next::Keep {
            return Ok(());
        }
        let s = timeout.as_secs();
        Err(match needs.broker {
            true => format!("the broker was not reached within {s} s"),
            false => format!("the device was worse off for {s} s"),
        })
    }

    /// The files are back; so is the device soon, or services are restarted, or it reboots once.
    pub(super) async fn bring_back(&mut self, journal: &mut Journal) {
        let pace = self.pace();
        // The settings may be among them; an agent that ends reads nothing more.
        drop(self.settings.reload().await);
        self.tell_services(journal).await;
        let needs = journal.needs;
        let mut trial = Trial::told(needs, pace, Instant::now());
        loop {
            self.tell(true, Some(trial.until()), &journal.id);
            match self.witnesses.next(&trial, needs, pace).await {
                Next::Restart => {
                    self.put_back_again(journal).await;
                    self.event(format!("undo of job '{}': restarting services", journal.id));
                    for service in [Service::Network, Service::Firewall, Service::Dnsmasq] {
                        self.perform(Action::Restart(service)).await;
                    }
                    trial.restarted(Instant::now());
                }
                Next::Reboot => {
                    self.put_back_again(journal).await;
                    self.event(format!("undo of job '{}': rebooting", journal.id));
                    if journal.phase != Phase::Undone {
                        // The next agent has to.
                        journal.back = None;
                    }
                    journal.phase = Phase::Rebooting;
                    add_reason(journal, "the device was rebooted");
                    let noted = self
                        .with_journal(journal, |desk, journal| desk.note(journal))
                        .await;
                    if let Err(error) = noted {
                        log::error!("guard: {error}");
                    }
                    let why = Why::Guard {
                        job: journal.id.clone(),
                    };
                    if let Err(error) = (self.reboot)(why).await {
                        add_reason(journal, &format!("the reboot failed: {error}"));
                        return;
                    }
                    trial.rebooting(Instant::now());
                }
                Next::Lost => return add_reason(journal, "the reboot did not happen"),
                Next::Back if self.is_owed(journal) => {
                    // A service that starts later would take files of the job.
                    self.put_back_again(journal).await;
                    if self.is_owed(journal) {
                        return;
                    }
                    trial = Trial::told(needs, pace, Instant::now());
                }
                Next::Back | Next::Keep | Next::Undo | Next::Wait(_) => return,
            }
        }
    }

    /// Puts files back that the disk has not let us before: what follows would start with those of the job.
    async fn put_back_again(&mut self, journal: &mut Journal) {
        let is_undone = journal.phase == Phase::Undone;
        // The package is back then, and was not its copy before in any case.
        let own_goes = self.own_left.is_some() && !(is_undone && journal.json.is_some());
        if own_goes {
            self.own_undone(journal).await;
        } else {
            self.json_put_back(journal).await;
            self.own_left = self.own_left.take().filter(|_| journal.owes_json());
        }
        if is_undone {
            return;
        }
        let own_is_back = own_goes && self.own_left.is_none();
        let undone = self.with_journal(journal, move |desk, journal| {
            if own_is_back {
                is_ours(desk, journal);
            }
            let undone = desk.undo(journal)?;
            add_undone(journal, &undone);
            Ok(())
        });
        if let Err(error) = undone.await {
            return log::error!("guard: {error}");
        }
        if journal.phase == Phase::Undone {
            add_reason(journal, PUT_BACK_LATER);
        }
        self.tell_services(journal).await;
    }

    /// True while files or our settings are not back.
    fn is_owed(&self, journal: &Journal) -> bool {
        journal.phase != Phase::Undone || self.own_left.is_some() || journal.owes_json()
    }

    pub(super) async fn tell_services(&self, journal: &Journal) {
        // An agent that has just started is not on the bus yet. Without it each call says why it failed.
        drop(self.client.connected(self.pace().of(BUS_WITHIN)).await);
        for package in journal.changes.iter().flat_map(|changes| changes.names()) {
            self.perform(Action::ConfigChanged(package.clone())).await;
        }
    }

    pub(super) async fn perform(&self, action: Action) {
        if let Err(error) = self.actions.perform(&action).await {
            log::warn!("guard: {error}");
        }
    }
}

/// Our package is as we have put it back, and nobody else has changed it.
fn is_ours(desk: &mut Desk, journal: &mut Journal) {
    if let Err(error) = desk.left_as_it_is(journal, PACKAGE) {
        log::warn!("guard: {PACKAGE}: {error}");
    }
}
