//! Started and stopped, again and again.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use socketman_lab::lab::AGENT_ENDS_WITHIN;
use socketman_lab::within::within;

use super::{binary, lab};

/// Files and directories below this one, but for waiting reports.
fn tree(root: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name() == "spool" {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
            found.insert(entry.path());
        }
    }
    found
}

/// Processes that have this path in their arguments, but for our own.
fn processes_with(path: &Path) -> Vec<String> {
    let wanted = path.to_str().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        // One that ends while we look is none.
        let Ok(line) = fs::read(entry.unwrap().path().join("cmdline")) else {
            continue;
        };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(wanted) {
            found.push(line);
        }
    }
    found
}

#[tokio::test]
async fn a_hundred_starts_and_stops_leave_nothing_behind() {
    let mut lab = lab(binary().await).await;
    let root = lab.place().root();
    let endless = format!("tail -f {}", lab.program().config_file().display());
    let mut after_first = None;
    for _ in 0..100 {
        lab.start_agent().unwrap();
        within("registration", lab.registered()).await.unwrap();
        // A job that is under way has to end with it.
        let job = json!({"msg": endless, "wait": false});
        lab.call("run_job", &job).await.unwrap();
        let agent = lab.agent().unwrap();
        let ended = agent.terminate(AGENT_ENDS_WITHIN).await.unwrap();
        assert!(ended.success(), "{ended}");
        let left = tree(&root);
        assert_eq!(after_first.get_or_insert_with(|| left.clone()), &left);
        assert_eq!(processes_with(&root), [""; 0]);
    }
}
