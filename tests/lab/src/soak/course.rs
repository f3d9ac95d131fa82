//! The rounds of a soak: faults, then rest.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fastrand::Rng;
use serde_json::{json, Value};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until, timeout, Instant};

use super::broker::Broker;
use super::bus::Calls;
use super::fault::{Fault, LANES, STATIONS};
use super::figures::Figures;
use super::jobs::Jobs;
use super::lane::Lane;
use super::operator::Operator;
use super::sample::watch as look;
use super::signer::Signer;
use super::{reports, settings, Failure};
use crate::collector::Mode;
use crate::lab::{Happening, Lab};
use crate::options::Options;

/// A heartbeat of the agent, 60 s, passes in 2.
const SCALE: u32 = 30;

/// A fault lasts so long, and then its lane is well for so long, ms.
const LASTS: std::ops::Range<u64> = 300..1100;

/// Runs of a quarter of an hour and more begin with an outage of the API that lasts for so long: after 9 min the agent keeps reports
/// on flash, and later there is no room for all of them in RAM. All other faults go on meanwhile.
const OUTAGE: Duration = Duration::from_secs(660);
const OUTAGE_FROM: Duration = Duration::from_secs(900);

/// Each fault comes so often in a round of such a run: the agent has room for the ids of 10,000 jobs a day, and each round ends
/// with 140.
const LONG: u32 = 3;

/// After that everything that waited is gone.
const RESTS_WITHIN: Duration = Duration::from_secs(120);

/// `monitor` of a round, s: a report comes every 0.5 s, and four are delivered together.
const BUSY: u64 = 15;

/// `monitor` of an agent at rest, s: a report comes every 5 s. Delivered at once, it leaves nothing in the spool, and nothing is
/// under way until the next: the least that is seen is what stays.
const CALM: u64 = 150;

/// Reports after which a rest begins: the first may have been under way when the collection restarted.
const COLLECTIONS: u64 = 2;

/// The agent is watched for so long.
const WATCHED: Duration = Duration::from_secs(12);

/// Between two looks at a status.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The agent and everything around it.
pub(super) struct Course {
    lab: Lab,
    broker: Broker,
    jobs: Option<Jobs>,
    calls: Calls,
    rng: Rng,
    settings: Value,
    reloads: usize,
    faults: BTreeMap<&'static str, u32>,
    pid: i32,
    _dir: TempDir,
}

impl Course {
    /// The agent is connected.
    pub(super) async fn start(program: &Path, seed: u64) -> Result<Self, Failure> {
        let dir = tempfile::tempdir()?;
        let options = Options {
            stations: STATIONS,
            seed,
            ..Options::default()
        };
        let mut lab = Lab::start(&options, program.to_owned(), SCALE).await?;
        let broker = Broker::start(dir.path()).await?;
        let operator = Operator::connect(broker.port, &settings::base()).await?;
        let signer = Signer::new()?;
        let settings = settings::first(&lab, &broker, &signer, BUSY);
        lab.program().configure(&settings)?;
        let network: PathBuf = lab.program().root.join("etc/config/network");
        fs::write(&network, "config interface 'lan'\n")?;
        let pid = lab.start_agent()?.pid();
        let connected = lab.status_when(|status| status["mqtt"]["connected"] == true);
        timeout(RESTS_WITHIN, connected).await?;
        Ok(Course {
            jobs: Some(Jobs::new(operator, signer, dir.path(), network)),
            lab,
            broker,
            calls: Calls::default(),
            rng: Rng::with_seed(seed),
            settings,
            reloads: 0,
            faults: BTreeMap::new(),
            pid,
            _dir: dir,
        })
    }

    /// Rounds for so long, two at least, and the account at the end.
    pub(super) async fn rounds(
        &mut self,
        lasts: Duration,
        out: &mut (impl Write + Send),
    ) -> Result<Figures, Failure> {
        let began = Instant::now();
        let mut figures = Figures::default();
        while figures.rests.len() < 2 || began.elapsed() < lasts {
            let outage = lasts >= OUTAGE_FROM && figures.rests.is_empty();
            let passes = if lasts >= OUTAGE_FROM { LONG } else { 1 };
            self.round(passes, outage).await?;
            self.rest().await?;
            let seen = look(self.pid, &self.lab.program().root, WATCHED).await?;
            let at = began.elapsed().as_secs();
            writeln!(out, "{at:>5} s  {seen}")?;
            figures.rests.push((at, seen));
        }
        self.settle(out).await?;
        Ok(figures)
    }

    /// Each fault so often, while jobs and calls come; then all jobs have their results.
    async fn round(&mut self, passes: u32, outage: bool) -> Result<(), Failure> {
        self.set("monitor", BUSY).await?;
        let (stop, stopped) = watch::channel(false);
        let mut jobs = self.jobs.take().ok_or("a round has failed before")?;
        let heard = stopped.clone();
        let jobs = tokio::spawn(async move {
            jobs.round(heard).await?;
            Ok::<Jobs, Failure>(jobs)
        });
        let (mut calls, client) = (self.calls, self.lab.client().clone());
        let calls = tokio::spawn(async move {
            calls.round(&client, stopped).await?;
            Ok::<Calls, Failure>(calls)
        });
        self.faults(passes, outage).await?;
        stop.send_replace(true);
        self.calls = calls.await??;
        self.jobs = Some(jobs.await??);
        Ok(())
    }

    /// Each fault of each lane `passes` times, and those of the others again while there is an outage of the API.
    async fn faults(&mut self, passes: u32, outage: bool) -> Result<(), Failure> {
        let mut lanes = LANES.map(|faults| Lane::new(faults, passes, &mut self.rng));
        let mut outage_until = outage.then(|| {
            lanes[0]
                .faults
                .push(Fault::Api("API away for long", Mode::Down));
            Instant::now() + OUTAGE
        });
        loop {
            if outage_until.is_some_and(|until| until <= Instant::now()) {
                outage_until = None;
            }
            for (lane, faults) in lanes.iter_mut().zip(LANES) {
                if lane.is_over() && outage_until.is_some() {
                    lane.faults = Lane::shuffled(faults, &mut self.rng);
                }
            }
            let open = lanes.iter_mut().filter(|lane| !lane.is_over());
            let Some(lane) = open.min_by_key(|lane| lane.until) else {
                return Ok(());
            };
            wait(&mut self.lab, lane.until).await?;
            lane.until = Instant::now() + Duration::from_millis(self.rng.u64(LASTS));
            match lane.present.take() {
                Some(fault) => fault.end(&mut self.lab, &mut self.broker).await?,
                None => {
                    lane.present = lane.faults.pop();
                    if let Some(fault) = lane.present {
                        *self.faults.entry(fault.name()).or_default() += 1;
                        fault.begin(&mut self.lab, &mut self.broker).await?;
                        if let (Fault::Api(..), Some(until)) = (fault, outage_until) {
                            lane.until = until;
                        }
                    }
                }
            }
            if self.rng.u8(..) < 64 {
                self.change_settings()?;
            }
        }
    }

    /// Changes a setting. The agent sees that by itself, or by the next call of `reload`.
    fn change_settings(&mut self) -> Result<(), Failure> {
        let (name, value) = settings::CHANGES[self.reloads % settings::CHANGES.len()];
        self.reloads += 1;
        self.settings[name] = value.into();
        Ok(self.lab.program().configure(&self.settings)?)
    }

    /// Waits until nothing waits, under the settings of the start but for the pace of reports.
    async fn rest(&mut self) -> Result<(), Failure> {
        while !self.reloads.is_multiple_of(settings::CHANGES.len()) {
            self.change_settings()?;
        }
        // Buffers of a connection are as large as what it has carried: all rests are those of fresh ones.
        self.broker.kill().await?;
        self.broker.back().await?;
        self.lab.restart_bus().await?;
        timeout(RESTS_WITHIN, self.lab.registered()).await??;
        let status = self.lab.call("status", &json!({})).await?;
        self.set("monitor", CALM).await?;
        // The collection has restarted, and has the kernel's tables open again.
        let collected = status["seq"].as_u64().unwrap_or(0) + COLLECTIONS;
        let (mut seen, mut sent) = (None, None);
        let mut status = Value::Null;
        let rests = async {
            while !is_at_rest(&status) || sent != seen {
                sleep(LOOK_EVERY).await;
                status = self.lab.call("status", &json!({})).await?;
                let seq = status["seq"].as_u64();
                if seen.is_some() && seq > seen && seq >= Some(collected) {
                    self.lab.call("upload", &json!({})).await?;
                    sent = seq;
                }
                seen = seq;
            }
            Ok::<(), Failure>(())
        };
        match timeout(RESTS_WITHIN, rests).await {
            Ok(rests) => rests,
            Err(_) => Err(format!("something still waits: {status:#}").into()),
        }
    }

    async fn set(&mut self, name: &str, value: u64) -> Result<(), Failure> {
        self.settings[name] = value.into();
        self.lab.program().configure(&self.settings)?;
        self.lab.call("reload", &json!({})).await?;
        Ok(())
    }

    /// Nothing was lost, and the agent is still the one that was started.
    async fn settle(&mut self, out: &mut (impl Write + Send)) -> Result<(), Failure> {
        let status = self.lab.call("status", &json!({})).await?;
        let last = status["seq"].as_u64().ok_or("no report was collected")?;
        let delivered = self.lab.api.wait_for(RESTS_WITHIN, |record| {
            record.reports.iter().any(|report| report.seq >= last)
        });
        delivered.await?;
        let reports = reports::settle(&self.lab.api.lines()?, last)?;
        let flash = &status["spool"]["flash_today"];
        writeln!(out, "{reports}; {flash} bytes written to flash")?;
        let jobs = self.jobs.as_ref().ok_or("a round has failed before")?;
        jobs.check()?;
        writeln!(
            out,
            "{} jobs by the broker, each started at most once and has one result: {} refused, {} undone, {} sent again; {} pieces of live output",
            jobs.count(),
            jobs.rejected,
            jobs.undone,
            jobs.again,
            jobs.live
        )?;
        let Calls { made, answered } = self.calls;
        writeln!(out, "{made} calls by the bus, {answered} answered")?;
        let faults: u32 = self.faults.values().sum();
        writeln!(
            out,
            "{faults} faults of {} kinds, {} changes of settings",
            self.faults.len(),
            self.reloads
        )?;
        Ok(())
    }

    /// Keeps the directory for somebody to look into.
    pub(super) fn keep(&mut self, out: &mut (impl Write + Send)) -> Result<(), Failure> {
        self.lab.keep();
        let path = self.lab.place().path();
        Ok(writeln!(out, "the directory is kept: {}", path.display())?)
    }

    pub(super) async fn end(self) -> Result<(), Failure> {
        self.lab.end().await?;
        Ok(())
    }
}

/// Waits until then, while the router does what it is asked for.
async fn wait(lab: &mut Lab, until: Instant) -> Result<(), Failure> {
    loop {
        let happening = tokio::select! {
            happening = lab.happening() => happening?,
            () = sleep_until(until) => return Ok(()),
        };
        match happening {
            Happening::AgentEnded(status) => {
                return Err(format!("the agent ended: {status}").into())
            }
            Happening::RebootAsked => return Err("the router was told to reboot".into()),
            happening => lab.attend(happening).await?,
        }
    }
}

fn is_at_rest(status: &Value) -> bool {
    let none = |value: &Value| value.as_u64() == Some(0);
    status["mqtt"]["connected"] == true
        && status["health"]["verdict"] == "ok"
        && none(&status["jobs"]["queued"])
        && none(&status["jobs"]["running"])
        && status["guard"]["armed"] == false
        && none(&status["spool"]["reports"])
}
