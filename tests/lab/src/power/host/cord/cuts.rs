//! The cuts themselves: when they come, and what they leave.

use std::io;
use std::thread;
use std::time::Duration;

use super::{Cord, Media};
use crate::power::host::format::Medium;
use crate::power::Kind;

/// Longest wait for a disk that is to hold still.
const HOLD_WITHIN: Duration = Duration::from_secs(2);

impl Cord {
    /// Lets the machine live, until a disk holds still or for a while.
    pub(super) fn moment(&mut self) -> io::Result<()> {
        let kind = [Some(Kind::Ext4), Some(Kind::F2fs), None][self.rng.usize(..3)];
        let requests = self.rng.u64(..40);
        let pause = Duration::from_micros(self.rng.u64(20_000..300_000));
        let kind = kind.filter(|kind| self.kinds.contains(kind));
        match kind.and_then(|kind| self.living.volume(kind)) {
            Some(volume) => {
                volume.hold_after(requests);
                volume.is_held(HOLD_WITHIN);
            }
            None => thread::sleep(pause),
        }
        Ok(())
    }

    /// The power goes at once, everywhere; for the machine itself it does not.
    pub(super) fn cut(&mut self) -> io::Result<Media> {
        self.living.freeze()?;
        let lines = self.living.said()?;
        let mut media = Media::new();
        for kind in &self.kinds {
            media.insert(*kind, self.living.cut(*kind, &mut self.rng)?);
            self.accounts.insert(*kind, self.living.account(*kind));
        }
        self.living.thaw()?;
        for kind in &self.kinds {
            if let Some(volume) = self.living.volume(*kind) {
                volume.release();
            }
        }
        self.hear(lines)?;
        media.retain(|kind, _| !self.courses[kind].is_over);
        Ok(media)
    }

    /// Orders a check, and cuts the power while it is under way.
    pub(super) fn cut_short(&mut self, kind: Kind) -> io::Result<Medium> {
        let requests = self.rng.u64(..16);
        let pause = Duration::from_micros(self.rng.u64(1000..150_000));
        if let Some(volume) = self.looking.volume(kind) {
            volume.hold_after(requests);
        }
        self.order_check(kind, 0)?;
        match self.looking.volume(kind) {
            Some(volume) => drop(volume.is_held(HOLD_WITHIN / 4)),
            None => thread::sleep(pause),
        }
        self.looking.freeze()?;
        let medium = self.looking.cut(kind, &mut self.rng);
        let account = self.looking.account(kind);
        let before = self.accounts.remove(&kind).unwrap_or_default();
        self.accounts
            .insert(kind, format!("{before}\n\na start on that\n{account}"));
        self.looking.thaw()?;
        if let Some(volume) = self.looking.volume(kind) {
            volume.release();
        }
        medium
    }
}
