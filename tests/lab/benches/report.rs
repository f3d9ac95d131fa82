//! What a report costs by the number of stations, in process: CPU, allocations and bytes. Printed;
//! nothing is asserted but that nothing was missing, machines differ.
//!
//!     cargo bench -p socketman-lab --bench report

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::{mpsc as threads, Arc};
use std::time::Duration;

use socketman::clock::Pace;
use socketman::collect::{self, DeviceEvents, Facts, History, Part, Report, Stamp};
use socketman::config::uci::Directories;
use socketman::config::Config;
use socketman::shutdown::shutdown;
use socketman::ubus;
use socketman_lab::router::Router;
use socketman_lab::ubusd::Ubusd;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

/// Reports that are measured, after one that looks the objects up.
const REPORTS: u64 = 10;

/// Monitor is 15 s: a report begins as soon as the one before was taken.
const PACE: u32 = 1_000_000;

type Failure = Box<dyn Error + Send + Sync>;

/// The mean cost of a report.
struct Cost {
    stations: usize,
    /// ms.
    cpu: f64,
    allocations: f64,
    /// Bytes of the line.
    line: usize,
}

fn main() -> Result<(), Failure> {
    println!(
        "stations   CPU ms   per station us   allocations   per station   bytes   per station"
    );
    let none = measure(0)?;
    for stations in [0, 16, 128, 512, 2048] {
        let cost = measure(stations)?;
        let each = |value: f64, of_none: f64| (value - of_none) / stations.max(1) as f64;
        println!(
            "{:>8} {:>8.2} {:>16.1} {:>13.0} {:>13.1} {:>7} {:>13.0}",
            cost.stations,
            cost.cpu,
            each(cost.cpu, none.cpu) * 1000.0,
            cost.allocations,
            each(cost.allocations, none.allocations),
            cost.line,
            each(cost.line as f64, none.line as f64),
        );
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
        config: Arc::new(Config {
            monitor: Duration::from_secs(15),
            pace: Pace::faster(PACE),
            ..Config::default()
        }),
        client,
        uci: Directories::of(&root, None),
        root,
        mac: "94-83-C4-A1-B2-00".parse()?,
        radios: watch::channel(None).1,
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
        clock: "ok",
    };
    let line = |report: &Report| report.to_line::<()>(&stamp, &[]).len();
    // One is waiting in the channel, and one for room in it.
    for _ in 0..3 {
        next()?;
    }
    let before = cpu()?;
    let mut measured: Result<usize, &str> = Ok(0);
    let counted = allocation_counter::measure(|| {
        for _ in 0..REPORTS {
            measured = next().map(|report| line(&report));
        }
    });
    let after = cpu()?;
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

/// CPU time of this thread so far, ms.
fn cpu() -> Result<f64, Failure> {
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat")?;
    let ran = schedstat.split_whitespace().next().ok_or("schedstat")?;
    Ok(ran.parse::<f64>()? / 1e6)
}
