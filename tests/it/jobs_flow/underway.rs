//! Jobs that outlive the agent, and jobs that are looked at while they run.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rumqttc::QoS;
use serde_json::{json, Value};
use socketman_lab::within::within;
use tokio::time::{sleep, timeout};

use super::World;

/// Another answer would have come by then.
const QUIET: Duration = Duration::from_secs(2);

/// A FIFO on which jobs wait.
struct Gate(PathBuf);

impl Gate {
    fn new(world: &World) -> Self {
        let path = world.dir.path().join("gate");
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        Gate(path)
    }

    async fn open(&self) {
        let path = self.0.clone();
        let opened = tokio::task::spawn_blocking(move || std::fs::write(path, "go\n"));
        within("the job waits", opened).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_detached_job_that_ends_the_agent_is_reported_once_by_the_next_one() {
    let mut world = World::with_agent().await;
    let gate = Gate::new(&world);
    for (id, signal) in [("killed", "KILL"), ("ended", "TERM")] {
        let pid = world.lab.agent().unwrap().pid();
        let msg = format!(
            "kill -{signal} {pid}; read go < {}; echo done; exit 3",
            gate.0.display()
        );
        let job = json!({"id": id, "meta": {"msg": msg, "detach": true}}).to_string();
        world.operator.send(job.clone()).await;
        let _ended = within("the agent ends", world.lab.agent_ended()).await;
        world.start_agent();
        world.connected().await;
        world.status(|status| status["jobs"]["running"] == 1).await;
        gate.open().await;
        let result = world.operator.result(id).await;
        assert_eq!(
            (&result["msg"], &result["exit_code"]),
            (&json!("done\n"), &json!(3))
        );
        // The next agent has nothing more to say of it, and does not run it again.
        let another = timeout(QUIET, world.operator.next("INTERRUPTED")).await;
        assert!(another.is_err(), "{another:?}");
        world.operator.send(job).await;
        assert_eq!(world.operator.result(id).await["msg"], "done\n");
        let files = world
            .lab
            .program()
            .root
            .join("etc/socketman/state/detached");
        let left = std::fs::read_dir(files).map_or(0, Iterator::count);
        assert_eq!(left, 0, "files of a job that is reported");
    }
    world.end().await;
}

/// Waits until the one job that runs has this output.
async fn shows(world: &World, id: &str, output: &str) {
    world.status(|status| status["jobs"]["running"] == 1).await;
    within("the output is shown", async {
        while world.call("job", json!({ "id": id })).await["output"] != output {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_detached_job_is_reported_once_though_the_state_directory_changes_meanwhile() {
    let mut world = World::with_agent().await;
    let gate = Gate::new(&world);
    let root = world.lab.program().root.clone();
    let mut dirs = vec!["etc/socketman/state"];
    // The agent stays, or its next one finds the job; then `state_dir` has changed twice.
    for (id, restarts, changes) in [
        ("stays", false, &["srv/one"][..]),
        ("restarts", true, &["srv/two"]),
        ("twice", true, &["srv/three", "srv/four"]),
    ] {
        let msg = format!(
            "echo begun; read go < {}; echo done; exit 3",
            gate.0.display()
        );
        let job = json!({"id": id, "meta": {"msg": msg, "detach": true}}).to_string();
        world.operator.send(job.clone()).await;
        shows(&world, id, "begun\n").await;
        for dir in changes {
            world
                .change(&[("state_dir", json!(format!("/{dir}")))])
                .await;
            dirs.push(dir);
            let ledger = root.join(dir).join("jobs");
            within("the ledger moves", async {
                while !ledger.exists() {
                    sleep(Duration::from_millis(10)).await;
                }
            })
            .await;
        }
        if restarts {
            world.lab.agent().unwrap().kill().await.unwrap();
            world.start_agent();
            world.connected().await;
        }
        shows(&world, id, "begun\n").await;
        gate.open().await;
        let result = world.operator.result(id).await;
        assert_eq!(
            (&result["msg"], &result["exit_code"]),
            (&json!("begun\ndone\n"), &json!(3)),
            "{id}"
        );
        let another = timeout(QUIET, world.operator.next("INTERRUPTED")).await;
        assert!(another.is_err(), "{another:?}");
        world.operator.send(job).await;
        assert_eq!(world.operator.result(id).await["msg"], "begun\ndone\n");
        for dir in &dirs {
            let files = root.join(dir).join("detached");
            let left = std::fs::read_dir(files).map_or(0, Iterator::count);
            assert_eq!(left, 0, "files of {id} in {dir}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn the_output_of_a_running_job_is_shown_and_published_as_it_comes() {
    let mut world = World::with_agent().await;
    let gate = Gate::new(&world);
    let operator = &world.operator;
    operator
        .client
        .try_subscribe("live/#", QoS::AtLeastOnce)
        .unwrap();
    for detach in [false, true] {
        let id = format!("detach {detach}");
        let msg = format!("echo one; read go < {}; echo two", gate.0.display());
        let job = json!({"id": id, "meta": {"msg": msg, "live": true, "detach": detach}});
        world.operator.send(job.to_string()).await;
        let live = within("live output", async {
            loop {
                let value = world.operator.any().await;
                if value["stream"] == "stdout" && value["id"] == *id {
                    return value;
                }
            }
        });
        let live = live.await;
        assert_eq!((&live["seq"], &live["data"]), (&json!(1), &json!("one\n")));
        let shown: Value = within("output so far", async {
            loop {
                let job = world.lab.call("job", &json!({"id": id})).await.unwrap();
                if job["output"] == "one\n" {
                    return job;
                }
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        assert_eq!(shown["state"], "running");
        gate.open().await;
        assert_eq!(world.operator.result(&id).await["msg"], "one\ntwo\n");
    }
    world.end().await;
}
