//! The way of a job through a real mosquitto and the packaged agent, against what nothing can be faster than in the same run:
//! an MQTT client that echoes, a shell that is spawned, a record that is synced.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Child;

use super::echo::Echo;
use super::site::Site;
use super::table::Table;
use super::times::Times;
use super::Failure;
use crate::mosquitto;
use crate::slow_sync::SlowSync;

/// Rounds in which everything is measured in turn, so that a machine that is busy for a while is so for all.
const ROUNDS: usize = 10;

/// Of everything in a round, one after the other.
const EACH: usize = 40;

/// Jobs at once.
const BURST: usize = 200;

/// A sync on flash that is slow.
const SLOW: Duration = Duration::from_millis(20);

/// Jobs between two looks at the memory, as many at once as before the first look.
const MANY: usize = 9_500;
const GROUP: usize = 100;

/// Round trip, rate and memory of jobs.
pub(super) async fn jobs(program: &Path, table: &mut Table) -> Result<(), Failure> {
    let dir = TempDir::new()?;
    let (_broker, port) = broker(dir.path()).await?;
    let floors = round_trips(program, port, dir.path(), table).await?;
    slow(program, port, floors, table).await?;
    growth(program, port, table).await
}

/// Says the round trips of jobs, and returns p50 of what an echo, a spawn and two syncs take together, ms.
async fn round_trips(
    program: &Path,
    port: u16,
    dir: &Path,
    table: &mut Table,
) -> Result<f64, Failure> {
    let memory_dir = TempDir::new_in("/dev/shm")?;
    let mut echo = Echo::start(port).await?;
    let mut sync = sync_in(dir)?;
    let mut flash = Site::start(program, port, "aa", &dir.join("flash")).await?;
    let mut ram = Site::start(program, port, "bb", &memory_dir.path().join("ram")).await?;
    let [mut spawned, mut echoed, mut synced] = [const { Times::new() }; 3];
    let [mut durable, mut quick] = [const { Times::new() }; 2];
    let [mut rates, mut cores] = [const { Times::new() }; 2];
    let before = ram.cpu()?;
    for round in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..EACH {
            spawn()?;
        }
        cores.push(EACH as f64 / began.elapsed().as_secs_f64());
        for n in 0..EACH {
            let id = format!("{round} {n}");
            for what in order(n) {
                match what {
                    0 => echoed.add(echo.once(&id)).await?,
                    1 => durable.add(flash.once(&id)).await?,
                    2 => synced.add(async { sync() }).await?,
                    3 => quick.add(ram.once(&id)).await?,
                    _ => spawned.add(async { spawn() }).await?,
                }
            }
        }
        let began = Instant::now();
        ram.at_once(BURST, &format!("burst {round}")).await?;
        rates.push(BURST as f64 / began.elapsed().as_secs_f64());
    }
    let jobs = (ROUNDS * (EACH + BURST)) as f64;
    let cpu = (ram.cpu()? - before) / jobs;
    let floor = |part| echoed.at(part) + spawned.at(part);
    let durable_floor = |part| floor(part) + 2.0 * synced.at(part);
    for (name, times) in [
        ("spawn of sh -c", &spawned),
        ("MQTT echo", &echoed),
        ("append and fdatasync, state_dir", &synced),
        ("job, durable", &durable),
        ("job, state_dir on tmpfs", &quick),
    ] {
        table.plain(&format!("{name}, p50"), times.at(0.5), "ms");
        table.plain(&format!("{name}, p99"), times.at(0.99), "ms");
    }
    let mut against = |name: &str, value: f64, floor: f64, bound: f64| {
        table.times(name, value, floor, bound);
    };
    against(
        "job, durable, p50 / (echo + spawn + 2 syncs)",
        durable.at(0.5),
        durable_floor(0.5),
        1.3,
    );
    against(
        "job, durable, p99 / (echo + spawn + 2 syncs)",
        durable.at(0.99),
        durable_floor(0.99),
        2.0,
    );
    against(
        "job, tmpfs, p50 / (echo + spawn)",
        quick.at(0.5),
        floor(0.5),
        1.15,
    );
    let (rate, core) = (rates.median(), cores.median());
    table.plain("200 jobs at once, rate", rate, "/s");
    table.times("spawns on one core / rate of jobs", core, rate, 1.25);
    table.plain("job, tmpfs, CPU of the agent", cpu, "ms");
    flash.end().await?;
    ram.end().await?;
    Ok(durable_floor(0.5))
}

/// Five things in the `n`th order: in 20 of them each comes after each other one equally often. What comes after a sync, for
/// which the processor was idle, begins with cold caches.
fn order(n: usize) -> impl Iterator<Item = usize> {
    let stride = 1 + n / 5 % 4;
    (0..5).map(move |at| (n + at * stride) % 5)
}

/// Each sync takes longer.
async fn slow(program: &Path, port: u16, floor: f64, table: &mut Table) -> Result<(), Failure> {
    let dir = TempDir::new()?;
    let slow = SlowSync::new(dir.path(), SLOW)?;
    let state_dir = dir.path().join("flash");
    let mut flash = Site::with(program, port, "cc", &state_dir, Some(slow)).await?;
    let mut slowed = Times::new();
    for n in 0..EACH {
        slowed.add(flash.once(&n.to_string())).await?;
    }
    flash.end().await?;
    let floor = floor + 2.0 * SLOW.as_secs_f64() * 1e3;
    let name = "job, durable, 20 ms more a sync, p50 / (echo + spawn + 2 syncs)";
    table.times(name, slowed.median(), floor, 1.3);
    Ok(())
}

/// Memory that thousands of jobs have taken, and that of an agent beside it which has run the first ones alone: both
/// have collected as many reports.
async fn growth(program: &Path, port: u16, table: &mut Table) -> Result<(), Failure> {
    let dir = TempDir::new_in("/dev/shm")?;
    let mut few = Site::start(program, port, "dd", &dir.path().join("few")).await?;
    let mut many = Site::start(program, port, "ee", &dir.path().join("many")).await?;
    few.at_once(GROUP, "few").await?;
    many.at_once(GROUP, "few").await?;
    let (began, at_first) = (few.memory()?, many.memory()?);
    for group in 0..MANY / GROUP {
        many.at_once(GROUP, &format!("many {group}")).await?;
    }
    let (by_time, grown) = (few.memory()? - began, many.memory()? - at_first);
    table.bounded("resident memory after 9,500 more jobs", grown, "KiB", 256.0);
    table.plain("the same time without them", by_time, "KiB");
    few.end().await?;
    many.end().await
}

fn spawn() -> std::io::Result<()> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "echo x"]).stdin(Stdio::null());
    shell.output().map(drop)
}

/// A record of the size of a job's, appended and synced.
fn sync_in(dir: &Path) -> std::io::Result<impl FnMut() -> std::io::Result<()>> {
    let mut file = File::create(dir.join("synced"))?;
    Ok(move || file.write_all(&[7; 120]).and_then(|()| file.sync_data()))
}

async fn broker(dir: &Path) -> Result<(Child, u16), Failure> {
    let free = TcpListener::bind("127.0.0.1:0").await?;
    let port = free.local_addr()?.port();
    drop(free);
    let conf = dir.join("mosquitto.conf");
    let settings = format!(
        "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n\
         max_queued_messages 0\nmax_inflight_messages 0\nlog_dest stderr\nlog_type all\n"
    );
    fs::write(&conf, settings)?;
    Ok((mosquitto::start(&conf).await?, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_twenty_orders_each_thing_follows_each_other_equally_often() {
        let mut follows = [[0; 5]; 5];
        for n in 0..20 {
            let order: Vec<usize> = order(n).collect();
            assert_eq!(order.iter().sum::<usize>(), 10, "{order:?}");
            for pair in order.windows(2) {
                follows[pair[0]][pair[1]] += 1;
            }
        }
        for (one, row) in follows.iter().enumerate() {
            let expected = |other| if one == other { 0 } else { 4 };
            assert!(
                (0..5).all(|other| row[other] == expected(other)),
                "{follows:?}"
            );
        }
    }
}
