//! `socketman run` with an agent whose job talks for long.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{json, Value};
use socketman_lab::agent_binary;
use socketman_lab::ubusd::Ubusd;
use socketman_lab::within::within;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use ubus::{Client, Method};

/// The agent is away for so long after its bus is back. Longer than between two questions; the test cannot fail
/// because it is too short.
const ABSENT: Duration = Duration::from_secs(3);

/// `socketman run`, and the agent that it asks.
struct Desk {
    dir: TempDir,
    bus: Option<Ubusd>,
    client: Client,
    agent: JoinHandle<()>,
    /// The job as the agent tells it.
    say: watch::Sender<Value>,
    run: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Desk {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("ubus.sock");
        let bus = Some(Ubusd::start(&socket).unwrap());
        let (client, connection) = ubus::connect(&socket);
        tokio::spawn(connection.run());
        let (say, said) = watch::channel(json!({"state": "running", "output": "first\n"}));
        let agent = offer(&client, said).await;
        let mut command = Command::new(agent_binary::find().await.unwrap());
        command.args(["run", "--ubus-socket", socket.to_str().unwrap(), "--", "x"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut run = command.kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(run.stdout.take().unwrap()).lines();
        let mut desk = Desk {
            dir,
            bus,
            client,
            agent,
            say,
            run,
            lines,
        };
        assert_eq!(desk.line().await.as_deref(), Some("first"));
        desk
    }

    async fn stop_bus(&mut self) {
        self.bus.take().unwrap().stop().await;
    }

    fn start_bus(&mut self) {
        let socket = self.dir.path().join("ubus.sock");
        self.bus = Some(Ubusd::start(&socket).unwrap());
    }

    /// The next line that is printed.
    async fn line(&mut self) -> Option<String> {
        within("a line", self.lines.next_line()).await.unwrap()
    }

    /// Its words about errors, and its end.
    async fn end(mut self) -> (String, ExitStatus) {
        let mut errors = String::new();
        let mut stderr = self.run.stderr.take().unwrap();
        let read = within("the errors", stderr.read_to_string(&mut errors));
        read.await.unwrap();
        (errors, within("the exit", self.run.wait()).await.unwrap())
    }
}

/// Offers the methods of an agent, which tells of its one job what is `said` last.
async fn offer(client: &Client, said: watch::Receiver<Value>) -> JoinHandle<()> {
    let methods = vec![Method::new("run_job", &[]), Method::new("job", &[])];
    let offered = within("offered", client.offer("socketman", methods));
    let mut object = offered.await.unwrap();
    tokio::spawn(async move {
        while let Some(request) = object.next().await {
            let mut reply = said.borrow().clone();
            if request.method == "run_job" {
                // As after 15 s.
                reply = json!({"state": "running"});
            }
            reply["id"] = "local-1".into();
            request.reply(&reply);
        }
    })
}

#[tokio::test]
async fn the_output_of_a_job_that_runs_for_long_is_printed_as_it_comes() {
    let mut desk = Desk::new().await;
    let say = desk.say.clone();
    say.send_modify(|job| job["output"] = "first\nsecond\n".into());
    assert_eq!(desk.line().await.as_deref(), Some("second"));
    say.send_replace(json!({
        "state": "failed", "exit_code": 3, "output": "first\nsecond\nlast\n", "stderr": "error\n",
    }));
    assert_eq!(desk.line().await.as_deref(), Some("last"));
    assert_eq!(desk.line().await, None);
    let (errors, status) = desk.end().await;
    assert_eq!(errors, "error\n");
    assert_eq!(status.code(), Some(3));
}

#[tokio::test]
async fn a_job_is_followed_across_a_restart_of_the_bus_though_the_agent_is_back_later() {
    let mut desk = Desk::new().await;
    desk.agent.abort();
    desk.stop_bus().await;
    desk.start_bus();
    sleep(ABSENT).await;
    desk.say
        .send_replace(json!({"state": "done", "exit_code": 3, "output": "first\nlast\n"}));
    desk.agent = offer(&desk.client, desk.say.subscribe()).await;
    assert_eq!(desk.line().await.as_deref(), Some("last"));
    let (errors, status) = desk.end().await;
    assert_eq!((errors.as_str(), status.code()), ("", Some(3)));
}

#[tokio::test]
async fn if_the_bus_stays_away_the_message_names_the_job_and_how_to_look_for_it() {
    let mut desk = Desk::new().await;
    desk.stop_bus().await;
    let (errors, status) = desk.end().await;
    assert_eq!(status.code(), Some(1));
    let way = r#"see: ubus call socketman job '{"id": "local-1"}'"#;
    assert!(errors.trim_end().ends_with(way), "{errors}");
}
