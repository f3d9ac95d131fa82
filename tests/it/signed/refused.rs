//! Jobs that an agent with keys refuses, tried on the process.

use std::fs;
use std::time::Duration;

use serde_json::{json, Value};
use socketman_lab::within::within;
use ubus::Status;

use super::desk::{Desk, MAC};

#[tokio::test]
async fn a_bad_or_missing_signature_while_job_pubkey_is_set_is_rejected() {
    let mut desk = Desk::new().await;
    desk.has_keys().await;
    desk.fleet("keygen op-strange.key", "").unwrap();
    let touched = desk.file("touched");
    let msg = format!("touch {}", touched.display());
    let job = json!({"id": "a", "device": MAC, "meta": {"msg": msg}});
    let signed: Value = serde_json::from_str(&desk.signed("op.key", &job)).unwrap();
    let with = |change: fn(&mut Value)| {
        let mut job = signed.clone();
        change(&mut job);
        job.to_string()
    };
    let wrong = "sig is by no key of job_pubkey, or the job was changed after it was signed";
    for (payload, reason) in [
        (job.to_string(), "job is not signed, and job_pubkey is set"),
        (
            with(|job| job["sig"] = json!("AAAA")),
            "sig is not the base64 of 64 bytes",
        ),
        (with(|job| job["sig"] = json!(7)), "sig is not a string"),
        (desk.signed("op-strange.key", &job), wrong),
        (with(|job| job["id"] = json!("b")), wrong),
        (with(|job| job["device"] = json!("*")), wrong),
        (with(|job| job["meta"]["timeout"] = json!(7)), wrong),
        (
            with(|job| job["expires"] = json!(job["expires"].as_u64().unwrap() + 1)),
            wrong,
        ),
        (
            with(|job| job["device"] = json!("94-83-C4-A1-B2-01")),
            "job is for another device",
        ),
    ] {
        desk.publish(&payload).await;
        let id = if payload.contains("\"id\":\"b\"") {
            "b"
        } else {
            "a"
        };
        assert_eq!(desk.refusal(id).await, reason, "{payload}");
    }
    assert!(!touched.exists());
    let outcome = desk.run("a", &signed.to_string()).await;
    assert_eq!(outcome.event_type, "PROCESSED");
    assert!(touched.exists(), "no refusal has used up its id");
}

#[tokio::test]
async fn while_keys_are_set_or_unusable_a_call_with_a_session_is_refused_and_root_is_not() {
    let desk = Desk::new().await;
    let session =
        json!({"msg": "echo web", "ubus_rpc_session": "0123456789abcdef0123456789abcdef"});
    let call = |args: &Value| {
        let args = ubus::to_members(args).unwrap();
        let client = desk.lab.client().clone();
        async move {
            let call = client.call_raw("socketman", "run_job", args, Duration::from_secs(30));
            within("run_job", call).await
        }
    };
    assert!(call(&session).await.is_ok(), "without keys");
    desk.has_keys().await;
    for unusable in [false, true] {
        if unusable {
            let file = desk.lab.program().root.join("etc/config/socketman");
            let text = fs::read_to_string(&file).unwrap();
            fs::write(&file, format!("{text}\tlist job_pubkey 'oops'\n")).unwrap();
            let reload = desk.lab.call("reload", &()).await.unwrap();
            assert!(
                reload["errors"].to_string().contains("job_pubkey"),
                "{reload}"
            );
        }
        let refused = call(&session).await.unwrap_err();
        assert!(
            matches!(refused, ubus::Error::Status(Status::PERMISSION_DENIED)),
            "{refused}"
        );
        let root = desk.lab.call("run_job", &json!({"msg": "echo root"})).await;
        assert_eq!(root.unwrap()["output"], "root\n");
    }
}
