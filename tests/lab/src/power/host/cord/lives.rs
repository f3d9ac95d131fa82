//! The lives: how they begin, are heard, boot again and end.

use std::io;

use super::{Cord, Course, Media, LOOK, START_WITHIN};
use crate::power::host::machine::Machine;
use crate::power::host::patience::Patience;
use crate::power::word::{Line, Live, Order, Word};

impl Cord {
    /// New lives on media that nobody has lived on.
    pub(super) fn begin_on(&mut self, media: Media, leave: Option<u64>) -> io::Result<()> {
        self.courses = self
            .kinds
            .iter()
            .map(|kind| (*kind, Course::default()))
            .collect();
        self.begin(media, leave, 0)
    }

    /// Lives begin, after so many power cuts.
    pub(super) fn begin(&mut self, media: Media, leave: Option<u64>, cuts: u64) -> io::Result<()> {
        for (kind, medium) in &media {
            self.living.insert(*kind, medium)?;
        }
        let mut waiting = Vec::new();
        for kind in self.kinds.clone() {
            if self.courses[&kind].is_over {
                continue;
            }
            let start = self.start(kind, None);
            let live = Live {
                start,
                seed: self.rng.u64(..),
                syncs: self.syncs,
                leave,
            };
            self.living.order(&Order::Live(live))?;
            waiting.push(kind);
        }
        let mut patience = Patience::of(START_WITHIN);
        while !waiting.is_empty() {
            let Some(line) = self.living.next(LOOK)? else {
                if !patience.lasts() {
                    return Err(self.living.trouble(&format!("{waiting:?} do not start")));
                }
                continue;
            };
            let (Some(kind), Some(course)) = (
                line.kind,
                line.kind.and_then(|kind| self.courses.get_mut(&kind)),
            ) else {
                continue;
            };
            let verdict = match &line.word {
                Word::Found(found) => {
                    waiting.retain(|other| *other != kind);
                    let judged = course.account.judge(found, cuts);
                    judged.and_then(|()| course.account.go_on(found))
                }
                word => {
                    if matches!(word, Word::Failed(_)) {
                        waiting.retain(|other| *other != kind);
                    }
                    course.account.hear(word)
                }
            };
            if let Err(words) = verdict {
                course.is_over = true;
                self.failed(kind, &words, &media)?;
            }
        }
        Ok(())
    }

    /// All lives end, and their media are free for others.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        let mut waiting = self.kinds.clone();
        for kind in &self.kinds {
            self.living.order(&Order::Stop(*kind))?;
        }
        let mut patience = Patience::of(START_WITHIN);
        while !waiting.is_empty() {
            let Some(line) = self.living.next(LOOK)? else {
                if !patience.lasts() {
                    let words = format!("{waiting:?} do not stop");
                    return Err(self.living.trouble(&words));
                }
                continue;
            };
            if matches!(line.word, Word::Stopped) {
                waiting.retain(|kind| Some(*kind) != line.kind);
            } else {
                self.hear(vec![line])?;
            }
        }
        Ok(())
    }

    pub(super) fn hear(&mut self, lines: Vec<Line>) -> io::Result<()> {
        for line in lines {
            let Some(kind) = line.kind else {
                continue;
            };
            let Some(course) = self.courses.get_mut(&kind).filter(|course| !course.is_over) else {
                continue;
            };
            self.tally.heard(kind);
            if let Err(words) = course.account.hear(&line.word) {
                course.is_over = true;
                let account = self.living.account(kind);
                self.tally.failed(kind, &words, &account, None)?;
            }
        }
        Ok(())
    }

    /// The machine loses its power, and boots from what is left.
    pub(super) fn reboot(&mut self) -> io::Result<()> {
        self.moment()?;
        let media = self.cut()?;
        self.boot_again()?;
        for course in self.courses.values_mut() {
            course.boot += 1;
        }
        self.begin(media.clone(), None, 1)?;
        for kind in media.keys() {
            self.tally.rebooted(*kind);
        }
        Ok(())
    }

    pub(super) fn boot_again(&mut self) -> io::Result<()> {
        let name = format!("living-{}", self.machines);
        self.machines += 1;
        self.living = Machine::start(&self.parts, &name)?;
        self.living.ready()
    }
}
