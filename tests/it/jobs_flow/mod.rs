//! Jobs through a real mosquitto to the agent as a process, whatever is killed meanwhile.

mod floods;
mod kills;
mod live;
mod moves;
mod narrow;
mod spaces;
mod stuck;
mod underway;
mod upgrades;

use std::fs;
use std::time::Duration;

use serde_json::{json, Value};
use socketman_lab::agent_binary;
use socketman_lab::collector::WEB_CHECK;
use socketman_lab::lab::Lab;
use socketman_lab::options::Options;
use socketman_lab::within::within;
use tempfile::TempDir;
use tokio::time::{sleep, Instant};

use crate::mqtt::operator::Operator;
use crate::mqtt::server::Server;
use crate::mqtt::MAC;

/// A ping comes every second, a report every half.
const SCALE: u32 = 30;

/// A device, its broker, and who sends it jobs.
struct World {
    server: Server,
    operator: Operator,
    lab: Lab,
    /// For what jobs write.
    dir: TempDir,
}

impl World {
    /// Everything but the agent.
    async fn new() -> Self {
        let server = Server::mosquitto().await;
        let operator = Operator::new(server.port()).await;
        let binary = agent_binary::find().await.unwrap();
        let lab = Lab::start(&Options::default(), binary, SCALE)
            .await
            .unwrap();
        lab.program()
            .configure(&json!({
                "mac": MAC,
                "mqtt_host": "127.0.0.1",
                "port": server.port(),
                "topic": "fleet",
                "key": "secret",
                "stats_url": lab.api.url("/stats"),
                "health_url": lab.api.addr().ip().to_string(),
                "health_port": lab.api.addr().port(),
                "web_url": lab.api.url(WEB_CHECK),
                "ping-interval": 30,
                "job_workers": 4,
                "spread": 1,
            }))
            .unwrap();
        World {
            server,
            operator,
            lab,
            dir: TempDir::new().unwrap(),
        }
    }

    /// A world whose agent is connected.
    async fn with_agent() -> Self {
        let mut world = World::new().await;
        world.start_agent();
        world.connected().await;
        world
    }

    /// Starts the agent, or starts it again; kills before do not hold it back.
    fn start_agent(&mut self) {
        let starts = self.lab.program().root.join("var/run/socketman/starts");
        let _ = fs::remove_file(starts);
        self.lab.start_agent().unwrap();
    }

    async fn connected(&self) {
        self.status(|status| status["mqtt"]["connected"] == true)
            .await;
    }

    /// Waits until `wanted` holds of the agent's status.
    async fn status(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        within("the agent's status", self.lab.status_when(wanted)).await
    }

    async fn job(&self, id: &str, msg: &str) {
        self.operator.job(id, msg).await;
    }

    /// Calls a method of the agent on its bus.
    async fn call(&self, method: &str, args: Value) -> Value {
        within(method, self.lab.call(method, &args)).await.unwrap()
    }

    /// Changes options.
    fn configure(&self, options: &[(&str, Value)]) {
        let program = self.lab.program();
        let file = fs::read_to_string(program.config_file()).unwrap();
        let mut config: Value = serde_json::from_str(&file).unwrap();
        for (name, value) in options {
            config[*name] = value.clone();
        }
        program.configure(&config).unwrap();
    }

    /// Changes options, and has the agent read them.
    async fn change(&self, options: &[(&str, Value)]) {
        self.configure(options);
        self.call("reload", json!({})).await;
    }

    /// The lines that jobs wrote.
    fn written(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join("ran")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// A command that writes `line`.
    fn writes(&self, line: &str) -> String {
        format!("echo {line} >> {}", self.dir.path().join("ran").display())
    }

    /// Resident memory of the agent, KiB.
    fn memory(&mut self) -> u64 {
        let pid = self.lab.agent().unwrap().pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let words: Vec<&str> = line.unwrap().split_whitespace().collect();
        words[1].parse().unwrap()
    }

    async fn end(mut self) {
        let ended = within("the agent ends", self.lab.stop_agent()).await;
        assert!(ended.unwrap().unwrap().success());
    }
}

/// The longest delay of this process itself so far: the machine may be busy.
struct Stalls(tokio::sync::watch::Receiver<Duration>);

impl Stalls {
    fn new() -> Self {
        let (sender, stalls) = tokio::sync::watch::channel(Duration::ZERO);
        tokio::spawn(async move {
            let step = Duration::from_millis(10);
            while !sender.is_closed() {
                let began = Instant::now();
                sleep(step).await;
                let late = began.elapsed().saturating_sub(step);
                sender.send_modify(|most| *most = late.max(*most));
            }
        });
        Stalls(stalls)
    }

    fn most(&self) -> Duration {
        *self.0.borrow()
    }
}
