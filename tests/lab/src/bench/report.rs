//! The cost of a report by the number of stations, in process: CPU, allocations and bytes.

use std::path::PathBuf;
use std::sync::mpsc as threads;
use std::time::Duration;

use socketman::collect::{self, DeviceEvents, Facts, History, Part, Report};
use socketman::config::Config;
use socketman::process::clock::Pace;
use socketman::process::shutdown::shutdown;
use spool::{Certainty, Stamp};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use uci::Directories;

use super::process::own_cpu;
use super::table::Table;
use super::Failure;
use crate::router::Router;
use crate::ubusd::Ubusd;

/// Reports that are measured, after one that looks the objects up.
const REPORTS: u64 = 10;

/// Monitor is 15 s: a report begins as soon as the one before was taken.
const PACE: u32 = 1_000_000;

/// The mean cost of a report.
struct Cost {
    stations: usize,
    /// ms.
    cpu: f64,
    allocations: f64,
    /// Bytes of the line.
    line: usize,
}

/// Costs by the number of stations, and that they are linear; CPU only if not `quick`.
pub(super) fn by_stations(quick: bool, table: &mut Table) -> Result<(), Failure> {
    let measured = std::thread::spawn(move || {
        let costs = [0, 16, 128, 512, 2048].map(measure);
        costs.into_iter().collect::<Result<Vec<Cost>, Failure>>()
    });
    let costs = measured.join().map_err(|_| "the collector ended badly")??;
    for cost in &costs {
        let of = format!("report of {} stations", cost.stations);
        table.plain(&format!("{of}, length"), cost.line as f64, "B");
        table.plain(&format!("{of}, allocations"), cost.allocations, "");
        if !quick {
            table.plain(&format!("{of}, CPU of collecting"), cost.cpu, "ms");
        }
    }
    let [none, _, few, _, many] = &costs[..] else {
        return Err("five numbers of stations".into());
    };
    let each = |cost: &Cost, of: fn(&Cost) -> f64| (of(cost) - of(none)) / cost.stations as f64;
    let mut linear = |name: &str, of: fn(&Cost) -> f64, bound: f64| {
        table.times(name, each(many, of), each(few, of), bound);
    };
    linear(
        "bytes a station, at 2048 / at 128",
        |cost| cost.line as f64,
        1.1,
    );
    linear(
        "allocations a station, at 2048 / at 128",
        |cost| cost.allocations,
        1.1,
    );
    if !quick {
        linear("CPU a station, at 2048 / at 128", |cost| cost.cpu, 1.5);
    }
    Ok(())
}

fn runtime() -> Result<Runtime, std::io::Error> {
    Builder::new_current_thread().enable_all().build()
}

/// The router and its bus run on a thread of their own: only the collector is counted.
fn measure(stations: usize) -> Result<Cost, Failure> {
    let dir = tempfile::tempdir()?;
    let socket = dir.path().join("ubus.sock");
    let (root_is, root) = threads::channel();
    let (_ends_with_us, ended) = tokio::sync::oneshot::channel::<()>();
    let at = socket.clone();
    let router = std::thread::spawn(move || -> Result<(), Failure> {
        runtime()?.block_on(async {
            let _ubusd = Ubusd::start(&at)?;
            let (client, connection) = ubus::connect(&at);
            tokio::spawn(connection.run());
            let router = Router::new(stations, 1)?;
            let control = router.control();
            let served = tokio::spawn(router.serve(client, async {
                let _ = ended.await;
            }));
            control.freeze().await?;
            root_is.send(control.root().to_owned())?;
            Ok(served.await??)
        })
    });
    let cost = collect(stations, &socket, root.recv()?)?;
    drop(_ends_with_us);
    router.join().map_err(|_| "the router ended badly")??;
    Ok(cost)
}

fn collect(stations: usize, socket: &std::path::Path, root: PathBuf) -> Result<Cost, Failure> {
    let runtime = runtime()?;
    let (sink, mut reports) = mpsc::channel(1);
    let (facts, seen) = watch::channel(Facts::default());
    let (newest, _) = watch::channel(None);
    let (history, _) = watch::channel(History::new(collect::history::EVERY));
    let (_, health) = watch::channel(None);
    let (_stop, ends) = shutdown();
    let (client, connection) = ubus::connect(socket);
    let part = Part {
        settings: (&Config::default().with(|config| {
            config.collect.monitor = Duration::from_secs(15);
            config.pace = Pace::faster(PACE);
        }))
            .into(),
        client,
        uci: Directories::of(&root, None),
        root,
        mac: "94-83-C4-A1-B2-00".parse()?,
        radios: watch::channel(None).1,
        answers: mpsc::channel(1).0,
        events: DeviceEvents::default(),
        reports: sink,
        facts,
        newest,
        history,
        health,
    };
    runtime.spawn(connection.run());
    runtime.spawn(collect::run(part, ends));
    let mut next = || {
        let report = runtime.block_on(reports.recv());
        report.ok_or("the collector ended")
    };
    let stamp = Stamp {
        boot_id: "b",
        seq: 1,
        created_at: 1_780_000_000,
        clock: Certainty::Ok,
        gaps: &[],
    };
    let line = |report: &Report| report.to_line(&stamp).len();
    // One is waiting in the channel, and one for room in it.
    for _ in 0..3 {
        next()?;
    }
    let before = own_cpu()?;
    let mut measured: Result<usize, &str> = Ok(0);
    let counted = allocation_counter::measure(|| {
        for _ in 0..REPORTS {
            measured = next().map(|report| line(&report));
        }
    });
    let after = own_cpu()?;
    if !seen.borrow().sources.missing.is_empty() {
        return Err(format!("missing: {:?}", seen.borrow().sources.missing).into());
    }
    Ok(Cost {
        stations,
        cpu: (after - before) / REPORTS as f64,
        allocations: counted.count_total as f64 / REPORTS as f64,
        line: measured?,
    })
}
