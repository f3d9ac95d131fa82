//! The agent, asked in the shell.

use std::process::Output;

use serde_json::Value;
use socketman_lab::within::DEADLINE;
use ubus::blobmsg::Value as Blob;
use ubus::{Error, Status};

use super::{ask, lab, lab_with_agent, reports, socketman, text};

#[tokio::test]
async fn the_agent_answers_in_the_shell_to_people_and_to_programs() {
    let lab = lab_with_agent().await;
    reports(&lab.api, 1).await;
    let json = |output: Output| -> Value {
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };

    let output = ask(&lab, "run", &["--", "echo out; echo err >&2; exit 7"]).await;
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(
        (text(&output.stdout), text(&output.stderr)),
        ("out\n", "err\n")
    );
    let output = ask(&lab, "run", &["--", "kill -9 $$"]).await;
    assert_eq!(output.status.code(), Some(128 + 9));

    let output = ask(&lab, "status", &[]).await;
    assert!(output.status.success());
    let shown = text(&output.stdout);
    assert!(
        shown.starts_with("socketman 0.1.0, 94:83:c4:a1:b2:00, up "),
        "{shown}"
    );
    assert!(
        shown.contains("jobs      0 running, 0 waiting, 0 done, 2 failed, 0 rejected"),
        "{shown}"
    );
    assert_eq!(
        json(ask(&lab, "status", &["--json"]).await)["jobs"]["failed"],
        2
    );

    let output = ask(&lab, "stats", &[]).await;
    let shown = text(&output.stdout);
    for mac in lab.router.facts().macs() {
        assert!(shown.contains(&mac), "{mac}: {shown}");
    }
    let stats = json(ask(&lab, "stats", &["--json"]).await);
    assert_eq!(stats["device"]["hostname"], "harbour-gw");

    let output = ask(&lab, "jobs", &[]).await;
    assert_eq!(
        text(&output.stdout).lines().count(),
        3,
        "a heading and two jobs"
    );
    let jobs = json(ask(&lab, "jobs", &["--json"]).await);
    assert_eq!(jobs["jobs"][1]["exit_code"], 7);
}

#[tokio::test]
async fn a_mistyped_argument_is_status_2_and_has_no_effect() {
    let lab = lab_with_agent().await;
    let odd = Blob::String(b"echo caf\xe9".to_vec());
    for (method, name, value) in [
        ("run_job", "msg", odd.clone()),
        ("run_job", "id", odd.clone()),
        ("run_job", "type", odd.clone()),
        ("run_job", "timeout", Blob::Int8(1)),
        ("job", "id", odd),
        ("stats", "offset", Blob::Int8(1)),
        ("stats", "limit", Blob::Int8(1)),
    ] {
        let msg = (b"msg".to_vec(), Blob::String(b"true".to_vec()));
        let args = Blob::Table(vec![(name.into(), value), msg]).to_members();
        let called = lab.client().call_raw("socketman", method, args, DEADLINE);
        let error = called.await.unwrap_err();
        assert_eq!(
            error,
            Error::Status(Status::INVALID_ARGUMENT),
            "{method} {name}"
        );
    }
    let jobs = lab.call("jobs", &()).await.unwrap();
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn without_an_agent_or_a_bus_the_shell_says_so_and_exits_1() {
    let lab = lab().await;
    for verb in ["status", "stats", "jobs"] {
        let output = ask(&lab, verb, &[]).await;
        assert_eq!(output.status.code(), Some(1));
        let error = text(&output.stderr);
        assert!(
            error.starts_with("socketman: socketman is not running"),
            "{error}"
        );
    }
    let missing = lab.place().path().join("nowhere.sock");
    let missing = missing.to_str().unwrap();
    for rest in [&["status"][..], &["run", "--", "true"]] {
        let arguments = [&rest[..1], &["--ubus-socket", missing], &rest[1..]].concat();
        let output = socketman(&arguments).await;
        assert_eq!(output.status.code(), Some(1));
        let error = text(&output.stderr);
        assert!(
            error.starts_with(&format!(
                "socketman: cannot connect to the bus at {missing}: "
            )),
            "{error}"
        );
    }
}
