//! The init server of docs/provisioning.md, as it stands there.

use std::fs;
use std::process::Stdio;

use serde_json::{json, Value};
use socketman_lab::within::DEADLINE;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::desk::{Desk, MAC, SCALE};
use crate::project;

/// The blocks of the page in this language.
fn blocks(language: &str) -> Vec<String> {
    let page = fs::read_to_string(project().join("docs/provisioning.md")).unwrap();
    let begin = format!("```{language}\n");
    let blocks = page.split(&*begin).skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

/// Starts init.py in the desk's directory; it ends when this is dropped. Returns its port as well.
async fn init_server(desk: &Desk) -> (Child, u16) {
    let mut child = Command::new("python3")
        .args(["init.py", "0"])
        .current_dir(desk.dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = timeout(DEADLINE, lines.next_line()).await.unwrap();
    let line = first.unwrap().unwrap();
    let port = line.strip_prefix("listening on port ").unwrap();
    let port = port.parse().unwrap();
    // What it prints later has to go somewhere.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, port)
}

#[tokio::test]
async fn the_pages_init_server_gives_each_device_its_own_settings_once() {
    let mut desk = Desk::new(SCALE).await;
    let [fleet, devices] = &blocks("json")[..] else {
        panic!("the page has other blocks");
    };
    let mut fleet: Value = serde_json::from_str(fleet).unwrap();
    let broker = desk.lab.mqtt.address();
    fleet["mqtt_host"] = json!(broker.ip().to_string());
    fleet["port"] = json!(broker.port());
    fleet["tls"] = json!(0);
    fleet["stats_url"] = json!(desk.stats_url());
    let devices: Value = serde_json::from_str(devices).unwrap();
    let token = devices[MAC]["init_token"].as_str().unwrap();
    let file = |name: &str| desk.dir.path().join(name);
    fs::write(file("init.py"), &blocks("python")[0]).unwrap();
    fs::write(file("fleet.json"), fleet.to_string()).unwrap();
    fs::write(file("devices.json"), devices.to_string()).unwrap();
    let (_server, port) = init_server(&desk).await;
    let url = format!("http://127.0.0.1:{port}/init");
    let out_of_the_box = |token: &str| json!({"init_url": url, "init_token": token, "insecure": 1});

    desk.configure(out_of_the_box("a guess"));
    desk.start();
    desk.state("waiting", "answered 403").await;
    desk.kill().await;
    let spent = desk.dir.path().join("spent.json");
    assert!(!spent.exists(), "a guess spends nothing");

    desk.configure(out_of_the_box(token));
    desk.start();
    let done = desk.state("done", "").await;
    assert_eq!(done.get("refused_keys"), None);
    let settings = desk.settings();
    for key in ["username", "password", "token"] {
        assert_eq!(settings[key], devices[MAC][key], "{key}");
    }
    assert_eq!(settings["init_token"], token, "that of the device stays");
    desk.kill().await;

    // A day later the token opens nothing any more.
    let mut first: Value = serde_json::from_str(&fs::read_to_string(&spent).unwrap()).unwrap();
    first[MAC] = json!(first[MAC].as_f64().unwrap() - 86_400.0);
    fs::write(&spent, first.to_string()).unwrap();
    desk.configure(out_of_the_box(token));
    let state = desk
        .lab
        .program()
        .root
        .join("etc/socketman/state/provision");
    fs::remove_dir_all(state).unwrap();
    desk.start();
    desk.state("waiting", "answered 403").await;
    desk.end().await;
}
