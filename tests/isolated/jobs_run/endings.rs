//! Jobs that end with their time, with the agent, or after it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use socketman_lab::within::within;
use tempfile::TempDir;
use tokio::time::sleep;

use super::{line_of, lives, script, Site, WITHOUT};
use crate::service::{binary, lab};

/// Fifty children that left the session and lost their parent, and fifty that cleared their
/// environment as well.
const HUNDRED: &str = "i=0; while [ $i -lt 50 ]; do i=$((i+1))
    (setsid sh -c 'echo $$; exec sleep 300' &)
    (env -i setsid sh -c 'echo $$; exec /bin/sleep 300' &)
    done; sleep 300";

// Security 7.
#[tokio::test]
async fn of_two_jobs_one_times_out_with_its_orphans_and_those_of_the_other_live() {
    for cgroups in [true, false] {
        let site = Site::new(cgroups).await;
        let other = "env -i setsid /bin/sleep 300 & echo $!; exec sleep 300";
        site.call(&json!({ "msg": format!("({other}) > {}", site.file("other").display()), "id": "other", "wait": false })).await;
        let orphan = line_of(&site.file("other")).await;

        let job = json!({ "msg": HUNDRED, "timeout": 10, "id": "hundred", "wait": false });
        site.call(&job).await;
        let job = site.ended("hundred").await;
        let pids: Vec<_> = job["output"].as_str().unwrap().lines().collect();
        assert_eq!(pids.len(), 100, "{job}");
        assert_eq!(pids.iter().filter(|pid| lives(pid)).count(), 0);
        assert_eq!(job["signal"], 9, "{job}");
        assert!(lives(&orphan), "cgroups {cgroups}");
    }
}

// Issue: a job is the only way in to a device, so people restart the agent by one.
#[tokio::test]
async fn a_job_that_restarts_the_agent_leaves_a_running_agent_and_one_interrupted() {
    for (cgroups, pause) in [(true, "0.2"), (true, "3"), (false, "0.5"), (false, "3")] {
        let mut site = Site::new(cgroups).await;
        let old = site.lab.agent().unwrap().pid();
        let program = site.lab.program();
        let init = site.file("init");
        // As rc.common does: deaf for SIGTERM while the service stops. It says something to a pipe
        // that nobody of the old agent reads any more.
        let text = format!(
            "trap '' TERM\nkill -TERM {old}\nsleep {pause}\necho stopped; echo stopped >&2\n\
             setsid {} {} > /dev/null 2>&1 < /dev/null &\necho $! > {}",
            program.binary.display(),
            program.args().join(" "),
            site.file("new").display()
        );
        script(&init, &text);
        let command = format!("{} restart", init.display());
        let mut ear = site.lab.mqtt.listen();
        site.send("restart", &command, false).await;
        within("the old agent ends", site.lab.agent_ended())
            .await
            .unwrap();
        let new = line_of(&site.file("new")).await;
        site.connected().await;
        assert!(lives(&new), "cgroups {cgroups}, {pause} s");
        let result = site.result(&mut ear, "restart").await;
        assert_eq!(result.event_type, "INTERRUPTED", "{result:?}");
        // The result comes once, not again after the restart.
        site.send("last", "true", false).await;
        loop {
            let words = within("a result", ear.wait_for(|_| true)).await.unwrap();
            assert_ne!(words.event_type, "INTERRUPTED");
            if (&*words.id, &*words.event_type) == ("last", "PROCESSED") {
                break;
            }
        }
        site.end_stranger(&new).await;
    }
}

// An upgrade replaces the program under the agent, which runs itself as a supervisor.
#[tokio::test]
async fn jobs_run_after_the_program_was_replaced() {
    let dir = TempDir::new().unwrap();
    let copy = dir.path().join("copy");
    fs::copy(binary().await, &copy).unwrap();
    let start = dir.path().join("start");
    script(
        &start,
        &format!("{WITHOUT}=1 exec {} \"$@\"", copy.display()),
    );
    let site = Site::of(lab(start).await, dir).await;
    fs::remove_file(&copy).unwrap();
    fs::write(&copy, "something else").unwrap();
    let job = site.run("echo $(tr '\\0' ' ' < /proc/$PPID/cmdline)").await;
    assert_eq!(job["output"], "socketman-job --run-job\n", "{job}");
}

/// Cgroups of jobs that this process made.
fn cgroups_of(pid: i32) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "));
    let Some(point) = mount.map(|line| line.split(' ').nth(4).unwrap()) else {
        return Vec::new();
    };
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = own
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .unwrap();
    let home = Path::new(point).join(own);
    let prefix = format!("socketman-{pid}-");
    let entries = fs::read_dir(home)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let named = |path: &PathBuf| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with(&prefix)
    };
    entries.filter(named).collect()
}

#[tokio::test]
async fn cgroups_go_with_their_jobs_and_those_that_outlive_the_agent_with_the_next_one() {
    let mut site = Site::new(true).await;
    let first = site.lab.agent().unwrap().pid();
    site.run("true").await;
    let gate = site.file("gate");
    let wait = format!(
        "mkfifo {0}; setsid sh -c 'read x < {0}' > /dev/null 2>&1 & echo $!",
        gate.display()
    );
    let job = site.run(&wait).await;
    let background = job["output"].as_str().unwrap().trim().to_owned();
    if cgroups_of(first).is_empty() {
        println!("no cgroups on this machine");
        return;
    }
    // There may be an empty one for the next job.
    let processes = cgroups_of(first)
        .iter()
        .map(|cgroup| fs::read_to_string(cgroup.join("cgroup.procs")).unwrap())
        .collect::<String>();
    assert!(
        processes.lines().any(|process| process == background),
        "{processes}"
    );
    site.lab.stop_agent().await.unwrap();
    assert!(lives(&background));
    fs::write(&gate, "end\n").unwrap();
    let ended = async {
        while lives(&background) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    within("it ends", ended).await;
    site.lab.start_agent().unwrap();
    site.connected().await;
    site.run("true").await;
    assert!(cgroups_of(first).is_empty());
}
