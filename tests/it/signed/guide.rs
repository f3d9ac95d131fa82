//! docs/jobs.md, followed command by command against a real broker.

use std::fs;

use serde_json::{json, Value};
use tokio::process::Command;

use super::desk::{blocks, commands, mode, Desk};

#[tokio::test]
async fn whoever_follows_the_page_signs_a_job_and_the_device_runs_it() {
    let mut desk = Desk::new().await;
    desk.has_keys().await;
    assert_eq!(mode(&desk.file("op.key")), 0o600);

    // The block that makes and signs a job.
    let script = &blocks("sh")[0];
    let job = script.split("<<'END'\n").nth(1).unwrap();
    let (job, rest) = job.split_once("END\n").unwrap();
    let sign = rest.trim().strip_prefix("socketman-fleet ").unwrap();
    let (arguments, files) = sign.split_once(" < ").unwrap();
    assert_eq!(files, "job.json > signed.json");
    let signed = desk.fleet(arguments, job).unwrap();
    let outcome = desk.run("job-17", &signed).await;
    assert_eq!(outcome.event_type, "PROCESSED");
    assert!(outcome.meta.msg.contains("load average"), "{outcome:?}");

    // The answer to a job that is not signed, as it stands there.
    let answer: Vec<Value> = blocks("json")
        .iter()
        .filter_map(|block| serde_json::from_str(block).ok())
        .filter(|answer: &Value| answer["event_type"] == "REJECTED")
        .collect();
    let id = answer[0]["id"].as_str().unwrap();
    let unsigned = json!({"id": id, "meta": {"msg": "uptime"}});
    desk.publish(&unsigned.to_string()).await;
    assert_eq!(desk.refusal(id).await, answer[0]["meta"]["reason"]);

    // Root's own.
    let local = json!({"msg": "echo local"});
    let local = desk.lab.call("run_job", &local).await.unwrap();
    assert_eq!(local["output"], "local\n");
}

#[tokio::test]
async fn a_job_that_the_pages_python_has_signed_runs() {
    let mut desk = Desk::new().await;
    desk.has_keys().await;
    fs::write(desk.file("sign.py"), &blocks("python")[0]).unwrap();
    for (n, job) in [
        json!({"meta": {"msg": "echo plain"}}),
        json!({"device": "*", "meta": {"msg": "echo 'Grüße 🚀'\n", "type": ""}}),
        json!({"device": "9483c4a1b200", "meta": {"msg": "echo x", "timeout": 5, "type": "mine", "detach": false, "live": true}}),
        json!({"device": "94:83:c4:a1:b2:00", "meta": {"type": "ping", "x": [1.5]}, "y": null}),
    ]
    .into_iter()
    .enumerate()
    {
        let mut job = job;
        let id = format!("py-ü-{n}");
        job["id"] = json!(id);
        fs::write(desk.file("job.json"), job.to_string()).unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec python3 sign.py op.key 3600 < job.json"]);
        let signed = desk.output(shell).await;
        let outcome = desk.run(&id, &signed).await;
        assert_eq!(outcome.event_type, "PROCESSED", "{job}: {outcome:?}");
        assert_eq!(outcome.meta.success, Some(true), "{job}: {outcome:?}");
    }
    let mut shell = Command::new("sh");
    let bad =
        r#"echo '{"id":"a","meta":{"msg":"x","type":"a\u0085"}}' | python3 sign.py op.key 60"#;
    shell.args(["-c", bad]).current_dir(desk.dir.path());
    let refused = shell.output().await.unwrap();
    assert!(!refused.status.success() && refused.stdout.is_empty());
}

#[tokio::test]
async fn a_key_that_openssl_made_is_as_good() {
    let mut desk = Desk::new().await;
    let make = "umask 077 && openssl genpkey -algorithm ed25519 -out op.key && \
        openssl pkey -in op.key -pubout -outform DER | tail -c 32 | base64 > op.key.pub";
    let mut shell = Command::new("sh");
    shell.args(["-c", make]);
    desk.output(shell).await;
    let add = desk.with_keys(&commands("uci add_list ")[0]);
    desk.on_router(&[
        add,
        "uci commit socketman".into(),
        "ubus call socketman reload".into(),
    ])
    .await;
    desk.runs("op.key", "by-openssl", "true").await;
}

#[tokio::test]
async fn a_signed_job_gives_another_key_and_one_signed_with_that_takes_the_old_one_away() {
    let mut desk = Desk::new().await;
    desk.has_keys().await;
    desk.fleet("keygen op-new.key", "").unwrap();
    let wrong = "sig is by no key of job_pubkey, or the job was changed after it was signed";
    assert_eq!(desk.is_refused("op-new.key", "early").await, wrong);

    let [add, delete] = &blocks("sh")[1..] else {
        panic!("docs/jobs.md has two commands for keys");
    };
    let new = desk.public("op-new.key");
    let add = desk.here(&add.replace("PUBLIC-KEY-OF-NEW", &new));
    let outcome = desk.runs("op.key", "add-new", &add).await;
    // What reload says is in the answer.
    let said: Value = serde_json::from_str(&outcome.meta.msg).unwrap();
    assert_eq!(said["errors"], json!([]), "{said}");
    desk.runs("op.key", "old-works", "true").await;

    let delete = desk.here(&desk.with_keys(delete));
    desk.runs("op-new.key", "take-old-away", &delete).await;
    assert_eq!(desk.is_refused("op.key", "old-is-gone").await, wrong);
    desk.runs("op-new.key", "new-works", "true").await;
    desk.runs("spare.key", "spare-works", "true").await;
}
