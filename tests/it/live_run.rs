//! `socketman run` with an agent whose job talks for long.

use std::process::Stdio;

use serde_json::json;
use socketman_lab::agent_binary;
use socketman_lab::ubusd::Ubusd;
use socketman_lab::within::within;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::watch;
use ubus::Method;

#[tokio::test]
async fn the_output_of_a_job_that_runs_for_long_is_printed_as_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("ubus.sock");
    let _ubusd = Ubusd::start(&socket).unwrap();
    let (client, connection) = ubus::connect(&socket);
    tokio::spawn(connection.run());
    let methods = vec![Method::new("run_job", &[]), Method::new("job", &[])];
    let mut object = within("offered", client.offer("socketman", methods))
        .await
        .unwrap();
    let (say, said) = watch::channel(json!({"state": "running", "output": "first\n"}));
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
    });

    let mut command = Command::new(agent_binary::find().await.unwrap());
    command.args(["run", "--ubus-socket", socket.to_str().unwrap(), "--", "x"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut run = command.kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines();
    let mut line = async |what: &str| within(what, lines.next_line()).await.unwrap().unwrap();
    assert_eq!(line("the first line").await, "first");
    say.send_modify(|job| job["output"] = "first\nsecond\n".into());
    assert_eq!(line("the second line").await, "second");
    say.send_replace(json!({
        "state": "failed", "exit_code": 3, "output": "first\nsecond\nlast\n", "stderr": "error\n",
    }));
    assert_eq!(line("the last line").await, "last");
    assert_eq!(within("the end", lines.next_line()).await.unwrap(), None);
    let mut errors = String::new();
    let mut stderr = run.stderr.take().unwrap();
    within("the errors", stderr.read_to_string(&mut errors))
        .await
        .unwrap();
    assert_eq!(errors, "error\n");
    let status = within("the exit", run.wait()).await.unwrap();
    assert_eq!(status.code(), Some(3));
}
