//! An agent with broker and API but without Wi-Fi, at a router's pace: it collects four times a minute and delivers once.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::process::{cpu, memory, sleeps};
use super::table::Table;
use super::{calls, stations, Failure};
use crate::lab::Lab;

/// A minute of the agent.
const MINUTE: Duration = Duration::from_secs(60);

/// Minutes that are counted: what comes every 22 s comes twice in one and three times in the next.
const MINUTES: u32 = 2;

/// Reports after which the cost of start and first delivery is over.
const SETTLED: u64 = 4;

/// The pace of a quick run: a minute passes in 12 s, in which a kept connection still comes to its end.
pub(super) const QUICK: u32 = 5;

/// The needs of an idle agent.
pub(super) struct Idle {
    /// Resident memory, MiB.
    pub(super) resident: f64,
    /// CPU, ms a minute.
    pub(super) cpu: f64,
}

/// Memory and CPU of a minute, then the counts of the next two.
pub(super) async fn idle(program: &Path, table: &mut Table) -> Result<Idle, Failure> {
    let (lab, pid) = settled(program, 1).await?;
    let before = (cpu(pid)?, sleeps(pid)?);
    sleep(MINUTE).await;
    let minute = cpu(pid)? - before.0;
    let woken = sleeps(pid)? - before.1;
    table.bounded("idle, CPU a minute", minute, "ms", 6.0);
    let anonymous = memory(pid, "RssAnon:")?;
    table.bounded("idle, anonymous memory (RssAnon)", anonymous, "MiB", 2.0);
    let resident = memory(pid, "VmRSS:")?;
    table.bounded("idle, resident memory (RSS)", resident, "MiB", 6.5);
    table.bounded(WAKE_UPS, woken, "", WAKE_UPS_MAX);
    say_calls(pid, 1, table).await?;
    lab.end().await?;
    Ok(Idle {
        resident,
        cpu: minute,
    })
}

const WAKE_UPS: &str = "idle, wake-ups a minute";
const WAKE_UPS_MAX: f64 = 60.0;

/// The counts alone, of a minute at `pace`.
pub(super) async fn counts(program: &Path, pace: u32, table: &mut Table) -> Result<(), Failure> {
    let (lab, pid) = settled(program, pace).await?;
    let before = sleeps(pid)?;
    sleep(MINUTE / pace).await;
    table.bounded(WAKE_UPS, sleeps(pid)? - before, "", WAKE_UPS_MAX);
    say_calls(pid, pace, table).await?;
    lab.end().await?;
    Ok(())
}

async fn say_calls(pid: i32, pace: u32, table: &mut Table) -> Result<(), Failure> {
    let mut calls = calls::count(pid, MINUTE * MINUTES / pace).await?;
    // The standard library's checks of descriptors, in builds that are not for devices.
    calls.retain(|calls| calls.name != "fcntl");
    let a_minute = |count: u32| f64::from(count) / f64::from(MINUTES);
    let all = calls.iter().map(|calls| calls.count).sum();
    table.bounded("idle, system calls a minute", a_minute(all), "", 200.0);
    for calls in calls.iter().take(5) {
        let name = format!("idle, {} a minute", calls.name);
        table.plain(&name, a_minute(calls.count), "");
    }
    Ok(())
}

async fn settled(program: &Path, pace: u32) -> Result<(Lab, i32), Failure> {
    let mut lab = Lab::start(&stations(0), program.to_owned(), pace).await?;
    lab.keep_time();
    lab.router.without_hostapd().await?;
    lab.router.without_rpcd().await?;
    let pid = lab.start_agent()?.pid();
    lab.api
        .wait_for(MINUTE * 3, |record| !record.reports.is_empty())
        .await?;
    lab.status_when(|status| collected(status) >= SETTLED).await;
    // Between two collections.
    sleep(MINUTE / 12 / pace).await;
    Ok((lab, pid))
}

fn collected(status: &Value) -> u64 {
    status["seq"].as_u64().unwrap_or(0)
}
