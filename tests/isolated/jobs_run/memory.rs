//! The memory that jobs cost the agent.

use std::fs;
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::Site;

/// Resident memory of a process, KiB. As its page tables have it: the counters of /proc/PID/status are
/// wrong by hundreds.
fn resident(pid: i32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}

#[tokio::test]
async fn a_hundred_mebibytes_of_output_end_normally_and_cost_no_memory() {
    for cgroups in [true, false] {
        let mut site = Site::with(cgroups, &json!({ "job_output_max": 1 << 20 })).await;
        let talk = |mib: u32| {
            format!("head -c {mib}M /dev/urandom; head -c {mib}M /dev/zero >&2; echo $?; exit 7")
        };
        let pid = site.lab.agent().unwrap().pid();
        let (mut before, mut most) = (0, 0);
        // The first jobs fill caches and the list of outcomes.
        for mib in [2, 2, 50] {
            before = resident(pid);
            // Without an id it leaves nothing on flash, which would be another copy.
            let job = site.call(&json!({ "msg": talk(mib), "wait": false })).await;
            let id = job["id"].as_str().unwrap();
            // Not asked for its output, which would be copied for the answer.
            let ended = site.listed(id);
            tokio::pin!(ended);
            most = before;
            let job = loop {
                tokio::select! {
                    job = &mut ended => break job,
                    () = sleep(Duration::from_millis(5)) => most = most.max(resident(pid)),
                }
            };
            most = most.max(resident(pid));
            assert_eq!(job["exit_code"], 7);
        }
        let grown = most - before;
        // 1 MiB for each stream.
        assert!(grown <= 2 * 1024 + 512, "{grown} KiB, cgroups {cgroups}");
        println!("cgroups {cgroups}: 100 MiB of output, {grown} KiB more memory");
    }
}
