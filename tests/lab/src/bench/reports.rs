//! CPU of a report in the agent's process, by the number of stations.

use std::path::Path;
use std::time::Duration;

use serde_json::{json, Value};
use tokio::time::sleep;

use super::process::cpu;
use super::table::Table;
use super::{stations, Failure};
use crate::lab::Lab;

/// The pace at which reports are measured: one a second.
const PACE: u32 = 15;

/// Time for which reports are collected to average the cost of one.
const TAKE: Duration = Duration::from_secs(20);

/// Reports that are delivered to average the cost of one.
const DELIVERED: usize = 20;

/// Collected and kept with each number of stations, and delivered with one.
pub(super) async fn by_stations(program: &Path, table: &mut Table) -> Result<(), Failure> {
    let mut of_512 = 0.0;
    for count in [0, 16, 128, 512, 2048] {
        let cost = kept(program, count).await?;
        let name = format!("report of {count} stations, CPU");
        match count {
            512 => table.bounded(&name, cost, "ms", 20.0),
            _ => table.plain(&name, cost, "ms"),
        }
        match count {
            512 => of_512 = cost,
            2048 => table.times(
                "report of 2048 stations / one of 512, CPU",
                cost,
                of_512,
                4.8,
            ),
            _ => {}
        }
    }
    let cost = delivered(program, 512).await?;
    table.plain("report of 512 stations and its delivery, CPU", cost, "ms");
    Ok(())
}

/// Mean CPU of collecting and keeping a report, ms: an agent that delivers nothing.
async fn kept(program: &Path, count: usize) -> Result<f64, Failure> {
    let mut lab = Lab::start(&stations(count), program.to_owned(), PACE).await?;
    let settings = json!({
        "mac": "94:83:c4:a1:b2:00",
        "spool_max": 64 << 20,
        "health_url": "",
        "web_url": "",
    });
    lab.program().configure(&settings)?;
    let pid = lab.start_agent()?.pid();
    lab.status_when(|status| reports(status) >= 3).await;
    let (before, from) = (cpu(pid)?, reports(&lab.call("status", &()).await?));
    sleep(TAKE).await;
    let (after, to) = (cpu(pid)?, reports(&lab.call("status", &()).await?));
    lab.end().await?;
    Ok((after - before) / to.saturating_sub(from).max(1) as f64)
}

fn reports(status: &Value) -> u64 {
    status["spool"]["reports"].as_u64().unwrap_or(0)
}

/// Mean CPU of collecting, keeping, packing and delivering a report, ms.
async fn delivered(program: &Path, count: usize) -> Result<f64, Failure> {
    let mut lab = Lab::start(&stations(count), program.to_owned(), PACE).await?;
    let pid = lab.start_agent()?.pid();
    let within = 6 * TAKE;
    let begun = lab.api.wait_for(within, |record| record.reports.len() >= 3);
    begun.await?;
    let (before, from) = (cpu(pid)?, lab.api.reports().len());
    let enough = from + DELIVERED;
    let done = lab
        .api
        .wait_for(within, move |record| record.reports.len() >= enough);
    done.await?;
    let (after, to) = (cpu(pid)?, lab.api.reports().len());
    lab.end().await?;
    Ok((after - before) / (to - from) as f64)
}
