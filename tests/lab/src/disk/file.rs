//! A file: what is on the medium, and what was done to it since.

use std::ops::Range;

use super::chooser::Chooser;

/// The bytes of a file, whatever it is called.
#[derive(Debug, Clone, Default)]
pub(super) struct File {
    /// The contents that the medium has for certain.
    durable: Vec<u8>,
    /// The changes since then, in order.
    phases: Vec<Phase>,
    /// Bytes whose sync has failed: the medium may not have them even if `durable` has.
    doubtful: Vec<Range<usize>>,
    /// The contents that a reader sees.
    content: Vec<u8>,
}

/// The file is cut off, and bytes are added.
#[derive(Debug, Clone)]
struct Phase {
    base: usize,
    added: Vec<u8>,
}

/// The bytes before a phase and those of it that arrive.
#[derive(Debug, Clone, Copy)]
enum Arrives {
    /// The first bytes, and nothing behind them.
    Torn(usize),
    /// The first bytes, and zeros in the place of the others.
    Zeroed(usize),
    /// Zeros in the place of the first bytes, and all others.
    Late(usize),
    /// The first bytes, over those that were to be cut off before.
    Uncut(usize),
}

impl File {
    /// A file that is on the medium.
    fn durable(bytes: Vec<u8>) -> Self {
        File {
            durable: bytes.clone(),
            content: bytes,
            ..File::default()
        }
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        if self.phases.is_empty() {
            self.phases.push(Phase {
                base: self.content.len(),
                added: Vec::new(),
            });
        }
        if let Some(phase) = self.phases.last_mut() {
            phase.added.extend_from_slice(bytes);
        }
        self.content.extend_from_slice(bytes);
    }

    /// Cuts off what is behind `len`, at most the length of the file.
    pub(super) fn truncate(&mut self, len: usize) {
        self.content.truncate(len);
        self.phases.push(Phase {
            base: len,
            added: Vec::new(),
        });
        for range in &mut self.doubtful {
            range.end = range.end.min(len);
        }
        self.doubtful.retain(|range| !range.is_empty());
    }

    pub(super) fn sync(&mut self) {
        self.durable.clone_from(&self.content);
        self.phases.clear();
    }

    /// A sync that fails: the kernel takes what it has not written for written.
    pub(super) fn fail_sync(&mut self) {
        let from = self.phases.iter().map(|phase| phase.base).min();
        let range = from.unwrap_or(self.content.len())..self.content.len();
        if !range.is_empty() {
            self.doubtful.push(range);
        }
    }

    /// True if a sync has failed and the bytes were not written again since.
    pub(super) fn is_doubtful(&self) -> bool {
        !self.doubtful.is_empty()
    }

    /// Changes the medium itself.
    pub(super) fn damage(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.content);
        self.sync();
    }

    /// The number of outcomes of [`File::crash`]; equal ones count once.
    pub(super) fn outcomes(&self) -> u64 {
        let phases: usize = self.phases().map(|(prior, p)| ways(prior.len(), p)).sum();
        let written = phases.max(1) as u64;
        written << self.doubtful.len()
    }

    /// The phases, each with the bytes of the file before it.
    fn phases(&self) -> impl Iterator<Item = (Vec<u8>, &Phase)> {
        let mut before = self.durable.clone();
        self.phases.iter().map(move |phase| {
            let prior = before.clone();
            before.truncate(phase.base);
            before.extend_from_slice(&phase.added);
            (prior, phase)
        })
    }

    /// A file that a power cut may leave of this one.
    pub(super) fn crash(&self, chooser: &mut Chooser) -> File {
        let mut bytes = self.durable.clone();
        let all: usize = self.phases().map(|(prior, p)| ways(prior.len(), p)).sum();
        if all > 0 {
            let mut chosen = chooser.choose(all);
            for (prior, phase) in self.phases() {
                let ways = ways(prior.len(), phase);
                if chosen < ways {
                    bytes = outcome(prior, phase, arrives(chosen, phase.added.len()));
                    break;
                }
                chosen -= ways;
            }
        }
        for range in &self.doubtful {
            if chooser.choose(2) == 1 {
                let end = range.end.min(bytes.len());
                if let Some(lost) = bytes.get_mut(range.start..end) {
                    lost.fill(0);
                }
            }
        }
        File::durable(bytes)
    }
}

/// The number of outcomes of a phase, on a file of `prior` bytes.
fn ways(prior: usize, phase: &Phase) -> usize {
    let added = phase.added.len();
    let cuts = phase.base < prior;
    (added + 1) + added + added.saturating_sub(1) + if cuts { added + 1 } else { 0 }
}

/// The outcome of this number.
fn arrives(number: usize, added: usize) -> Arrives {
    if number <= added {
        Arrives::Torn(number)
    } else if number <= 2 * added {
        Arrives::Zeroed(number - added - 1)
    } else if number < 3 * added {
        Arrives::Late(number - 2 * added)
    } else {
        Arrives::Uncut(number - (3 * added).max(1))
    }
}

fn outcome(prior: Vec<u8>, phase: &Phase, arrives: Arrives) -> Vec<u8> {
    let mut bytes = prior;
    match arrives {
        Arrives::Torn(len) => {
            bytes.truncate(phase.base);
            bytes.extend_from_slice(&phase.added[..len]);
        }
        Arrives::Zeroed(len) => {
            bytes.truncate(phase.base);
            bytes.extend_from_slice(&phase.added[..len]);
            bytes.resize(phase.base + phase.added.len(), 0);
        }
        Arrives::Late(len) => {
            bytes.truncate(phase.base);
            bytes.resize(phase.base + len, 0);
            bytes.extend_from_slice(&phase.added[len..]);
        }
        Arrives::Uncut(len) => {
            let end = phase.base + len;
            bytes.resize(bytes.len().max(end), 0);
            bytes[phase.base..end].copy_from_slice(&phase.added[..len]);
        }
    }
    bytes
}
