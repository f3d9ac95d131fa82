//! The execution of a job.

use tokio::time::Instant;

use super::*;

// Row 2.
#[tokio::test]
async fn a_job_that_prints_under_set_e_runs_to_its_end() {
    let mut rig = Rig::new();
    let meta = rig.meta("1", "set -e; echo a; echo b >&2; echo c").await;
    assert_eq!(
        (&meta["msg"], &meta["stderr"]),
        (&json!("a\nc\n"), &json!("b\n"))
    );
    assert_eq!(
        (&meta["success"], &meta["exit_code"]),
        (&json!(true), &json!(0))
    );
}

// Row 12.
#[tokio::test]
async fn a_command_too_long_for_an_argument_runs_with_stdin_dev_null() {
    let mut rig = Rig::new();
    for size in [120 << 10, 130 << 10, (1 << 20) - 200] {
        let msg = format!(
            ": {}; readlink /proc/self/fd/0; echo last",
            "x".repeat(size)
        );
        let meta = rig.meta(&size.to_string(), &msg).await;
        assert_eq!(
            meta["msg"], "/dev/null\nlast\n",
            "{size}: {}",
            meta["stderr"]
        );
    }
}

// Rows 14 and 15.
#[tokio::test]
async fn jobs_run_side_by_side_and_block_nobody() {
    let mut rig = Rig::new();
    let dir = TempDir::new().unwrap();
    let (there, back) = (fifo(&dir, "there"), fifo(&dir, "back"));
    // Each waits for the other: one after the other they would never end.
    let (a, b) = (there.display(), back.display());
    rig.job("1", &format!("echo x > {a}; cat {b}")).await;
    rig.job("2", &format!("cat {a}; echo y > {b}")).await;
    let mut ids = [rig.result().await, rig.result().await].map(|r| r["id"].clone());
    ids.sort_by_key(|id| id.to_string());
    assert_eq!(ids, ["1", "2"]);
    // Both workers are busy for long, and the part answers.
    for id in ["3", "4"] {
        rig.job(id, "sleep 25").await;
    }
    let ping = json!({"id": "5", "meta": {"type": "ping"}}).to_string();
    rig.submit(ping).await;
    let result = rig.result().await;
    assert_eq!(
        (&result["id"], &result["meta"]["success"]),
        (&json!("5"), &json!(true))
    );
    assert_eq!(rig.handle.facts().borrow().running, 2);
    assert_eq!(rig.handle.recent().await.unwrap()[0].id, "5");
}

// Row 16.
#[tokio::test]
async fn a_background_child_does_not_hold_the_result_and_is_left_alone() {
    let mut rig = Rig::new();
    let dir = TempDir::new().unwrap();
    let (go, done) = (fifo(&dir, "go"), fifo(&dir, "done"));
    let msg = format!(
        "(read x < {}; echo more && echo $? > {}) & echo $!",
        go.display(),
        done.display()
    );
    let began = Instant::now();
    let meta = rig.meta("1", &msg).await;
    assert!(began.elapsed() < Duration::from_secs(20));
    let pid = pids(meta["msg"].as_str().unwrap())[0];
    assert!(lives(pid));
    // It may still talk without dying of it.
    std::fs::write(&go, "\n").unwrap();
    reached(&done).await;
}

// Row 16.
#[tokio::test]
async fn a_job_starts_with_clean_descriptors_and_signals() {
    // SIGPIPE is ignored in every Rust program, and sockets are open in ours.
    let _socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut rig = Rig::new();
    let meta = rig.meta("1", "readlink /proc/$$/fd/*").await;
    let files = meta["msg"].as_str().unwrap();
    assert!(files.starts_with("/dev/null\n"), "{files}");
    assert!(
        !files.contains("socket:") && !files.contains("anon_inode:"),
        "{files}"
    );
    let ignored = rig.meta("2", "grep SigIgn /proc/self/status").await;
    let mask = ignored["msg"]
        .as_str()
        .unwrap()
        .split_whitespace()
        .last()
        .unwrap();
    let sigpipe = 1 << (13 - 1);
    assert_eq!(u64::from_str_radix(mask, 16).unwrap() & sigpipe, 0);
}
