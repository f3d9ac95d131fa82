//! Boots with a known cause, and the cause that is reported.

use std::time::Duration;

use super::device::Device;
use crate::boot::{Change, Why};

const PANIC: &str =
    "Panic#1 Part1\n<6>[  425.2] br-lan: up\n<0>[  428.8] Kernel panic - not syncing: sysrq\n";
const OOPS: &str = "Oops#1 Part1\n<1>[  425.2] Unable to handle kernel paging request\n";
const RAMOOPS: &str = "/sys/fs/pstore/dmesg-ramoops-0";
const CONSOLE: &str = "/sys/fs/pstore/console-ramoops-0";
const BOOTSTATUS: &str = "/sys/class/watchdog/watchdog0/bootstatus";

fn job(id: &str) -> Why {
    Why::Job { id: id.to_owned() }
}

/// A device whose first boot has been told.
async fn running() -> Device {
    let device = Device::new();
    device.tells().await;
    device
}

/// The reported cause of a boot; counted in the end.
async fn told(device: &Device, cause: &str, detail: Option<&str>) {
    let told = device.tells().await;
    assert_eq!(told.cause, cause);
    assert_eq!(told.detail(), detail, "{cause}");
}

#[tokio::test(start_paused = true)]
async fn a_reboot_that_an_agent_notes_and_that_does_not_come_explains_no_boot() {
    for why in [Why::Recovery, job("j")] {
        let mut device = running().await;
        let noted = device.records().change(Change::Reboot(why)).await;
        assert!(noted.unwrap().asked.is_some());
        // The agent was ended before it asked procd, and another one lives on.
        device.agent(true).await;
        device.reboots();
        told(&device, "power", None).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reboot_that_procd_takes_and_that_does_not_come_explains_no_boot() {
    const SHUTTING_DOWN: Duration = Duration::from_secs(240);
    let undo = Why::Guard { job: "j".into() };
    for (why, cause) in [(undo, "recovery"), (job("j"), "job")] {
        let mut device = running().await;
        assert!(!device.forgets(why.clone(), SHUTTING_DOWN).await);
        device.reboots();
        assert_eq!(device.tells().await.cause, cause);
        assert!(device.forgets(why, 2 * SHUTTING_DOWN).await);
        device.reboots();
        told(&device, "power", None).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reboot_that_is_noted_late_and_that_does_not_come_explains_no_boot() {
    // A job's was asked for all the same, and the disk refused to give up that of the guard.
    for (why, is_cancelled) in [
        (job("j"), false),
        (job("j"), true),
        (Why::Guard { job: "j".into() }, false),
    ] {
        let mut device = running().await;
        let time = Duration::from_secs(360);
        assert!(device.forgets_late(why, time, is_cancelled).await);
        device.reboots();
        told(&device, "power", None).await;
    }
}

#[tokio::test(start_paused = true)]
async fn each_of_the_scripted_causes_is_told_right() {
    let mut count = 0;
    let mut done = |what: &str| {
        count += 1;
        println!("cause {count}: {what}");
    };

    told(&Device::new(), "power", None).await;
    done("the first boot of all");

    let mut device = running().await;
    device.reboots();
    told(&device, "power", None).await;
    done("nothing left behind");

    device.write(CONSOLE, "[ 99.1] wdt: no ping\n");
    device.reboots();
    told(&device, "power", Some("[ 99.1] wdt: no ping")).await;
    done("nothing but a console in RAM");

    let mut device = running().await;
    device.write(RAMOOPS, PANIC);
    device.reboots();
    told(
        &device,
        "panic",
        PANIC.split_once('\n').map(|(_, text)| text.trim_end()),
    )
    .await;
    done("a panic");
    device.reboots();
    told(&device, "power", None).await;
    done("the same record, told before");

    let mut device = running().await;
    device.write(RAMOOPS, OOPS);
    device.write("/sys/fs/pstore/dmesg-ramoops-1", PANIC.replace("#1", "#2"));
    device.reboots();
    let words = device.tells().await;
    assert!(
        words.detail().unwrap().contains("Kernel panic"),
        "{words:?}"
    );
    done("an oops and the panic that followed");

    let mut device = running().await;
    device.write("/sys/fs/pstore/dmesg-efi-1-0.enc.z", [0x1f, 0x8b, 0xff, 0]);
    device.reboots();
    told(&device, "panic", None).await;
    done("a panic in a packed record");

    let mut device = running().await;
    device.write(
        RAMOOPS,
        "Restart#1 Part1\n<0>[ 1.0] reboot: Restarting system\n",
    );
    device.shuts_down();
    told(&device, "command", None).await;
    done("an orderly end that the kernel recorded");

    let mut device = running().await;
    device.write(BOOTSTATUS, "32\n");
    device.write(CONSOLE, "[ 12.0] rcu: stall\n");
    device.reboots();
    told(&device, "watchdog", Some("[ 12.0] rcu: stall")).await;
    done("the watchdog");

    let mut device = running().await;
    device.write(BOOTSTATUS, "0x1\n");
    device.shuts_down();
    told(&device, "command", None).await;
    done("a watchdog that saw heat only, and a command");

    let mut device = running().await;
    device.release("24.10.2");
    device.reboots_for(job("up-1")).await;
    told(&device, "upgrade", Some("from 24.10.1 r1 to 24.10.2 r1")).await;
    done("an upgrade, by whatever job");

    let mut device = running().await;
    device.reboots_for(Why::Recovery).await;
    told(&device, "recovery", None).await;
    done("the ladder");

    let mut device = running().await;
    let job_of_guard = Why::Guard {
        job: "net-7".to_owned(),
    };
    device.reboots_for(job_of_guard).await;
    told(&device, "recovery", Some("undo of job net-7")).await;
    done("the undo of a network job");

    let mut device = running().await;
    device
        .records()
        .change(Change::Reboot(job("op_1")))
        .await
        .unwrap();
    device.shuts_down();
    told(&device, "job", Some("op_1")).await;
    done("a job, which shuts down in order");

    let mut device = running().await;
    device.shuts_down();
    told(&device, "command", None).await;
    done("a command");
    device.reboots();
    told(&device, "power", None).await;
    done("a power cut, with the note of an older shutdown");

    let mut device = running().await;
    device
        .records()
        .change(Change::Reboot(Why::Recovery))
        .await
        .unwrap();
    device.records().change(Change::Online).await.unwrap();
    device.reboots();
    told(&device, "power", None).await;
    done("a reboot of ours that did not come, and a power cut");

    assert!(count >= 12);
    crate::told::line(format_args!("boot: {count} scripted causes"));
}

#[tokio::test(start_paused = true)]
async fn the_first_known_cause_counts_when_all_are_there() {
    let mut device = running().await;
    device.write(RAMOOPS, PANIC);
    device.write(BOOTSTATUS, "32");
    device.release("25.12.0");
    device
        .records()
        .change(Change::Reboot(Why::Recovery))
        .await
        .unwrap();
    device.shuts_down();
    assert_eq!(device.tells().await.cause, "panic");
    device.release("25.12.1");
    device.reboots();
    assert_eq!(device.tells().await.cause, "watchdog");
    std::fs::remove_file(device.path(BOOTSTATUS)).unwrap();
    device.release("25.12.2");
    device
        .records()
        .change(Change::Reboot(job("x")))
        .await
        .unwrap();
    device.shuts_down();
    assert_eq!(device.tells().await.cause, "upgrade");
    device
        .records()
        .change(Change::Reboot(job("x")))
        .await
        .unwrap();
    device.shuts_down();
    assert_eq!(device.tells().await.cause, "job");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_dies_before_its_report_is_kept_leaves_the_telling_to_the_next() {
    let mut device = running().await;
    device.write(RAMOOPS, PANIC);
    device.reboots_for(Why::Recovery).await;
    for _ in 0..3 {
        let told = device.agent(false).await;
        assert!(told.event.is_some());
        assert_eq!(told.cause, "panic");
    }
    assert_eq!(device.tells().await.cause, "panic");
}

#[tokio::test(start_paused = true)]
async fn without_a_state_directory_nothing_is_told_and_nothing_waits() {
    let device = Device::new();
    device.write("/state", "in the way");
    let told = device.agent(false).await;
    assert_eq!((told.cause, told.event), ("", None));
}

#[tokio::test(start_paused = true)]
async fn a_detail_is_the_kernels_last_4_kib_however_much_it_said() {
    let mut device = running().await;
    let lines: String = (0..2000).map(|n| format!("<6>[{n}.0] line\n")).collect();
    device.write(RAMOOPS, format!("Panic#1 Part1\n{lines}<0>[9.9] the end\n"));
    device.reboots();
    let told = device.tells().await;
    let detail = told.detail().unwrap();
    assert!(
        detail.len() <= 4096 && detail.len() > 4000,
        "{}",
        detail.len()
    );
    assert!(detail.starts_with("<6>[") && detail.ends_with("the end"));
}
