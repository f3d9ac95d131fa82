//! Settings of the agent in network jobs, and files, that an undo leaves to the next agent.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{json, Value};
use socketman_lab::within::within;
use ubus::blobmsg::Type;

use super::desk::Desk;
use super::faults::{logged, reason, replaced_by_a_directory, NETWORK};
use super::jobs::{is_rebooted, BOOT_ID};

const PACKAGE: &str = "etc/config/socketman";
const STATE: &str = "etc/socketman/state";

fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

impl Desk {
    /// Value of an option that is in force.
    async fn option(&self, name: &str) -> Value {
        let config = within("config", self.lab.call("config", &()));
        config.await.unwrap()["options"][name]["value"].clone()
    }

    /// Has the agent go on with a package in place of config.json.
    async fn has_no_config_json(&mut self) {
        self.lab.stop_agent().await.unwrap();
        let file = self.lab.program().config_file();
        let config: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let mut package = "config socketman 'main'\n".to_owned();
        for (name, value) in config.as_object().unwrap() {
            let value = value.as_str().map_or(value.to_string(), str::to_owned);
            let name = name.replace('-', "_");
            package.push_str(&format!("\toption {name} '{value}'\n"));
        }
        fs::remove_file(file).unwrap();
        write_private(&self.path(PACKAGE), &package);
        self.start().await;
        self.connected().await;
    }

    /// A job that only the broker may have run is taken.
    async fn runs_jobs_of_the_broker(&mut self) {
        let mut ear = self.lab.mqtt.listen();
        let job = json!({ "id": "next", "meta": { "msg": "true" } });
        self.lab.mqtt.send(job.to_string()).await.unwrap();
        let told = ear.wait_for(|words| words.id == "next" && words.event_type == "PROCESSED");
        let told = within("the result", told).await.unwrap();
        assert_eq!(told.meta.success, Some(true));
    }
}

#[tokio::test]
async fn settings_that_the_disk_did_not_let_back_are_put_back_by_the_next_agent_and_loosen_nothing()
{
    let mut desk = Desk::new().await;
    let file = desk.lab.program().config_file();
    let package = desk.path(PACKAGE);
    write_private(&package, "config socketman 'main'\n\toption insecure '1'\n");
    desk.lab.call("reload", &()).await.unwrap();
    assert_eq!(desk.option("insecure").await, "1");
    let before = [&file, &package].map(|file| fs::read(file).unwrap());
    let (state, uci) = (desk.path(STATE), package.display());
    let msg = format!(
        "{}; sed \"s/insecure '1'/insecure '0'/\" {uci} > {uci}.new; cat {uci}.new > {uci}; rm {uci}.new; chmod 755 {}",
        desk.sets("mqtt_host", &json!("127.0.0.2")),
        state.display()
    );
    desk.run("own", "network", &msg).await;
    logged(&desk, |log| {
        log.contains("the settings of the agent could not be put back: ")
            && log.contains("could not be put back: socketman: ")
    })
    .await;
    desk.kill().await;
    fs::set_permissions(&state, Permissions::from_mode(0o700)).unwrap();
    fs::write(desk.path(BOOT_ID), "a-boot-later\n").unwrap();
    desk.start().await;
    let outcome = desk.outcome("own").await;
    assert_eq!(outcome["rolled_back"], true, "{outcome:#}");
    let said = reason(&outcome);
    let (first, then) = ("could not be put back: ", "config.json was put back later");
    assert!(said.contains(first) && said.contains(then), "{said}");
    let after = [&file, &package].map(|file| fs::read(file).unwrap());
    assert_eq!(after, before, "{said}");
    desk.connected().await;
    desk.is_over().await;
    for edited in [false, true] {
        if edited {
            // A change by a person holds as it is written.
            desk.edit(&[("keepalive", json!(78))]);
        }
        desk.lab.call("reload", &()).await.unwrap();
        let insecure = if edited { "1" } else { "0" };
        assert_eq!(desk.option("insecure").await, insecure, "{said}");
    }
}

#[tokio::test]
async fn a_config_json_that_a_person_changes_during_an_undo_which_owes_it_nothing_stays() {
    let mut desk = Desk::new().await;
    let go = desk.lab.place().path().join("go");
    let (network, waits) = (desk.path(NETWORK), go.display());
    let msg = format!(
        "echo new > {}; while [ ! -e {waits} ]; do sleep 0.1; done",
        network.display()
    );
    desk.run("bad", "network", &msg).await;
    desk.until(NETWORK, "new\n").await;
    desk.lab.mqtt.down().await.unwrap();
    fs::write(go, "").unwrap();
    desk.until(NETWORK, "config interface 'lan'\n").await;
    desk.edit(&[("keepalive", json!(78))]);
    let file = desk.lab.program().config_file();
    let edited = fs::read(&file).unwrap();
    desk.kill().await;
    fs::write(desk.path(BOOT_ID), "a-boot-later\n").unwrap();
    desk.start().await;
    desk.lab.mqtt.up().await.unwrap();
    let outcome = desk.outcome("bad").await;
    assert_eq!(outcome["rolled_back"], true, "{outcome:#}");
    assert!(!reason(&outcome).contains("config.json"), "{outcome:#}");
    assert_eq!(fs::read(&file).unwrap(), edited, "{outcome:#}");
    desk.is_over().await;
    desk.lab.call("reload", &()).await.unwrap();
    assert_eq!(desk.option("keepalive").await, "78");
}

#[tokio::test]
async fn a_config_json_that_a_job_has_added_goes_and_closes_nothing() {
    for (text, is_killed) in [
        (r#"{"mqtt_host": "127.0.0.2"}"#, true),
        ("{", true),
        ("{", false),
    ] {
        let mut desk = Desk::new().await;
        desk.has_no_config_json().await;
        let file = desk.lab.program().config_file();
        let package = desk.path(PACKAGE);
        let sleeps = if is_killed { "; sleep 1000" } else { "" };
        let (json, uci) = (file.display(), package.display());
        let msg = format!(
            "sed -i '/mqtt_host/d' {uci}; echo '{text}' > {json}; chmod 600 {json}; echo new > {}{sleeps}",
            desk.path(NETWORK).display()
        );
        desk.run("own", "network", &msg).await;
        if is_killed {
            desk.until(NETWORK, "new\n").await;
            desk.kill().await;
            assert!(file.exists());
            desk.start().await;
        }
        let outcome = desk.outcome("own").await;
        assert_eq!(outcome["rolled_back"], true, "{text}: {outcome:#}");
        assert!(!file.exists(), "{text}: {outcome:#}");
        desk.connected().await;
        desk.is_over().await;
        desk.runs_jobs_of_the_broker().await;
    }
}

#[tokio::test]
async fn services_are_told_of_files_that_are_back_though_the_device_has_not_rebooted() {
    let mut desk = Desk::new().await;
    let mut procd = desk.procd().await;
    let network = desk.path(NETWORK);
    replaced_by_a_directory(&mut desk).await;
    is_rebooted(&mut procd).await;
    desk.kill().await;
    // procd has not done it, and services are in the hands of the test.
    desk.lab.router.vanish("service").await.unwrap();
    let (services, connection) = ubus::connect(&desk.lab.place().socket());
    tokio::spawn(connection.run());
    let event = [("type", Type::String), ("data", Type::Table)];
    let event = vec![ubus::Method::new("event", &event)];
    let mut services = services.offer("service", event).await.unwrap();
    desk.start().await;
    desk.lab.mqtt.up().await.unwrap();
    loop {
        let request = within("a change", services.next()).await.unwrap();
        let args: Value = request.args().unwrap();
        request.finish(ubus::Status::OK);
        if args["data"]["package"] == "network" {
            break;
        }
    }
    let outcome = desk.outcome("bad").await;
    let said = reason(&outcome);
    assert!(said.contains("the reboot did not happen"), "{said}");
    assert!(network.is_dir());
}

#[tokio::test]
async fn a_network_job_is_refused_where_its_undo_could_not_keep_what_it_may_not_loosen() {
    let mut desk = Desk::new().await;
    desk.lab.stop_agent().await.unwrap();
    desk.edit(&[("state_dir", json!("/srv/state"))]);
    let home = desk.path(STATE);
    fs::create_dir_all(&home).unwrap();
    fs::set_permissions(&home, Permissions::from_mode(0o755)).unwrap();
    desk.start().await;
    desk.connected().await;
    desk.run("net", "network", "true").await;
    let outcome = desk.outcome("net").await;
    assert_eq!(outcome["state"], "rejected", "{outcome:#}");
    let said = reason(&outcome);
    let why = "an undo could loosen the settings of the agent: ";
    assert!(said.starts_with(why), "{said}");
    assert!(said.contains("is open to others"), "{said}");
    fs::set_permissions(&home, Permissions::from_mode(0o700)).unwrap();
    desk.run("again", "network", "true").await;
    let outcome = desk.outcome("again").await;
    assert_eq!(outcome["success"], true, "{outcome:#}");
}

#[tokio::test]
async fn what_somebody_makes_of_our_settings_after_the_command_is_kept_as_a_conflict() {
    let mut desk = Desk::unhurried().await;
    let file = desk.lab.program().config_file();
    let package = desk.path(PACKAGE);
    write_private(&package, "config socketman 'main'\n\toption debug '0'\n");
    desk.lab.call("reload", &()).await.unwrap();
    let before = [&file, &package].map(|file| fs::read(file).unwrap());
    let go = desk.lab.place().path().join("go");
    let msg = format!(
        "{}; echo '\toption monitor 21' >> {}; echo new > {}; while [ ! -e {} ]; do sleep 0.1; done",
        desk.sets("keepalive", &json!(41)),
        package.display(),
        desk.path(NETWORK).display(),
        go.display()
    );
    desk.run("bad", "network", &msg).await;
    desk.until(NETWORK, "new\n").await;
    desk.lab.mqtt.down().await.unwrap();
    fs::write(go, "").unwrap();
    desk.status(|status| status["guard"]["until"].is_u64())
        .await;
    desk.edit(&[("keepalive", json!(78))]);
    let by_hand = "config socketman 'main'\n\toption monitor 22\n";
    write_private(&package, by_hand);
    desk.until(NETWORK, "config interface 'lan'\n").await;
    desk.lab.mqtt.up().await.unwrap();
    let outcome = desk.outcome("bad").await;
    let said = reason(&outcome);
    let kept = "changed by others meanwhile and kept in conflict/: socketman, config.json";
    assert!(said.contains(kept), "{said}");
    let after = [&file, &package].map(|file| fs::read(file).unwrap());
    assert_eq!(after, before, "{said}");
    let conflict = |name: &str| desk.text(&format!("{STATE}/conflict/{name}"));
    assert_eq!(conflict("socketman"), by_hand);
    assert!(conflict("config.json").contains("78"));
}
