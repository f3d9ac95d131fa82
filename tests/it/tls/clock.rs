//! A server whose certificate was checked may say what time it is.

use serde_json::{json, Value};
use tempfile::TempDir;

use super::authority::{Authority, Valid};
use super::link::DEADLINE;
use super::status::Site;

/// Waits until `count` reports have arrived, and returns what each says of its clock.
async fn clocks(site: &Site, count: usize) -> Vec<String> {
    let enough = |record: &socketman_lab::collector::Record| record.reports.len() >= count;
    site.lab.api.wait_for(DEADLINE, enough).await.unwrap();
    let lines = site.lab.api.lines().unwrap();
    let clock = |line: &String| {
        let report: Value = serde_json::from_str(line).unwrap();
        report["device"]["clock"].as_str().unwrap().to_owned()
    };
    lines.iter().map(clock).collect()
}

#[tokio::test]
async fn a_clock_within_an_hour_of_a_verified_date_is_right_though_the_kernel_does_not_say_so() {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new("ours");
    let mut site = Site::new(authority.server(Valid::Now)).await;
    site.start(&authority.write(dir.path()), json!({}));
    clocks(&site, 1).await;
    site.lab.program().set_clock(1800, false).unwrap();
    // Some may be taken before, and so may the first that arrive.
    let before = site.lab.api.reports().len();
    let clocks = clocks(&site, before + 4).await;
    assert!(clocks.iter().all(|clock| clock == "ok"), "{clocks:?}");
    site.end().await;
}
