//! The looks at what cuts have left.

use std::io;

use super::{Cord, Media, LOOK, START_WITHIN};
use crate::power::host::patience::Patience;
use crate::power::word::{Order, Word};
use crate::power::Kind;

impl Cord {
    /// Has the other machine start on all media, and now and then cuts that short and has it start again.
    pub(super) fn check_all(&mut self, media: &Media, interrupted: bool) -> io::Result<()> {
        let kinds: Vec<Kind> = media.keys().copied().collect();
        let target = kinds.get(self.rng.usize(..kinds.len().max(1))).copied();
        let target = target.filter(|_| interrupted);
        for (kind, medium) in media {
            self.looking.insert(*kind, medium)?;
        }
        let mut again = None;
        if let Some(kind) = target {
            again = Some((kind, self.cut_short(kind)?));
        }
        for kind in kinds.iter().filter(|kind| Some(**kind) != target) {
            self.order_check(*kind, 0)?;
        }
        self.judge_all(&kinds, media, 1)?;
        if let Some((kind, medium)) = again {
            self.looking.insert(kind, &medium)?;
            self.order_check(kind, 1)?;
            self.judge_all(&[kind], &[(kind, medium)].into(), 2)?;
        }
        Ok(())
    }

    pub(super) fn order_check(&mut self, kind: Kind, check: u32) -> io::Result<()> {
        let start = self.start(kind, Some(check));
        self.looking.order(&Order::Check(start))
    }

    /// Waits for the findings of all `kinds`, and judges them.
    pub(super) fn judge_all(&mut self, kinds: &[Kind], media: &Media, cuts: u64) -> io::Result<()> {
        let mut patience = Patience::of(START_WITHIN);
        let mut waiting = kinds.to_vec();
        while !waiting.is_empty() {
            // Meanwhile the other one has things to say.
            self.living.listen()?;
            let Some(line) = self.looking.next(LOOK)? else {
                if !patience.lasts() {
                    return Err(self
                        .looking
                        .trouble(&format!("nothing is found on {waiting:?}")));
                }
                continue;
            };
            let Some(kind) = line.kind else {
                continue;
            };
            waiting.retain(|other| *other != kind);
            let verdict = match &line.word {
                Word::Found(found) => self.courses[&kind].account.judge(found, cuts),
                Word::Failed(words) => Err(words.clone()),
                word => Err(format!("{word:?} is no finding")),
            };
            self.tally.cut(kind, cuts > 1);
            if let Err(words) = verdict {
                self.failed(kind, &words, media)?;
            }
        }
        Ok(())
    }

    /// Counts wrong findings on a medium, and keeps it with its account.
    pub(super) fn failed(&mut self, kind: Kind, words: &str, media: &Media) -> io::Result<()> {
        let account = self.accounts.get(&kind).map_or("", String::as_str);
        self.tally.failed(kind, words, account, media.get(&kind))
    }
}
