//! Options that guard a way into the device, with a value that cannot be used.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::net::TcpListener as StdListener;
use std::os::unix::fs::PermissionsExt;

use serde_json::{json, Value};
use socketman_lab::within::{within, DEADLINE};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::desk::Desk;

/// The error of the option in a list of `status` or `config`.
fn error_of<'a>(reply: &'a Value, option: &str) -> Option<&'a str> {
    let mut errors = reply["errors"].as_array()?.iter();
    errors.find(|error| error["option"] == option)?["reason"].as_str()
}

/// Asserts that `status`, `config`, `check` and the log all say what is wrong with the option.
async fn assert_told(desk: &Desk, option: &str, reason: &str) {
    let status = desk.call("status").await;
    assert_eq!(error_of(&status["config"], option), Some(reason));
    assert_eq!(error_of(&desk.call("config").await, option), Some(reason));
    let root = desk.lab.program().root.display().to_string();
    let output = desk.socketman(&["check", "--root", &root]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = format!("option '{option}': {reason}");
    let check = String::from_utf8(output.stdout).unwrap();
    assert!(check.contains(&said), "{check}");
    let log = fs::read_to_string(&desk.lab.program().log).unwrap();
    assert!(log.contains(&said), "{log}");
}

#[tokio::test]
async fn a_typo_in_tls_never_sends_the_password_in_clear() {
    let broker = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut desk = Desk::new().await;
    desk.edit(&[
        ("tls", json!("ture")),
        ("port", json!(broker.local_addr().unwrap().port())),
        ("username", json!("ap-1")),
        ("password", json!("hunter2")),
    ]);
    desk.start().await;
    let (mut link, _) = within("a connection", broker.accept()).await.unwrap();
    let mut first = [0; 1];
    within("its first byte", link.read_exact(&mut first))
        .await
        .unwrap();
    // A handshake of TLS; MQTT would begin with 0x10.
    assert_eq!(first, [0x16]);
    let reason = "'ture' is neither 0 nor 1; until this is mended 1 holds, the strictest value";
    assert_told(&desk, "tls", reason).await;
    let config = desk.call("config").await;
    let tls = json!({ "value": "1", "source": "strictest value", "closed": true });
    assert_eq!(config["options"]["tls"], tls);
}

#[tokio::test]
async fn nothing_is_sent_to_a_broker_while_the_ca_to_verify_it_with_cannot_be_used() {
    let broker = StdListener::bind("127.0.0.1:0").unwrap();
    broker.set_nonblocking(true).unwrap();
    let mut desk = Desk::new().await;
    desk.edit(&[
        ("tls", json!(1)),
        ("cacrt", json!("ca2.pem")),
        ("port", json!(broker.local_addr().unwrap().port())),
    ]);
    desk.start().await;
    let closed = "no link to the broker: option 'cacrt': 'ca2.pem' is not an absolute path";
    let told = |status: &Value| status["mqtt"]["last_error"] == closed;
    desk.until("status", told).await;
    let reason =
        "'ca2.pem' is not an absolute path; until this is mended there is no link to the broker";
    assert_told(&desk, "cacrt", reason).await;
    let missing = desk.lab.program().root.join("etc/missing.pem");
    desk.edit(&[("cacrt", json!("/etc/missing.pem"))]);
    let closed = format!(
        "no link to the broker: option 'cacrt': {}: No such file or directory (os error 2)",
        missing.display()
    );
    desk.until("status", |status| status["mqtt"]["last_error"] == closed)
        .await;
    let asked = broker.accept().unwrap_err();
    assert_eq!(asked.kind(), ErrorKind::WouldBlock);

    // Without the option the way is open again.
    desk.edit(&[
        ("tls", json!(0)),
        ("cacrt", json!("")),
        ("port", json!(desk.lab.mqtt.address().port())),
    ]);
    desk.connected().await;
}

#[tokio::test]
async fn an_edit_that_breaks_the_keys_lets_no_job_of_the_broker_or_of_a_session_run() {
    let mut desk = Desk::new().await;
    desk.start().await;
    desk.connected().await;
    desk.edit(&[("job_pubkey", json!(["oops"]))]);
    let reason = "key 1 is not the base64 of 32 bytes; until this is mended no job of the broker \
                  or of a web session runs";
    let broken = |status: &Value| error_of(&status["config"], "job_pubkey") == Some(reason);
    desk.until("status", broken).await;
    assert_told(&desk, "job_pubkey", reason).await;

    let touched = desk.lab.place().path().join("touched");
    let command = format!("touch {}", touched.display());
    let mut ear = desk.lab.mqtt.listen();
    let id = desk.lab.send_job(&command).await.unwrap();
    let refused = ear.wait_for(|words| words.id == id && words.event_type == "REJECTED");
    within("a refusal", refused).await.unwrap();
    for session in [json!(null), json!("0123456789abcdef0123456789abcdef")] {
        let args = json!({ "msg": command, "ubus_rpc_session": session });
        let refused = desk.lab.call("run_job", &args).await.unwrap_err();
        let said = refused.to_string().to_lowercase();
        assert!(said.contains("permission"), "{said}");
    }
    assert!(!touched.exists());
    // Root on the device is not kept out of its own device.
    desk.lab
        .call("run_job", &json!({ "msg": command }))
        .await
        .unwrap();
    assert!(touched.exists());
}

#[tokio::test]
async fn settings_that_cannot_be_read_at_all_leave_the_agent_on_the_bus_alone() {
    let mut desk = Desk::new().await;
    desk.write_uci("config socketman 'main'\n\toption job_pubkey 'x\n");
    desk.start().await;
    let file = desk.lab.program().root.join("etc/config/socketman");
    let closed = format!(
        "no link to the broker: the settings in {} cannot be read",
        file.display()
    );
    let status = desk
        .until("status", |status| status["mqtt"]["last_error"] == closed)
        .await;
    let reason = status["config"]["errors"][0]["reason"].as_str().unwrap();
    let said = "until this is mended there is no link to the broker and no job but root's own runs";
    assert!(reason.ends_with(said), "{reason}");
    desk.write_uci("config socketman 'main'\n");
    desk.connected().await;

    // Now there is a copy, and a cut off file is told from one that says nothing.
    desk.lab.agent().unwrap().terminate(DEADLINE).await.unwrap();
    desk.write_uci("config socketman 'main'\n\toption keepalive 40\n");
    desk.start().await;
    desk.connected().await;
    desk.lab.agent().unwrap().terminate(DEADLINE).await.unwrap();
    desk.write_uci("");
    desk.start().await;
    let status = desk.connected().await;
    let reason = status["config"]["errors"][0]["reason"].as_str().unwrap();
    assert!(reason.ends_with("; its last good copy is used"), "{reason}");
    let config = desk.call("config").await;
    assert_eq!(config["options"]["keepalive"]["value"], "40");
}

#[tokio::test]
async fn a_file_that_others_may_write_is_mended_once_and_not_believed_after_that() {
    let mut desk = Desk::new().await;
    let file = desk.config_file();
    let open = || fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    open();
    desk.start().await;
    let status = desk.connected().await;
    assert_eq!(mode(), 0o600);
    let warnings = status["config"]["warnings"].to_string();
    let said = "could be written by others: its mode is 600 now; look at what it says";
    assert!(warnings.contains(said), "{status:#}");

    // Its copy stands in for it, and not what others wrote since.
    desk.lab.agent().unwrap().terminate(DEADLINE).await.unwrap();
    desk.edit(&[("keepalive", json!(77)), ("web_jobs", json!(0))]);
    open();
    desk.start().await;
    let status = desk.connected().await;
    assert_eq!(mode(), 0o666);
    let reason = status["config"]["errors"][0]["reason"].as_str().unwrap();
    let said = "can be written by others: look at what it says, then chmod 600 it; its last good copy is used";
    assert_eq!(reason, said);
    let config = desk.call("config").await;
    assert_eq!(config["options"]["keepalive"]["value"], "30");

    // A person mends it while the agent runs.
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let value = |config: &Value| config["options"]["keepalive"]["value"] == "77";
    desk.until("config", value).await;
}
