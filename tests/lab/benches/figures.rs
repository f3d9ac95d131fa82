//! The agent's figures on this machine: size, memory and CPU of the packaged build at work in the
//! lab. Printed with the bound each has to keep and how they stand to the last ones, which are in
//! docs/figures.md under the same names; nothing is asserted, machines differ.
//!
//!     cargo bench -p socketman-lab --bench figures

mod measure;

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{json, Value};
use socketman_lab::lab::{Lab, AGENT_ENDS_WITHIN};
use socketman_lab::options::Options;
use tokio::time::sleep;

use measure::{build, cpu, memory};

/// A program that uses the same libraries and does nothing else: the floor.
const BARE_LIBRARIES_MB: f64 = 2.60;

/// How long an idle agent is watched; it collects four times and delivers once.
const IDLE: Duration = Duration::from_secs(60);

/// What start and first delivery need is over by then.
const SETTLED: Duration = Duration::from_secs(20);

/// How often start and end are measured.
const STARTS: usize = 9;

/// The pace at which reports are measured: one a second.
const PACE: u32 = 15;

/// How long reports are collected to average the cost of one.
const REPORTS_TAKE: Duration = Duration::from_secs(20);

fn main() -> Result<(), Box<dyn Error>> {
    let binary = build()?;
    let last = Last::read()?;
    size(&binary, &last)?;
    package(&binary, &last)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        starts(&binary, &last).await?;
        idle(&binary, &last).await?;
        let none = report(&binary, 0).await?;
        last.line("report without stations, CPU", none, "ms", None);
        for stations in [16, 128, 512, 2048] {
            let cost = report(&binary, stations).await?;
            let bound = (stations == 512).then_some(20.0);
            last.line(
                &format!("report of {stations} stations, CPU"),
                cost,
                "ms",
                bound,
            );
            println!("{:>48.1} times that of none", cost / none);
        }
        let cost = delivered_report(&binary, 512).await?;
        last.line(
            "report of 512 stations and its delivery, CPU",
            cost,
            "ms",
            None,
        );
        Ok(())
    })
}

/// The last figures, by their names.
struct Last(HashMap<String, f64>);

impl Last {
    /// Those of the table in docs/figures.md.
    fn read() -> Result<Self, Box<dyn Error>> {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/figures.md");
        let page = fs::read_to_string(page)?;
        let figure = |row: &str| {
            let mut cells = row.split('|').map(str::trim).skip(1);
            let name = cells.next()?.to_owned();
            let value = cells.next()?.split_whitespace().next()?;
            Some((name, value.parse().ok()?))
        };
        Ok(Last(page.lines().filter_map(figure).collect()))
    }

    /// Prints a figure, its bound, and how many times the last one it is.
    fn line(&self, what: &str, value: f64, unit: &str, bound: Option<f64>) {
        let bound = bound.map_or_else(String::new, |bound| format!("(bound {bound:.2})"));
        let last = match self.0.get(what) {
            Some(last) => format!("{:.2} times the last, {last:.2}", value / last),
            None => "no last one".to_owned(),
        };
        println!("{what:<48} {value:>8.2} {unit:<4} {bound:<14} {last}");
    }
}

fn size(binary: &Path, last: &Last) -> Result<(), Box<dyn Error>> {
    let megabytes = fs::metadata(binary)?.len() as f64 / 1e6;
    last.line("size, x86-64, stripped", megabytes, "MB", Some(3.5));
    let ratio = megabytes / BARE_LIBRARIES_MB;
    println!("{ratio:>48.2} times the bare libraries ({BARE_LIBRARIES_MB} MB)");
    Ok(())
}

/// Packs it as it is handed out.
fn package(binary: &Path, last: &Last) -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let build = concat!(env!("CARGO_MANIFEST_DIR"), "/../package/build");
    let mut build = Command::new(build);
    build.arg("--out").arg(dir.path());
    build.arg("--binary").arg(binary);
    let output = build.output()?;
    let printed = String::from_utf8(output.stdout)?;
    let agent = printed.lines().find(|path| path.contains("/socketman_"));
    let agent = agent.ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let megabytes = fs::metadata(agent)?.len() as f64 / 1e6;
    last.line("size of the package, .ipk", megabytes, "MB", Some(1.9));
    Ok(())
}

/// Median time from the start of the process to its object on the bus, and from SIGTERM to its end.
async fn starts(binary: &Path, last: &Last) -> Result<(), Box<dyn Error>> {
    let mut lab = Lab::start(&options(0), binary.to_owned(), 1).await?;
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let started = Instant::now();
        lab.start_agent()?;
        lab.registered().await?;
        starts.push(started.elapsed());
        // Collected once, connected, and idle.
        lab.status_when(|status| status["mqtt"]["connected"] == true && kept(status) >= 1)
            .await;
        let told = Instant::now();
        let agent = lab.agent().ok_or("no agent")?;
        agent.terminate(AGENT_ENDS_WITHIN).await?;
        ends.push(told.elapsed());
    }
    for (what, times, bound) in [
        ("start to registered on the bus", &mut starts, 50.0),
        ("SIGTERM to the end, idle", &mut ends, 200.0),
    ] {
        times.sort();
        let middle = times[STARTS / 2].as_secs_f64() * 1e3;
        last.line(what, middle, "ms", Some(bound));
    }
    lab.end().await?;
    Ok(())
}

fn options(stations: usize) -> Options {
    Options {
        stations,
        ..Options::default()
    }
}

/// Memory and CPU of an agent with broker and API but without Wi-Fi, at a router's pace.
async fn idle(binary: &Path, last: &Last) -> Result<(), Box<dyn Error>> {
    let mut lab = Lab::start(&options(0), binary.to_owned(), 1).await?;
    lab.router.without_hostapd().await?;
    lab.router.without_rpcd().await?;
    let pid = lab.start_agent()?.pid();
    lab.registered().await?;
    sleep(SETTLED).await;
    let before = cpu(pid)?;
    sleep(IDLE).await;
    let minute = cpu(pid)? - before;
    last.line("idle, CPU a minute", minute, "ms", Some(6.0));
    let anonymous = memory(pid, "RssAnon:")?;
    last.line(
        "idle, anonymous memory (RssAnon)",
        anonymous,
        "MiB",
        Some(2.0),
    );
    let resident = memory(pid, "VmRSS:")?;
    last.line("idle, resident memory (RSS)", resident, "MiB", Some(6.5));
    lab.end().await?;
    Ok(())
}

/// Mean CPU of collecting and keeping a report, ms: an agent that delivers nothing.
async fn report(binary: &Path, stations: usize) -> Result<f64, Box<dyn Error>> {
    let mut lab = Lab::start(&options(stations), binary.to_owned(), PACE).await?;
    let settings = json!({
        "mac": "94:83:c4:a1:b2:00",
        "spool_max": 64 << 20,
        "health_url": "",
        "web_url": "",
    });
    lab.program().configure(&settings)?;
    let pid = lab.start_agent()?.pid();
    lab.status_when(|status| kept(status) >= 3).await;
    let (before, from) = (cpu(pid)?, kept(&lab.call("status", &()).await?));
    sleep(REPORTS_TAKE).await;
    let (after, to) = (cpu(pid)?, kept(&lab.call("status", &()).await?));
    lab.end().await?;
    Ok((after - before) / (to - from) as f64)
}

fn kept(status: &Value) -> u64 {
    status["spool"]["reports"].as_u64().unwrap_or(0)
}

/// Mean CPU of collecting, keeping, packing and delivering a report, ms.
async fn delivered_report(binary: &Path, stations: usize) -> Result<f64, Box<dyn Error>> {
    let mut lab = Lab::start(&options(stations), binary.to_owned(), PACE).await?;
    let pid = lab.start_agent()?.pid();
    let within = 6 * REPORTS_TAKE;
    lab.api
        .wait_for(within, |record| record.reports.len() >= 3)
        .await?;
    let (before, from) = (cpu(pid)?, lab.api.reports().len());
    let enough = from + 20;
    lab.api
        .wait_for(within, move |record| record.reports.len() >= enough)
        .await?;
    let (after, to) = (cpu(pid)?, lab.api.reports().len());
    lab.end().await?;
    Ok((after - before) / (to - from) as f64)
}
