//! Agents after an upgrade that kept nothing but `state_dir`/keep, and those whose register fails.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::process::clock::Pace;

impl Rig {
    fn state(&self) -> std::path::PathBuf {
        self.state_dir.path().join("state")
    }

    /// The agent of a new system, which has nothing of the old one but what it keeps.
    async fn upgraded(self, killed: bool) -> Self {
        let ledger = self.state().join("jobs");
        let flash = self.state_dir.path().to_path_buf();
        match killed {
            true => self.task.abort(),
            false => self.shutdown.send(()).unwrap(),
        }
        drop(self.replies);
        // An aborted task has no result.
        let _ = timeout(DEADLINE, self.task).await.unwrap();
        // A thread that was left alone may be about to write.
        tokio::task::yield_now().await;
        fs::remove_file(ledger).unwrap();
        assert!(flash.join("state/keep/ids").exists());
        let grace = Duration::from_secs(4);
        Rig::on(self.state_dir, "boot 2", config(), grace, |jobs| jobs)
    }

    async fn facts_when(&self, wanted: impl FnMut(&Facts) -> bool) {
        let mut facts = self.handle.facts();
        timeout(DEADLINE, facts.wait_for(wanted))
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn a_job_that_ran_before_an_upgrade_does_not_run_again() {
    let mut rig = Rig::new();
    let dir = TempDir::new().unwrap();
    let count = dir.path().join("count");
    let msg = format!("echo x >> {}; exit 3", count.display());
    rig.meta("1", &msg).await;
    let request = Request {
        id: Some("1".into()),
        msg: msg.clone(),
        ..Request::default()
    };
    ended(&mut rig.handle.run(request.clone()).await.unwrap()).await;
    let mut rig = rig.upgraded(false).await;
    for _ in 0..2 {
        assert_eq!(rig.job("1", &msg).await, Decision::Known { id: "1".into() });
        let result = rig.result().await;
        assert_eq!(result["event_type"], "PROCESSED");
        assert_eq!(result["meta"]["exit_code"], 3);
        let outcome = ended(&mut rig.handle.run(request.clone()).await.unwrap()).await;
        assert_eq!(outcome.exit_code, Some(3));
        assert_eq!(rig.handle.facts().borrow().ids, 2);
        rig = rig.next("boot 2", true).await;
    }
    assert_eq!(fs::read_to_string(&count).unwrap(), "x\nx\n");
}

#[tokio::test]
async fn of_jobs_that_an_upgrade_cut_off_those_that_had_begun_are_interrupted_and_the_others_are_new(
) {
    let rig = Rig::new();
    let dir = TempDir::new().unwrap();
    let (gate, ready) = (fifo(&dir, "gate"), fifo(&dir, "ready"));
    let count = dir.path().join("count");
    let msg = format!(
        "echo x >> {}; echo x > {}; cat {}",
        count.display(),
        ready.display(),
        gate.display()
    );
    for id in ["1", "2"] {
        rig.job(id, &msg).await;
        reached(&ready).await;
    }
    let waits = format!("echo waited >> {}", count.display());
    rig.job("3", &waits).await;
    let mut rig = rig.upgraded(true).await;
    for id in ["1", "2"] {
        assert_eq!(rig.job(id, &msg).await, Decision::Known { id: id.into() });
        assert_eq!(rig.result().await["event_type"], "INTERRUPTED");
    }
    assert_eq!(rig.handle.facts().borrow().running, 0);
    assert_eq!(fs::read_to_string(&count).unwrap(), "x\nx\n");
    rig.meta("3", &waits).await;
    assert_eq!(fs::read_to_string(&count).unwrap(), "x\nx\nwaited\n");
    // The interrupted commands still wait for somebody to write.
    let mut both = fs::OpenOptions::new();
    drop(both.read(true).write(true).open(&gate).unwrap());
}

#[tokio::test]
async fn jobs_run_while_the_register_cannot_be_written_and_are_in_it_once_it_can() {
    let flash = TempDir::new().unwrap();
    let keep = flash.path().join("state/keep");
    fs::create_dir_all(&keep).unwrap();
    fs::set_permissions(flash.path().join("state"), Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(&keep, Permissions::from_mode(0o777)).unwrap();
    let fast = config().with(|config| config.pace = Pace::faster(100));
    let grace = Duration::from_secs(4);
    let mut rig = Rig::on(flash, "boot 1", fast, grace, |jobs| jobs);
    rig.meta("1", "echo out").await;
    rig.facts_when(|facts| !facts.kept && facts.ids == 1).await;
    fs::set_permissions(&keep, Permissions::from_mode(0o700)).unwrap();
    rig.facts_when(|facts| facts.kept).await;
    let mut rig = rig.upgraded(true).await;
    assert_eq!(
        rig.job("1", "echo out").await,
        Decision::Known { id: "1".into() }
    );
    assert_eq!(rig.result().await["meta"]["exit_code"], 0);
}

#[tokio::test]
async fn a_state_dir_that_is_left_has_its_ids_in_the_next_ones_register() {
    let mut rig = Rig::new();
    rig.meta("1", "true").await;
    let next = TempDir::new().unwrap();
    rig.options
        .send_modify(|options| options.state_dir = next.path().join("state"));
    let register = next.path().join("state/keep/ids");
    timeout(DEADLINE, async {
        while !register.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(
        rig.job("1", "true").await,
        Decision::Known { id: "1".into() }
    );
}
