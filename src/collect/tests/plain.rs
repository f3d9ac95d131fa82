//! Devices without ubus.

use std::path::Path;

use tokio::time::Instant;

use super::super::events::event_log::Log;
use super::super::join::airtime::Airtimes;
use super::super::join::{complete, join, Local};
use super::super::sources::dhcp::dnsmasq::LeaseFile;
use super::super::sources::replies::Replies;
use super::reports::is_as_kept;
use super::samples::{data, NOW};
use super::stamp;
use crate::collect::history::EVERY;
use crate::collect::kernel::files::Files;
use crate::collect::{Facts, History, Report};

fn collect(root: &str, wifi: bool) -> (Report, Facts) {
    let files = Files::below(&data("roots").join(root));
    let local = Local {
        mac: &"94-83-C4-A1-B2-00".parse().unwrap(),
        created_at: NOW,
        files: vec![LeaseFile {
            source: "dhcp.leases".to_owned(),
            leases: files.leases(Path::new("/tmp/dhcp.leases"), NOW),
        }],
        hints: &[],
        neighbours: &files.neighbours(&mut Vec::new()),
        missing: Vec::new(),
        log: &mut Log::default(),
        airtimes: &mut Airtimes::default(),
    };
    let (mut report, mut facts, dump) = join(Replies::without_bus(wifi), local);
    complete(&mut report, &mut facts, &dump, &files);
    (report, facts)
}

// The kernel writes addresses in /proc/net/route in the byte order of the machine.
#[cfg(target_endian = "little")]
#[test]
fn plain_linux_is_reported_from_proc_and_sys() {
    let (report, facts) = collect("linux", true);
    is_as_kept(&report, "linux.json");
    assert_eq!(facts.sources.missing, ["ubus", "dhcp.leases"]);
    assert_eq!(facts.stations, None);
}

#[test]
fn openwrt_without_its_bus_still_tells_of_leases_and_itself() {
    let (report, facts) = collect("openwrt", true);
    is_as_kept(&report, "openwrt-without-bus.json");
    assert_eq!(facts.sources.missing, ["ubus"]);
    assert_eq!(facts.stations, Some(6));
}

#[test]
fn without_scan_nothing_is_said_of_wifi_and_the_leases_stay() {
    let (report, facts) = collect("openwrt", false);
    assert_eq!(facts.stations, Some(6));
    assert_eq!((&report.ssids, &report.stations), (&None, &None));
    assert_eq!(report.dhcp.as_ref().unwrap().len(), 6);
    let mut history = History::new(EVERY);
    history.add(&report, Instant::now());
    assert_eq!(history.lists(Instant::now(), NOW).stations, [Some(6)]);
}

#[test]
fn an_empty_root_gives_a_report_of_what_the_agent_itself_knows() {
    let root = tempfile::tempdir().unwrap();
    let (report, _) = collect(root.path().to_str().unwrap(), true);
    let line = report.to_line(&stamp("b", 1));
    assert_eq!(
        String::from_utf8(line).unwrap(),
        format!(
            r#"{{"device":{{"smv":"{}","mac":"94-83-C4-A1-B2-00","v":"4","created_at":1751450000,"boot_id":"b","seq":1,"clock":"ok"}}}}"#,
            env!("CARGO_PKG_VERSION")
        )
    );
}
