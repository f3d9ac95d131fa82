//! The ledger that an upgrade of the firmware takes along.

use super::upgrades::Fake;
use super::*;

#[tokio::test]
async fn a_ledger_that_came_along_is_put_in_place_before_one_is_opened_late() {
    came_along(0).await;
}

#[tokio::test]
async fn no_ledger_is_begun_before_one_that_came_along_was_tried_again() {
    came_along(2).await;
}

/// Has a ledger come along that cannot be read so many times once the state directory can be used.
async fn came_along(unread: u32) {
    let rig = Rig::new();
    let dir = TempDir::new().unwrap();
    let gate = fifo(&dir, "gate");
    for id in ["1", "2"] {
        rig.job(id, &format!("cat {}", gate.display())).await;
    }
    rig.job("waits", "echo waited").await;
    rig.task.abort();
    let _ = timeout(DEADLINE, rig.task).await.unwrap();
    // As after an image, with a state directory that cannot be used at first.
    let state = rig.state_dir.path().join("state");
    let carried = dir.path().join("carried");
    std::fs::rename(state.join("jobs"), &carried).unwrap();
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::write(&state, "a file in its place").unwrap();
    let mut fake = Fake::new();
    fake.carried = Some(carried);
    let is_unread = unread > 0;
    // The attempt while the directory cannot be used takes one, too.
    *fake.unread.get_mut() = unread + u32::from(is_unread);
    let fake = Arc::new(fake);
    let config = config().with(|config| config.pace = crate::process::clock::Pace::faster(50));
    let grace = Duration::from_secs(4);
    let mut rig = Rig::on(rig.state_dir, "boot 2", config, grace, |jobs| {
        jobs.upgraded_by(fake)
    });
    rig.job("early", "echo never").await;
    assert_eq!(rig.result().await["event_type"], "REJECTED");
    std::fs::remove_file(&state).unwrap();
    drop(durable::Directory::open(&state).unwrap());
    let mut results = std::collections::BTreeMap::new();
    while results.len() < 3 {
        let result = rig.result().await;
        results.insert(result["id"].to_string(), result["event_type"].clone());
    }
    assert_eq!(results["\"1\""], "INTERRUPTED");
    assert_eq!(results["\"waits\""], "PROCESSED");
}
