//! Our own settings in jobs of no type.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::{json, Value};
use socketman_lab::within::within;

use super::desk::Desk;

/// Has a job give `option` this value, and asserts that it is undone.
async fn assert_undone(option: &str, value: Value) -> (Desk, Value) {
    let desk = Desk::new().await;
    let file = desk.lab.program().config_file();
    let before = fs::read(&file).unwrap();
    let mut ear = desk.lab.mqtt.listen();
    let msg = desk.sets(option, &value);
    let job = json!({ "id": "own", "meta": { "msg": msg } });
    desk.lab.mqtt.send(job.to_string()).await.unwrap();
    let outcome = desk.outcome("own").await;
    assert_eq!(outcome["rolled_back"], true, "{option}: {outcome:#}");
    assert_eq!(outcome["success"], false);
    assert_eq!(fs::read(&file).unwrap(), before, "{option}");
    let told = ear.wait_for(|words| words.id == "own" && words.event_type == "PROCESSED");
    let told = within("the result", told).await.unwrap();
    assert_eq!(told.meta.success, Some(false));
    desk.connected().await;
    (desk, outcome)
}

#[tokio::test]
async fn a_bad_value_of_an_option_that_guards_is_undone() {
    for (option, value) in [
        ("tls", json!(1)),
        ("tls", json!("ture")),
        ("cacrt", json!("/etc/missing.pem")),
        ("mqtt_host", json!("127.0.0.2")),
    ] {
        let (desk, outcome) = assert_undone(option, value).await;
        let reason = outcome["reason"].as_str().unwrap();
        let said = "the settings of the agent were put back";
        assert!(reason.contains(said), "{option}: {reason}");
        desk.status(|status| status["guard"]["armed"] == false)
            .await;
    }
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_undone_and_loosen_nothing() {
    let (desk, outcome) = assert_undone("job_pubkey", json!(["oops"])).await;
    let reason = outcome["reason"].as_str().unwrap();
    assert!(
        reason.contains("job_pubkey stay as strict as the job had set them"),
        "{reason}"
    );
    let config = desk.lab.call("config", &()).await.unwrap();
    assert_eq!(config["options"]["job_pubkey"]["closed"], true);
    // It holds until a person changes the file.
    desk.edit(&[("keepalive", json!(40))]);
    let mut config = Value::Null;
    within("the change", async {
        while config["options"]["keepalive"]["value"] != "40" {
            config = desk.lab.call("config", &()).await.unwrap();
        }
    })
    .await;
    assert_ne!(config["options"]["job_pubkey"]["closed"], true);
}

#[tokio::test]
async fn no_undo_loosens_what_a_job_has_made_stricter() {
    let desk = Desk::new().await;
    desk.edit(&[("insecure", json!(1))]);
    desk.lab.call("reload", &()).await.unwrap();
    let both = format!(
        "{}; {}",
        desk.sets("insecure", &json!(0)),
        desk.sets("mqtt_host", &json!("127.0.0.2"))
    );
    desk.run("own", "", &both).await;
    let outcome = desk.outcome("own").await;
    assert_eq!(outcome["rolled_back"], true, "{outcome:#}");
    let reason = outcome["reason"].as_str().unwrap();
    assert!(
        reason.contains("insecure stay as strict as the job had set them"),
        "{reason}"
    );
    let config = desk.lab.call("config", &()).await.unwrap();
    assert_eq!(config["options"]["insecure"]["value"], "0");
}

#[tokio::test]
async fn a_good_change_of_our_own_settings_stays_and_becomes_the_good_copy() {
    let desk = Desk::unhurried().await;
    desk.run("own", "", &desk.sets("keepalive", &json!(77)))
        .await;
    let outcome = desk.outcome("own").await;
    assert_eq!(outcome["success"], true, "{outcome:#}");
    assert!(outcome["rolled_back"].is_null());
    let config = desk.lab.call("config", &()).await.unwrap();
    assert_eq!(config["options"]["keepalive"]["value"], "77");
    let copy = desk.text("etc/socketman/state/config.json");
    assert!(copy.contains("77"), "{copy}");
}

#[tokio::test]
async fn a_bad_change_is_undone_by_the_next_agent_if_the_first_one_dies_in_the_job() {
    let mut desk = Desk::new().await;
    let file = desk.lab.program().config_file();
    let before = fs::read(&file).unwrap();
    let msg = format!(
        "{}; sleep 1000",
        desk.sets("mqtt_host", &json!("127.0.0.2"))
    );
    desk.run("own", "", &msg).await;
    within("the change", async {
        while fs::read(&file).unwrap_or_default() == before {
            tokio::task::yield_now().await;
        }
    })
    .await;
    desk.kill().await;
    desk.start().await;
    let outcome = desk.outcome("own").await;
    assert_eq!(outcome["state"], "interrupted", "{outcome:#}");
    assert_eq!(outcome["rolled_back"], true);
    assert_eq!(fs::read(&file).unwrap(), before);
    desk.connected().await;
}

#[tokio::test]
async fn an_undo_of_a_package_that_could_not_be_used_before_loosens_nothing() {
    let mut desk = Desk::new().await;
    let package = desk.path("etc/config/socketman");
    let is_read = async |option: &str, value: &str| {
        within("the package", async {
            let mut config = Value::Null;
            while config["options"][option]["value"] != value {
                config = desk.lab.call("config", &()).await.unwrap();
            }
        })
        .await;
    };
    let main = "config socketman 'main'\n\toption insecure '1'\n\toption keepalive";
    fs::write(&package, format!("{main} '41'\n\toption web_jobs '1'\n")).unwrap();
    fs::set_permissions(&package, Permissions::from_mode(0o600)).unwrap();
    is_read("keepalive", "41").await;
    let before = format!("{main} '42'\n\toption web_jobs 'oops'\n");
    fs::write(&package, &before).unwrap();
    is_read("keepalive", "42").await;
    desk.lab.mqtt.down().await.unwrap();
    let file = package.display();
    let msg = format!("sed \"s/insecure '1'/insecure '0'/\" {file} > {file}.new; cat {file}.new > {file}; rm {file}.new");
    desk.run("own", "network", &msg).await;
    let outcome = desk.outcome("own").await;
    assert_eq!(outcome["rolled_back"], true, "{outcome:#}");
    let reason = outcome["reason"].as_str().unwrap();
    assert!(!reason.contains("changed by others"), "{reason}");
    assert_eq!(fs::read_to_string(&package).unwrap(), before);
    desk.is_over().await;
    desk.lab.call("reload", &()).await.unwrap();
    let config = desk.lab.call("config", &()).await.unwrap();
    assert_eq!(config["options"]["insecure"]["value"], "0", "{reason}");
}
