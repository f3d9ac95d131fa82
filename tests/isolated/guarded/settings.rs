//! Jobs of no type that change the agent's own settings.

use serde_json::json;
use socketman_lab::options::Options;

use super::guarded;

/// Appends options to the agent's section of UCI, and has procd tell the agent.
fn uci(options: &str) -> String {
    format!("printf '{options}' >> $R/etc/config/socketman; $R/sbin/reload_config")
}

/// Adds members to config.json, and has the agent read it again.
fn json_file(members: &str) -> String {
    format!(
        "sed -i '1s/.*/{{ {members},/' $R/etc/socketman/config.json; $R/etc/init.d/socketman reload"
    )
}

async fn is_undone(command: &str) {
    let Some(mut device) = guarded(Options::default(), json!({})).await else {
        return;
    };
    device.is_undone("", command).await;
}

#[tokio::test]
async fn tls_that_the_broker_does_not_speak_is_undone() {
    is_undone(&json_file(r#""tls": true"#)).await;
}

#[tokio::test]
async fn tls_in_uci_that_the_broker_does_not_speak_is_undone() {
    is_undone(&uci("\\toption tls 1\\n")).await;
}

#[tokio::test]
async fn a_cacrt_that_is_no_certificate_is_undone() {
    let command = format!(
        "echo rubbish > $R/etc/ca.pem; {}",
        uci("\\toption tls 1\\n\\toption cacrt /etc/ca.pem\\n")
    );
    is_undone(&command).await;
}

#[tokio::test]
async fn a_broker_that_does_not_exist_is_undone() {
    is_undone(&uci("\\toption mqtt_host nosuch.example\\n")).await;
}

#[tokio::test]
async fn a_broker_that_does_not_exist_in_json_is_undone() {
    let command = "sed -i s/broker.example/nosuch.example/ $R/etc/socketman/config.json; \
                   $R/etc/init.d/socketman reload";
    is_undone(command).await;
}

#[tokio::test]
async fn a_job_pubkey_that_is_no_key_is_undone() {
    is_undone(&uci("\\tlist job_pubkey rubbish\\n")).await;
}

#[tokio::test]
async fn settings_that_nobody_can_read_are_undone() {
    let command = "echo '{' > $R/etc/socketman/config.json; $R/etc/init.d/socketman reload";
    is_undone(command).await;
}
