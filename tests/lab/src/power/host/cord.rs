//! The cuts, one after the other.

use std::collections::BTreeMap;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::account::Account;
use super::format::Medium;
use super::machine::{Machine, Parts};
use super::options::Options;
use super::tally::Tally;
use crate::power::word::{Line, Live, Order, Start, Word};
use crate::power::Kind;

/// Rounds of the short form: before the reboot, after it, and on overlays. Each cuts every medium.
const ROUNDS: [u32; 3] = [12, 7, 7];

/// Rounds between two reboots of the long form.
const CHAPTER: u32 = 40;

/// Rounds in which a life without syncs has to show.
const CONTROL: u32 = 8;

/// Longest wait for a start, or for its findings.
const START_WITHIN: Duration = Duration::from_secs(240);

/// Longest wait for a disk that is to hold still.
const HOLD_WITHIN: Duration = Duration::from_secs(2);

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
    empty: Media,
    rng: fastrand::Rng,
    overlay: bool,
    syncs: bool,
    /// The machine with the lives.
    living: Machine,
    /// The machine that looks at what cuts have left.
    looking: Machine,
    machines: u32,
    courses: BTreeMap<Kind, Course>,
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
    cord.control()?;
    Ok(cord.tally)
}

impl Cord {
    fn new(parts: Parts, empty: Media, seed: u64, options: &Options) -> io::Result<Self> {
        let living = Machine::start(&parts, "living-0")?;
        let looking = Machine::start(&parts, "looking")?;
        Ok(Cord {
            rng: fastrand::Rng::with_seed(seed),
            overlay: false,
            syncs: true,
            living,
            looking,
            machines: 1,
            courses: BTreeMap::new(),
            tally: Tally::new(options.work.join("failures")),
            parts,
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

    /// New lives on media that nobody has lived on.
    fn begin_on(&mut self, media: Media, leave: Option<u64>) -> io::Result<()> {
        self.courses = Kind::ALL.map(|kind| (kind, Course::default())).into();
        self.begin(media, leave, 0)
    }

    /// Lives begin, after so many power cuts.
    fn begin(&mut self, media: Media, leave: Option<u64>, cuts: u64) -> io::Result<()> {
        for (kind, medium) in &media {
            self.living.insert(*kind, medium)?;
        }
        let mut waiting = Vec::new();
        for (kind, course) in &mut self.courses {
            if course.is_over {
                continue;
            }
            let start = Start {
                kind: *kind,
                boot: course.boot,
                check: None,
                jobs: course.account.jobs(),
                overlay: self.overlay,
            };
            let live = Live {
                start,
                seed: self.rng.u64(..),
                syncs: self.syncs,
                leave,
            };
            self.living.order(&Order::Live(live))?;
            waiting.push(*kind);
        }
        let until = Instant::now() + START_WITHIN;
        while !waiting.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            let Some(line) = self.living.next(left)? else {
                return Err(self.living.trouble(&format!("{waiting:?} do not start")));
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
                self.tally.failed(kind, &words, media.get(&kind))?;
            }
        }
        Ok(())
    }

    /// All lives end, and their media are free for others.
    fn stop(&mut self) -> io::Result<()> {
        let mut waiting = Kind::ALL.to_vec();
        for kind in Kind::ALL {
            self.living.order(&Order::Stop(kind))?;
        }
        let until = Instant::now() + START_WITHIN;
        while !waiting.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            let Some(line) = self.living.next(left)? else {
                let words = format!("{waiting:?} do not stop");
                return Err(self.living.trouble(&words));
            };
            if matches!(line.word, Word::Stopped) {
                waiting.retain(|kind| Some(*kind) != line.kind);
            } else {
                self.hear(vec![line])?;
            }
        }
        Ok(())
    }

    /// A moment, a cut of everything, a look at what is left.
    fn round(&mut self, interrupted: bool) -> io::Result<()> {
        self.moment()?;
        let media = self.cut()?;
        self.check_all(&media, interrupted)
    }

    /// Lets the machine live, until a disk holds still or for a while.
    fn moment(&mut self) -> io::Result<()> {
        let kind = [Some(Kind::Ext4), Some(Kind::F2fs), None][self.rng.usize(..3)];
        let requests = self.rng.u64(..40);
        let pause = Duration::from_micros(self.rng.u64(20_000..300_000));
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
    fn cut(&mut self) -> io::Result<Media> {
        self.living.freeze()?;
        let lines = self.living.said()?;
        let mut media = Media::new();
        for kind in Kind::ALL {
            media.insert(kind, self.living.cut(kind, &mut self.rng)?);
        }
        self.living.thaw()?;
        for kind in Kind::ALL {
            if let Some(volume) = self.living.volume(kind) {
                volume.release();
            }
        }
        self.hear(lines)?;
        media.retain(|kind, _| !self.courses[kind].is_over);
        Ok(media)
    }

    fn hear(&mut self, lines: Vec<Line>) -> io::Result<()> {
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
                self.tally.failed(kind, &words, None)?;
            }
        }
        Ok(())
    }

    /// Has the other machine start on all media, and now and then cuts that short and has it start again.
    fn check_all(&mut self, media: &Media, interrupted: bool) -> io::Result<()> {
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

    fn order_check(&mut self, kind: Kind, check: u32) -> io::Result<()> {
        let course = &self.courses[&kind];
        let start = Start {
            kind,
            boot: course.boot,
            check: Some(check),
            jobs: course.account.jobs(),
            overlay: self.overlay,
        };
        self.looking.order(&Order::Check(start))
    }

    /// Orders a check, and cuts the power while it is under way.
    fn cut_short(&mut self, kind: Kind) -> io::Result<Medium> {
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
        self.looking.thaw()?;
        if let Some(volume) = self.looking.volume(kind) {
            volume.release();
        }
        medium
    }

    /// Waits for the findings of all `kinds`, and judges them.
    fn judge_all(&mut self, kinds: &[Kind], media: &Media, cuts: u64) -> io::Result<()> {
        let until = Instant::now() + START_WITHIN;
        let mut waiting = kinds.to_vec();
        while !waiting.is_empty() {
            // Meanwhile the other one has things to say.
            self.living.listen()?;
            let Some(line) = self.looking.next(Duration::from_millis(20))? else {
                if Instant::now() > until {
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
                self.tally.failed(kind, &words, media.get(&kind))?;
            }
        }
        Ok(())
    }

    /// The machine loses its power, and boots from what is left.
    fn reboot(&mut self) -> io::Result<()> {
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

    fn boot_again(&mut self) -> io::Result<()> {
        let name = format!("living-{}", self.machines);
        self.machines += 1;
        self.living = Machine::start(&self.parts, &name)?;
        self.living.ready()
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
