//! The cuts, one after the other.
//!
//! * [`lives`]: how they begin, are heard, boot again and end
//! * [`cuts`]: when they come, and what they leave
//! * [`looks`]: another machine starts on it, and what it finds is judged

mod cuts;
mod lives;
mod looks;

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use super::account::Account;
use super::format::Medium;
use super::machine::{Machine, Parts};
use super::options::Options;
use super::tally::Tally;
use crate::power::word::Start;
use crate::power::Kind;

/// Rounds of the short form: before the reboot, after it, and on overlays. Each cuts every medium.
const ROUNDS: [u32; 3] = [12, 7, 7];

/// Rounds between two reboots of the long form.
const CHAPTER: u32 = 40;

/// Most rounds in which a life without syncs has to show. Most stores do in the first; a spool has lost nothing that was
/// certain unless the device restarted in peace while reports waited, and they still do.
const CONTROL: u32 = 60;

/// Longest wait for a start, or for its findings.
const START_WITHIN: Duration = Duration::from_secs(240);

/// Longest wait between two looks at how long it has taken.
const LOOK: Duration = Duration::from_millis(20);

/// Left free on media that are nearly full, bytes.
const NEARLY_FULL: u64 = 400 << 10;

/// File systems on which nothing is certain without a sync. JFFS2 writes to NOR flash at once.
const LAZY: [Kind; 3] = [Kind::Ext4, Kind::F2fs, Kind::Ubifs];

type Media = BTreeMap<Kind, Medium>;

/// A life on a medium.
#[derive(Debug, Default)]
struct Course {
    account: Account,
    boot: u32,
    /// It has failed, and nothing more is to be learned from it.
    is_over: bool,
}

/// Both machines, and all that is known.
struct Cord {
    parts: Parts,
    /// The file systems that are cut.
    kinds: Vec<Kind>,
    empty: Media,
    rng: fastrand::Rng,
    overlay: bool,
    syncs: bool,
    /// Every round cuts the power once more while a machine starts.
    twice: bool,
    /// Options of every mount.
    mount: String,
    /// The machine with the lives.
    living: Machine,
    /// The machine that looks at what cuts have left.
    looking: Machine,
    machines: u32,
    courses: BTreeMap<Kind, Course>,
    /// The last requests and words of each disk before its last cut.
    accounts: BTreeMap<Kind, String>,
    tally: Tally,
}

/// Cuts as long as `options` say, and returns what came of it.
///
/// # Errors
///
/// Something that a machine is made of does not work.
pub fn run(options: &Options, seed: u64) -> io::Result<Tally> {
    let (parts, empty) = options.prepare()?;
    let mut cord = Cord::new(parts, empty, seed, options)?;
    match options.minutes {
        None => cord.short()?,
        Some(minutes) => cord.long(Duration::from_secs(60 * minutes))?,
    }
    if options.only.is_none() {
        cord.control()?;
    }
    Ok(cord.tally)
}

impl Cord {
    fn new(parts: Parts, mut empty: Media, seed: u64, options: &Options) -> io::Result<Self> {
        let kinds = options.kinds();
        empty.retain(|kind, _| kinds.contains(kind));
        let living = Machine::start(&parts, "living-0")?;
        let looking = Machine::start(&parts, "looking")?;
        Ok(Cord {
            rng: fastrand::Rng::with_seed(seed),
            overlay: false,
            syncs: true,
            twice: options.twice,
            mount: options.mount.clone().unwrap_or_default(),
            living,
            looking,
            machines: 1,
            courses: BTreeMap::new(),
            accounts: BTreeMap::new(),
            tally: Tally::new(options.work.join("failures"), &kinds),
            parts,
            kinds,
            empty,
        })
    }

    fn short(&mut self) -> io::Result<()> {
        self.looking.ready()?;
        self.living.ready()?;
        self.begin_on(self.empty.clone(), None)?;
        for (number, rounds) in ROUNDS.into_iter().enumerate() {
            match number {
                0 => {}
                1 => self.reboot()?,
                _ => {
                    self.stop()?;
                    self.overlay = true;
                    self.begin_on(self.empty.clone(), None)?;
                }
            }
            for round in 0..rounds {
                self.round(round % 4 == 3)?;
            }
        }
        Ok(())
    }

    fn long(&mut self, time: Duration) -> io::Result<()> {
        let until = Instant::now() + time;
        self.looking.ready()?;
        self.living.ready()?;
        for chapter in 0.. {
            // Each medium is lived on twice; some are nearly full, some have an overlay over them.
            let leave = (chapter % 6 / 2 == 1).then_some(NEARLY_FULL);
            match chapter % 2 {
                0 => {
                    if chapter > 0 {
                        self.stop()?;
                    }
                    self.overlay = chapter % 6 / 2 == 2;
                    self.begin_on(self.empty.clone(), leave)?;
                }
                _ => self.reboot()?,
            }
            for round in 0..CHAPTER {
                self.round(round % 4 == 3)?;
                if Instant::now() >= until {
                    return Ok(());
                }
            }
            println!("{}", self.tally);
        }
        Ok(())
    }

    fn start(&self, kind: Kind, check: Option<u32>) -> Start {
        let course = &self.courses[&kind];
        Start {
            kind,
            boot: course.boot,
            check,
            jobs: course.account.jobs(),
            overlay: self.overlay,
            mount: self.mount.clone(),
        }
    }

    /// A moment, a cut of everything, a look at what is left.
    fn round(&mut self, interrupted: bool) -> io::Result<()> {
        self.moment()?;
        let media = self.cut()?;
        self.check_all(&media, interrupted || self.twice)
    }

    /// The same without syncs, which has to be seen.
    fn control(&mut self) -> io::Result<()> {
        self.stop()?;
        self.overlay = false;
        self.syncs = false;
        self.tally.begin_control();
        self.begin_on(self.empty.clone(), None)?;
        for _ in 0..CONTROL {
            self.round(false)?;
            if self.tally.blind(&LAZY).is_empty() {
                break;
            }
        }
        self.tally.end_control(&LAZY);
        Ok(())
    }
}
