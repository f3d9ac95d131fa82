//! Devices out of the box, and those whose API denies them, with the real agent.

use std::fs;

use serde_json::{json, Value};
use socketman_lab::collector::Mode;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use super::desk::{Desk, MAC, SCALE};
use crate::tls::authority::Authority;

#[tokio::test]
async fn a_device_out_of_the_box_asks_until_it_has_settings_and_works_with_them() {
    let mut desk = Desk::new(SCALE).await;
    desk.configure(json!({"monitor": 20, "nobody-knows": {"this": 1}}));
    desk.init.set(Mode::Down).await.unwrap();
    desk.start();
    // The front has nobody to pass it on to.
    desk.state("waiting", "no valid answer: the server").await;
    desk.init.set(Mode::Up).await.unwrap();
    desk.state("waiting", "answered 404").await;
    desk.init.set(Mode::Page).await.unwrap();
    desk.state("waiting", "a web page").await;
    desk.init.set(Mode::Up).await.unwrap();
    for (status, answer, error) in [
        (204, "{}", "answered 204"),
        (200, r#"{"token": "ha"#, "ends in the middle"),
        (
            200,
            r#"{"port": "x", "token": "t"}"#,
            "'port' 'x' is not a whole number",
        ),
        (201, r#"{"boot_cmd": "reboot"}"#, "sets nothing"),
        (
            200,
            r#"{"topic": "t"}"#,
            "neither username nor password nor token",
        ),
        (
            200,
            r#"{"token": "t", "cacrt": "rubbish"}"#,
            "'cacrt' holds no certificate",
        ),
    ] {
        desk.init.offer(status, answer);
        desk.state("waiting", error).await;
    }
    let settings = desk.settings();
    assert_eq!(settings.get("token"), None, "nothing was taken");

    let pem = fs::read_to_string(desk.authority.write(desk.dir.path())).unwrap();
    desk.offer(json!({
        "mqtt_host": "localhost", "port": desk.broker.addr().port(), "tls": 1, "cacrt": pem, "monitor": 15,
        "boot_cmd": "touch /tmp/owned", "job_pubkey": ["AAAA"], "api_commands": 1, "insecure": 1,
    }));
    let done = desk.state("done", "").await;
    let mut refused: Vec<_> = done["refused_keys"].as_array().unwrap().clone();
    refused.sort_by_key(|key| key.to_string());
    assert_eq!(
        json!(refused),
        json!(["api_commands", "boot_cmd", "insecure", "job_pubkey"])
    );
    assert!(done["at"].is_u64() && done["server"].as_str().unwrap().starts_with("localhost:"));
    let status = desk.until("both", |status| {
        status["mqtt"]["connected"] == true && status["api"]["last_ok"].is_u64()
    });
    status.await;

    let settings = desk.settings();
    assert_eq!(
        settings["nobody-knows"],
        json!({"this": 1}),
        "every other key stays"
    );
    assert_eq!(
        (&settings["monitor"], &settings["mac"]),
        (&json!(15), &json!(MAC))
    );
    for key in ["boot_cmd", "job_pubkey", "api_commands", "insecure"] {
        assert_eq!(settings.get(key), None, "{key}");
    }
    let request = desk.asked().pop().unwrap();
    let query = request.query.clone().unwrap();
    assert!(
        query.starts_with(&format!("fleet=1&mac={MAC}&machine=")),
        "{query}"
    );
    assert!(query.contains("&firmware="), "{query}");
    assert_eq!(request.header("authorization"), Some("one-time"));
    let log = desk.log();
    for secret in ["one-time", "new-token", "fleet=1"] {
        assert!(!log.contains(secret), "{secret}");
    }
    desk.end().await;
}

#[tokio::test]
async fn settings_whose_broker_is_dead_go_and_those_before_come_back() {
    let mut desk = Desk::new(SCALE).await;
    let address = desk.lab.mqtt.address();
    // A broker that lets everybody in: there are no credentials, and it is reached.
    desk.configure(json!({
        "topic": "lab", "key": "desk", "mqtt_host": address.ip().to_string(), "port": address.port(),
    }));
    let before = desk.text();
    desk.init.set(Mode::Down).await.unwrap();
    desk.start();
    desk.until("a session", |status| status["mqtt"]["connected"] == true)
        .await;
    desk.offer(json!({"port": 1}));
    desk.init.set(Mode::Up).await.unwrap();
    let trial = desk.state("trial", "").await;
    assert!(trial["next_attempt"].is_u64());
    assert_eq!(desk.settings()["port"], 1);
    // A crash in the middle of it changes nothing.
    desk.kill().await;
    desk.start();
    let refused = desk.state("refused", "did not reach the broker").await;
    assert_eq!(desk.text(), before);
    assert!(refused["last_error"]
        .as_str()
        .unwrap()
        .contains("those before hold again"));
    desk.until("a session again", |status| {
        status["mqtt"]["connected"] == true
    })
    .await;
    let state = desk
        .lab
        .program()
        .root
        .join("etc/socketman/state/provision");
    assert!(!state.join("before.json").exists());
    desk.end().await;
}

#[tokio::test]
async fn an_api_that_denies_the_device_leads_to_the_init_server_once_an_hour_and_not_at_once() {
    let mut desk = Desk::new(SCALE).await;
    desk.configure(json!({"stats_url": desk.stats_url(), "token": "old-token"}));
    desk.lab.api.set(Mode::Status(401, None)).await.unwrap();
    desk.start();
    let denied = |count: usize| {
        let api = &desk.lab.api;
        async move {
            let enough = |record: &socketman_lab::collector::Record| {
                record
                    .requests
                    .iter()
                    .filter(|it| it.status == Some(401))
                    .count()
                    >= count
            };
            api.wait_for(socketman_lab::within::DEADLINE, enough)
                .await
                .unwrap();
        }
    };
    denied(2).await;
    assert!(desk.asked().is_empty(), "two answers are not enough");
    let waiting = desk.state("waiting", "answered 404").await;
    assert!(waiting["next_attempt"].is_u64());
    let before = desk.lab.api.record().requests.len();
    // The storm goes on: never silent, with the old credentials, and nobody else is asked.
    denied(before + 3).await;
    assert_eq!(desk.asked().len(), 1);
    let requests = desk.lab.api.record().requests;
    let is_old =
        |query: &Option<String>| query.as_ref().unwrap().contains("access_token=old-token");
    assert!(requests.iter().all(|request| is_old(&request.query)));
    desk.end().await;
}

#[tokio::test]
async fn a_device_that_was_denied_gets_a_new_token() {
    let mut desk = Desk::new(SCALE).await;
    desk.configure(json!({"stats_url": desk.stats_url(), "token": "old-token"}));
    desk.lab.api.set(Mode::Status(403, None)).await.unwrap();
    desk.offer(json!({}));
    desk.start();
    // The trial is over as soon as the broker is reached.
    let taken = |status: &Value| status["provision"]["at"].is_number();
    desk.until("settings taken", taken).await;
    desk.lab.api.set(Mode::Up).await.unwrap();
    desk.state("done", "").await;
    assert_eq!(desk.settings()["token"], "new-token");
    desk.end().await;
}

#[tokio::test]
async fn a_job_is_not_blamed_for_settings_of_the_init_server() {
    let mut desk = Desk::new(SCALE).await;
    let address = desk.lab.mqtt.address();
    desk.configure(json!({
        "stats_url": desk.stats_url(), "token": "old-token", "job_timeout": 600, "rollback_timeout": 60,
        "topic": "lab", "key": "desk", "mqtt_host": address.ip().to_string(), "port": address.port(),
    }));
    let before = desk.text();
    desk.lab.api.set(Mode::Status(403, None)).await.unwrap();
    desk.offer(json!({"port": 1}));
    desk.start();
    desk.until("a session", |status| status["mqtt"]["connected"] == true)
        .await;
    let go = desk.dir.path().join("go");
    let msg = format!("while [ ! -e {} ]; do sleep 0.1; done", go.display());
    let job = json!({"id": "innocent", "msg": msg, "wait": false});
    desk.lab.call("run_job", &job).await.unwrap();
    desk.until("the end of the job is waited for", |_| {
        desk.log().contains("settings wait for jobs that run")
    })
    .await;
    assert_eq!(desk.text(), before);
    fs::write(go, "").unwrap();
    desk.state("trial", "").await;
    assert_eq!(desk.settings()["port"], 1);
    let job = desk.lab.call("job", &json!({"id": "innocent"})).await;
    let job = job.unwrap();
    assert_eq!(
        (&job["state"], &job["success"]),
        (&json!("done"), &json!(true)),
        "{job:#}"
    );
    desk.end().await;
}

#[tokio::test]
async fn settings_that_reach_nothing_are_not_put_back_under_a_job() {
    let mut desk = Desk::new(SCALE).await;
    let address = desk.lab.mqtt.address();
    desk.configure(json!({
        "topic": "lab", "key": "desk", "mqtt_host": address.ip().to_string(), "port": address.port(),
        "job_timeout": 1800,
    }));
    let before = desk.text();
    desk.init.set(Mode::Down).await.unwrap();
    desk.start();
    desk.until("a session", |status| status["mqtt"]["connected"] == true)
        .await;
    desk.offer(json!({"port": 1}));
    desk.init.set(Mode::Up).await.unwrap();
    desk.state("trial", "").await;
    let given = desk.text();
    let go = desk.dir.path().join("go");
    let msg = format!("while [ ! -e {} ]; do sleep 0.1; done", go.display());
    let job = json!({"id": "innocent", "msg": msg, "wait": false});
    desk.lab.call("run_job", &job).await.unwrap();
    desk.until("the end of the job is waited for", |_| {
        desk.log().contains("settings wait for jobs that run")
    })
    .await;
    assert_eq!(desk.text(), given);
    fs::write(go, "").unwrap();
    desk.state("refused", "those before hold again").await;
    assert_eq!(desk.text(), before);
    desk.end().await;
}

#[tokio::test]
async fn settings_that_work_when_a_long_job_has_been_waited_for_in_vain_stay() {
    let mut desk = Desk::new(SCALE).await;
    let address = desk.lab.mqtt.address();
    desk.configure(json!({
        "topic": "lab", "key": "desk", "mqtt_host": address.ip().to_string(), "port": address.port(),
        "job_timeout": 7200,
    }));
    desk.init.set(Mode::Down).await.unwrap();
    desk.start();
    desk.until("a session", |status| status["mqtt"]["connected"] == true)
        .await;
    let port = {
        let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
        unused.local_addr().unwrap().port()
    };
    desk.offer(json!({"mqtt_host": "127.0.0.1", "port": port}));
    desk.init.set(Mode::Up).await.unwrap();
    desk.state("trial", "").await;
    let given = desk.text();
    let go = desk.dir.path().join("go");
    let msg = format!("while [ ! -e {} ]; do sleep 0.1; done", go.display());
    let job = json!({"id": "long", "msg": msg, "wait": false});
    desk.lab.call("run_job", &job).await.unwrap();
    desk.until("the end of the job is waited for", |_| {
        desk.log().contains("settings wait for jobs that run")
    })
    .await;
    let front = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let broker = tokio::spawn(async move {
        loop {
            let (mut agent, _) = front.accept().await.unwrap();
            let mut behind = TcpStream::connect(address).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut agent, &mut behind).await });
        }
    });
    desk.state("done", "").await;
    assert_eq!(desk.text(), given);
    let log = desk.log();
    assert!(!log.contains("those before hold again"), "{log}");
    fs::write(go, "").unwrap();
    desk.end().await;
    broker.abort();
}

#[tokio::test]
async fn settings_of_a_server_that_is_no_longer_named_are_dropped() {
    let mut desk = Desk::new(SCALE).await;
    desk.configure(json!({"job_timeout": 1800}));
    desk.offer(json!({}));
    desk.init.set(Mode::Down).await.unwrap();
    desk.start();
    desk.state("waiting", "no valid answer: the server").await;
    let go = desk.dir.path().join("go");
    let msg = format!("while [ ! -e {} ]; do sleep 0.1; done", go.display());
    let job = json!({"id": "innocent", "msg": msg, "wait": false});
    desk.lab.call("run_job", &job).await.unwrap();
    desk.init.set(Mode::Up).await.unwrap();
    desk.until("the end of the job is waited for", |_| {
        desk.log().contains("settings wait for jobs that run")
    })
    .await;
    desk.init.set(Mode::Down).await.unwrap();
    desk.configure(json!({"job_timeout": 1800, "init_token": "another"}));
    desk.lab.call("reload", &()).await.unwrap();
    fs::write(go, "").unwrap();
    // The state says so until the next attempt fails.
    desk.until("the settings are dropped", |_| {
        desk.log().contains("the init server is another now")
    })
    .await;
    assert_eq!(desk.settings().get("token"), None);
    desk.end().await;
}

#[tokio::test]
async fn neither_http_nor_a_server_that_is_not_verified_nor_unreadable_settings_lead_anywhere() {
    let mut desk = Desk::new(SCALE).await;
    desk.offer(json!({}));
    let http = desk.init.url("/init");
    desk.configure(json!({ "init_url": http }));
    desk.start();
    let refused = desk.state("refused", "init_url is not https").await;
    assert_eq!(refused.get("next_attempt"), None);
    assert!(desk.asked().is_empty());

    desk.kill().await;
    desk.configure(json!({}));
    let ours = std::mem::replace(&mut desk.authority, Authority::new("another"));
    desk.start();
    desk.state("waiting", "certificate").await;
    assert!(desk.asked().is_empty());
    // Its last good copy is in force; settings could not be merged into it.
    let (file, whole) = (desk.lab.program().config_file(), desk.text());
    fs::write(&file, "{").unwrap();
    let refused = desk.state("refused", "config.json cannot be read").await;
    assert_eq!(refused.get("next_attempt"), None);
    fs::write(&file, whole).unwrap();
    desk.state("waiting", "certificate").await;

    desk.kill().await;
    desk.authority = ours;
    let uci = desk.lab.program().root.join("etc/config");
    fs::create_dir_all(&uci).unwrap();
    fs::write(uci.join("socketman"), "config socketman 'main\n").unwrap();
    // Nor is there a copy of a better one.
    let copy = desk
        .lab
        .program()
        .root
        .join("etc/socketman/state/config.uci");
    fs::remove_file(copy).unwrap();
    desk.start();
    desk.state("refused", "cannot be read").await;
    assert!(desk.asked().is_empty());

    // Said in so many words, anybody may answer.
    desk.kill().await;
    fs::remove_file(uci.join("socketman")).unwrap();
    desk.configure(json!({ "init_url": http, "insecure": 1 }));
    desk.start();
    desk.state("done", "").await;
    desk.end().await;
}
