//! The last look before a reboot.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::watch;

use super::task::{health, is_reboot, Booted};
use crate::actions::{Action, Actions};
use crate::boot::{self, Change, LastLook, SystemLog};
use crate::health::{Facts, Proof, Verdict};
use crate::recovery::ladder::Step;

#[tokio::test(start_paused = true)]
async fn a_reboot_is_not_asked_for_if_the_world_changes_while_the_log_is_read() {
    let with = |change: fn(&mut Facts)| {
        let mut facts = health(Verdict::NoRoute);
        change(&mut facts);
        facts
    };
    let proof = with(|facts| facts.evidence.proof = Some(Proof::Broker));
    let elsewhere = with(|facts| facts.verdict = Some(Verdict::NoCarrier));
    let found = "not rebooted: something else was found meanwhile";
    let guarded = "not rebooted: a network change is being watched, or an upgrade is under way";
    for (facts, is_guarded, expected) in [
        (proof, false, Some(found)),
        (health(Verdict::Ok), false, None),
        (elsewhere, false, Some(found)),
        (health(Verdict::NoRoute), true, Some(guarded)),
    ] {
        let dir = TempDir::new().unwrap();
        let device = Booted::with_log(dir.path(), "one", &[], Some(1000)).await;
        device.finds(Verdict::NoRoute);
        let done = device.after(600).await;
        assert_eq!(device.facts.borrow().step, Some(Step::Reboot));
        assert!(!done.iter().any(is_reboot), "the log is still waited for");
        device.health.send_replace(facts);
        device.guarded.send_replace(is_guarded);
        let done = device.after(30).await;
        assert!(!done.iter().any(is_reboot), "{done:?}");
        let facts = device.facts.borrow().clone();
        let error = facts.tried.last().and_then(|one| one.error.as_deref());
        // The steps of an outage that is over are not shown.
        assert!(facts.tried.is_empty() || error == expected, "{facts:?}");
        assert_eq!(facts.reboots_24h, 0);
        device.ends().await;
    }
}

/// The way to reboot `device`, which keeps no system log.
fn reboots(device: &Booted, dir: &Path, look: Option<LastLook>) -> boot::Reboot {
    let log = SystemLog {
        client: ubus::connect(&dir.join("ubus.sock")).0,
        size: watch::channel(None).1,
        records: device.records.clone(),
    };
    let acting: Arc<dyn Actions> = device.doings.clone();
    boot::reboot(device.records.clone(), acting, log, look)
}

#[tokio::test(start_paused = true)]
async fn a_reboot_that_is_given_up_once_it_is_recorded_counts_and_once_only() {
    let dir = TempDir::new().unwrap();
    let device = Booted::start(dir.path(), "one", &[]).await;
    let looks = AtomicU32::new(0);
    let look: LastLook = Arc::new(move || match looks.fetch_add(1, Ordering::Relaxed) {
        1 => Some("not now"),
        _ => None,
    });
    let reboot = reboots(&device, dir.path(), Some(look));
    let given_up = reboot(boot::Why::Recovery).await;
    assert_eq!(given_up, Err("not now".to_owned()));
    assert_eq!(device.records.budget().borrow().used, 1);
    assert_eq!(device.after(0).await, []);
    // It explains no boot that follows: power may be lost, or a person may ask for a reboot.
    let memory = device.records.change(Change::Hour).await.unwrap();
    assert_eq!(memory.asked, None);
    let job = || boot::Why::Job { id: "j".into() };
    let memory = device.records.change(Change::Reboot(job())).await.unwrap();
    assert_eq!(memory.asked.map(|asked| asked.why), Some(job()));
    assert_eq!(reboot(boot::Why::Recovery).await, Ok(()));
    assert_eq!(device.records.budget().borrow().used, 1);
    assert_eq!(device.after(0).await, [(0, Action::Reboot)]);
    device.ends().await;
}

#[tokio::test(start_paused = true)]
async fn a_reboot_that_procd_refuses_explains_no_later_boot() {
    let dir = TempDir::new().unwrap();
    let device = Booted::start(dir.path(), "one", &[Action::Reboot]).await;
    let reboot = reboots(&device, dir.path(), None);
    let guard = boot::Why::Guard { job: "j".into() };
    for why in [boot::Why::Recovery, guard] {
        assert!(reboot(why).await.is_err());
        let memory = device.records.change(Change::Hour).await.unwrap();
        assert_eq!(memory.asked, None);
        assert_eq!(memory.counters.used(), 1);
    }
    device.ends().await;
}
