//! Settings that give the ledger another directory, and agents that end before it is there.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use socketman_lab::within::within;
use tokio::time::sleep;

use super::World;

impl World {
    /// The directory that option `state_dir` calls `dir`.
    fn at(&self, dir: &str) -> PathBuf {
        self.lab.program().root.join(dir.trim_start_matches('/'))
    }

    async fn begins_again(&mut self) {
        self.lab.agent().unwrap().kill().await.unwrap();
        self.start_agent();
        self.connected().await;
    }

    /// The ledger is in `dir`, and in no other of these.
    async fn has_ledger_in(&self, dir: &str, others: &[&str]) {
        within("the ledger moves", async {
            let is_in = |dir: &str| self.at(dir).join("jobs").is_file();
            while !is_in(dir) || others.iter().any(|other| is_in(other)) {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// The job that has run comes again: its result does, and it does not run.
    async fn has_run_once(&mut self) {
        self.job("once", &self.writes("once")).await;
        self.operator.result("once").await;
        assert_eq!(self.written(), ["once"]);
    }
}

#[tokio::test]
async fn a_job_runs_once_wherever_settings_put_the_ledger_and_whenever_the_agent_ends() {
    let mut world = World::with_agent().await;
    world.has_run_once().await;
    let home = "/etc/socketman/state";

    // The agent follows one change, and is killed before it sees the next.
    world.change(&[("state_dir", json!("/srv/b"))]).await;
    world.has_ledger_in("/srv/b", &[home]).await;
    world.configure(&[("state_dir", json!("/srv/c"))]);
    world.begins_again().await;
    world.has_ledger_in("/srv/c", &["/srv/b", home]).await;
    world.has_run_once().await;

    // The directory cannot be used by the next agent, and by the one after it can.
    fs::write(world.at("/srv/d"), "a file in its place").unwrap();
    world.configure(&[("state_dir", json!("/srv/d"))]);
    world.begins_again().await;
    world.has_run_once().await;
    world.lab.agent().unwrap().kill().await.unwrap();
    fs::remove_file(world.at("/srv/d")).unwrap();
    world.start_agent();
    world.connected().await;
    world.has_ledger_in("/srv/d", &["/srv/c"]).await;
    world.has_run_once().await;

    // A kill before the ledger that was left is removed: it is there once more.
    let copy = world.dir.path().join("jobs");
    fs::copy(world.at("/srv/d/jobs"), &copy).unwrap();
    world.job("twice", &world.writes("twice")).await;
    world.operator.result("twice").await;
    world.change(&[("state_dir", json!("/srv/e"))]).await;
    world.has_ledger_in("/srv/e", &["/srv/d"]).await;
    let note = world.at(home).join("state_dir");
    let (old, new) = (world.at("/srv/d"), world.at("/srv/e"));
    within("the note of one directory", async {
        while fs::read_to_string(&note).unwrap() != new.to_str().unwrap() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    world.lab.agent().unwrap().kill().await.unwrap();
    fs::copy(copy, old.join("jobs")).unwrap();
    fs::write(&note, format!("{}\0{}", new.display(), old.display())).unwrap();
    world.configure(&[("state_dir", json!("/srv/f"))]);
    world.start_agent();
    world.connected().await;
    world.has_ledger_in("/srv/f", &["/srv/d", "/srv/e"]).await;
    world.job("twice", &world.writes("twice")).await;
    world.operator.result("twice").await;
    assert_eq!(world.written(), ["once", "twice"]);
    world.end().await;
}
