//! Commands that the API, and the device's own settings, have it run.

use std::fs;
use std::path::PathBuf;

use serde_json::{json, Value};
use socketman_lab::collector::{Mode, BOOT};
use socketman_lab::within::DEADLINE;

use super::desk::{Desk, SCALE};

/// A public key.
const PUBLIC: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// Lines in a file that commands write.
fn lines(file: &PathBuf) -> usize {
    fs::read_to_string(file).map_or(0, |text| text.lines().count())
}

/// Runs of the command in the API's answers while it accepted three deliveries with `settings`.
async fn runs(settings: Value, over_https: bool) -> usize {
    let mut desk = Desk::new(SCALE).await;
    let file = desk.dir.path().join("ran");
    let command = format!("echo ran >> {}", file.display());
    desk.lab.api.say(&json!({ "cmd": command }).to_string());
    let stats_url = match over_https {
        true => desk.stats_url(),
        false => desk.lab.api.url("/stats"),
    };
    let mut all = json!({"token": "t", "stats_url": stats_url, "init_url": ""});
    let more = settings.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(more);
    desk.configure(all);
    desk.start();
    let accepted = |record: &socketman_lab::collector::Record| {
        let posts = record.requests.iter();
        posts
            .filter(|it| it.status == Some(200) && it.path == "/stats")
            .count()
            >= 3
    };
    desk.lab.api.wait_for(DEADLINE, accepted).await.unwrap();
    // Whatever came with the first two has been handed on by now.
    let idle = desk.until("no job runs", |status| {
        let jobs = &status["jobs"];
        jobs["running"] == 0 && jobs["queued"] == 0
    });
    idle.await;
    let ran = lines(&file);
    // Answers go on coming: a command may have written its line after that status and before it ended.
    let counted = desk.until("every run counts as a job", |status| {
        status["jobs"]["done"].as_u64().unwrap() >= ran as u64
    });
    counted.await;
    desk.end().await;
    ran
}

#[tokio::test]
async fn commands_in_answers_run_over_verified_tls_or_explicit_insecure_alone() {
    assert!(runs(json!({"api_commands": 1}), true).await >= 1);
    assert!(runs(json!({"api_commands": 1, "insecure": 1}), false).await >= 1);
    assert_eq!(runs(json!({"api_commands": 1}), false).await, 0);
    assert_eq!(runs(json!({"insecure": 1}), true).await, 0);
}

#[tokio::test]
async fn commands_in_answers_never_run_where_signatures_are_asked_for_or_a_value_is_unusable() {
    let keys = [json!([PUBLIC]), json!("rubbish")];
    for key in keys {
        let ran = runs(json!({"api_commands": 1, "job_pubkey": key}), true).await;
        assert_eq!(ran, 0, "{key}");
    }
    assert_eq!(runs(json!({"api_commands": "maybe"}), true).await, 0);
    assert_eq!(
        runs(json!({"api_commands": 1, "insecure": "maybe"}), false).await,
        0
    );
}

#[tokio::test]
async fn what_is_to_be_done_after_a_start_is_done_once_in_each_boot() {
    let mut desk = Desk::new(SCALE).await;
    let file = desk.dir.path().join("booted");
    let boot_url = format!("https://localhost:{}{BOOT}?hello", desk.api.addr().port());
    desk.configure(json!({
        "boot_cmd": format!("echo boot >> {}", file.display()),
        "boot_url": boot_url,
    }));
    desk.start();
    desk.state("waiting", "answered 404").await;
    assert_eq!(lines(&file), 0, "the device has no settings yet");

    // It has: the command runs, and the URL is called until it answers.
    desk.lab.api.set(Mode::Status(500, None)).await.unwrap();
    desk.offer(json!({}));
    let called = |status: u16| {
        let api = &desk.lab.api;
        async move {
            let wanted = move |it: &socketman_lab::collector::Request| {
                it.path == BOOT && it.status == Some(status)
            };
            api.request(DEADLINE, wanted).await.unwrap()
        }
    };
    let request = called(500).await;
    let query = request.query.unwrap();
    assert!(
        query.starts_with("hello=&access_token=new-token&mac=")
            || query.starts_with("hello&access_token=new-token&mac="),
        "{query}"
    );
    desk.lab.api.set(Mode::Up).await.unwrap();
    called(200).await;
    let root = &desk.lab.program().root;
    let note = root.join("etc/socketman/state/provision/boot");
    desk.until("it is noted", |_| {
        fs::read(&note).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains("\"url\":true"))
    })
    .await;
    desk.until("the command ran", |status| status["jobs"]["done"] == 1)
        .await;
    assert_eq!(lines(&file), 1);

    let boot_id = desk
        .lab
        .program()
        .root
        .join("proc/sys/kernel/random/boot_id");
    let calls = |desk: &Desk| {
        let requests = desk.lab.api.record().requests;
        requests
            .iter()
            .filter(|it| it.path == BOOT && it.status == Some(200))
            .count()
    };
    for (boot, expected) in [
        ("the same boot", 1),
        ("the same boot", 1),
        ("the next one", 2),
    ] {
        desk.kill().await;
        if expected == 2 {
            fs::write(&boot_id, "11111111-2222-4333-8444-555555555555\n").unwrap();
        }
        desk.start();
        desk.until("a session", |status| {
            status["mqtt"]["connected"] == true && status["api"]["last_ok"].is_u64()
        })
        .await;
        if expected == 2 {
            desk.until("it ran again", |status| status["jobs"]["done"] == 1)
                .await;
            let twice = |record: &socketman_lab::collector::Record| {
                let calls = record.requests.iter();
                calls
                    .filter(|it| it.path == BOOT && it.status == Some(200))
                    .count()
                    == 2
            };
            desk.lab.api.wait_for(DEADLINE, twice).await.unwrap();
        }
        assert_eq!((lines(&file), calls(&desk)), (expected, expected), "{boot}");
    }
    desk.end().await;
}
