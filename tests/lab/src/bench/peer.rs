//! Another program with the same duties: Debian's collectd.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::sleep;

use super::idle::Idle;
use super::process::{cpu, memory};
use super::table::Table;
use super::{stations, Failure};
use crate::collector::Record;
use crate::lab::Lab;

/// Time after which its start is over.
const SETTLED: Duration = Duration::from_secs(20);

const MINUTE: Duration = Duration::from_secs(60);

/// Where Debian has it.
const PROGRAM: &str = "/usr/sbin/collectd";

/// The API accepts JSON of any kind here.
const PATH: &str = "/collectd/ping";

/// collectd with interface, load, memory, cpu, uptime and processes every 15 s, sent by HTTP to the lab's API; how many
/// times its memory and CPU the agent needs.
pub(super) async fn collectd(own: &Idle, table: &mut Table) -> Result<(), Failure> {
    if !Path::new(PROGRAM).exists() {
        return Err(format!("{PROGRAM} is missing: apt-get install collectd-core").into());
    }
    let lab = Lab::start(&stations(0), PROGRAM.into(), 1).await?;
    let dir = tempfile::tempdir()?;
    let config = dir.path().join("collectd.conf");
    fs::write(&config, settings(dir.path(), &lab.api.url(PATH)))?;
    let mut command = Command::new(PROGRAM);
    command.arg("-f").arg("-C").arg(&config);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut process = command.spawn()?;
    sleep(SETTLED).await;
    let pid = process.id().ok_or("collectd has ended")?.try_into()?;
    let before = (cpu(pid)?, accepted(&lab.api.record()));
    sleep(MINUTE).await;
    let minute = cpu(pid)? - before.0;
    let resident = memory(pid, "VmRSS:")?;
    let requests = accepted(&lab.api.record()) - before.1;
    process.kill().await?;
    lab.end().await?;
    if requests == 0 {
        return Err("collectd has sent nothing in a minute that the API accepts".into());
    }
    table.plain("collectd, requests a minute", requests as f64, "");
    table.plain("collectd, resident memory (RSS)", resident, "MiB");
    table.plain("collectd, CPU a minute", minute, "ms");
    table.times(
        "idle, resident memory / collectd's",
        own.resident,
        resident,
        1.0,
    );
    table.times("idle, CPU / collectd's", own.cpu, minute, 1.0);
    Ok(())
}

/// The requests of collectd that the API took. The agent's program does not run meanwhile.
fn accepted(record: &Record) -> usize {
    let taken = |status: &Option<u16>| *status == Some(200);
    let all = record.requests.iter();
    all.filter(|one| one.path == PATH && taken(&one.status))
        .count()
}

fn settings(dir: &Path, url: &str) -> String {
    let dir = dir.display();
    let mut text =
        format!("BaseDir \"{dir}\"\nPIDFile \"{dir}/pid\"\nInterval 15\nHostname \"lab\"\n");
    for plugin in [
        "interface",
        "load",
        "memory",
        "cpu",
        "uptime",
        "processes",
        "write_http",
    ] {
        text += &format!("LoadPlugin {plugin}\n");
    }
    text += &format!(
        "<Plugin write_http>\n<Node \"api\">\nURL \"{url}\"\nFormat \"JSON\"\n</Node>\n</Plugin>\n"
    );
    text
}
