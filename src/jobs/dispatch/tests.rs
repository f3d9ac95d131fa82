//! The driver of the table, one step after the other.

use serde_json::json;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::config::Config;
use crate::jobs::{self, Decision, End, Outlets, Source};

const GRACE: Duration = Duration::from_secs(4);

/// The part on this device, with its ledger open.
async fn part(dir: &TempDir) -> (Jobs, jobs::Handle, Outlets) {
    let config = Config {
        state_dir: dir.path().join("state"),
        ..Config::default()
    };
    let options = watch::channel((&config).into()).1;
    let mac = watch::channel("aa:bb:cc:00:11:22".parse().unwrap()).1;
    let (mut jobs, handle, outlets) = jobs::new(options, mac);
    jobs.open_first().await;
    (jobs, handle, outlets)
}

/// Does everything there is to do, and waits for the disk.
async fn everything(jobs: &mut Jobs) {
    jobs.proceed();
    while !jobs.table.is_settled() {
        let wrote = recording::wrote(&mut jobs.ledger).await;
        jobs.wrote(wrote);
        jobs.proceed();
    }
}

#[tokio::test]
async fn a_job_whose_start_becomes_certain_while_the_agent_ends_is_interrupted_and_does_not_start()
{
    for type_name in ["", "network", "reboot"] {
        let dir = TempDir::new().unwrap();
        let (mut jobs, _handle, _outlets) = part(&dir).await;
        jobs.close(GRACE);
        let payload = json!({"id": "1", "meta": {"type": type_name, "msg": "exec sleep 300"}});
        let (decision, decided) = oneshot::channel();
        // The disk has not taken it when the end begins.
        jobs.submit(&payload.to_string().into(), Source::Mqtt, decision);
        everything(&mut jobs).await;
        let id = "1".to_owned();
        assert_eq!(decided.await, Ok(Decision::Accepted { id }));
        assert!(jobs.workers.is_empty(), "'{type_name}' has started");
        let number = jobs.table.number(Source::Mqtt, "1").unwrap();
        let outcome = jobs.table.outcome(number).expect("it has ended");
        assert_eq!(outcome.end, End::Interrupted);
        assert_eq!(outcome.reason.as_deref(), Some("the agent stopped"));
        assert!(!jobs.outbox.is_settled(), "the result waits for the broker");
    }
}

#[tokio::test]
async fn pings_and_cancels_are_answered_while_the_agent_ends() {
    let dir = TempDir::new().unwrap();
    let (mut jobs, _handle, _outlets) = part(&dir).await;
    jobs.close(GRACE);
    let ping = json!({"id": "1", "meta": {"type": "ping"}});
    let (decision, _decided) = oneshot::channel();
    jobs.submit(&ping.to_string().into(), Source::Mqtt, decision);
    everything(&mut jobs).await;
    let number = jobs.table.number(Source::Mqtt, "1").unwrap();
    assert!(jobs.table.outcome(number).expect("it has ended").success);
}
