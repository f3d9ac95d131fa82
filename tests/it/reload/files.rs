//! Files that change, break and are repaired.

use std::fs;

use serde_json::{json, Value};
use socketman::config::{Kind, OPTIONS};
use socketman_lab::within::{within, DEADLINE};
use tokio::process::Command;

use super::desk::{binary, value, Desk};

#[tokio::test]
async fn a_hangup_brings_new_values_in_and_leaves_alone_what_they_do_not_concern() {
    let mut desk = Desk::new().await;
    desk.start().await;
    let before = desk.connected().await;
    desk.edit(&[("monitor", json!(30))]);
    desk.hang_up();
    let config = desk
        .until("config", |config| value(config, "monitor") == "30")
        .await;
    assert_eq!(value(&config, "heartbeat"), "60");
    let file = desk.config_file().display().to_string();
    assert_eq!(config["options"]["monitor"]["source"], json!(file));
    assert_eq!(config["options"]["qos"]["source"], "default");
    assert_eq!(value(&config, "token"), "***");
    assert_eq!(config["errors"], json!([]));

    // The link that is made from other options follows them alone.
    desk.edit(&[("keepalive", json!(40))]);
    let again = |status: &Value| status["mqtt"]["reconnects"] == 1;
    let after = desk.until("status", again).await;
    assert_eq!(before["mqtt"]["reconnects"], 0);
    assert!(after["uptime"].as_u64() >= before["uptime"].as_u64());
}

#[tokio::test]
async fn a_job_that_runs_while_everything_changes_ends_as_if_nothing_had() {
    let mut desk = Desk::new().await;
    desk.start().await;
    desk.connected().await;
    let go = desk.lab.place().path().join("go");
    let script = format!(
        "until [ -e {} ]; do sleep 0.05; done; echo done",
        go.display()
    );
    let socket = desk.lab.place().socket();
    let mut job = Command::new(binary().await);
    let arguments = [
        "run",
        "--ubus-socket",
        socket.to_str().unwrap(),
        "--",
        &script,
    ];
    let job = job.args(arguments).kill_on_drop(true).output();
    let change = async {
        desk.until("status", |status| status["jobs"]["running"] == 1)
            .await;
        desk.edit(&[
            ("monitor", json!(20)),
            ("keepalive", json!(50)),
            ("job_workers", json!(1)),
            ("mac", json!("02:00:00:00:00:77")),
            ("spool_dir", json!("/var/run/other-spool")),
        ]);
        let outcome = desk.call("reload").await;
        let renewed = |status: &Value| {
            status["mac"] == "02:00:00:00:00:77"
                && status["mqtt"]["connected"] == true
                && status["mqtt"]["reconnects"].as_u64() > Some(0)
        };
        let status = desk.until("status", renewed).await;
        assert_eq!(status["jobs"]["running"], 1, "{status}");
        fs::write(&go, "").unwrap();
        outcome
    };
    let (output, outcome) = within("job and change", async { tokio::join!(job, change) }).await;
    assert_eq!(output.unwrap().stdout, b"done\n");
    assert_eq!(outcome["errors"], json!([]));
    let spool = desk.lab.program().root.join("var/run/other-spool");
    assert!(fs::read_dir(spool).unwrap().count() > 0);
}

#[tokio::test]
async fn a_broken_file_keeps_the_old_values_and_the_repaired_one_is_picked_up() {
    let mut desk = Desk::new().await;
    desk.start().await;
    let whole = fs::read_to_string(desk.config_file()).unwrap();
    desk.connected().await;
    fs::write(desk.config_file(), &whole[..whole.len() / 2]).unwrap();
    let broken = |status: &Value| status["config"]["errors"] != json!([]);
    let status = desk.until("status", broken).await;
    let reason = status["config"]["errors"][0]["reason"].as_str().unwrap();
    assert!(reason.ends_with("; its last good copy is used"), "{reason}");
    assert_eq!(status["mqtt"]["connected"], true);
    assert_eq!(status["mqtt"]["reconnects"], 0);

    // A start does not lose it either.
    desk.lab.agent().unwrap().terminate(DEADLINE).await.unwrap();
    desk.start().await;
    desk.connected().await;
    fs::write(desk.config_file(), &whole).unwrap();
    desk.until("status", |status| !broken(status)).await;

    // UCI comes and goes beside it.
    desk.write_uci("config socketman 'main'\n\toption monitor '25'\n");
    desk.until("config", |config| value(config, "monitor") == "25")
        .await;
    desk.write_uci("config socketman 'main'\n\toption monitor '25\n");
    let status = desk.until("status", broken).await;
    let errors = &status["config"]["errors"][0];
    assert_eq!(
        (&errors["line"], status["mqtt"]["connected"].as_bool()),
        (&json!(2), Some(true))
    );
    assert_eq!(value(&desk.call("config").await, "monitor"), "25");
}

#[tokio::test]
async fn with_every_option_wrong_in_every_file_the_agent_starts_and_names_each() {
    let mut desk = Desk::new().await;
    let wrong = |name: &str| (name.to_owned(), json!({"a": "hunter2"}));
    let config: serde_json::Map<String, Value> =
        OPTIONS.iter().map(|row| wrong(row.name)).collect();
    fs::write(desk.config_file(), Value::Object(config).to_string()).unwrap();
    let mut package = b"config socketman 'main'\n".to_vec();
    for row in OPTIONS {
        let keyword = match row.kind {
            Kind::Keys(_) => "list",
            _ => "option",
        };
        package.extend(format!("\t{keyword} {} 'hunter2", row.name.replace('-', "_")).bytes());
        package.extend(b"\xff'\n");
    }
    desk.write_uci(package);
    desk.start().await;

    // Bounded, so not all of twice the table are in the reply; that there are more is.
    let status = desk.call("status").await;
    let errors = status["config"]["errors"].as_array().unwrap();
    let named = |name: &str| errors.iter().any(|error| error["option"] == name);
    assert!(OPTIONS.iter().all(|row| named(row.name)), "{errors:?}");
    let last = errors.last().unwrap()["reason"].as_str().unwrap();
    let more = 2 * OPTIONS.len() - (errors.len() - 1);
    assert_eq!(last, format!("{more} more like these"));
    let config = desk.call("config").await;
    assert_eq!(value(&config, "monitor"), "15");
    assert!(!config.to_string().contains("hunter2") && !status.to_string().contains("hunter2"));

    // `check` sees what the agent sees.
    let root = desk.lab.program().root.display().to_string();
    let output = desk.socketman(&["check", "--root", &root]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    for row in OPTIONS {
        assert!(
            said.contains(&format!("option '{}': ", row.name)),
            "{}",
            row.name
        );
    }
    assert!(!said.contains("hunter2"));
}
