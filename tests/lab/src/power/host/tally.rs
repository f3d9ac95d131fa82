//! The count of cuts and of what they showed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::format::Medium;
use crate::power::Kind;

/// Failures of which the medium is kept.
const KEPT: u64 = 8;

/// Characters of a verdict that are printed; the file has all of them.
const SHOWN: usize = 600;

/// The words that begin a verdict about a store.
const STORES: [&str; 5] = ["cell", "log", "spool", "jobs", "guard"];

/// Of one file system.
#[derive(Debug, Clone, Default)]
struct Count {
    /// Words of the lives.
    heard: u64,
    cuts: u64,
    /// Of those, the ones in the middle of a start.
    while_starting: u64,
    reboots: u64,
    failures: u64,
    /// Cuts of the life without syncs, and those that showed.
    control: u64,
    red: u64,
}

#[derive(Debug)]
pub struct Tally {
    counts: BTreeMap<Kind, Count>,
    /// Where media go that were judged wrong.
    folder: PathBuf,
    is_control: bool,
    /// Stores that were wrong without syncs.
    stores: BTreeSet<&'static str>,
    /// File systems and stores that lose nothing without syncs, and should; `None` if it was not tried.
    blind: Option<Vec<&'static str>>,
}

impl Tally {
    pub fn new(folder: PathBuf, kinds: &[Kind]) -> Self {
        let counts = kinds.iter().map(|kind| (*kind, Count::default()));
        Tally {
            counts: counts.collect(),
            folder,
            is_control: false,
            stores: BTreeSet::new(),
            blind: None,
        }
    }

    fn count(&mut self, kind: Kind) -> &mut Count {
        self.counts.entry(kind).or_default()
    }

    /// A cut was judged.
    pub fn cut(&mut self, kind: Kind, while_starting: bool) {
        let is_control = self.is_control;
        let count = self.count(kind);
        match is_control {
            true => count.control += 1,
            false => {
                count.cuts += 1;
                count.while_starting += u64::from(while_starting);
            }
        }
    }

    pub fn rebooted(&mut self, kind: Kind) {
        let count = self.count(kind);
        (count.cuts, count.reboots) = (count.cuts + 1, count.reboots + 1);
    }

    /// Something was wrong; the medium is kept, and the account of how it came about.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn failed(
        &mut self,
        kind: Kind,
        words: &str,
        account: &str,
        medium: Option<&Medium>,
    ) -> io::Result<()> {
        let shown: String = words.chars().take(SHOWN).collect();
        if self.is_control {
            println!("without syncs, {}: {shown}", kind.name());
            self.count(kind).red += 1;
            let begins = |store: &&str| words.lines().any(|line| line.starts_with(*store));
            self.stores.extend(STORES.into_iter().filter(begins));
            return Ok(());
        }
        println!("{}: {shown}", kind.name());
        let folder = self.folder.clone();
        let count = self.count(kind);
        count.failures += 1;
        if count.failures > KEPT {
            return Ok(());
        }
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}-{}", kind.name(), count.failures));
        fs::write(path.with_extension("txt"), format!("{words}\n\n{account}"))?;
        println!("{}.txt has the requests before it", path.display());
        match medium {
            Some(medium) => medium.save(&path.with_extension("img")),
            None => Ok(()),
        }
    }

    /// From now on failures are what is wanted.
    pub fn begin_control(&mut self) {
        self.is_control = true;
    }

    /// File systems of `kinds`, and stores, that have not been wrong without syncs so far.
    pub fn blind(&self, kinds: &[Kind]) -> Vec<&'static str> {
        let kinds = kinds.iter().filter(|kind| self.counts[kind].red == 0);
        let stores = STORES
            .into_iter()
            .filter(|store| !self.stores.contains(store));
        kinds.map(|kind| kind.name()).chain(stores).collect()
    }

    /// A line of a life was heard.
    pub fn heard(&mut self, kind: Kind) {
        self.count(kind).heard += 1;
    }

    /// Ends the control: all of `kinds` should have shown, and every store.
    pub fn end_control(&mut self, kinds: &[Kind]) {
        self.blind = Some(self.blind(kinds));
    }

    /// Each test with its name, and whether it is passed.
    pub fn results(&self) -> Vec<(String, bool)> {
        let of_kinds = self.counts.iter().map(|(kind, count)| {
            let passed = count.failures == 0 && count.cuts > 0 && count.heard > count.cuts;
            (
                format!("nothing_certain_is_lost_on_{}", kind.name()),
                passed,
            )
        });
        let control = self.blind.as_ref().map(Vec::is_empty);
        let control = control.map(|passed| ("without_syncs_it_shows".to_owned(), passed));
        of_kinds.chain(control).collect()
    }

    pub fn cuts(&self) -> u64 {
        self.counts.values().map(|count| count.cuts).sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, count) in &self.counts {
            let Count {
                heard,
                cuts,
                while_starting,
                reboots,
                failures,
                control,
                red,
            } = count;
            writeln!(
                f,
                "{:5}  {heard:6} words, {cuts:5} cuts, {while_starting:4} of them while it started, {reboots:3} reboots; {failures} wrong; \
                 without syncs {red} of {control} wrong",
                kind.name(),
            )?;
        }
        if let Some(blind) = self.blind.as_ref().filter(|blind| !blind.is_empty()) {
            writeln!(f, "without syncs nothing was wrong: {}", blind.join(", "))?;
        }
        write!(f, "{} cuts in all", self.cuts())
    }
}
