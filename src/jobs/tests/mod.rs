//! The part as its users see it, with real shells. Tests wait for events, each with a deadline.

mod carried;
mod durability;
mod ending;
mod ids;
mod kept;
mod local;
mod order;
mod output;
mod refused;
mod shell;
mod signed;
mod upgrades;

use std::path::Path;

use serde_json::{json, Value};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::config::Config;
use crate::process::clock::{Clock, ServerDate};
use crate::process::crash::Crashes;

const MAC: &str = "aa:bb:cc:00:11:22";

/// Longer than any test takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

fn config() -> Config {
    Config::default().with(|config| {
        config.jobs.timeout = Duration::from_secs(30);
        config.jobs.output_max = 64 * 1024;
        config.jobs.workers = 2;
    })
}

/// The part at work.
struct Rig {
    handle: Handle,
    replies: Replies,
    shutdown: oneshot::Sender<()>,
    task: JoinHandle<()>,
    state_dir: TempDir,
    options: watch::Sender<Settings>,
}

impl Rig {
    fn new() -> Self {
        Rig::with(config(), Duration::from_secs(4))
    }

    fn with(config: Config, grace: Duration) -> Self {
        Rig::after(Crashes::default(), config, grace)
    }

    /// After agents that ended by these panics.
    fn after(crashes: Crashes, config: Config, grace: Duration) -> Self {
        Rig::of(config, grace, |jobs| jobs.with_crashes(crashes))
    }

    /// With the system's clock, and servers that say what time it is.
    fn in_time(config: Config, dates: watch::Receiver<Option<ServerDate>>) -> Self {
        Rig::by(config, Clock::default(), dates)
    }

    fn by(config: Config, clock: Clock, dates: watch::Receiver<Option<ServerDate>>) -> Self {
        Rig::of(config, Duration::from_secs(8), |jobs| {
            jobs.with_time(clock, dates)
        })
    }

    fn of(config: Config, grace: Duration, change: impl FnOnce(Jobs) -> Jobs) -> Self {
        let flash = TempDir::new().unwrap();
        Rig::on(flash, "boot 1", config, grace, change)
    }

    /// On the flash of a device, in one of its boots.
    fn on(
        state_dir: TempDir,
        boot: &str,
        mut config: Config,
        grace: Duration,
        change: impl FnOnce(Jobs) -> Jobs,
    ) -> Self {
        config.state_dir = state_dir.path().join("state");
        let (options, receiver) = watch::channel((&config).into());
        let mac = watch::channel(MAC.parse().unwrap()).1;
        let (jobs, handle, outlets) = new(receiver, mac);
        let jobs = jobs.on(Setting::without_reboot(boot));
        let jobs = jobs.with_time(Clock::right(), watch::channel(None).1);
        let (shutdown, asked) = oneshot::channel::<()>();
        let task = tokio::spawn(change(jobs).run(
            async {
                let _ = asked.await;
            },
            grace,
        ));
        Rig {
            handle,
            replies: outlets.broker,
            shutdown,
            task,
            state_dir,
            options,
        }
    }

    /// The next agent, in this boot or another, after this one was ended or killed.
    async fn next(self, boot: &str, killed: bool) -> Self {
        match killed {
            true => self.task.abort(),
            false => self.shutdown.send(()).unwrap(),
        }
        drop(self.replies);
        // An aborted task has no result.
        let _ = timeout(DEADLINE, self.task).await.unwrap();
        let grace = Duration::from_secs(4);
        Rig::on(self.state_dir, boot, config(), grace, |jobs| jobs)
    }

    async fn submit(&self, payload: impl Into<Bytes>) -> Decision {
        self.handle
            .submit(payload.into(), Source::Mqtt)
            .unwrap()
            .await
    }

    async fn job(&self, id: &str, msg: &str) -> Decision {
        self.submit(json!({"id": id, "meta": {"msg": msg}}).to_string())
            .await
    }

    /// The next reply, acknowledged.
    async fn reply(&mut self) -> Value {
        let reply = timeout(DEADLINE, self.replies.next())
            .await
            .expect("no reply in time")
            .expect("the part has ended");
        let value = serde_json::from_slice(&reply.payload).expect("a reply is valid JSON");
        reply.acknowledged();
        value
    }

    /// The next reply that is no DELIVERED.
    async fn result(&mut self) -> Value {
        loop {
            let reply = self.reply().await;
            if reply["event_type"] != "DELIVERED" {
                return reply;
            }
        }
    }

    /// Runs a command over the whole way and returns `meta` of its result.
    async fn meta(&mut self, id: &str, msg: &str) -> Value {
        assert_eq!(
            self.job(id, msg).await,
            Decision::Accepted { id: id.into() }
        );
        let result = self.result().await;
        assert_eq!(result["id"], id);
        assert_eq!(result["event_type"], "PROCESSED");
        result["meta"].clone()
    }

    async fn local(&self, msg: &str) -> Run {
        let request = Request {
            msg: msg.into(),
            ..Request::default()
        };
        self.handle.run(request).await.unwrap()
    }
}

async fn ended(run: &mut Run) -> Arc<Outcome> {
    let stand = timeout(DEADLINE, run.stand.wait_for(Stand::has_ended)).await;
    let stand = stand.expect("no outcome in time");
    match &*stand.expect("the part has ended") {
        Stand::Ended(outcome) => Arc::clone(outcome),
        other => panic!("waited for the end: {other:?}"),
    }
}

/// Waits until a job has made the FIFO `path` readable to us: it has come to a certain point.
async fn reached(path: &Path) {
    let path = path.to_path_buf();
    let line = tokio::task::spawn_blocking(move || std::fs::read_to_string(path));
    timeout(DEADLINE, line).await.unwrap().unwrap().unwrap();
}

fn fifo(dir: &TempDir, name: &str) -> std::path::PathBuf {
    let path = dir.path().join(name);
    let status = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(status.unwrap().success());
    path
}

/// True if a process with this number lives.
fn lives(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat[stat.rfind(')').unwrap()..].starts_with(") Z"))
}

fn pids(text: &str) -> Vec<i32> {
    text.split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}
