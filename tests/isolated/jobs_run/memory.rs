//! What jobs cost the agent.

use super::*;

/// Resident memory of a process, KiB.
fn resident(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

#[tokio::test]
async fn a_hundred_mebibytes_of_output_end_normally_and_cost_no_memory() {
    for cgroups in [true, false] {
        let mut site = Site::new(cgroups).await;
        let talk = |mib: u32| {
            format!("head -c {mib}M /dev/urandom; head -c {mib}M /dev/zero >&2; echo $?; exit 7")
        };
        let pid = site.lab.agent().unwrap().pid();
        let mut before = 0;
        // What the first ones need, and what is kept of each, is there afterwards.
        for (id, mib) in [("1", 1), ("2", 1), ("3", 1), ("4", 1), ("much", 50)] {
            before = resident(pid);
            site.call(&json!({ "msg": talk(mib), "wait": false, "id": id }))
                .await;
            let job = site.ended(id).await;
            assert_eq!(job["exit_code"], 7, "{job}");
        }
        let grown = resident(pid) - before;
        // 64 KiB for each stream.
        assert!(grown <= 2 * 64 + 512, "{grown} KiB, cgroups {cgroups}");
        println!("cgroups {cgroups}: 100 MiB of output, {grown} KiB more memory");
    }
}
