//! The package is upgraded while reports wait.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::Value;
use socketman_lab::collector::Mode;
use socketman_lab::lab::AGENT_ENDS_WITHIN;
use socketman_lab::within::{within, DEADLINE};

use super::{binary, lab};

#[tokio::test]
async fn an_upgrade_loses_no_report_and_no_setting() {
    let dir = tempfile::tempdir().unwrap();
    let agent = dir.path().join("socketman");
    symlink(binary().await, &agent).unwrap();
    let mut lab = lab(agent.clone()).await;
    lab.set_api(Mode::Down).await.unwrap();
    lab.start_agent().unwrap();
    let waiting = lab.status_when(|status| status["spool"]["reports"].as_u64() >= Some(3));
    within("reports wait", waiting).await;
    let file = lab.program().config_file();
    let settings = fs::read(&file).unwrap();

    // What opkg does: the service is stopped, its file replaced, the service started.
    let running = lab.agent().unwrap();
    let ended = running.terminate(AGENT_ENDS_WITHIN).await.unwrap();
    assert!(ended.success(), "{ended}");
    let next = dir.path().join("socketman.new");
    // By a process of its own: one that another test starts meanwhile would have the file open for
    // writing for a moment, and nobody could run it.
    let mut copy = Command::new("cp");
    assert!(copy
        .arg(binary().await)
        .arg(&next)
        .status()
        .unwrap()
        .success());
    fs::rename(&next, &agent).unwrap();
    lab.start_agent().unwrap();
    let status = within("it is back", lab.status_when(|_| true)).await;
    assert!(status["spool"]["reports"].as_u64() >= Some(3), "{status:#}");
    assert_eq!(status["starts"]["count"], 0);

    lab.set_api(Mode::Up).await.unwrap();
    let seqs = |enough: u64| {
        lab.api.wait_for(DEADLINE, move |record| {
            record.reports.iter().map(|id| id.seq).max() >= Some(enough)
        })
    };
    seqs(5).await.unwrap();
    let record = lab.api.record();
    assert_eq!(record.missing(), []);
    assert_eq!(record.reports.iter().map(|id| id.seq).min(), Some(1));
    // The first report alone declares something: nobody can know what was lost before the boot.
    for line in lab.api.lines().unwrap() {
        let report: Value = serde_json::from_str(&line).unwrap();
        let gaps = report["gaps"].as_array().map_or(0, Vec::len);
        let first = report["device"]["seq"] == 1;
        assert_eq!(gaps, usize::from(first), "{line}");
        assert!(!first || report["gaps"][0]["reason"] == "power", "{line}");
    }
    assert_eq!(fs::read(&file).unwrap(), settings);
}
