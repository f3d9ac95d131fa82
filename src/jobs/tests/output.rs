//! The members of a job's result.

use super::*;

// Row 5.
#[tokio::test]
async fn a_talkative_job_ends_and_its_result_is_cut() {
    let mut rig = Rig::new();
    let meta = rig
        .meta("1", "head -c 5000000 /dev/zero | tr '\\0' x; echo end >&2")
        .await;
    assert_eq!(meta["msg"], "x".repeat(64 * 1024));
    assert_eq!(
        (&meta["truncated"], &meta["exit_code"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(meta["stderr"], "end\n");
}

// Row 6.
#[tokio::test]
async fn foreign_bytes_in_the_output_are_escaped() {
    let mut rig = Rig::new();
    let meta = rig.meta("1", r"printf 'a\000b\377c'").await;
    assert_eq!(meta["msg"], "a\0b\u{fffd}c");
}

// Row 7.
#[tokio::test]
async fn stderr_exit_code_and_signal_are_reported_and_empty_output_is_empty() {
    let mut rig = Rig::new();
    let meta = rig.meta("1", "echo no >&2; exit 3").await;
    assert_eq!(
        (
            &meta["msg"],
            &meta["stderr"],
            &meta["exit_code"],
            &meta["success"]
        ),
        (&json!(""), &json!("no\n"), &json!(3), &json!(false))
    );
    assert!(meta["duration_ms"].is_u64() && meta.get("signal").is_none());
    let meta = rig.meta("2", "kill -9 $$").await;
    assert_eq!(
        (&meta["signal"], &meta["success"]),
        (&json!(9), &json!(false))
    );
    assert!(meta.get("exit_code").is_none());
}
