//! Takes in looks and notices, and tells what follows from them.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use ubus::Notice;

use super::facts::reported;
use super::{Change, Facts, Part, Radio, RadioFacts, Restarted, Sight, Tracker};
use crate::collect::reply::Fields;
use crate::collect::{self, Answers, DeviceEvents, Event};
use crate::process::clock::{epoch_seconds, Pace};
use crate::process::facts::publish;

/// Longest time from one look to the next: a fault is to be told within 60 s.
const EVERY: Duration = Duration::from_secs(20);

/// A collection may be so late before the agent asks for a look alone.
const LATE: Duration = Duration::from_secs(5);

/// From a change that was heard to the look at it; others follow closely.
const SETTLE: Duration = Duration::from_secs(1);

/// The knowledge about radios, and the places where it is published.
pub(super) struct Watcher {
    pace: Pace,
    start: Instant,
    tracker: Tracker,
    restarts: Vec<Restarted>,
    facts: watch::Sender<Facts>,
    reported: watch::Sender<Option<Vec<collect::Radio>>>,
    events: DeviceEvents,
    /// When the next look begins.
    pub(super) due: Instant,
    /// When the newest look began, or something was heard since: what was asked for before is outdated.
    pub(super) known: Instant,
}

impl Watcher {
    pub(super) fn new(part: &Part) -> Self {
        let pace = part.pace;
        let start = Instant::now();
        Watcher {
            pace,
            start,
            tracker: Tracker::new(pace),
            restarts: Vec::new(),
            facts: part.facts.clone(),
            reported: part.reported.clone(),
            events: part.events.clone(),
            due: start,
            known: start,
        }
    }

    /// The time of the tracker.
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Looks soon.
    fn hurry(&mut self) {
        self.known = Instant::now();
        self.due = self.due.min(self.known + self.pace.of(SETTLE));
    }

    pub(super) fn may_judge_by(&self, answers: &Answers) -> bool {
        answers.asked >= self.known
    }

    pub(super) fn hear(&mut self, notice: &Notice) {
        match notice {
            Notice::Notification { path, kind, data } => match kind.as_str() {
                "radar-detected" => {
                    let frequency = Fields::of(data).named(b"frequency");
                    let frequency = frequency.and_then(|field| field.u32()).unwrap_or(0);
                    log::info!("{path}: radar at {frequency} MHz");
                    let ifname = path.strip_prefix("hostapd.").unwrap_or(path);
                    self.tracker.radar(self.now(), ifname);
                    self.hurry();
                }
                "wireless.down" => {
                    let radios = Fields::of(data).list(|name, _| Some(name));
                    for name in radios.items {
                        let name = String::from_utf8_lossy(name);
                        self.tracker.restarted(self.now(), &name);
                    }
                    self.hurry();
                }
                "channel-switch" | "wireless.update" => self.hurry(),
                _ => {}
            },
            Notice::Subscribed { .. } | Notice::Gone { .. } => self.hurry(),
            Notice::Lost { .. } => {
                self.tracker.lost(self.now());
                self.hurry();
            }
        }
    }

    /// Takes note of restarts that are new.
    pub(super) fn restarted(&mut self, restarts: &[Restarted]) {
        for restart in restarts {
            let known = self.restarts.iter().find(|of| of.radio == restart.radio);
            if let Some(at) = restart
                .at
                .filter(|_| known.map(|of| of.at) != Some(restart.at))
            {
                let at = at.saturating_duration_since(self.start);
                self.tracker.restarted(at, &restart.radio);
            }
        }
        self.restarts = restarts.to_vec();
    }

    /// Takes in a look, and tells what follows from it.
    pub(super) fn see(&mut self, sight: &Sight, monitor: Duration) {
        let now = self.now();
        for change in self.tracker.look(now, sight) {
            self.tell(&change);
        }
        let at = epoch_seconds();
        let radios = self.tracker.radios().iter();
        let radios = radios.map(|radio| self.facts_of(radio, now, at)).collect();
        let reported = self.tracker.radios().iter().map(reported);
        let reported: Option<Vec<collect::Radio>> = match self.tracker.has_looked() {
            true => Some(reported.collect()),
            false => None,
        };
        publish(&self.reported, reported);
        self.facts.send_modify(|facts| {
            facts.radios = radios;
            facts.complete = sight.radios.is_some();
            facts.looks = facts.looks.wrapping_add(1);
        });
        self.due = Instant::now() + self.pace.of(EVERY.min(monitor + LATE));
    }

    fn facts_of(&self, radio: &Radio, now: Duration, at: u64) -> RadioFacts {
        let name = &radio.configured.name;
        let facts = self.facts.borrow();
        let before = facts.radios.iter().find(|known| known.name == *name);
        let before = before.filter(|known| known.verdict == radio.verdict);
        let lasting = now.saturating_sub(radio.since).as_secs();
        let restarts = self.restarts.iter().find(|of| of.radio == *name);
        RadioFacts {
            name: name.clone(),
            up: radio.configured.up,
            verdict: radio.verdict,
            // The clock may have been set since.
            since: before.map_or(at.saturating_sub(lasting), |known| known.since),
            restarts: restarts.map_or(0, |of| of.count),
            faulty: radio.faulty.map(|since| self.start + since),
            why: radio.why,
            vifs: radio.configured.vifs.clone(),
        }
    }

    fn tell(&self, change: &Change) {
        let Change { radio, before, now } = change;
        let verdict = now.verdict.name();
        match now.verdict.is_fault() {
            true => log::warn!("{radio}: {verdict}: {}", now.why),
            false => log::info!("{radio}: {verdict}: {}", now.why),
        }
        // That all is well at the start is no news.
        if before.is_none() && !now.verdict.is_fault() {
            return;
        }
        self.events.tell(Event {
            at: epoch_seconds(),
            kind: "radio",
            radio: Some(radio.clone()),
            verdict: Some(verdict),
            why: Some(now.why.to_owned()),
            ..Event::default()
        });
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use tokio::sync::mpsc;
    use tokio::time::advance;

    use super::*;
    use crate::config::Config;

    #[tokio::test(start_paused = true)]
    async fn answers_asked_for_before_something_was_heard_are_no_look() {
        let (facts, known) = watch::channel(Facts::default());
        let part = Part {
            settings: watch::channel((&Config::default()).into()).1,
            pace: Pace::REAL,
            client: ubus::connect(Path::new("/nowhere")).0,
            root: PathBuf::from("/nowhere"),
            restarts: watch::channel(Vec::new()).1,
            facts,
            answers: mpsc::channel(1).1,
            reported: watch::channel(None).0,
            events: DeviceEvents::default(),
            asks: crate::process::ask::asks(known).1,
        };
        let mut watcher = Watcher::new(&part);
        let answers = Answers::of_test(Vec::new(), Vec::new());
        assert!(watcher.may_judge_by(&answers));
        advance(Duration::from_secs(1)).await;
        watcher.hear(&Notice::Lost { count: 1 });
        assert!(!watcher.may_judge_by(&answers));
        let answers = Answers::of_test(Vec::new(), Vec::new());
        assert!(watcher.may_judge_by(&answers));
    }
}
