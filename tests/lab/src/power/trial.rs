//! The trial of a network job: its files are the old ones or the new ones, as decided, and never a mixture.

use std::io;
use std::sync::Arc;

use durable::{read_whole, Disk};
use serde::{Deserialize, Serialize};
use socketman::guard::desk::{Conflicts, Desk};
use socketman::guard::folder::{Access, Folder};
use socketman::guard::journal::{Journal, Phase, Ran};

use super::ensure;
use super::medium::Medium;

/// The files that a job changes together.
const FILES: [&str; 2] = ["firewall", "network"];

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Said {
    /// A job that writes this number, and whether it is to stay.
    Begins(u64, bool),
    /// The command may run.
    Armed,
    /// It is decided.
    Decided,
    /// Nothing was armed, for want of room.
    Refused,
    /// Something could not be written: the next start finds out.
    Stuck,
    /// The trial is over.
    Over,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found {
    /// The stage that the journal had come to.
    pub phase: Option<String>,
    /// The number in each of the files after a decision; `None` if it has not been written as it is.
    pub files: Vec<Option<u64>>,
}

/// The guard in the machine, without the network.
pub struct Trial {
    desk: Desk,
    config: Medium,
    stable: u64,
    last: u64,
    is_stuck: bool,
}

fn failed(error: impl std::fmt::Display) -> String {
    format!("guard: {error}")
}

impl Trial {
    /// Opens the desk, and undoes what was not decided.
    ///
    /// # Errors
    ///
    /// It does not open, or cannot put the files back.
    pub fn open(
        own: Medium,
        mut config: Medium,
        conflicts: Conflicts,
    ) -> Result<(Self, Found), String> {
        for name in FILES {
            if let Err(error) = config.size(name) {
                match error.kind() {
                    io::ErrorKind::NotFound => write(&mut config, name, 0).map_err(failed)?,
                    _ => return Err(failed(error)),
                }
            }
        }
        let hold = Arc::new(|_: Option<&[u8]>| Ok(()));
        let mut desk = Desk::new(Box::new(own), Box::new(config.clone()), conflicts, hold);
        let journal = desk.open().map_err(failed)?;
        let phase = journal
            .as_ref()
            .map(|journal| format!("{:?}", journal.phase));
        if let Some(mut journal) = journal {
            match journal.phase {
                Phase::Armed | Phase::Ended | Phase::Undoing => undo(&mut desk, &mut journal)?,
                Phase::Undone | Phase::Rebooting => {
                    desk.decide(&mut journal, true).map_err(failed)?
                }
                Phase::Kept | Phase::Reverted => {}
            }
            desk.forget().map_err(failed)?;
        }
        let files: Vec<Option<u64>> = FILES.iter().map(|name| read(&mut config, name)).collect();
        let stable = files[0].unwrap_or(0);
        let trial = Trial {
            desk,
            config,
            stable,
            last: stable,
            is_stuck: false,
        };
        Ok((trial, Found { phase, files }))
    }

    /// A trial, from its beginning to its end.
    pub fn act(&mut self, rng: &mut fastrand::Rng, say: &mut dyn FnMut(Said)) {
        if self.is_stuck {
            return;
        }
        // No number twice: an undone one may be left behind by a cut.
        self.last = self.last.max(self.stable) + 1;
        let stays = rng.bool();
        say(Said::Begins(self.last, stays));
        let mut journal = Journal::armed("63f7f2ef43cc92ee".into(), self.last.to_string());
        if self.desk.arm(&mut journal).is_err() {
            return say(Said::Refused);
        }
        say(Said::Armed);
        match self.go_through(&mut journal, stays, rng.bool(), say) {
            Ok(()) => {
                if stays {
                    self.stable = self.last;
                }
                say(Said::Over);
            }
            Err(_) => {
                self.is_stuck = true;
                say(Said::Stuck);
            }
        }
    }

    fn go_through(
        &mut self,
        journal: &mut Journal,
        stays: bool,
        in_place: bool,
        say: &mut dyn FnMut(Said),
    ) -> Result<(), String> {
        for name in FILES {
            self.command(name, in_place).map_err(failed)?;
        }
        let ran = Ran {
            exit_code: Some(0),
            ..Ran::default()
        };
        self.desk.ended(journal, Some(ran)).map_err(failed)?;
        match stays {
            true => self.desk.decide(journal, false).map_err(failed)?,
            false => undo(&mut self.desk, journal)?,
        }
        say(Said::Decided);
        self.desk.forget().map_err(failed)
    }

    /// The work of the job's command; it waits for nothing.
    fn command(&mut self, name: &str, in_place: bool) -> io::Result<()> {
        let bytes = text(self.last);
        if in_place {
            self.config.truncate(name, 0)?;
            self.config.append(name, &bytes)?;
            return Ok(());
        }
        let fresh = format!(".{name}.uci-a");
        remove_if_there(&mut self.config, &fresh)?;
        self.config.create_as(&fresh, ACCESS)?;
        self.config.append(&fresh, &bytes)?;
        self.config.rename(&fresh, name)
    }
}

const ACCESS: Access = Access {
    mode: 0o644,
    uid: 0,
    gid: 0,
};

fn undo(desk: &mut Desk, journal: &mut Journal) -> Result<(), String> {
    let undone = desk.undo(journal).map_err(failed)?;
    ensure(undone.failed.is_empty(), || {
        failed(undone.failed.join(", "))
    })?;
    desk.decide(journal, true).map_err(failed)
}

fn remove_if_there(disk: &mut Medium, name: &str) -> io::Result<()> {
    match disk.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write(config: &mut Medium, name: &str, number: u64) -> io::Result<()> {
    let fresh = format!(".{name}.fresh");
    remove_if_there(config, &fresh)?;
    config.create_as(&fresh, ACCESS)?;
    config.append(&fresh, &text(number))?;
    config.sync(&fresh)?;
    config.rename(&fresh, name)?;
    config.sync_names()
}

/// The bytes of a file with a number: up to 3 KiB.
fn text(number: u64) -> Vec<u8> {
    let lines = number % 50;
    let mut text = format!("config {number}\n");
    (0..lines).for_each(|line| text += &format!("\toption name{line} '{number}-{}'\n", line * 977));
    text.into_bytes()
}

fn read(config: &mut Medium, name: &str) -> Option<u64> {
    let bytes = read_whole(config, name, 64 << 10).ok()?;
    let first = std::str::from_utf8(&bytes).ok()?.lines().next()?;
    let number = first.strip_prefix("config ")?.parse().ok()?;
    (text(number) == bytes).then_some(number)
}

/// A trial under way.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    number: u64,
    stays: bool,
    armed: bool,
    decided: bool,
}

/// The files as the host knows them.
#[derive(Debug, Clone, Default)]
pub struct Account {
    stable: u64,
    under_way: Option<UnderWay>,
}

impl Account {
    pub fn hear(&mut self, said: Said) {
        match (said, &mut self.under_way) {
            (Said::Begins(number, stays), _) => {
                self.under_way = Some(UnderWay {
                    number,
                    stays,
                    armed: false,
                    decided: false,
                });
            }
            (Said::Armed, Some(trial)) => trial.armed = true,
            (Said::Decided, Some(trial)) => trial.decided = true,
            (Said::Refused, trial) => *trial = None,
            (Said::Over, trial) => {
                if let Some(trial) = trial.take().filter(|trial| trial.stays) {
                    self.stable = trial.number;
                }
            }
            (Said::Stuck | Said::Armed | Said::Decided, _) => {}
        }
    }

    /// # Errors
    ///
    /// The files are not those that were decided on. `again` says that an earlier start was cut short,
    /// which may have undone the change.
    pub fn judge(&self, found: &Found, again: bool) -> Result<(), String> {
        let say = || format!("guard: {found:?} (again: {again}), and {self:?}");
        let number = found.files[0];
        let same = found.files.iter().all(|file| *file == number);
        let (Some(number), true) = (number, same) else {
            return Err(say());
        };
        let Some(trial) = self.under_way else {
            return ensure(number == self.stable && found.phase.is_none(), say);
        };
        let end = match trial.stays {
            true => trial.number,
            false => self.stable,
        };
        let holds = match found.phase.as_deref() {
            // It has not begun, or is over.
            None if !trial.armed => number == self.stable || number == end,
            None if again && !trial.decided => number == self.stable || number == end,
            None => number == end,
            Some("Kept") => trial.stays && number == end,
            Some(_) if trial.decided && trial.stays => false,
            Some(_) => number == self.stable,
        };
        ensure(holds, say)
    }

    /// Goes on from a start whose findings were right.
    pub fn go_on(&mut self, found: &Found) {
        self.under_way = None;
        if let Some(Some(number)) = found.files.first() {
            self.stable = *number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(said: &[Said], phase: Option<&str>, number: u64, again: bool) -> bool {
        let mut account = Account::default();
        said.iter().for_each(|said| account.hear(*said));
        let found = Found {
            phase: phase.map(str::to_owned),
            files: vec![Some(number); 2],
        };
        account.judge(&found, again).is_ok()
    }

    #[test]
    fn files_are_what_was_decided_and_an_armed_trial_has_its_journal() {
        let begun = [Said::Begins(1, true)];
        assert!(judge(&begun, None, 0, false));
        assert!(judge(&begun, Some("Kept"), 1, false));
        let armed = [Said::Begins(1, true), Said::Armed];
        assert!(judge(&armed, Some("Armed"), 0, false));
        assert!(!judge(&armed, Some("Armed"), 1, false));
        assert!(!judge(&armed, None, 0, false));
        assert!(judge(&armed, None, 0, true), "the start before undid it");
        let decided = [Said::Begins(1, true), Said::Armed, Said::Decided];
        assert!(judge(&decided, Some("Kept"), 1, false));
        assert!(!judge(&decided, Some("Ended"), 0, false));
        assert!(!judge(&decided, None, 0, true));
        let over = [
            Said::Begins(1, false),
            Said::Armed,
            Said::Decided,
            Said::Over,
        ];
        assert!(judge(&over, None, 0, false));
        assert!(!judge(&over, None, 1, false));
    }

    #[test]
    fn a_mixture_of_files_is_wrong_whatever_was_said() {
        let found = Found {
            phase: None,
            files: vec![Some(0), Some(1)],
        };
        let mut account = Account::default();
        account.hear(Said::Begins(1, true));
        assert!(account.judge(&found, false).is_err());
    }
}
